//! Publishes what waits in the outbox.

use async_trait::async_trait;
use runtime::{Reconcile, Report};
use types::BoxError;

/// The loop `discovery.relay`. A round that is lost publishes the same events later.
pub struct RelayOutbox(pub events::Relay);

#[async_trait]
impl Reconcile for RelayOutbox {
    async fn reconcile(&mut self) -> Result<Report, BoxError> {
        let round = self.0.reconcile().await?;
        Ok(Report { summary: round.to_string(), again: round.more })
    }

    /// Of several processes another publishes from now on.
    async fn end(&mut self) -> Result<(), BoxError> {
        Ok(self.0.release().await?)
    }
}
