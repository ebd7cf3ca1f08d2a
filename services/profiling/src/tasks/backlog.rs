//! Tells what waits, runs and failed.

use async_trait::async_trait;
use runtime::{Period, Reconcile, Report};
use sql::work::Queue;
use types::BoxError;

/// The loop `profiling.backlog`: a metric that was not set for a while would be taken for one that has not changed. A
/// round that is lost is made up for by the next.
pub struct Backlog(pub Queue);

impl Backlog {
    /// How often it tells.
    pub const PERIOD: Period = Period::secs(5);
}

#[async_trait]
impl Reconcile for Backlog {
    async fn reconcile(&mut self) -> Result<Report, BoxError> {
        let now = self.0.measure(crate::ROLE).await?;
        Ok(Report::done(format!("{} claimable, {} running, {} failed", now.claimable, now.running, now.failed)))
    }
}
