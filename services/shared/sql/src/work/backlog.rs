//! What a queue holds, by state, as metrics: by these one knows whether more workers would help.

use std::sync::Once;
use std::time::Duration;

use metrics::{Unit, describe_gauge, gauge};
use types::Timestamp;

use super::queue::Queue;
use crate::Error;

/// What a queue holds at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// A worker that is free would begin it at once, lost work of workers that are gone included.
    pub claimable: u64,
    /// An attempt failed, and the next one is not due yet.
    pub delayed: u64,
    /// A worker is at it.
    pub running: u64,
    /// Given up, until somebody retries it.
    pub failed: u64,
    /// For how long that has been claimable which has been for longest. None when nothing is.
    pub longest_wait: Option<Duration>,
}

/// Each part reads an index of its own, whatever the queue has seen since it began.
const OPEN: &str = "SELECT count(*) FILTER (WHERE due <= ?2), \
     count(*) FILTER (WHERE due > ?2 AND phase <> 'running'), \
     count(*) FILTER (WHERE due > ?2 AND phase = 'running'), \
     min(CASE WHEN phase = 'running' THEN lease_until ELSE coalesce(next_attempt, created) END) \
     FROM (SELECT due, phase, lease_until, next_attempt, created FROM work WHERE queue = ?1 AND due = 0 \
           UNION ALL \
           SELECT due, phase, lease_until, next_attempt, created FROM work WHERE queue = ?1 AND due > 0) AS open";
const FAILED: &str = "SELECT count(*) FROM work WHERE queue = ? AND phase = 'failed'";

impl Queue {
    /// What it holds now.
    pub async fn backlog(&self) -> Result<Backlog, Error> {
        let (name, now) = (self.name(), self.database().now());
        let read = self.database().read::<_, Error, _>(move |conn| {
            Box::pin(async move {
                let open = crate::query_as(OPEN).bind(name).bind(now.as_micros());
                let (claimable, delayed, running, since): (i64, i64, i64, Option<i64>) =
                    open.fetch_one(&mut *conn).await?;
                let failed: i64 = crate::query_scalar(FAILED).bind(name).fetch_one(conn).await?;
                // What is not due yet, or under a lease, has its moment in the future.
                let since = since.map(Timestamp::from_micros).filter(|since| *since <= now);
                Ok(Backlog {
                    claimable: claimable.unsigned_abs(),
                    delayed: delayed.unsigned_abs(),
                    running: running.unsigned_abs(),
                    failed: failed.unsigned_abs(),
                    longest_wait: since.map(|since| now.since(since)),
                })
            })
        });
        read.await
    }

    /// Sets the metrics of this queue of `role`, and tells what it holds.
    ///
    /// Every process of a role tells the same, so take the greatest, not the sum.
    pub async fn measure(&self, role: &str) -> Result<Backlog, Error> {
        describe();
        let (backlog, queue) = (self.backlog().await?, format!("{role}.{}", self.name()));
        let states = [
            ("claimable", backlog.claimable),
            ("delayed", backlog.delayed),
            ("running", backlog.running),
            ("failed", backlog.failed),
        ];
        for (state, count) in states {
            gauge!("work_items", "queue" => queue.clone(), "state" => state).set(float(count));
        }
        let longest = backlog.longest_wait.map_or(0.0, |wait| wait.as_secs_f64());
        gauge!("work_longest_wait_seconds", "queue" => queue).set(longest);
        Ok(backlog)
    }
}

fn describe() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        describe_gauge!("work_items", Unit::Count, "Work of a queue that has not succeeded, by state.");
        describe_gauge!(
            "work_longest_wait_seconds",
            Unit::Seconds,
            "For how long work of a queue has been claimable that nobody claimed; 0 when there is none."
        );
    });
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; what is beyond 2^53 may be rounded")]
fn float(count: u64) -> f64 {
    count as f64
}
