//! The embedded event bus: a durable log in one SQLite file.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use prost::Message;
use proto::common::v1::EventEnvelope;
use tokio::sync::watch;
use types::{Clock, Timestamp};

use crate::{BusError, ConsumerSpec, EventBus, Lag, StreamState, Subscription, event, topology};

mod delivery;
mod subscription;
mod table;

use subscription::{Part, Shared};

/// How often the log drops what is older than its retention.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// An [`EventBus`] in a SQLite file of its own, for the roles of one process.
///
/// A publication is one transaction, on disk when it returns. How far a consumer is lies in the file; what is out
/// to it lies in memory, and comes again after a restart. Acknowledgements reach the file with the next fetch.
#[derive(Debug, Clone)]
pub struct SqliteLog(Arc<Log>);

#[derive(Debug)]
pub(crate) struct Log {
    db: sql::Database,
    published: watch::Sender<u64>,
    consumers: Mutex<HashMap<&'static str, Arc<tokio::sync::Mutex<Shared>>>>,
    swept: Mutex<Timestamp>,
}

impl SqliteLog {
    /// Opens the log at `url`, `sqlite:PATH`; makes it when it is not there. Only one process may have it open.
    pub async fn open(url: &str, clock: Arc<dyn Clock>) -> Result<Self, BusError> {
        static LOG: sqlx::migrate::Migrator = sqlx::migrate!("migrations/log-sqlite");
        static MIGRATIONS: sql::Migrations = sql::Migrations::sqlite_alone(&LOG);
        let db = sql::Database::open(url, &[&MIGRATIONS], clock).await?;
        let now = db.now();
        db.write(move |conn| Box::pin(table::declare(conn, now))).await?;
        Ok(Self(Arc::new(Log {
            db,
            published: watch::Sender::new(0),
            consumers: Mutex::default(),
            swept: Mutex::new(now),
        })))
    }

    /// Drops events older than their stream's retention that every declared consumer has acknowledged; the last event
    /// of a stream stays. Publishing does this by itself now and then. Gives how many were dropped.
    pub async fn sweep(&self) -> Result<u64, BusError> {
        let now = self.0.db.now();
        *self.0.swept.lock().unwrap_or_else(PoisonError::into_inner) = now;
        self.0.db.write(move |conn| Box::pin(table::sweep(conn, now))).await
    }

    fn sweep_is_due(&self) -> bool {
        let last = *self.0.swept.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.db.now().since(last) >= SWEEP_EVERY
    }

    /// What the parts of a consumer share; read from the file at first use.
    async fn shared(&self, consumer: &ConsumerSpec) -> Result<Arc<tokio::sync::Mutex<Shared>>, BusError> {
        let known = self.0.consumers.lock().unwrap_or_else(PoisonError::into_inner).get(consumer.name).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let (name, now) = (consumer.name, self.0.db.now());
        let read = self.0.db.read(move |conn| Box::pin(table::consumer(conn, name, now))).await?;
        let mut consumers = self.0.consumers.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(consumers.entry(consumer.name).or_insert_with(|| Arc::new(tokio::sync::Mutex::new(read))).clone())
    }
}

#[async_trait]
impl EventBus for SqliteLog {
    async fn publish(&self, events: &[EventEnvelope]) -> Result<Vec<u64>, BusError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let rows = events.iter().map(encode).collect::<Result<Vec<_>, _>>()?;
        let now = self.0.db.now();
        let positions = self.0.db.write(move |conn| Box::pin(table::insert(conn, rows, now))).await?;
        self.0.published.send_modify(|count| *count += 1);
        if self.sweep_is_due()
            && let Err(error) = self.sweep().await
        {
            // The events are published all the same, and the next publication sweeps again.
            tracing::warn!(%error, "cannot sweep the event log");
        }
        Ok(positions)
    }

    async fn subscribe(&self, consumer: &ConsumerSpec) -> Result<Box<dyn Subscription>, BusError> {
        let shared = self.shared(consumer).await?;
        Ok(Box::new(Part::new(self.0.clone(), consumer.clone(), shared)))
    }

    async fn lag(&self, consumer: &ConsumerSpec) -> Result<Lag, BusError> {
        let shared = self.shared(consumer).await?;
        let (cursor, oldest_out, in_flight) = {
            let shared = shared.lock().await;
            (shared.out.cursor(), shared.out.oldest(), shared.out.len())
        };
        let things: Vec<_> = consumer.things().collect();
        let (waiting, oldest) =
            self.0.db.read(move |conn| Box::pin(table::lag(conn, things, cursor, oldest_out))).await?;
        Ok(Lag { waiting, in_flight, oldest })
    }

    async fn stream_state(&self, service: &str, position: u64) -> Result<StreamState, BusError> {
        let service = service.to_owned();
        self.0.db.read(move |conn| Box::pin(table::stream_state(conn, service, position))).await
    }

    fn published(&self) -> watch::Receiver<u64> {
        self.0.published.subscribe()
    }

    /// Does nothing: how far a consumer is lies in the same file as the events, and is lost and restored with them.
    async fn rewind(&self, _service: &str, _after: u64) -> Result<(), BusError> {
        Ok(())
    }

    /// None: a publication is on disk when it returns.
    async fn least_outbox_retention(&self) -> Result<Duration, BusError> {
        Ok(Duration::ZERO)
    }

    async fn close(&self) {
        self.0.db.close().await;
    }
}

/// One event as it lies in the file.
pub(crate) struct Row {
    id: String,
    service: String,
    thing: String,
    bytes: Vec<u8>,
}

fn encode(event: &EventEnvelope) -> Result<Row, BusError> {
    let service = event::service(&event.subject).to_owned();
    if !topology::STREAMS.iter().any(|stream| stream.service == service) {
        return Err(BusError::UnknownSubject { subject: event.subject.clone() });
    }
    let bytes = event.encode_to_vec();
    if bytes.len() > topology::MAX_ENVELOPE_BYTES {
        let limit = topology::MAX_ENVELOPE_BYTES;
        return Err(BusError::TooLarge { id: event.id.clone(), bytes: bytes.len(), limit });
    }
    Ok(Row { id: event.id.clone(), service, thing: event::thing(&event.subject).to_owned(), bytes })
}

#[cfg(test)]
mod tests;
