//! What a broker of events must do.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use proto::common::v1::EventEnvelope;
use tokio::sync::watch;
use types::Timestamp;

use crate::{BusError, event};

/// A durable consumer of some things of some streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerSpec {
    /// Its name, `catalog.discovery`: the service that consumes, then what it consumes.
    pub name: &'static str,
    /// The things that it takes, whole, all of one service: `millrace.discovery.dataset.>`.
    pub filter: &'static [&'static str],
    /// After how long a delivery that is neither acknowledged nor refused comes again.
    pub ack_wait: Duration,
    /// At most so many deliveries are out at once.
    pub max_in_flight: usize,
}

impl ConsumerSpec {
    /// A consumer with the usual limits: 30 s to acknowledge, 1024 in flight.
    pub const fn new(name: &'static str, filter: &'static [&'static str]) -> Self {
        Self { name, filter, ack_wait: Duration::from_secs(30), max_in_flight: 1024 }
    }

    /// The service whose events it takes.
    pub fn service(&self) -> &'static str {
        self.things().next().map_or("", event::service)
    }

    /// The things of the filter, without the wildcard: `millrace.discovery.dataset`.
    pub fn things(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.filter.iter().map(|pattern| pattern.strip_suffix(".>").unwrap_or(pattern))
    }
}

/// An event that was handed to a consumer and waits for its acknowledgement.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// The event.
    pub event: EventEnvelope,
    /// How often it was delivered to this consumer, this time included. Brokers may forget it when they restart.
    pub deliveries: u32,
    /// Where it stands in the stream; what `ack` and `nak` refer to.
    pub position: u64,
}

/// What waits for a consumer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lag {
    /// Events not delivered yet.
    pub waiting: u64,
    /// Events delivered and not acknowledged.
    pub in_flight: u64,
    /// When the oldest of both was published.
    pub oldest: Option<Timestamp>,
}

/// What a stream tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamState {
    /// Tells this stream from one that was deleted and made anew.
    pub identity: String,
    /// The position of its last event; 0 when it has none.
    pub last_position: u64,
    /// The id of the event at the position that was asked about. None when the stream does not hold it.
    pub id_at: Option<String>,
}

/// A broker of events.
///
/// * `publish` is all or nothing as far as the caller can know: what an `Err` leaves behind is mended by publishing the
///   same events again.
/// * An event whose id the stream holds is dropped; its first position is returned. How long ids are remembered is the
///   broker's affair, so consumers must not rely on it.
/// * Every event reaches every consumer whose filter matches at least once, those published before the consumer first
///   subscribed included.
/// * Events of one publisher come in the order in which they were published, except those that were refused with `nak`
///   or not acknowledged in time, which come again later and hold back no other.
/// * Subscriptions to the same consumer share its deliveries.
/// * Positions of a stream rise from 1 on; they may leave gaps.
#[async_trait]
pub trait EventBus: Send + Sync + fmt::Debug + 'static {
    /// Appends `events` to the streams of their services, in order; durable when it returns. Gives the position of each.
    async fn publish(&self, events: &[EventEnvelope]) -> Result<Vec<u64>, BusError>;

    /// Says that the role keeps its state in the database of this id ([`sql::Database::id`]): its stream and its consumers are
    /// marked as that database's. Call it once, before anything else is done for the role.
    ///
    /// Fails with [`BusError::OtherDatabase`] where they are another's, now and later when a consumer is subscribed to or
    /// [`EventBus::stream_state`] is asked for. A bus of one process has nobody to keep out.
    async fn claim(&self, _role: &str, _database: &str) -> Result<(), BusError> {
        Ok(())
    }

    /// Takes part in a durable consumer.
    async fn subscribe(&self, consumer: &ConsumerSpec) -> Result<Box<dyn Subscription>, BusError>;

    /// Tells what waits for a consumer.
    async fn lag(&self, consumer: &ConsumerSpec) -> Result<Lag, BusError>;

    /// Tells the state of a service's stream, and which event stands at `position`.
    async fn stream_state(&self, service: &str, position: u64) -> Result<StreamState, BusError>;

    /// Changes when something may have been published: a poke that says "look now".
    fn published(&self) -> watch::Receiver<u64>;

    /// Changes when events of `service` may have been published; where a bus cannot tell them apart, when any may have been.
    fn published_by(&self, _service: &str) -> watch::Receiver<u64> {
        self.published()
    }

    /// Changes whenever the broker was reached anew: it may have come back with less than it acknowledged. Whoever
    /// published compares [`EventBus::stream_state`] with what it remembers before it publishes again.
    fn connection(&self) -> u64 {
        0
    }

    /// Says that the stream of `service` lost what followed the position `after`, and is to be filled again. Consumers
    /// that were farther take what comes from there on.
    async fn rewind(&self, service: &str, after: u64) -> Result<(), BusError>;

    /// How long a publisher must keep what it published at least, because the broker may still lose it. Zero where an
    /// acknowledgement says that the events are on disk.
    async fn least_outbox_retention(&self) -> Result<Duration, BusError>;

    /// Hears what other processes tell of the bus, and passes it on to [`EventBus::published`], until the bus is closed.
    /// The owner runs it as one of its loops, and again when it ends; without it nothing is lost, and events of other
    /// processes are found later. A bus of one process has nothing to hear, and returns at once.
    async fn tend(&self) -> Result<(), BusError> {
        Ok(())
    }

    /// Ends in order what the bus holds in this process: a file, or a connection. Nobody calls the bus afterwards.
    async fn close(&self) {}
}

/// A part in a durable consumer. Dropping it gives its deliveries back after `ack_wait`, those included that the broker
/// sent ahead of the next `fetch`.
#[async_trait]
pub trait Subscription: Send + Sync {
    /// Gives up to `max` events. Waits at most `wait` for the first, and for no other. May give none.
    async fn fetch(&mut self, max: usize, wait: Duration) -> Result<Vec<Delivery>, BusError>;

    /// Says that the effects of these are stored. They do not come again, unless the broker loses this word.
    async fn ack(&mut self, deliveries: &[Delivery]) -> Result<(), BusError>;

    /// Gives one back; it comes again after `delay`.
    async fn nak(&mut self, delivery: &Delivery, delay: Duration) -> Result<(), BusError>;

    /// Gives back what the broker sent ahead of the next `fetch`, so that it comes again at once. Call it when none
    /// follows for now.
    async fn end(&mut self) -> Result<(), BusError> {
        Ok(())
    }
}
