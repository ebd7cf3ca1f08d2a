//! Takes the progress and the results of profiling jobs.

use async_trait::async_trait;
use events::topology::{JOB_ADVANCED, JOB_FAILED, JOB_SUCCEEDED};
use events::{Handler, HandlerError};
use proto::common::v1::EventEnvelope;

use super::refused;
use crate::convert::Profiled;
use crate::events::{self as decode, Success};
use crate::service::Catalog;
use crate::service::apply::Applied;

/// The handler of `catalog.profiling`.
pub(super) struct FromProfiling {
    catalog: Catalog,
}

impl FromProfiling {
    pub(super) fn new(catalog: Catalog) -> Self {
        Self { catalog }
    }
}

#[async_trait]
impl Handler for FromProfiling {
    /// A success, with what its profile says.
    type Prepared = Option<Box<(Success, Profiled)>>;

    async fn prepare(&self, event: &EventEnvelope) -> Result<Self::Prepared, HandlerError> {
        if event.subject != JOB_SUCCEEDED {
            return Ok(None);
        }
        let success = decode::succeeded(event)?;
        let profiled = self.catalog.read_profile(&success).await.map_err(refused)?;
        Ok(Some(Box::new((success, profiled))))
    }

    async fn handle(
        &self,
        tx: &mut sql::Conn,
        event: &EventEnvelope,
        prepared: &Self::Prepared,
    ) -> Result<(), HandlerError> {
        let applied = match (event.subject.as_str(), prepared.as_deref()) {
            (JOB_ADVANCED, _) => {
                let (dataset, attempt) = decode::advanced(event)?;
                self.catalog.advance(tx, &dataset, attempt).await
            }
            (JOB_FAILED, _) => {
                let (dataset, attempt) = decode::failed(event)?;
                self.catalog.advance(tx, &dataset, attempt).await
            }
            (_, Some((success, profiled))) => self.catalog.succeed(tx, success.clone(), profiled.clone()).await,
            // A newer profiling tells more than this catalog knows.
            (_, None) => Ok(Applied::Done),
        };
        match applied.map_err(refused)? {
            Applied::Done => Ok(()),
            Applied::NotAnnounced => Err(HandlerError::NotYet(format!("`{}` has not been announced", event.key))),
        }
    }
}
