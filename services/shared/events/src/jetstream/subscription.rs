//! A part in a durable pull consumer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Subject;
use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::message::Acker;
use async_nats::jetstream::{self, AckKind};
use async_trait::async_trait;
use prost::Message as _;
use proto::common::v1::EventEnvelope;
use tokio::time::Instant;

use super::Bus;
use super::hand::Hand;
use crate::{BusError, ConsumerSpec, Delivery, Subscription};

/// The longest that one request waits at the server; a connection that breaks meanwhile loses the request.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// The shortest: without any, the server does not answer while as many events are out as may be.
const SHORTEST_WAIT: Duration = Duration::from_millis(50);
/// Whoever answers a full hand so soon gets the next one in the meantime; it would grow old with one who takes longer.
const SWIFT: Duration = Duration::from_secs(1);
/// What was asked for ahead so long ago is given back: who takes so long for a hand needs the whole time to acknowledge.
const STALE: Duration = Duration::from_secs(4);
/// A pause where other parts wait for the same events.
const PAUSE: Duration = Duration::from_millis(50);

pub(super) struct Part {
    bus: Arc<Bus>,
    spec: ConsumerSpec,
    consumer: PullConsumer,
    /// Where the word on a delivery goes, and when it was delivered.
    out: HashMap<u64, (Subject, Instant)>,
    /// When deliveries were handed out last, and whether they were as many as were asked for.
    handed: Option<(Instant, bool)>,
    /// Whether the last full hand was answered soon.
    swift: bool,
    /// What was asked for ahead: the server sends it while the hand before is worked on.
    ahead: Option<Hand>,
}

impl Part {
    pub fn new(bus: Arc<Bus>, spec: ConsumerSpec, consumer: PullConsumer) -> Self {
        Self { bus, spec, consumer, out: HashMap::new(), handed: None, swift: false, ahead: None }
    }

    /// Asks once, or takes what was asked for ahead; the server answers with what is there, or waits about `wait` for the
    /// first.
    async fn take(&mut self, max: usize, wait: Duration) -> Result<Vec<Delivery>, BusError> {
        let wait = wait.clamp(SHORTEST_WAIT, LONGEST_WAIT);
        let ahead = self.fresh(max).await;
        let end = Instant::now() + wait + self.bus.api.timeout;
        let mut hand = match ahead {
            Some(ahead) => ahead,
            None => self.ask(max, wait, end).await?,
        };
        let messages = hand.take(end).await?;
        let full = messages.len() == max;
        self.handed = Some((Instant::now(), full));
        // With as many out as may be, the server would not answer.
        if full && self.swift && self.out.len() + 2 * max <= self.spec.max_in_flight {
            self.ahead = self.ask(max, SHORTEST_WAIT, end).await.ok();
        }
        self.deliveries(messages).await
    }

    /// What was asked for ahead, where it can be handed out.
    async fn fresh(&mut self, max: usize) -> Option<Hand> {
        let ahead = self.ahead.take()?;
        if ahead.max <= max && ahead.asked.elapsed() < STALE {
            return Some(ahead);
        }
        if let Err(error) = ahead.give_back().await {
            tracing::debug!(consumer = self.spec.name, %error, "what was asked for ahead comes again later");
        }
        None
    }

    async fn ask(&self, max: usize, wait: Duration, end: Instant) -> Result<Hand, BusError> {
        match tokio::time::timeout_at(end, Hand::ask(&self.bus.api, &self.consumer, max, wait)).await {
            Ok(hand) => hand,
            Err(elapsed) => Err(BusError::unavailable(elapsed)),
        }
    }

    async fn deliveries(&mut self, messages: Vec<jetstream::Message>) -> Result<Vec<Delivery>, BusError> {
        self.forget_old();
        let mut deliveries = Vec::with_capacity(messages.len());
        for message in messages {
            let info = message.info().map_err(BusError::Unavailable)?;
            let (position, times) = (info.stream_sequence, info.delivered);
            match EventEnvelope::decode(message.payload.as_ref()) {
                Ok(event) => {
                    let reply =
                        message.reply.clone().ok_or_else(|| BusError::Unavailable("no reply subject".into()))?;
                    self.out.insert(position, (reply, Instant::now()));
                    let deliveries_so_far = u32::try_from(times).unwrap_or(u32::MAX);
                    deliveries.push(Delivery { event, deliveries: deliveries_so_far, position });
                }
                Err(error) => {
                    metrics::counter!("events_foreign_total", "consumer" => self.spec.name).increment(1);
                    tracing::error!(
                        %error, position, subject = %message.subject,
                        "the event stream holds a message that is no event; somebody else publishes there, take care of it"
                    );
                    message.ack_with(AckKind::Term).await.map_err(BusError::Unavailable)?;
                }
            }
        }
        Ok(deliveries)
    }

    /// Deliveries that nobody answered came again long ago, maybe to another part.
    fn forget_old(&mut self) {
        if self.out.len() > 2 * self.spec.max_in_flight {
            let horizon = self.spec.ack_wait * 10;
            self.out.retain(|_, (_, since)| since.elapsed() < horizon);
        }
    }

    fn acker(&mut self, delivery: &Delivery) -> Option<Acker> {
        let (reply, _) = self.out.remove(&delivery.position)?;
        Some(Acker::new(self.bus.api.context.clone(), Some(reply)))
    }
}

#[async_trait]
impl Subscription for Part {
    async fn fetch(&mut self, max: usize, wait: Duration) -> Result<Vec<Delivery>, BusError> {
        let end = Instant::now() + wait;
        let mut published = self.bus.pokes.of(self.spec.service());
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let deliveries = self.take(max, left).await?;
            let left = end.saturating_duration_since(Instant::now());
            if !deliveries.is_empty() || left.is_zero() {
                return Ok(deliveries);
            }
            // The server answers at once where other parts wait; either way it is time to look again.
            let _ = tokio::time::timeout(left.min(PAUSE), published.changed()).await;
        }
    }

    async fn ack(&mut self, deliveries: &[Delivery]) -> Result<(), BusError> {
        self.swift = self.handed.is_some_and(|(since, full)| full && since.elapsed() < SWIFT);
        let mut ackers: Vec<_> = deliveries.iter().filter_map(|delivery| self.acker(delivery)).collect();
        let Some(last) = ackers.pop() else { return Ok(()) };
        for acker in ackers {
            acker.ack().await.map_err(BusError::Unavailable)?;
        }
        // The server takes acknowledgements in turn, so the answer to the last one stands for all.
        last.double_ack().await.map_err(BusError::Unavailable)
    }

    async fn nak(&mut self, delivery: &Delivery, delay: Duration) -> Result<(), BusError> {
        let Some(acker) = self.acker(delivery) else { return Ok(()) };
        let delay = (!delay.is_zero()).then_some(delay);
        acker.ack_with(AckKind::Nak(delay)).await.map_err(BusError::Unavailable)
    }
    async fn end(&mut self) -> Result<(), BusError> {
        match self.ahead.take() {
            Some(ahead) => ahead.give_back().await,
            None => Ok(()),
        }
    }
}
