//! Facts in, facts out: the relay of the outbox, and what profiling does with the events of others.

use ::events::{Consumer, Handler, HandlerError, topology, trace};
use async_trait::async_trait;
use prost::Message;
use proto::catalog::v1::DatasetUploaded;
use proto::common::v1::EventEnvelope;
use proto::discovery::v1::{DatasetAnnounced, DatasetRetracted};
use runtime::{Reconcile, Report};
use sql::Conn;
use types::{BoxError, DatasetName, Materialization, Permitted, Priority, TenantId, Timestamp};

use crate::Error;
use crate::store::{self, Request};

/// Publishes the outbox.
pub struct Relay(pub ::events::Relay);

#[async_trait]
impl Reconcile for Relay {
    async fn reconcile(&mut self) -> Result<Report, BoxError> {
        let round = self.0.reconcile().await?;
        Ok(Report { summary: round.to_string(), again: round.more })
    }

    /// Of several processes another publishes from now on.
    async fn end(&mut self) -> Result<(), BoxError> {
        Ok(self.0.release().await?)
    }
}

/// Applies the events of one consumer.
pub struct Feed<H: Handler>(pub Consumer<H>);

#[async_trait]
impl<H: Handler> Reconcile for Feed<H> {
    async fn reconcile(&mut self) -> Result<Report, BoxError> {
        let round = self.0.reconcile().await?;
        Ok(Report { summary: round.to_string(), again: round.more })
    }

    /// Of several processes another takes at once what was on its way to this one.
    async fn end(&mut self) -> Result<(), BoxError> {
        Ok(self.0.end().await?)
    }
}

/// Queues a job for what discovery announces, and cancels the job of what it retracts.
pub struct Announcements {
    /// How often a job is tried.
    pub max_attempts: u32,
}

#[async_trait]
impl Handler for Announcements {
    type Prepared = ();

    async fn prepare(&self, _event: &EventEnvelope) -> Result<(), HandlerError> {
        Ok(())
    }

    async fn handle(&self, conn: &mut Conn, event: &EventEnvelope, _: &()) -> Result<(), HandlerError> {
        let now = time_of(event)?;
        match event.subject.as_str() {
            topology::DATASET_ANNOUNCED => {
                let message = DatasetAnnounced::decode(event.payload.as_slice())?;
                let file_name = message.path.rsplit('/').next().unwrap_or_default().to_owned();
                let priority = message.priority;
                let dataset = permitted(event, &message.dataset)?;
                let materialization = materialization(message.materialization)?;
                let max_attempts = self.max_attempts;
                let traceparent = trace::current();
                let request = Request { dataset, materialization, file_name, priority, max_attempts, traceparent };
                store::enqueue(conn, request, now).await.map_err(HandlerError::of)?;
            }
            topology::DATASET_RETRACTED => {
                let message = DatasetRetracted::decode(event.payload.as_slice())?;
                let dataset = permitted(event, &message.dataset)?;
                store::supersede(conn, &dataset.to_string(), now).await.map_err(HandlerError::of)?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// Queues a job for what was uploaded.
pub struct Uploads {
    /// How often a job is tried.
    pub max_attempts: u32,
}

#[async_trait]
impl Handler for Uploads {
    type Prepared = ();

    async fn prepare(&self, _event: &EventEnvelope) -> Result<(), HandlerError> {
        Ok(())
    }

    async fn handle(&self, conn: &mut Conn, event: &EventEnvelope, _: &()) -> Result<(), HandlerError> {
        if event.subject != topology::DATASET_UPLOADED {
            return Ok(());
        }
        let message = DatasetUploaded::decode(event.payload.as_slice())?;
        let request = Request {
            dataset: permitted(event, &message.dataset)?,
            materialization: materialization(message.materialization)?,
            file_name: message.file_name,
            // A person waits for an upload, so it goes before what crawls find.
            priority: Priority::Sent.number(),
            max_attempts: self.max_attempts,
            traceparent: trace::current(),
        };
        store::enqueue(conn, request, time_of(event)?).await.map_err(HandlerError::of)?;
        Ok(())
    }
}

/// The dataset that an event names, which must be of the event's tenant.
fn permitted(event: &EventEnvelope, dataset: &str) -> Result<DatasetName, HandlerError> {
    let malformed = |error: &dyn std::fmt::Display| HandlerError::malformed(error.to_string());
    let tenant: TenantId = event.tenant.parse().map_err(|error| malformed(&error))?;
    let name: DatasetName = dataset.parse().map_err(|error| malformed(&error))?;
    let permitted = Permitted::by_event("profiling", &tenant, name).map_err(|error| malformed(&error))?;
    Ok(permitted.into_inner())
}

fn materialization(message: Option<proto::common::v1::Materialization>) -> Result<Materialization, HandlerError> {
    let message = message.ok_or_else(|| HandlerError::malformed("the materialization is missing"))?;
    message.try_into().map_err(|error: types::Malformed| HandlerError::malformed(error.to_string()))
}

/// Rows get the time of the event, so that an effect that is tried again is the same.
fn time_of(event: &EventEnvelope) -> Result<Timestamp, HandlerError> {
    let time = event.time.ok_or_else(|| HandlerError::malformed("the time is missing"))?;
    Timestamp::try_from(time).map_err(|error| HandlerError::malformed(error.to_string()))
}

impl From<Error> for HandlerError {
    fn from(error: Error) -> Self {
        Self::of(error)
    }
}
