//! The event bus for many processes: NATS JetStream.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_nats::jetstream;
use async_trait::async_trait;
use proto::common::v1::EventEnvelope;
use tokio::sync::watch;
use types::{Clock, Timestamp};

use crate::{BusError, ConsumerSpec, EventBus, Lag, StreamState, Subscription};

mod api;
mod claim;
mod declare;
mod durability;
mod hand;
mod headers;
mod names;
mod poke;
mod publish;
mod server;
mod settings;
mod subscription;
mod sweep;

use api::Api;
use durability::Monitors;
use names::Names;
use poke::Pokes;
pub use settings::Settings;

/// How often what is older than its retention is dropped.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// An [`EventBus`] on NATS JetStream, server 2.14 or later, one or clustered.
///
/// Each service has a stream, each consumer a durable pull consumer; both are declared here, from
/// [`crate::topology`], and put right when somebody changed them, as far as that loses nothing. A publication is an
/// atomic batch, so it is stored whole or not at all, and the id of an event is its message id.
///
/// An acknowledgement is only as good as the server's syncing: see [`EventBus::least_outbox_retention`].
///
/// Positions are stream sequences. The connection mends itself; while it is away calls fail with
/// [`BusError::Unavailable`], and what is out to a consumer comes again.
#[derive(Clone)]
pub struct JetStream(Arc<Bus>);

struct Bus {
    api: Api,
    names: Names,
    settings: Settings,
    clock: Arc<dyn Clock>,
    pokes: Pokes,
    monitors: Monitors,
    swept: AtomicI64,
    /// When an event was last published outside a batch.
    single: Mutex<Option<Instant>>,
    /// How often a stream was found gone, and made anew.
    anew: AtomicU64,
    /// The database of each role that claimed what is its own.
    databases: Mutex<HashMap<String, String>>,
}

impl JetStream {
    /// Connects to the server or cluster at `url`, `nats://HOST:PORT` or `tls://HOST:PORT`, several with commas
    /// between, and declares the streams and consumers that are not there.
    ///
    /// `nats://USER:PASSWORD@HOST` and `nats://TOKEN@HOST` carry credentials, as the settings may.
    pub async fn open(url: &str, settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, BusError> {
        settings.validate()?;
        let pokes = Pokes::new();
        let client = server::connect(url, settings, pokes.clone()).await?;
        let server = server::check(&client)?;
        let mut context = jetstream::new(client.clone());
        context.set_timeout(settings.timeout.as_duration());
        let api = Api { client: client.clone(), context, server, timeout: settings.timeout.as_duration() };
        server::check_account(&api).await?;
        let names = Names::new(&settings.prefix);
        let now = clock.now().as_micros();
        let bus = Self(Arc::new(Bus {
            api,
            names,
            settings: settings.clone(),
            clock,
            pokes,
            monitors: Monitors::new(settings)?,
            swept: AtomicI64::new(now),
            single: Mutex::default(),
            anew: AtomicU64::new(0),
            databases: Mutex::default(),
        }));
        bus.0.declare().await?;
        Ok(bus)
    }

    /// Connects as [`Self::open`] does and says what answered; fails as it would. Declares and changes nothing.
    pub async fn probe(url: &str, settings: &Settings) -> Result<String, BusError> {
        settings.validate()?;
        let client = server::connect(url, settings, Pokes::new()).await?;
        let server = server::check(&client)?;
        let (context, timeout) = (jetstream::new(client.clone()), settings.timeout.as_duration());
        let api = Api { client, context, server, timeout };
        server::check_account(&api).await?;
        Ok(api.server.to_string())
    }

    /// Drops events older than their stream's retention that every declared consumer has acknowledged; the last event
    /// of a stream stays. Publishing does this by itself now and then. Gives how many were dropped.
    pub async fn sweep(&self) -> Result<u64, BusError> {
        self.0.swept.store(self.0.clock.now().as_micros(), Ordering::Relaxed);
        self.0.sweep().await
    }

    fn sweep_is_due(&self) -> bool {
        let last = Timestamp::from_micros(self.0.swept.load(Ordering::Relaxed));
        self.0.clock.now().since(last) >= SWEEP_EVERY
    }
}

#[async_trait]
impl EventBus for JetStream {
    async fn publish(&self, events: &[EventEnvelope]) -> Result<Vec<u64>, BusError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let positions = self.0.publish(events).await?;
        poke::tell(&self.0.api.client, &self.0.names, &self.0.pokes, events).await;
        if self.sweep_is_due()
            && let Err(error) = self.sweep().await
        {
            // The events are published all the same, and a later publication sweeps again.
            tracing::warn!(%error, "cannot sweep the event streams");
        }
        Ok(positions)
    }

    async fn claim(&self, role: &str, database: &str) -> Result<(), BusError> {
        self.0.claim(role, database).await
    }

    async fn subscribe(&self, consumer: &ConsumerSpec) -> Result<Box<dyn Subscription>, BusError> {
        let parts = self.0.declare_consumer(consumer).await?;
        Ok(Box::new(subscription::Part::new(self.0.clone(), consumer.clone(), parts)))
    }

    async fn lag(&self, consumer: &ConsumerSpec) -> Result<Lag, BusError> {
        self.0.lag(consumer).await
    }

    async fn stream_state(&self, service: &str, position: u64) -> Result<StreamState, BusError> {
        let info = self.0.own_stream(service).await?;
        let id_at = match position {
            0 => None,
            _ => self.0.id_at(service, position).await?,
        };
        let identity = info.created.unix_timestamp_nanos().to_string();
        Ok(StreamState { identity, last_position: info.state.last_sequence, id_at })
    }

    fn published(&self) -> watch::Receiver<u64> {
        self.0.pokes.of_all()
    }

    fn published_by(&self, service: &str) -> watch::Receiver<u64> {
        self.0.pokes.of(service)
    }

    fn connection(&self) -> u64 {
        self.0.connection()
    }

    async fn rewind(&self, service: &str, after: u64) -> Result<(), BusError> {
        self.0.rewind(service, after).await
    }

    async fn least_outbox_retention(&self) -> Result<Duration, BusError> {
        let single = *self.0.single.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(self.0.monitors.syncing(&self.0.api.server).await.least_retention(single))
    }

    async fn tend(&self) -> Result<(), BusError> {
        poke::listen(&self.0.api.client, &self.0.names, &self.0.pokes).await
    }

    /// Sends what waits to be sent, and closes the connection.
    async fn close(&self) {
        // A connection that is away holds nothing that its owner counts as published or acknowledged.
        let _ = tokio::time::timeout(Duration::from_secs(2), self.0.api.client.drain()).await;
    }
}

impl Bus {
    /// How often the connection, or a stream, was made.
    fn connection(&self) -> u64 {
        self.api.client.statistics().connects.load(Ordering::SeqCst) + self.anew.load(Ordering::SeqCst)
    }
}

impl fmt::Debug for JetStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bus = &self.0;
        f.debug_struct("JetStream").field("server", &bus.api.server).field("prefix", &bus.settings.prefix).finish()
    }
}

#[cfg(test)]
mod tests;
