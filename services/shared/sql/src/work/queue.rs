//! A queue of work: claiming, giving up, counting.

use std::sync::Arc;
use std::time::Duration;

use types::{Timestamp, WorkPhase};

use super::claim::Claim;
use super::dropped::Hold;
use super::lost::{Orphans, SettledHook};
use crate::{Conn, Database, Error, next_change};

/// How long work waits after a failed attempt: `first`, then twice as long each time, at most `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failed attempt.
    pub first: Duration,
    /// At most.
    pub max: Duration,
}

impl Backoff {
    /// The wait after so many attempts. `jitter`, 0 to 1, takes up to a quarter off it, so that what failed together
    /// does not come back together.
    pub fn delay(&self, attempts: u32, jitter: f64) -> Duration {
        let doublings = attempts.saturating_sub(1).min(31);
        let full = self.first.saturating_mul(1 << doublings).min(self.max);
        full.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 4.0)
    }
}

/// One queue of work. Clones share it.
#[derive(Clone)]
pub struct Queue {
    db: Database,
    name: &'static str,
    lease: Duration,
    orphans: Orphans,
}

/// A row that can be claimed, or will be once [`DUE`] ran. Column `due` says from when: see migration 3.
///
/// Here and in [`NEXT`], each order is that of the whole index: with less PostgreSQL takes another one now and then,
/// and reads past all the rows that ended long ago.
pub(crate) const CLAIMABLE: &str = "SELECT id FROM (SELECT id FROM work WHERE queue = ?1 AND due = 0 \
         ORDER BY tenant, priority DESC, created, id LIMIT 1) AS claimable \
     UNION ALL \
     SELECT id FROM (SELECT id FROM work WHERE queue = ?1 AND due > 0 AND due <= ?2 ORDER BY due LIMIT 1) AS come LIMIT 1";

/// Notes what has come due: a next attempt whose time has come, a lease that has ended.
pub(crate) const DUE: &str = "UPDATE work SET due = 0 WHERE queue = ?1 AND due > 0 AND due <= ?2";

/// The row whose turn it is: of the tenant that has the fewest running, of these the one that was served longest ago;
/// and of that tenant's rows the one of the greatest priority, the oldest of these.
///
/// It steps from tenant to tenant in the index `work_claimable`, so what it costs grows with the tenants that have
/// something to claim, not with their rows.
pub(crate) const NEXT: &str = "WITH RECURSIVE tenants (tenant) AS ( \
         SELECT lowest.tenant FROM (SELECT tenant FROM work WHERE queue = ?1 AND due = 0 \
                                    ORDER BY tenant, priority DESC, created, id LIMIT 1) AS lowest \
         UNION ALL \
         SELECT (SELECT work.tenant FROM work WHERE work.queue = ?1 AND work.due = 0 AND work.tenant > tenants.tenant \
                 ORDER BY work.tenant, work.priority DESC, work.created, work.id LIMIT 1) \
         FROM tenants WHERE tenants.tenant IS NOT NULL) \
     SELECT id FROM work WHERE queue = ?1 AND due = 0 AND tenant = ( \
         SELECT tenants.tenant FROM tenants \
         LEFT JOIN work_turns ON work_turns.queue = ?1 AND work_turns.tenant = tenants.tenant \
         WHERE tenants.tenant IS NOT NULL \
         ORDER BY (SELECT count(*) FROM work AS busy \
                   WHERE busy.queue = ?1 AND busy.tenant = tenants.tenant AND busy.phase = 'running' AND busy.due > 0), \
                  coalesce(work_turns.served, 0), tenants.tenant LIMIT 1) \
     ORDER BY priority DESC, created, id LIMIT 1";

impl Queue {
    /// The queue `name` of `db`. A lease lasts for `lease` unless it is renewed.
    pub fn new(db: Database, name: &'static str, lease: Duration, backoff: Backoff) -> Self {
        Self { db, name, lease, orphans: Orphans { queue: name, backoff, on_settled: None } }
    }

    /// Runs `hook` in each transaction that queues a row again, lets it wait or gives it up because its worker is gone, so
    /// that the service can publish that too.
    pub fn when_settled(mut self, hook: SettledHook) -> Self {
        self.orphans.on_settled = Some(hook);
        self
    }

    /// Its name, as the functions of [`super`] take it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How long a lease lasts; renew well before.
    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// Its database.
    pub fn database(&self) -> &Database {
        &self.db
    }

    /// Claims the row whose turn it is, for one attempt.
    ///
    /// Tenants share the workers: the one of which the fewest rows run comes first, of these the one that was served
    /// longest ago. So a tenant with much work holds up another's for no longer than it takes until a worker is free.
    /// Among a tenant's rows the greatest priority goes first, the oldest of these.
    ///
    /// A row is claimable when it is queued, or waits and is due, or when the lease of the worker that had it ended.
    /// Such a lost attempt does not count, but [`LOST_IN_A_ROW`] of them fail the row with the reason
    /// `ATTEMPTS_EXHAUSTED`, and after the first few it waits, longer each time. A claim that is dropped because the process
    /// stops in order is given back by [`Database::close`], and is no lost attempt. A row with `cancel_requested` set is to
    /// be finished as cancelled. When nothing is claimable, nothing is written.
    pub async fn claim(&self) -> Result<Option<Claim>, Error> {
        loop {
            let (queue, now) = (self.clone(), self.db.now());
            let found: Result<_, Error> =
                self.db.read(|conn| Box::pin(async move { queue.has_claimable(conn, now).await })).await;
            if !found? {
                return Ok(None);
            }
            let queue = self.clone();
            match self.db.write(|conn| Box::pin(async move { queue.take(conn, now).await })).await? {
                Taken::Claim(claim) => return Ok(Some(self.held(*claim))),
                Taken::Settled => continue,
                Taken::Nothing => return Ok(None),
            }
        }
    }

