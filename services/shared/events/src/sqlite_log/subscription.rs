//! A part in a consumer of the log.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::delivery::Deliveries;
use super::{Log, table};
use crate::{BusError, ConsumerSpec, Delivery, Subscription};

/// What the parts of one consumer share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub out: Deliveries,
}

pub(super) struct Part {
    log: Arc<Log>,
    consumer: ConsumerSpec,
    shared: Arc<Mutex<Shared>>,
}

impl Part {
    pub fn new(log: Arc<Log>, consumer: ConsumerSpec, shared: Arc<Mutex<Shared>>) -> Self {
        Self { log, consumer, shared }
    }

    /// Takes what is there, and tells how long until something that was refused is due.
    async fn take(&self, max: usize) -> Result<(Vec<Delivery>, Option<Duration>), BusError> {
        let mut shared = self.shared.lock().await;
        self.store_acknowledged(&mut shared).await?;
        let now = self.log.db.now();
        let again = shared.out.due(now, max);
        let room = shared.out.room(self.consumer.max_in_flight).min(max - again.len());
        let (things, cursor) = (self.consumer.things().collect(), shared.out.cursor());
        let rows = self.log.db.read(move |conn| Box::pin(table::fetch(conn, again, things, cursor, room))).await?;
        let due = now + self.consumer.ack_wait;
        let deliveries = rows
            .into_iter()
            .map(|(position, event)| Delivery {
                event,
                deliveries: shared.out.deliver(position, due),
                position: position.unsigned_abs(),
            })
            .collect();
        Ok((deliveries, shared.out.next_due(now)))
    }

    async fn store_acknowledged(&self, shared: &mut Shared) -> Result<(), BusError> {
        let Some(wanted) = shared.out.unstored() else { return Ok(()) };
        let (name, old, new) = (self.consumer.name, shared.out.stored().clone(), wanted.clone());
        self.log.db.write(move |conn| Box::pin(table::store_consumer(conn, name, old, new))).await?;
        shared.out.note_stored(wanted);
        Ok(())
    }
}

#[async_trait]
impl Subscription for Part {
    async fn fetch(&mut self, max: usize, wait: Duration) -> Result<Vec<Delivery>, BusError> {
        let end = Instant::now() + wait;
        let mut published = self.log.published.subscribe();
        loop {
            let (deliveries, next_due) = self.take(max).await?;
            let left = end.saturating_duration_since(Instant::now());
            if !deliveries.is_empty() || left.is_zero() {
                return Ok(deliveries);
            }
            let pause = next_due.map_or(left, |due| left.min(due.max(Duration::from_millis(10))));
            // Either way it is time to look; the log lives as long as `self`, so the sender does too.
            let _ = tokio::time::timeout(pause, published.changed()).await;
        }
    }

    async fn ack(&mut self, deliveries: &[Delivery]) -> Result<(), BusError> {
        let mut shared = self.shared.lock().await;
        for delivery in deliveries {
            shared.out.ack(signed(delivery.position));
        }
        Ok(())
    }

    async fn nak(&mut self, delivery: &Delivery, delay: Duration) -> Result<(), BusError> {
        let due = self.log.db.now() + delay;
        self.shared.lock().await.out.nak(signed(delivery.position), due);
        Ok(())
    }
}

fn signed(position: u64) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}
