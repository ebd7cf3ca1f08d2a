//! Starts crawls that are due by their interval.

use async_trait::async_trait;
use runtime::{Reconcile, Report, SystemScope};
use types::BoxError;

use crate::store::Store;

/// The loop `discovery.schedule`. A round that is lost starts the same crawls later.
pub struct Schedule {
    /// The store.
    pub store: Store,
    /// The right to look across tenants.
    pub scope: SystemScope,
}

#[async_trait]
impl Reconcile for Schedule {
    async fn reconcile(&mut self) -> Result<Report, BoxError> {
        match self.store.run_due(self.scope).await? {
            0 => Ok(Report::idle()),
            started => Ok(Report::done(format!("started {started} crawls"))),
        }
    }
}
