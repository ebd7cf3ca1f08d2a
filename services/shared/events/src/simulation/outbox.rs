//! A model of a service's database: state, outbox, and what relays keep there.

use std::collections::BTreeMap;
use std::time::Duration;

use types::Timestamp;

use super::chance::Chance;
use super::{KEYS, Mutant, SimEvent};
use crate::relay::machine::{Claim, Lost, Mended, Note, Remembered, Row, Sent};

#[derive(Debug, Clone)]
struct OutRow {
    event: SimEvent,
    sent: Option<(Timestamp, i64)>,
}

#[derive(Debug, Clone, Copy)]
struct Lease {
    holder: u64,
    fence: i64,
    expires: Timestamp,
}

/// A transaction that is not over: it holds the locks of its keys, and its rows have their positions.
#[derive(Debug)]
struct Open {
    rows: Vec<(i64, SimEvent)>,
}

#[derive(Debug)]
pub struct Outbox {
    rows: BTreeMap<i64, OutRow>,
    next_row: i64,
    next_id: u64,
    /// The last sequence of each key that is committed.
    pub sequences: [i64; KEYS],
    open: Vec<Open>,
    remembered: Option<Remembered>,
    lease: Option<Lease>,
    pruned: BTreeMap<u8, (i64, i64)>,
    anchors: BTreeMap<i64, u64>,
    pub alarms: Vec<Lost>,
    pub retention: Duration,
    mutant: Option<Mutant>,
}

impl Outbox {
    pub fn new(retention: Duration, mutant: Option<Mutant>) -> Self {
        Self {
            rows: BTreeMap::new(),
            next_row: 1,
            next_id: 1,
            sequences: [0; KEYS],
            open: Vec::new(),
            remembered: None,
            lease: None,
            pruned: BTreeMap::new(),
            anchors: BTreeMap::new(),
            alarms: Vec::new(),
            retention,
            mutant,
        }
    }

    /// Begins, commits or rolls back a transaction of the service. Positions commit out of order, as in PostgreSQL.
    pub fn work(&mut self, chance: &mut Chance) {
        if self.open.len() < 2 && chance.percent(60) {
            self.begin(chance);
        } else if !self.open.is_empty() {
            let open = self.open.swap_remove(chance.index(self.open.len()));
            if chance.percent(85) {
                self.commit(open);
            }
        }
    }

    fn begin(&mut self, chance: &mut Chance) {
        let locked: Vec<u8> = self.open.iter().flat_map(|open| &open.rows).map(|(_, event)| event.key).collect();
        let mut open = Open { rows: Vec::new() };
        for _ in 0..=chance.below(4) {
            let key = u8::try_from(chance.below(KEYS as u64)).expect("there are few keys");
            if locked.contains(&key) {
                continue;
            }
            let before = open.rows.iter().filter(|(_, event)| event.key == key).count();
            let sequence = self.sequences[usize::from(key)] + 1 + i64::try_from(before).expect("there are few");
            open.rows.push((self.next_row, SimEvent { id: self.next_id, key, sequence }));
            self.next_row += 1;
            self.next_id += 1;
        }
        self.open.push(open);
    }

    fn commit(&mut self, open: Open) {
        for (position, event) in open.rows {
            self.sequences[usize::from(event.key)] = event.sequence;
            self.rows.insert(position, OutRow { event, sent: None });
        }
    }

    pub fn commit_all(&mut self) {
        while let Some(open) = self.open.pop() {
            self.commit(open);
        }
    }

    pub fn claim(&mut self, holder: u64, until: Timestamp, now: Timestamp) -> Claim {
        let lease = match self.lease {
            Some(lease) if lease.holder != holder && lease.expires > now => {
                return Claim::Other { until: lease.expires };
            }
            Some(lease) if lease.holder == holder => Lease { expires: until, ..lease },
            Some(lease) => Lease { holder, fence: lease.fence + 1, expires: until },
            None => Lease { holder, fence: 1, expires: until },
        };
        self.lease = Some(lease);
        Claim::Held { fence: lease.fence, until }
    }

