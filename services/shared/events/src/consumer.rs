//! Gives events their effect, once and in order per key.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::gauges::{self, Pace};
use crate::{ConsumerSpec, Error, EventBus, Handler, Subscription};

mod apply;
mod failure;
pub(crate) mod machine;
mod perform;

pub use failure::Patience;
use machine::{Action, Input, Round};
use perform::UnderWay;

/// How many deliveries a round takes at most.
const MOST_AT_ONCE: usize = 512;

/// One worker of a durable consumer.
///
/// One transaction holds the effect of an event and the sequence that was applied; events that come together share one.
/// So an event that is delivered twice has one effect, one that comes too early comes again later, and any number of
/// workers may share the consumer. An event that cannot be applied is tried again with back-off; in the end it becomes a dead letter, which blocks its
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
    under_way: UnderWay<H>,
    pace: Pace,
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
pub(crate) enum Fate {
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
            batch: MOST_AT_ONCE.min(spec.max_in_flight),
            wait: Duration::from_secs(1),
            subscription: None,
            under_way: UnderWay::default(),
            pace: Pace::default(),
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
        self.under_way = UnderWay::default();
        let (mut round, mut input) = (Round::default(), Input::Began);
        loop {
            let action = round.next(input);
            if action == Action::Rest {
                break;
            }
            input = self.perform(action).await?;
        }
        self.count(round.progress());
        if self.pace.is_due(self.db.now())
            && let Err(error) = gauges::of_consumer(&self.db, &*self.bus, &self.spec).await
        {
            tracing::debug!(consumer = self.spec.name, %error, "cannot tell how far the consumer is");
        }
        Ok(round.progress().clone())
    }

    /// Lets other workers have at once what the bus sent ahead of the next round. Call it when this one ends; what is
    /// ahead of a worker that is killed comes again after the time to acknowledge.
    pub async fn end(&mut self) -> Result<(), Error> {
        match self.subscription.take() {
            Some(mut subscription) => Ok(subscription.end().await?),
            None => Ok(()),
        }
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
