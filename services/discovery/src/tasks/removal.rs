//! Retracts what deleted sources announced, then forgets them.

use async_trait::async_trait;
use runtime::{Reconcile, Report, SystemScope};
use types::BoxError;

use crate::metrics;
use crate::store::Store;

/// The loop `discovery.removal`. A round that is lost leaves the source marked, for the next one.
pub struct Removal {
    /// The store.
    pub store: Store,
    /// The right to look across tenants.
    pub scope: SystemScope,
}

#[async_trait]
impl Reconcile for Removal {
    async fn reconcile(&mut self) -> Result<Report, BoxError> {
        let Some(round) = self.store.remove_deleted(self.scope).await? else { return Ok(Report::idle()) };
        metrics::retracted(&round.kind, round.retracted);
        Ok(Report::more(format!("retracted {} datasets of a deleted source", round.retracted)))
    }
}