    /// A claim that was committed: before, another one may yet get its fencing number.
    fn held(&self, mut claim: Claim) -> Claim {
        let (db, orphans, id) = (self.db.clone(), self.orphans.clone(), claim.row.id.clone());
        claim.hold = Some(Arc::new(Hold { db, lease: self.lease, orphans, id, fence: claim.fence }));
        claim
    }

    async fn has_claimable(&self, conn: &mut Conn, now: Timestamp) -> Result<bool, Error> {
        let id = crate::query_scalar::<String>(CLAIMABLE).bind(self.name).bind(now.as_micros());
        Ok(id.fetch_optional(conn).await?.is_some())
    }

    async fn next(&self, conn: &mut Conn, now: Timestamp) -> Result<Option<String>, Error> {
        crate::query(DUE).bind(self.name).bind(now.as_micros()).execute(&mut *conn).await?;
        crate::query_scalar(NEXT).bind(self.name).fetch_optional(conn).await
    }

    async fn take(&self, conn: &mut Conn, now: Timestamp) -> Result<Taken, Error> {
        let Some(id) = self.next(conn, now).await? else { return Ok(Taken::Nothing) };
        let row = super::get(conn, self.name, &id).await?.ok_or_else(|| Error::LostLease { id: id.clone() })?;
        // Its lease ended: nothing else makes a running row due.
        let lost = row.lost + u32::from(row.status.phase == WorkPhase::Running);
        if self.orphans.settle(conn, &row, lost, now).await? {
            return Ok(Taken::Settled);
        }
        let change = next_change(conn).await?;
        let fence = crate::query_scalar(
            "UPDATE work SET phase = 'running', attempts = attempts + 1 - (?6 - lost), lost = ?6, fence = fence + 1, \
             lease_until = ?1, due = ?1, next_attempt = NULL, started = coalesce(started, ?2), change = ?3 \
             WHERE queue = ?4 AND id = ?5 RETURNING fence",
        )
        .bind((now + self.lease).as_micros())
        .bind(now.as_micros())
        .bind(change)
        .bind(self.name)
        .bind(&id)
        .bind(lost)
        .fetch_one(&mut *conn)
        .await?;
        self.note_turn(conn, row.tenant.as_str(), change).await?;
        let row = super::get(conn, self.name, &id).await?.ok_or(Error::LostLease { id })?;
        let (queue, lease, backoff) = (self.name, self.lease, self.orphans.backoff);
        let claim = Claim { row, fence, queue, lease, backoff, hold: None };
        Ok(Taken::Claim(Box::new(claim)))
    }

    async fn note_turn(&self, conn: &mut Conn, tenant: &str, change: i64) -> Result<(), Error> {
        let turn = crate::query(
            "INSERT INTO work_turns (queue, tenant, served) VALUES (?, ?, ?) \
             ON CONFLICT (queue, tenant) DO UPDATE SET served = excluded.served",
        );
        turn.bind(self.name).bind(tenant).bind(change).execute(conn).await?;
        Ok(())
    }

    /// Ends the leases of an earlier process: their attempts were lost with it, which has the same consequences as in
    /// [`Queue::claim`]. Tells how many there were.
    ///
    /// To be called at the start of a process that alone uses this database.
    pub async fn release_all(&self) -> Result<u64, Error> {
        let (orphans, now) = (self.orphans.clone(), self.db.now());
        self.db.write(|conn| Box::pin(async move { orphans.release_all(conn, now).await })).await
    }

    /// How much waits, runs and was given up, for status and metrics.
    pub async fn stats(&self) -> Result<types::Queue, Error> {
        let name = self.name;
        let (waiting, running, dead, oldest): (i64, i64, i64, Option<i64>) = self
            .db
            .read::<_, Error, _>(|conn| {
                Box::pin(async move {
                    let row = crate::query_as(
                        "SELECT count(*) FILTER (WHERE phase IN ('queued', 'waiting')), \
                         count(*) FILTER (WHERE phase = 'running'), count(*) FILTER (WHERE phase = 'failed'), \
                         min(created) FILTER (WHERE phase IN ('queued', 'waiting')) FROM work WHERE queue = ?",
                    );
                    row.bind(name).fetch_one(conn).await
                })
            })
            .await?;
        let count = |value: i64| u64::try_from(value).unwrap_or(0);
        Ok(types::Queue {
            name: name.to_owned(),
            waiting: count(waiting),
            running: count(running),
            dead: count(dead),
            oldest_age: oldest.map(|created| self.db.now().since(Timestamp::from_micros(created))),
        })
    }
}

enum Taken {
    Claim(Box<Claim>),
    /// The row whose turn it was is not to be tried now.
    Settled,
    Nothing,
}
