//! Forgets crawls that are too many.

use async_trait::async_trait;
use runtime::{Reconcile, Report, SystemScope};
use types::BoxError;

use crate::store::Store;

/// The loop `discovery.history`. A round that is lost forgets the same crawls later.
pub struct History {
    /// The store.
    pub store: Store,
    /// How many ended crawls of a source are kept.
    pub kept: u32,
    /// The right to look across tenants.
    pub scope: SystemScope,
}

#[async_trait]
impl Reconcile for History {
    async fn reconcile(&mut self) -> Result<Report, BoxError> {
        match self.store.trim_crawls(self.scope, self.kept).await? {
            0 => Ok(Report::idle()),
            forgotten => Ok(Report::done(format!("forgot {forgotten} crawls"))),
        }
    }
}
