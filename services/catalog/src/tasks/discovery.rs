//! Takes what discovery announces and retracts.

use async_trait::async_trait;
use events::topology::{DATASET_ANNOUNCED, DATASET_RETRACTED};
use events::{Handler, HandlerError};
use proto::common::v1::EventEnvelope;

use super::refused;
use crate::events as decode;
use crate::service::Catalog;

/// The handler of `catalog.discovery`.
pub(super) struct FromDiscovery {
    catalog: Catalog,
}

impl FromDiscovery {
    pub(super) fn new(catalog: Catalog) -> Self {
        Self { catalog }
    }
}

#[async_trait]
impl Handler for FromDiscovery {
    type Prepared = ();

    async fn prepare(&self, _event: &EventEnvelope) -> Result<(), HandlerError> {
        Ok(())
    }

    async fn handle(&self, tx: &mut sql::Conn, event: &EventEnvelope, _prepared: &()) -> Result<(), HandlerError> {
        let done = match event.subject.as_str() {
            DATASET_ANNOUNCED => self.catalog.announce(tx, decode::announcement(event)?).await,
            DATASET_RETRACTED => self.catalog.retract(tx, &decode::retracted(event)?).await,
            // A newer discovery tells more than this catalog knows.
            _ => Ok(()),
        };
        done.map_err(refused)
    }
}
