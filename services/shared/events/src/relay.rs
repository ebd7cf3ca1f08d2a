//! Publishes what waits in the outbox.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::gauges::{self, Pace};
use crate::{BusError, Error, EventBus, StreamState, outbox};

pub(crate) mod machine;
mod perform;
mod search;
mod state;

use machine::{Action, Input, Lost, Machine};
use outbox::sent::Unsent;

/// How many events are published in a turn: some batches, so that a bus that takes them one after the other can overlap
/// them, and few comparisons and notes.
const AT_ONCE: usize = 4 * crate::topology::MAX_BATCH;
/// How long a relay leads its outbox without a word.
const LEASE: Duration = Duration::from_secs(15);

/// Publishes the outbox of one service, in the order in which its rows were written.
///
/// Several relays, one in each process of the service, may share an outbox: a lease in the database lets one of them
/// publish, and a fencing number keeps one that was stopped for longer from noting what it missed.
///
/// An event may be published twice when the relay dies between publishing and noting it; consumers drop the double by
/// its sequence. Sent rows are kept for a while, because a broker may lose its tail: at its first round, at the
/// first after a failure or a new connection, and once a minute, the relay compares the stream with what it remembers,
/// and sends again what is missing.
pub struct Relay {
    db: sql::Database,
    bus: Arc<dyn EventBus>,
    service: &'static str,
    retention: Duration,
    /// Tells this relay from the others of its outbox.
    holder: String,
    /// Whether another process may have the database.
    shared: bool,
    machine: Machine,
    /// What was read last and is published next.
    ahead: Vec<Unsent>,
    pace: Pace,
}

/// What one round of a relay did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Relayed {
    /// Events published.
    pub published: usize,
    /// Events that the stream had lost and that wait to be published again.
    pub again: u64,
    /// What was lost beyond repair, for people. Empty when nothing was.
    pub lost: String,
    /// Whether more waits.
    pub more: bool,
    /// Whether another relay publishes.
    pub stands_by: bool,
}

impl fmt::Display for Relayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.stands_by {
            return f.write_str("another relay publishes");
        }
        write!(f, "{} published", self.published)?;
        if self.again > 0 {
            write!(f, ", {} sent again", self.again)?;
        }
        if !self.lost.is_empty() {
            write!(f, ", lost: {}", self.lost)?;
        }
        Ok(())
    }
}

impl Relay {
    /// A relay of the outbox in `db`, which belongs to `service`. Sent rows are kept for `retention`, or longer where the bus
    /// needs that.
    ///
    /// It takes the lease over at its first round, since whoever held it is gone: only one process at a time has such a
    /// database. See [`Relay::shared`].
    pub fn new(db: sql::Database, bus: Arc<dyn EventBus>, service: &'static str, retention: Duration) -> Self {
        let machine = Machine::new(AT_ONCE, LEASE, machine::PRUNE_EVERY);
        let holder = uuid::Uuid::new_v4().simple().to_string();
        Self { db, bus, service, retention, holder, shared: false, machine, ahead: Vec::new(), pace: Pace::default() }
    }

    /// Says that other processes may have the database too, so that another relay's lease is waited for.
    pub fn shared(mut self) -> Self {
        self.shared = true;
        self
    }

    /// Publishes what waits. Call it again at once when `more` is set; else when the database changed.
    ///
    /// A round that is dropped half-way loses nothing; what it published and did not note is published again.
    pub async fn reconcile(&mut self) -> Result<Relayed, Error> {
        self.ahead.clear();
        if self.pace.is_due(self.db.now()) {
            gauges::of_outbox(&self.db, self.service).await?;
        }
        let mut input = Input::Began { connection: self.bus.connection() };
        loop {
            let action = self.machine.next(input, self.db.now());
            if action == Action::Rest {
                return self.relayed();
            }
            input = match self.perform(action).await {
                Ok(input) => input,
                Err(error) => {
                    self.machine.next(Input::Failed, self.db.now());
                    return Err(error);
                }
            };
        }
    }

    /// Lets a relay that starts from now on lead at once. Call it when this one ends; a relay that is killed is waited
    /// for until its lease is over. Those that stand by already look again at that time. Does nothing for one that is
    /// alone.
    pub async fn release(&self) -> Result<(), Error> {
        if !self.shared {
            return Ok(());
        }
        let (service, holder) = (self.service, self.holder.clone());
        self.db.write(move |conn| Box::pin(async move { state::release(conn, service, &holder).await })).await
    }

    fn relayed(&self) -> Result<Relayed, Error> {
        let round = self.machine.round();
        if round.unsure {
            return Err(BusError::unavailable("the stream changed under the relay; it is compared first").into());
        }
        Ok(Relayed {
            published: round.published,
            again: round.again,
            lost: named(&round.lost),
            more: round.more,
            stands_by: round.stands_by,
        })
    }
}

/// `millrace.discovery.dataset d up to 7`, with semicolons between.
fn named(lost: &[Lost]) -> String {
    let named: Vec<_> = lost.iter().map(|lost| format!("{} {} up to {}", lost.thing, lost.key, lost.up_to)).collect();
    named.join("; ")
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("service", &self.service).field("shared", &self.shared).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
