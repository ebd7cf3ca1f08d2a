//! The loop that forgets sessions long over.

use async_trait::async_trait;
use runtime::{Reconcile, Report};
use types::BoxError;

use crate::identity::Identities;

/// Forgets sessions and tokens that ended a day ago.
pub struct Sweep(pub Identities);

#[async_trait]
impl Reconcile for Sweep {
    async fn reconcile(&mut self) -> Result<Report, BoxError> {
        let sessions = self.0.sweep().await?;
        Ok(Report::done(format!("forgot {sessions} sessions")))
    }
}
