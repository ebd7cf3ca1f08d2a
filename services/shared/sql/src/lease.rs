//! Leases: what one process alone may do, until a moment on the store's clock.

use std::time::Duration;

use types::Timestamp;

use crate::{Conn, Database, Error, query, query_as, query_scalar};

/// A lease that is held. It ends by itself when it is not renewed.
///
/// Whoever holds a lease may be slow, stopped, or cut off, and then learn too late that it ended. So what must not be
/// done twice is done in a transaction that calls [`Lease::check`]: the fencing number tells the present holder from
/// those before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    name: String,
    holder: String,
    fence: i64,
}

impl Lease {
    /// Takes the lease `name` for as long as `duration`, unless somebody has it.
    ///
    /// `holder` says who takes it, for people: it is told to those who find it taken. Nothing is written while somebody
    /// else has it.
    pub async fn acquire(db: &Database, name: &str, holder: &str, duration: Duration) -> Result<Option<Self>, Error> {
        let now = db.now();
        let wanted = name.to_owned();
        let taken = db.read(|conn| Box::pin(async move { is_taken(conn, &wanted, now).await })).await?;
        if taken {
            return Ok(None);
        }
        let (name, holder) = (name.to_owned(), holder.to_owned());
        db.write(|conn| Box::pin(async move { take(conn, name, holder, None, now, now + duration).await })).await
    }

    /// The same for a holder that was here before: what an earlier process of `holder` has is taken over. The caller
    /// knows that this process is gone.
    pub async fn resume(db: &Database, name: &str, holder: &str, duration: Duration) -> Result<Option<Self>, Error> {
        let held = Self::holder(db, name).await?;
        if held.is_some_and(|(by, _)| by != holder) {
            return Ok(None);
        }
        let (name, holder, now) = (name.to_owned(), holder.to_owned(), db.now());
        let before = Some(holder.clone());
        db.write(|conn| Box::pin(async move { take(conn, name, holder, before, now, now + duration).await })).await
    }

    /// Who has the lease `name`, and until when. None when nobody has.
    pub async fn holder(db: &Database, name: &str) -> Result<Option<(String, Timestamp)>, Error> {
        let (name, now) = (name.to_owned(), db.now());
        let row: Option<(String, i64)> = db
            .read(|conn| {
                Box::pin(async move {
                    let held = query_as("SELECT holder, until FROM leases WHERE name = ? AND until > ?");
                    held.bind(name).bind(now.as_micros()).fetch_optional(conn).await
                })
            })
            .await?;
        Ok(row.map(|(holder, until)| (holder, Timestamp::from_micros(until))))
    }

    /// Its fencing number; each time that the lease is taken gives a greater one.
    pub fn fence(&self) -> i64 {
        self.fence
    }

    /// Has the lease last for `duration` from now, also when it ended meanwhile and nobody else took it: an outage of the
    /// store keeps everybody from it. Fails with [`Error::LostLease`] when somebody took it, or it was released.
    pub async fn renew(&self, db: &Database, duration: Duration) -> Result<(), Error> {
        let (lease, until) = (self.clone(), db.now() + duration);
        db.write(|conn| {
            Box::pin(async move {
                let renew = query("UPDATE leases SET until = ? WHERE name = ? AND fence = ? AND until > 0");
                let renewed = renew.bind(until.as_micros()).bind(&lease.name).bind(lease.fence).execute(conn).await?;
                if renewed == 1 { Ok(()) } else { Err(Error::LostLease { id: lease.name.clone() }) }
            })
        })
        .await
    }

    /// Fails with [`Error::LostLease`] unless the lease is still held at `now`. Call it in the transaction of what only
    /// the holder may do.
    pub async fn check(&self, conn: &mut Conn, now: Timestamp) -> Result<(), Error> {
        let held: Option<i64> = query_scalar("SELECT fence FROM leases WHERE name = ? AND fence = ? AND until > ?")
            .bind(&self.name)
            .bind(self.fence)
            .bind(now.as_micros())
            .fetch_optional(conn)
            .await?;
        held.map(drop).ok_or_else(|| Error::LostLease { id: self.name.clone() })
    }

    /// Ends the lease, so that the next may take it at once. One that ended already stays as it is.
    pub async fn release(self, db: &Database) -> Result<(), Error> {
        db.write(|conn| {
            Box::pin(async move {
                let release = query("UPDATE leases SET until = 0 WHERE name = ? AND fence = ?");
                release.bind(&self.name).bind(self.fence).execute(conn).await?;
                Ok(())
            })
        })
        .await
    }
}

async fn is_taken(conn: &mut Conn, name: &str, now: Timestamp) -> Result<bool, Error> {
    let until: Option<i64> =
        query_scalar("SELECT until FROM leases WHERE name = ?").bind(name).fetch_optional(conn).await?;
    Ok(until.is_some_and(|until| until > now.as_micros()))
}

async fn take(
    conn: &mut Conn,
    name: String,
    holder: String,
    before: Option<String>,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<Lease>, Error> {
    let fence = query_scalar(
        "INSERT INTO leases (name, holder, fence, until) VALUES (?1, ?2, 1, ?3) ON CONFLICT (name) DO UPDATE \
         SET holder = excluded.holder, fence = leases.fence + 1, until = excluded.until WHERE leases.until <= ?4 \
         OR leases.holder = ?5 RETURNING fence",
    );
    let fence = fence.bind(&name).bind(&holder).bind(until.as_micros()).bind(now.as_micros()).bind(before);
    let fence: Option<i64> = fence.fetch_optional(conn).await?;
    Ok(fence.map(|fence| Lease { name, holder, fence }))
}
