//! Builds the search index anew, when somebody asked for it or it was found damaged.

use async_trait::async_trait;
use runtime::{Reconcile, Report, SystemScope};
use sql::work::Queue;
use types::BoxError;

use crate::service::Catalog;

pub(super) struct Rebuilds {
    catalog: Catalog,
    queue: Queue,
    all: SystemScope,
}

impl Rebuilds {
    pub(super) fn new(catalog: Catalog, all: SystemScope) -> Self {
        Self { queue: catalog.rebuild_queue(), catalog, all }
    }
}

#[async_trait]
impl Reconcile for Rebuilds {
    async fn reconcile(&mut self) -> Result<Report, BoxError> {
        let Some(claim) = self.queue.claim().await? else { return Ok(Report::idle()) };
        let id = claim.row.id.clone();
        let phase = self.catalog.run_rebuild(self.all, &self.queue, claim).await?;
        tracing::info!(index_rebuild.id = id, phase = phase.as_str(), "an attempt at a rebuild of the index ended");
        Ok(Report::more(format!("{id}: {}", phase.as_str())))
    }
}
