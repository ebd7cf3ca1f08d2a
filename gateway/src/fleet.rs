//! The gateways of one mesh, and the share that each has of the limits.
//!
//! A declared limit is that of the mesh. Every gateway counts up a beat in the identity store, sees whose beats change,
//! and enforces its fair share: the limit by the number of gateways. One that comes lowers the share of the others within
//! a period, and one that goes raises it once its beat has stood still for [`GONE`]. A client that calls one gateway of
//! several alone gets that gateway's share, so a balancer in front should spread calls, not clients.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use runtime::{Reconcile, Report};
use tokio::time::Instant;
use types::BoxError;

use crate::Error;

/// How often a gateway counts up its beat.
pub const PERIOD: Duration = Duration::from_secs(2);
/// A gateway whose beat stands still for so long is gone.
const GONE: Duration = Duration::from_secs(10);

/// How many gateways share the limits. Clones show the same.
#[derive(Debug, Clone)]
pub struct Share(Arc<AtomicU32>);

impl Share {
    /// All of it, until others are seen.
    pub fn whole() -> Self {
        Self(Arc::new(AtomicU32::new(1)))
    }

    /// The gateways, this one included.
    pub fn gateways(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// What this gateway has of a count: never more than its share, and never nothing.
    pub fn of(&self, limit: u32) -> u32 {
        (limit / self.gateways()).max(1)
    }

    /// What this gateway has of a rate.
    pub fn of_rate(&self, rate: f64) -> f64 {
        rate / f64::from(self.gateways())
    }

    #[cfg(test)]
    pub fn among(gateways: u32) -> Self {
        Self(Arc::new(AtomicU32::new(gateways)))
    }

    /// Tells whether that is news.
    pub(crate) fn set(&self, gateways: u32) -> bool {
        self.0.swap(gateways.max(1), Ordering::Relaxed) != gateways.max(1)
    }
}

/// Keeps this gateway among those that are there, and its share up to date.
pub struct Fleet {
    db: sql::Database,
    id: String,
    share: Share,
    /// The last beat of each other gateway, and when it was new. A time of this process alone.
    seen: HashMap<String, (i64, Instant)>,
    gone: Duration,
}

impl Fleet {
    /// A gateway with an id of its own.
    pub fn new(db: sql::Database, share: Share) -> Self {
        let id = format!("g{}", uuid::Uuid::new_v4().simple());
        Self { db, id, share, seen: HashMap::new(), gone: GONE }
    }

    /// Counts up the beat of this gateway, and gives those of all.
    async fn beat(&self) -> Result<Vec<(String, i64)>, Error> {
        let id = self.id.clone();
        self.db
            .write(move |conn| {
                Box::pin(async move {
                    sql::query(
                        "INSERT INTO gateways (id, beat) VALUES (?, 1)
                         ON CONFLICT (id) DO UPDATE SET beat = gateways.beat + 1",
                    )
                    .bind(&id)
                    .execute(&mut *conn)
                    .await?;
                    Ok(sql::query_as("SELECT id, beat FROM gateways").fetch_all(conn).await?)
                })
            })
            .await
    }

    /// Takes a gateway that is gone out of the store. One that was only slow comes back with its next beat.
    async fn forget(&self, id: String) -> Result<(), Error> {
        self.db
            .write(move |conn| {
                Box::pin(async move {
                    sql::query("DELETE FROM gateways WHERE id = ?").bind(&id).execute(conn).await?;
                    Ok(())
                })
            })
            .await
    }

    /// Notes whose beats changed; tells who is gone.
    fn note(&mut self, all: &[(String, i64)], now: Instant) -> Vec<String> {
        self.seen.retain(|id, _| all.iter().any(|(known, _)| known == id));
        for (id, beat) in all.iter().filter(|(id, _)| *id != self.id) {
            let last = self.seen.entry(id.clone()).or_insert((*beat, now));
            if last.0 != *beat {
                *last = (*beat, now);
            }
        }
        let gone = self.seen.iter().filter(|(_, (_, at))| now.duration_since(*at) >= self.gone);
        gone.map(|(id, _)| id.clone()).collect()
    }
}

#[async_trait]
impl Reconcile for Fleet {
    async fn reconcile(&mut self) -> Result<Report, BoxError> {
        let all = self.beat().await?;
        for id in self.note(&all, Instant::now()) {
            self.seen.remove(&id);
            self.forget(id).await?;
        }
        let gateways = u32::try_from(self.seen.len()).unwrap_or(u32::MAX).saturating_add(1);
        if self.share.set(gateways) {
            tracing::info!(gateways, "the limits are shared anew");
        }
        metrics::gauge!("gateway_fleet_size").set(f64::from(gateways));
        Ok(Report::done(format!("{gateways} gateways share the limits")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn fleet(db: &sql::Database) -> (Fleet, Share) {
        let share = Share::whole();
        (Fleet { gone: Duration::from_secs(10), ..Fleet::new(db.clone(), share.clone()) }, share)
    }

    #[tokio::test]
    async fn gateways_share_and_take_over_from_one_that_is_gone() {
        let dir = testkit::temp_dir();
        let url = format!("sqlite:{}", dir.path().join("gateway.db").display());
        // A clock far off changes nothing: beats are compared with beats alone.
        let (clock, off) = (testkit::ManualClock::default(), testkit::ManualClock::default());
        off.advance(Duration::from_secs(3600));
        let db = sql::Database::open(&url, &crate::migrations(), clock.shared()).await.unwrap();
        let other = sql::Database::open(&url, &crate::migrations(), off.shared()).await.unwrap();
        let ((mut one, of_one), (mut two, of_two)) = (fleet(&db).await, fleet(&other).await);
        one.reconcile().await.unwrap();
        assert_eq!((of_one.gateways(), of_one.of(7)), (1, 7));
        two.reconcile().await.unwrap();
        one.reconcile().await.unwrap();
        assert_eq!((of_one.gateways(), of_two.gateways()), (2, 2));
        assert_eq!((of_one.of(7), of_one.of(1), of_one.of_rate(5.0)), (3, 1, 2.5));
        // The second goes on while the first stands still.
        one.gone = Duration::ZERO;
        one.reconcile().await.unwrap();
        assert_eq!(of_one.gateways(), 1, "its beat has stood still");
        two.reconcile().await.unwrap();
        one.gone = GONE;
        one.reconcile().await.unwrap();
        assert_eq!(of_one.gateways(), 2, "it was only slow");
    }
}
