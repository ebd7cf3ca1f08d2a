//! A model of a broker: one stream, one durable consumer, and all that brokers do to those who rely on them.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use types::Timestamp;

use super::chance::Chance;
use super::{Mutant, SimEvent};
use crate::StreamState;

const ACK_WAIT: Duration = Duration::from_millis(300);

/// What a broker answers when it does not: the outcome is not known.
#[derive(Debug)]
pub struct Unknown;

#[derive(Debug, Clone, Default)]
struct Stream {
    identity: u64,
    /// The event at each position from 1 on; none where somebody else's message stands.
    log: Vec<Option<SimEvent>>,
}

/// How far the consumer is. It lies beside the stream, and may be newer or older than it after a fault.
#[derive(Debug, Clone)]
struct Consumer {
    next: i64,
    out: BTreeMap<i64, (Timestamp, u32)>,
}

#[derive(Debug)]
pub struct Broker {
    stream: Stream,
    consumer: Consumer,
    /// Ids that it would drop.
    known: HashSet<u64>,
    /// How much of the stream is on disk.
    synced: usize,
    copy: Option<(Stream, Consumer)>,
    pub connection: u64,
    /// It is away until then.
    pub away_until: Timestamp,
    /// Whether it harms.
    pub kind: bool,
    mutant: Option<Mutant>,
}

fn at(position: i64) -> usize {
    usize::try_from(position - 1).unwrap_or(usize::MAX)
}

impl Broker {
    pub fn new(mutant: Option<Mutant>) -> Self {
        Self {
            stream: Stream { identity: 1, log: Vec::new() },
            consumer: Consumer { next: 1, out: BTreeMap::new() },
            known: HashSet::new(),
            synced: 0,
            copy: None,
            connection: 1,
            away_until: Timestamp::from_micros(0),
            kind: false,
            mutant,
        }
    }

    fn end(&self) -> i64 {
        i64::try_from(self.stream.log.len()).expect("it is short")
    }

    fn answers(&self, now: Timestamp) -> Result<(), Unknown> {
        if now < self.away_until { Err(Unknown) } else { Ok(()) }
    }

    /// Stores a batch whole, or one by one where it knows an event of it. It may fail before, within or after.
    pub fn publish(&mut self, events: &[SimEvent], now: Timestamp, chance: &mut Chance) -> Result<Vec<i64>, Unknown> {
        self.answers(now)?;
        if !self.kind && chance.percent(4) {
            return Err(Unknown);
        }
        let singly = events.iter().any(|event| self.known.contains(&event.id));
        let mut positions = Vec::with_capacity(events.len());
        for event in events {
            if singly && !self.kind && chance.percent(3) {
                return Err(Unknown);
            }
            if self.known.insert(event.id) {
                self.stream.log.push(Some(event.clone()));
                positions.push(self.end());
            } else {
                let held = |held: &Option<SimEvent>| held.as_ref().is_some_and(|held| held.id == event.id);
                let place = self.stream.log.iter().position(held).map_or(0, |place| place + 1);
                positions.push(i64::try_from(place).expect("it is short"));
            }
        }
        if !self.kind && chance.percent(4) { Err(Unknown) } else { Ok(positions) }
    }

    pub fn look(&self, position: i64, now: Timestamp) -> Result<StreamState, Unknown> {
        self.answers(now)?;
        let held = self.stream.log.get(at(position)).and_then(Option::as_ref);
        Ok(StreamState {
            identity: self.stream.identity.to_string(),
            last_position: self.stream.log.len() as u64,
            id_at: held.map(|event| event.id.to_string()),
        })
    }

    /// Takes the consumer back, as `EventBus::rewind` of JetStream does: what it had not acknowledged must come too.
    pub fn rewind(&mut self, after: i64, now: Timestamp) -> Result<(), Unknown> {
        self.answers(now)?;
        if self.mutant == Some(Mutant::NoRewind) || self.consumer.next <= after + 1 {
            return Ok(());
        }
        let acknowledged = self.consumer.out.keys().next().map_or(self.consumer.next - 1, |first| first - 1);
        let to = if self.mutant == Some(Mutant::RewindPastPending) { after } else { after.min(acknowledged) };
        self.consumer = Consumer { next: to + 1, out: BTreeMap::new() };
        Ok(())
    }

