//! Gives events their effect, once and in order per key.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use proto::common::v1::EventEnvelope;
use tracing::Instrument;

use crate::consumer::apply::{Applied, Ready};
use crate::inbox::{self, Decision, Standing};
use crate::{BusError, ConsumerSpec, Delivery, Error, EventBus, Handler, HandlerError, Subscription, event};

mod apply;
mod failure;

pub use failure::Patience;

/// One worker of a durable consumer.
///
/// Per event, one transaction holds the effect and the sequence that was applied. So an event that is delivered twice
/// has one effect, one that comes too early comes again later, and any number of workers may share the consumer. An
/// event that cannot be applied is tried again with back-off; in the end it becomes a dead letter, which blocks its
/// key: later events of the key are parked as rows, and applied in order once the letter was redriven or purged.
pub struct Consumer<H: Handler> {
    spec: ConsumerSpec,
    db: sql::Database,
    bus: Arc<dyn EventBus>,
    handler: Arc<H>,
    patience: Patience,
    batch: usize,
    wait: Duration,
    subscription: Option<Box<dyn Subscription>>,
}

/// What one round of a consumer did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Events that had their effect.
    pub applied: usize,
    /// Events that had had their effect before.
    pub duplicates: usize,
    /// Events that came too early, and come again.
    pub early: usize,
    /// Events that failed, and are tried again.
    pub failed: usize,
    /// Events that became dead letters.
    pub dead: usize,
    /// Events parked behind a dead letter.
    pub parked: usize,
    /// Whether more may wait.
    pub more: bool,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} applied", self.applied)?;
        for (count, what) in [
            (self.duplicates, "applied before"),
            (self.early, "too early"),
            (self.failed, "failed"),
            (self.dead, "given up"),
            (self.parked, "parked"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

/// What becomes of an event in this round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Applied,
    Duplicate,
    Parked,
    Dead,
    /// It came too early; it comes again after this long.
    Early(Duration),
    /// It failed; it comes again after this long.
    Failed(Duration),
}

impl<H: Handler> Consumer<H> {
    /// A worker of the consumer `spec`, which stores effects in `db`.
    pub fn new(spec: &ConsumerSpec, db: sql::Database, bus: Arc<dyn EventBus>, handler: H) -> Self {
        Self {
            spec: spec.clone(),
            db,
            bus,
            handler: Arc::new(handler),
            patience: Patience::default(),
            batch: 64,
            wait: Duration::from_secs(1),
            subscription: None,
        }
    }

    /// Sets how failed events are tried again.
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// Sets how long a round waits for the first event. Usually one second.
    pub fn with_wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Applies what is there. Call it again at once when `more` is set; else when something was published.
    ///
    /// A round that is dropped half-way leaves whole transactions behind; the rest comes again.
    pub async fn reconcile(&mut self) -> Result<Progress, Error> {
        let mut progress = Progress::default();
        self.apply_rows(&mut progress).await?;
        let wait = if progress.more { Duration::ZERO } else { self.wait };
        let deliveries = match self.fetch(wait).await {
            Ok(deliveries) => deliveries,
            Err(error) => {
                self.subscription = None;
                return Err(error.into());
            }
        };
        progress.more |= !deliveries.is_empty();
        let fates = self.apply_batch(&deliveries).await?;
        self.answer(deliveries, fates, &mut progress).await?;
        self.count(&progress);
        Ok(progress)
    }

    async fn fetch(&mut self, wait: Duration) -> Result<Vec<Delivery>, BusError> {
        if self.subscription.is_none() {
            self.subscription = Some(self.bus.subscribe(&self.spec).await?);
        }
        let subscription = self.subscription.as_mut().expect("it was just made");
        subscription.fetch(self.batch, wait).await
    }

    async fn answer(
        &mut self,
        deliveries: Vec<Delivery>,
        fates: Vec<Fate>,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        let subscription = self.subscription.as_mut().expect("deliveries came from it");
        let mut done = Vec::with_capacity(deliveries.len());
        for (delivery, fate) in deliveries.into_iter().zip(fates) {
            progress.note(fate);
            match fate {
                Fate::Applied | Fate::Duplicate | Fate::Parked | Fate::Dead => done.push(delivery),
                Fate::Early(delay) | Fate::Failed(delay) => subscription.nak(&delivery, delay).await?,
            }
        }
        subscription.ack(&done).await?;
        Ok(())
    }

    /// Applies redriven dead letters, and what is parked behind letters that are gone.
    async fn apply_rows(&self, progress: &mut Progress) -> Result<(), Error> {
        const AT_ONCE: i64 = 64;
        let (consumer, now) = (self.spec.name, self.db.now());
        let events = self.db.read(move |conn| Box::pin(inbox::due_here(conn, consumer, now, AT_ONCE))).await?;
        progress.more |= !events.is_empty();
        for event in events {
            let fate = match self.prepare(&event).await {
                Ok(ready) => self.apply_one(ready, true).await?,
                Err(error) => self.fail(&event, error, 1).await?,
            };
            if let Fate::Early(delay) | Fate::Failed(delay) = fate {
                let (until, id) = (self.db.now() + delay, event.id.clone());
                self.db
                    .write(move |conn| Box::pin(async move { inbox::postpone(conn, consumer, &id, until).await }))
                    .await?;
            }
            progress.note(fate);
        }
        Ok(())
    }

    /// Applies deliveries: all that can be in one transaction, or each in its own when one of them fails.
    async fn apply_batch(&self, deliveries: &[Delivery]) -> Result<Vec<Fate>, Error> {
        let mut standings = self.standings(deliveries).await?;
        let mut fates: Vec<Option<Fate>> = vec![None; deliveries.len()];
        let mut ready = Vec::new();
        for (index, delivery) in deliveries.iter().enumerate() {
            let event = &delivery.event;
            let standing = standings.get_mut(&key_of(event)).expect("each key was read");
            match inbox::decide(*standing, event.sequence) {
                Decision::Duplicate => fates[index] = Some(Fate::Duplicate),
                Decision::Gap => fates[index] = Some(Fate::Early(failure::early(delivery.deliveries))),
                Decision::Park => ready.push((index, Ready::unprepared(event.clone()))),
                Decision::Apply => match self.prepare(event).await {
                    Ok(prepared) => {
                        standing.last = event.sequence;
                        ready.push((index, prepared));
                    }
                    Err(error) => fates[index] = Some(self.fail(event, error, delivery.deliveries).await?),
                },
            }
        }
        self.apply_ready(deliveries, ready, &mut fates).await?;
        Ok(fates.into_iter().map(|fate| fate.expect("each event was decided on")).collect())
    }

    async fn apply_ready(
        &self,
        deliveries: &[Delivery],
        ready: Vec<(usize, Ready<H>)>,
        fates: &mut [Option<Fate>],
    ) -> Result<(), Error> {
        let (indexes, events): (Vec<_>, Vec<_>) = ready.into_iter().unzip();
        let events: Arc<[_]> = events.into();
        if events.len() > 1
            && let Ok(applied) = self.apply_together(events.clone()).await
        {
            for (&index, applied) in indexes.iter().zip(applied) {
                fates[index] = Some(applied.fate(deliveries[index].deliveries));
            }
            return Ok(());
        }
        for (position, &index) in indexes.iter().enumerate() {
            let fate = self.apply_alone(events.clone(), position, false).await;
            fates[index] = Some(match fate {
                Ok(applied) => applied.fate(deliveries[index].deliveries),
                Err(apply::Failure::Store(error)) => return Err(error),
                Err(apply::Failure::Handler(error)) => {
                    self.fail(&deliveries[index].event, error, deliveries[index].deliveries).await?
                }
            });
        }
        Ok(())
    }

    async fn apply_one(&self, ready: Ready<H>, from_row: bool) -> Result<Fate, Error> {
        let event = ready.event.clone();
        match self.apply_alone(vec![ready].into(), 0, from_row).await {
            Ok(applied) => Ok(applied.fate(1)),
            Err(apply::Failure::Store(error)) => Err(error),
            Err(apply::Failure::Handler(error)) => self.fail(&event, error, 1).await,
        }
    }

    async fn apply_together(&self, events: Arc<[Ready<H>]>) -> Result<Vec<Applied>, apply::Failure> {
        let (consumer, handler, now) = (self.spec.name, self.handler.clone(), self.db.now());
        self.db
            .write(move |conn| {
                Box::pin(async move {
                    let mut applied = Vec::with_capacity(events.len());
                    for ready in events.iter() {
                        applied.push(apply::apply(conn, consumer, &*handler, ready, false, now).await?);
                    }
                    Ok(applied)
                })
            })
            .await
    }

    async fn apply_alone(
        &self,
        events: Arc<[Ready<H>]>,
        position: usize,
        from_row: bool,
    ) -> Result<Applied, apply::Failure> {
        let (consumer, handler, now) = (self.spec.name, self.handler.clone(), self.db.now());
        self.db
            .write(move |conn| {
                Box::pin(async move { apply::apply(conn, consumer, &*handler, &events[position], from_row, now).await })
            })
            .await
    }

    async fn prepare(&self, event: &EventEnvelope) -> Result<Ready<H>, HandlerError> {
        let span = apply::span(self.spec.name, event);
        let prepared = self.handler.prepare(event).instrument(span.clone()).await?;
        Ok(Ready { event: event.clone(), prepared: Some(prepared), span })
    }

    async fn standings(&self, deliveries: &[Delivery]) -> Result<HashMap<(String, String), Standing>, Error> {
        let consumer = self.spec.name;
        let mut firsts: HashMap<_, EventEnvelope> = HashMap::new();
        for delivery in deliveries {
            firsts.entry(key_of(&delivery.event)).or_insert_with(|| delivery.event.clone());
        }
        if firsts.is_empty() {
            return Ok(HashMap::new());
        }
        self.db
            .read(move |conn| {
                Box::pin(async move {
                    let mut standings = HashMap::with_capacity(firsts.len());
                    for (key, event) in firsts {
                        standings.insert(key, inbox::standing(conn, consumer, &event).await?);
                    }
                    Ok(standings)
                })
            })
            .await
    }

    fn count(&self, progress: &Progress) {
        for (result, count) in [
            ("applied", progress.applied),
            ("duplicate", progress.duplicates),
            ("early", progress.early),
            ("failed", progress.failed),
            ("dead", progress.dead),
            ("parked", progress.parked),
        ] {
            if count > 0 {
                metrics::counter!("events_consumed_total", "consumer" => self.spec.name, "result" => result)
                    .increment(count as u64);
            }
        }
    }
}

fn key_of(event: &EventEnvelope) -> (String, String) {
    (event::thing(&event.subject).to_owned(), event.key.clone())
}

impl Progress {
    fn note(&mut self, fate: Fate) {
        match fate {
            Fate::Applied => self.applied += 1,
            Fate::Duplicate => self.duplicates += 1,
            Fate::Parked => self.parked += 1,
            Fate::Dead => self.dead += 1,
            Fate::Early(_) => self.early += 1,
            Fate::Failed(_) => self.failed += 1,
        }
    }
}

impl<H: Handler> fmt::Debug for Consumer<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("spec", &self.spec).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