    fn holds(&self, holder: u64, fence: Option<i64>) -> bool {
        self.mutant == Some(Mutant::NoFence)
            || self.lease.is_some_and(|lease| lease.holder == holder && Some(lease.fence) == fence)
    }

    pub fn remembered(&self) -> Option<Remembered> {
        self.remembered.clone()
    }

    pub fn unsent(&self, after: i64, limit: usize) -> Vec<(Row, SimEvent)> {
        let waiting = self.rows.range(after + 1..).filter(|(_, row)| row.sent.is_none());
        waiting
            .take(limit)
            .map(|(&position, row)| (Row { position, id: row.event.id.to_string() }, row.event.clone()))
            .collect()
    }

    pub fn find(&self, from: i64, before: i64) -> Option<Sent> {
        let sent = self.rows.values().filter_map(|row| row.sent.map(|(_, at)| (at, row.event.id)));
        let anchors = self.anchors.iter().map(|(&at, &id)| (at, id));
        let (stream_position, id) = sent.chain(anchors).filter(|(at, _)| (from..before).contains(at)).min()?;
        Some(Sent { stream_position, id: id.to_string() })
    }

    pub fn note(&mut self, holder: u64, fence: Option<i64>, note: &Note, now: Timestamp) -> bool {
        if !self.holds(holder, fence) {
            return false;
        }
        for (position, stream) in &note.sent {
            if let Some(row) = self.rows.get_mut(position) {
                row.sent = Some((now, *stream));
            }
        }
        let older =
            |held: &Remembered| held.identity != note.last.identity || held.last_position < note.last.last_position;
        if self.remembered.as_ref().is_none_or(older) {
            self.remembered = Some(note.last.clone());
        }
        true
    }

    /// In small parts, so that a relay dies between them.
    pub fn mend(&mut self, holder: u64, fence: Option<i64>, after: i64, intact: Option<Remembered>) -> Option<Mended> {
        const AT_ONCE: usize = 5;
        if !self.holds(holder, fence) {
            return None;
        }
        let mut lost: Vec<_> =
            self.rows.iter().filter_map(|(&place, row)| row.sent.map(|(_, at)| (at, place))).collect();
        lost.retain(|(at, _)| *at > after);
        lost.sort_unstable();
        for (_, place) in lost.iter().take(AT_ONCE) {
            if let Some(row) = self.rows.get_mut(place) {
                row.sent = None;
            }
        }
        let again = lost.len().min(AT_ONCE) as u64;
        if lost.len() >= AT_ONCE {
            return Some(Mended { again, left: true, lost: Vec::new() });
        }
        self.remembered = intact;
        let gone = |key: u8, up_to| Lost { thing: String::new(), key: key.to_string(), up_to };
        let told: Vec<_> =
            self.pruned.iter().filter(|(_, (_, at))| *at > after).map(|(&key, &(last, _))| gone(key, last)).collect();
        self.pruned.retain(|_, (_, at)| *at <= after);
        self.anchors.retain(|at, _| *at <= after);
        self.alarms.extend(told.clone());
        Some(Mended { again, left: false, lost: told })
    }

    pub fn prune(&mut self, now: Timestamp) {
        let horizon = now - self.retention;
        let old = |row: &OutRow| row.sent.is_some_and(|(sent, _)| sent < horizon);
        for row in self.rows.values().filter(|row| old(row)) {
            let at = row.sent.map_or(0, |(_, at)| at);
            let kept = self.pruned.entry(row.event.key).or_default();
            *kept = (kept.0.max(row.event.sequence), kept.1.max(at));
        }
        let gone = self.rows.values().filter(|row| old(row));
        let anchor = gone.filter_map(|row| row.sent.map(|(_, at)| (at, row.event.id))).max();
        self.anchors.extend(anchor);
        self.rows.retain(|_, row| !old(row));
    }

    pub fn keeps(&self, key: u8, sequence: i64) -> bool {
        self.rows.values().any(|row| row.event.key == key && row.event.sequence == sequence)
    }

    pub fn waits(&self) -> usize {
        self.rows.values().filter(|row| row.sent.is_none()).count()
    }
}
