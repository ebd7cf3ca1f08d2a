//! A model of a service's database: state, outbox, and what relays keep there.

use std::collections::BTreeMap;
use std::time::Duration;

use types::Timestamp;

use super::chance::Chance;
use super::{KEYS, Mutant, SimEvent};
use crate::relay::machine::{Claim, Lost, Mended, Note, Read, Remembered, Row, Sent};

/// How long a run goes on, and how many rows it takes at most.
const LONGEST: Duration = Duration::from_millis(60);
const MOST: i64 = 8;

/// Rows that follow each other here and in the stream; as in the table `outbox_sent`.
#[derive(Debug, Clone, Copy)]
struct Run {
    last: i64,
    stream_first: i64,
    began: Timestamp,
    ended: Timestamp,
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
    rows: BTreeMap<i64, SimEvent>,
    /// What was sent, by the first row of each run. A row that none holds waits.
    runs: BTreeMap<i64, Run>,
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
            runs: BTreeMap::new(),
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
            self.rows.insert(position, event);
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

    /// Where a row stands in the stream, if it was sent.
    fn sent(&self, position: i64) -> Option<i64> {
        let (first, run) = self.runs.range(..=position).next_back()?;
        (position <= run.last).then_some(run.stream_first + position - first)
    }

    fn all_sent(&self) -> impl Iterator<Item = (i64, &SimEvent)> {
        self.rows.iter().filter_map(|(&position, event)| Some((self.sent(position)?, event)))
    }

    pub fn unsent(&self, read: Read, limit: usize) -> Vec<(Row, SimEvent)> {
        let end = self.runs.values().next_back().map_or(0, |run| run.last);
        let gaps = read.gaps && self.mutant != Some(Mutant::NoGapsRead);
        let after = if gaps { read.after } else { read.after.max(end) };
        let waiting = self.rows.range(after + 1..).filter(|(position, _)| self.sent(**position).is_none());
        waiting
            .take(limit)
            .map(|(&position, event)| (Row { position, id: event.id.to_string() }, event.clone()))
            .collect()
    }

    pub fn find(&self, from: i64, before: i64) -> Option<Sent> {
        let sent = self.all_sent().map(|(at, event)| (at, event.id));
        let anchors = self.anchors.iter().map(|(&at, &id)| (at, id));
        let (stream_position, id) = sent.chain(anchors).filter(|(at, _)| (from..before).contains(at)).min()?;
        Some(Sent { stream_position, id: id.to_string() })
    }

    pub fn note(&mut self, holder: u64, fence: Option<i64>, note: &Note, now: Timestamp) -> bool {
        if !self.holds(holder, fence) {
            return false;
        }
        for run in note.sent.chunk_by(|one, next| next.0 == one.0 + 1 && next.1 == one.1 + 1) {
            self.note_run(run[0], run[run.len() - 1].0, now);
        }
        let older =
            |held: &Remembered| held.identity != note.last.identity || held.last_position < note.last.last_position;
        if self.remembered.as_ref().is_none_or(older) {
            self.remembered = Some(note.last.clone());
        }
        true
    }

    fn note_run(&mut self, (first, stream_first): (i64, i64), last: i64, now: Timestamp) {
        if let Some((&before, run)) = self.runs.range_mut(..first).next_back()
            && run.last == first - 1
            && run.stream_first + run.last - before == stream_first - 1
            && run.began > now - LONGEST
            && run.last - before < MOST
        {
            (run.last, run.ended) = (last, now);
            return;
        }
        self.runs.insert(first, Run { last, stream_first, began: now, ended: now });
    }

    /// Takes back what was sent after a position of the stream.
    pub fn mend(&mut self, holder: u64, fence: Option<i64>, after: i64, intact: Option<Remembered>) -> Option<Mended> {
        if !self.holds(holder, fence) {
            return None;
        }
        let again = self.all_sent().filter(|(at, _)| *at > after).count() as u64;
        self.runs.retain(|_, run| run.stream_first <= after);
        if self.mutant != Some(Mutant::CutNoRun) {
            for (first, run) in &mut self.runs {
                run.last = run.last.min(first + after - run.stream_first);
            }
        }
        self.remembered = intact;
        let gone = |key: u8, up_to| Lost { thing: String::new(), key: key.to_string(), up_to };
        let told: Vec<_> =
            self.pruned.iter().filter(|(_, (_, at))| *at > after).map(|(&key, &(last, _))| gone(key, last)).collect();
        self.pruned.retain(|_, (_, at)| *at <= after);
        self.anchors.retain(|at, _| *at <= after);
        self.alarms.extend(told.clone());
        Some(Mended { again, lost: told })
    }

    pub fn prune(&mut self, now: Timestamp) {
        let horizon = now - self.retention;
        let old: Vec<_> =
            self.runs.iter().filter(|(_, run)| run.ended < horizon).map(|(&at, &run)| (at, run)).collect();
        let mut anchor = None;
        for (first, run) in old {
            for (&position, event) in self.rows.range(first..=run.last) {
                let at = run.stream_first + position - first;
                let kept = self.pruned.entry(event.key).or_default();
                *kept = (kept.0.max(event.sequence), kept.1.max(at));
                anchor = anchor.max(Some((at, event.id)));
            }
            self.rows.retain(|position, _| !(first..=run.last).contains(position));
            self.runs.remove(&first);
        }
        self.anchors.extend(anchor);
    }

    pub fn keeps(&self, key: u8, sequence: i64) -> bool {
        self.rows.values().any(|event| event.key == key && event.sequence == sequence)
    }

    pub fn waits(&self) -> usize {
        self.rows.keys().filter(|position| self.sent(**position).is_none()).count()
    }
}
