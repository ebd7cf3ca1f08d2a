//! Brings the search index to where the records are.

use std::time::Instant;

use async_trait::async_trait;
use runtime::{Reconcile, Report, SystemScope};
use types::BoxError;

use crate::metrics;
use crate::service::Catalog;

pub(super) struct Indexer {
    catalog: Catalog,
    all: SystemScope,
}

impl Indexer {
    pub(super) fn new(catalog: Catalog, all: SystemScope) -> Self {
        Self { catalog, all }
    }
}

#[async_trait]
impl Reconcile for Indexer {
    async fn reconcile(&mut self) -> Result<Report, BoxError> {
        let begun = Instant::now();
        let round = self.catalog.index_pending(self.all).await?;
        if round.put + round.deleted == 0 {
            return Ok(Report::idle());
        }
        metrics::indexed(round.put, round.deleted, begun.elapsed());
        Ok(Report { summary: format!("{} put, {} deleted", round.put, round.deleted), again: round.more })
    }
}
