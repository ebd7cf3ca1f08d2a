//! A bus between the consumer and the log that doubles, reorders and forgets, as brokers may.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use proto::common::v1::EventEnvelope;
use tokio::sync::watch;

use crate::{BusError, ConsumerSpec, Delivery, EventBus, Lag, SqliteLog, StreamState, Subscription};

#[derive(Debug)]
pub struct Unkind {
    log: Arc<SqliteLog>,
    chance: Arc<AtomicU64>,
    ended: Arc<AtomicU64>,
}

impl Unkind {
    pub fn new(log: Arc<SqliteLog>) -> Self {
        Self { log, chance: Arc::new(AtomicU64::new(7)), ended: Arc::default() }
    }

    /// How many parts were ended in order.
    pub fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }
}

struct UnkindPart {
    inner: Box<dyn Subscription>,
    chance: Arc<AtomicU64>,
    ended: Arc<AtomicU64>,
}

impl UnkindPart {
    /// A linear congruential generator: the test is the same each time as far as the scheduler lets it.
    fn dice(&self, sides: u64) -> u64 {
        let step =
            |state: u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
        let state = self.chance.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).unwrap_or_default();
        (state >> 33) % sides
    }
}

#[async_trait]
impl Subscription for UnkindPart {
    async fn fetch(&mut self, max: usize, wait: Duration) -> Result<Vec<Delivery>, BusError> {
        let mut got = self.inner.fetch(max, wait).await?;
        for index in 0..got.len() {
            let other = usize::try_from(self.dice(got.len() as u64)).unwrap();
            match self.dice(4) {
                0 => got.push(got[other].clone()),
                1 => got.swap(index, other),
                _ => {}
            }
        }
        Ok(got)
    }

    async fn ack(&mut self, deliveries: &[Delivery]) -> Result<(), BusError> {
        let kept: Vec<_> = deliveries.iter().filter(|_| self.dice(5) > 0).cloned().collect();
        self.inner.ack(&kept).await
    }

    async fn nak(&mut self, delivery: &Delivery, delay: Duration) -> Result<(), BusError> {
        self.inner.nak(delivery, delay).await
    }

    async fn end(&mut self) -> Result<(), BusError> {
        self.ended.fetch_add(1, Ordering::Relaxed);
        self.inner.end().await
    }
}

#[async_trait]
impl EventBus for Unkind {
    async fn publish(&self, events: &[EventEnvelope]) -> Result<Vec<u64>, BusError> {
        self.log.publish(events).await
    }

    async fn subscribe(&self, consumer: &ConsumerSpec) -> Result<Box<dyn Subscription>, BusError> {
        let (inner, chance, ended) = (self.log.subscribe(consumer).await?, self.chance.clone(), self.ended.clone());
        Ok(Box::new(UnkindPart { inner, chance, ended }))
    }

    async fn lag(&self, consumer: &ConsumerSpec) -> Result<Lag, BusError> {
        self.log.lag(consumer).await
    }

    async fn stream_state(&self, service: &str, position: u64) -> Result<StreamState, BusError> {
        self.log.stream_state(service, position).await
    }

    fn published(&self) -> watch::Receiver<u64> {
        self.log.published()
    }

    async fn rewind(&self, service: &str, after: u64) -> Result<(), BusError> {
        self.log.rewind(service, after).await
    }

    async fn least_outbox_retention(&self) -> Result<Duration, BusError> {
        self.log.least_outbox_retention().await
    }
}