    /// Deliveries with how often each was made; they may be doubled, reordered or lost on the way.
    pub fn fetch(
        &mut self,
        max: usize,
        now: Timestamp,
        chance: &mut Chance,
    ) -> Result<Vec<(i64, SimEvent, u32)>, Unknown> {
        self.answers(now)?;
        let due = self.consumer.out.iter().filter(|(_, (due, _))| *due <= now).map(|(position, _)| *position);
        let mut positions: Vec<_> = due.take(max).collect();
        while positions.len() < max && self.consumer.next <= self.end() {
            positions.push(self.consumer.next);
            self.consumer.next += 1;
        }
        let mut got = Vec::new();
        for position in positions {
            // What is gone, and what is no event, counts as acknowledged.
            let Some(Some(event)) = self.stream.log.get(at(position)) else {
                self.consumer.out.remove(&position);
                continue;
            };
            let out = self.consumer.out.entry(position).or_insert((now, 0));
            *out = (now + ACK_WAIT, out.1 + 1);
            let copies = if self.kind { 1 } else { [1, 1, 1, 1, 1, 1, 2, 0][chance.index(8)] };
            got.extend(vec![(position, event.clone(), out.1); copies]);
        }
        if !self.kind && chance.percent(25) {
            chance.shuffle(&mut got);
        }
        Ok(got)
    }

    pub fn ack(&mut self, position: i64, now: Timestamp, chance: &mut Chance) -> Result<(), Unknown> {
        self.answers(now)?;
        if self.kind || !chance.percent(3) {
            self.consumer.out.remove(&position);
        }
        Ok(())
    }

    pub fn nak(&mut self, position: i64, due: Timestamp, now: Timestamp) -> Result<(), Unknown> {
        self.answers(now)?;
        if let Some(out) = self.consumer.out.get_mut(&position) {
            out.0 = due;
        }
        Ok(())
    }

    pub fn sync(&mut self) {
        self.synced = self.stream.log.len();
    }

    /// Keeps a copy for later.
    pub fn copy(&mut self) {
        self.copy = Some((self.stream.clone(), self.consumer.clone()));
    }

    pub fn forget_ids(&mut self) {
        self.known.clear();
    }

    fn comes_back(&mut self, chance: &mut Chance) {
        self.connection += 1;
        let held = self.stream.log.iter().flatten().map(|event| event.id);
        self.known = if chance.percent(50) { held.collect() } else { HashSet::new() };
        self.synced = self.stream.log.len();
        // Others publish before we are back.
        for _ in 0..[0, 0, 1, 30][chance.index(4)] {
            self.stream.log.push(None);
        }
    }

    pub fn restart(&mut self, chance: &mut Chance) {
        self.comes_back(chance);
    }

    /// What was not synced is gone, or some of it.
    pub fn cut_power(&mut self, chance: &mut Chance) {
        let unsynced = self.stream.log.len().saturating_sub(self.synced);
        self.stream.log.truncate(self.synced + chance.index(unsynced + 1));
        if chance.percent(25) {
            // Another server of the cluster held the stream; our connection stands, and nobody publishes over the gap.
            self.known = self.stream.log.iter().flatten().map(|event| event.id).collect();
            self.synced = self.stream.log.len();
        } else {
            self.comes_back(chance);
        }
    }

    /// Comes back as it was when it was copied; how far its consumer is may be newer.
    pub fn roll_back(&mut self, chance: &mut Chance) -> bool {
        let Some((stream, consumer)) = self.copy.clone() else { return false };
        self.stream = stream;
        if chance.percent(50) {
            self.consumer = consumer;
        }
        self.comes_back(chance);
        true
    }

    /// Its store is deleted, or somebody deletes the stream and the connection stands.
    pub fn delete(&mut self, restarts: bool, chance: &mut Chance) {
        self.stream = Stream { identity: self.stream.identity + 1, log: Vec::new() };
        self.consumer = Consumer { next: 1, out: BTreeMap::new() };
        self.synced = 0;
        self.copy = None;
        self.known.clear();
        if restarts {
            self.comes_back(chance);
        }
    }

    /// Whether the stream holds an event.
    pub fn holds(&self, key: u8, sequence: i64) -> bool {
        self.stream.log.iter().flatten().any(|event| event.key == key && event.sequence == sequence)
    }

    /// Positions that are out or were not delivered yet, with their event.
    pub fn waiting(&self) -> impl Iterator<Item = &SimEvent> {
        let out = self.consumer.out.keys().copied();
        let undelivered = self.consumer.next..=self.end();
        out.chain(undelivered).filter_map(|position| self.stream.log.get(at(position))?.as_ref())
    }
}
