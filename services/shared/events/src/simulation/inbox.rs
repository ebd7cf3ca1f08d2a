//! A model of a consuming service's database: effects, and what consumers keep there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use types::Timestamp;

use super::chance::Chance;
use super::{KEYS, Mutant, SimEvent};
use crate::Patience;
use crate::inbox::{self, Applied, Standing, Trouble, Verdict};

const PATIENCE: Patience =
    Patience { max_attempts: 3, first_wait: Duration::from_millis(20), max_wait: Duration::from_millis(100) };

#[derive(Debug, Clone)]
struct Letter {
    event: SimEvent,
    redriven: bool,
}

#[derive(Debug)]
pub struct Inbox {
    last: [i64; KEYS],
    /// What was applied, in the order in which it was.
    pub effects: Vec<(u8, i64)>,
    /// What was purged.
    pub purged: BTreeSet<(u8, i64)>,
    letters: BTreeMap<u8, Letter>,
    parked: BTreeMap<(u8, i64), SimEvent>,
    attempts: BTreeMap<u64, (u32, Timestamp)>,
    /// How the handler fails, by key and sequence, until it is mended.
    pub trouble: BTreeMap<(u8, i64), Trouble>,
    mutant: Option<Mutant>,
}

impl Inbox {
    pub fn new(mutant: Option<Mutant>) -> Self {
        Self {
            last: [0; KEYS],
            effects: Vec::new(),
            purged: BTreeSet::new(),
            letters: BTreeMap::new(),
            parked: BTreeMap::new(),
            attempts: BTreeMap::new(),
            trouble: BTreeMap::new(),
            mutant,
        }
    }

    pub fn last(&self, key: u8) -> i64 {
        self.last[usize::from(key)]
    }

    pub fn standing(&self, key: u8) -> Standing {
        let traces = !(self.letters.is_empty() && self.parked.is_empty() && self.attempts.is_empty());
        Standing {
            last: self.last(key),
            blocked_at: self.letters.get(&key).map(|letter| letter.event.sequence),
            traces,
        }
    }

    /// As [`Inbox::standing`], as a broken machine would see it.
    pub fn seen(&self, event: &SimEvent) -> Standing {
        let standing = self.standing(event.key);
        match self.mutant {
            Some(Mutant::NoGapCheck) if event.sequence > standing.last => {
                Standing { last: event.sequence - 1, ..standing }
            }
            Some(Mutant::NoDuplicateCheck) if event.sequence <= standing.last => {
                Standing { last: event.sequence - 1, ..standing }
            }
            _ => standing,
        }
    }

    pub fn due(&self, now: Timestamp, limit: usize) -> Vec<SimEvent> {
        let rests = |event: &SimEvent| self.attempts.get(&event.id).is_some_and(|(_, next)| *next > now);
        let letters = self.letters.values().filter(|letter| letter.redriven).map(|letter| &letter.event);
        let parked = self
            .parked
            .values()
            .filter(|event| event.sequence == self.last(event.key) + 1 && !self.letters.contains_key(&event.key));
        letters.chain(parked).filter(|event| !rests(event)).take(limit).cloned().collect()
    }

    pub fn prepare(&self, event: &SimEvent, chance: &mut Chance) -> Option<Trouble> {
        match self.trouble.get(&(event.key, event.sequence)) {
            Some(Trouble::Retry) if chance.percent(50) => Some(Trouble::Retry),
            _ => None,
        }
    }

    /// One transaction, as `consumer::apply` makes it.
    pub fn apply(
        &mut self,
        events: &[(SimEvent, bool)],
        from_rows: bool,
        now: Timestamp,
    ) -> Result<Vec<Applied>, Trouble> {
        let mut standings: BTreeMap<u8, Standing> = BTreeMap::new();
        let mut applied = Vec::with_capacity(events.len());
        for (event, prepared) in events {
            let standing = standings.entry(event.key).or_insert_with(|| self.standing(event.key));
            if *standing != self.seen(event) && self.mutant.is_some() && standing.last == self.last(event.key) {
                *standing = self.seen(event);
            }
            let fate = inbox::settle(standing, event.sequence, from_rows, *prepared);
            if fate == Applied::Yes
                && let Some(trouble) = self.trouble.get(&(event.key, event.sequence))
            {
                return Err(*trouble);
            }
            applied.push(fate);
        }
        for ((event, _), fate) in events.iter().zip(&applied) {
            match fate {
                Applied::Yes => {
                    self.effects.push((event.key, event.sequence));
                    self.advance(event);
                    self.clear(event);
                }
                Applied::Before if event.sequence <= self.last(event.key) => self.clear(event),
                Applied::Parked if self.mutant != Some(Mutant::ParkNothing) => self.park(event, now),
                Applied::Before | Applied::Parked | Applied::TooEarly => {}
            }
        }
        Ok(applied)
    }

    fn advance(&mut self, event: &SimEvent) {
        let last = &mut self.last[usize::from(event.key)];
        *last = event.sequence.max(*last);
    }

    fn park(&mut self, event: &SimEvent, _now: Timestamp) {
        self.parked.entry((event.key, event.sequence)).or_insert_with(|| event.clone());
    }

    fn clear(&mut self, event: &SimEvent) {
        self.letters.retain(|key, letter| *key != event.key || letter.event.sequence > event.sequence);
        self.parked.retain(|(key, sequence), _| *key != event.key || *sequence > event.sequence);
        self.attempts.remove(&event.id);
    }

    /// One transaction, as `consumer::fail` makes it.
    pub fn fail(&mut self, event: &SimEvent, from_row: bool, trouble: Trouble, now: Timestamp) -> Verdict {
        let mut standing = self.standing(event.key);
        if self.mutant == Some(Mutant::JudgeUnlocked) {
            standing = Standing { last: event.sequence - 1, blocked_at: None, ..standing };
        }
        let tried = self.attempts.get(&event.id).map_or(0, |(tries, _)| *tries);
        let after = |attempts| PATIENCE.after(attempts);
        let verdict = inbox::judge(standing, event.sequence, from_row, trouble, tried, after);
        match verdict {
            Verdict::Before if event.sequence <= self.last(event.key) => self.clear(event),
            Verdict::Before | Verdict::TooEarly => {}
            Verdict::Park => self.park(event, now),
            Verdict::Again { attempts, .. } => {
                let next = self.attempts.get(&event.id).map_or(Timestamp::from_micros(0), |(_, next)| *next);
                self.attempts.insert(event.id, (attempts, next));
            }
            Verdict::Bury { .. } => {
                self.clear(event);
                self.letters.insert(event.key, Letter { event: event.clone(), redriven: false });
            }
        }
        verdict
    }

    pub fn postpone(&mut self, event: &SimEvent, until: Timestamp) {
        let tries = self.attempts.get(&event.id).map_or(0, |(tries, _)| *tries);
        self.attempts.insert(event.id, (tries, until));
    }

    /// What an operator does: redrives or purges a letter, after the cause was mended or not.
    pub fn operate(&mut self, purge: bool, chance: &mut Chance) {
        let keys: Vec<_> = self.letters.keys().copied().collect();
        let Some(&key) = keys.get(chance.index(keys.len())) else { return };
        if chance.percent(50) {
            let sequence = self.letters[&key].event.sequence;
            self.trouble.remove(&(key, sequence));
        }
        if purge {
            let event = self.letters[&key].event.clone();
            if event.sequence > self.last(key) {
                self.purged.insert((key, event.sequence));
            }
            self.advance(&event);
            self.clear(&event);
        } else {
            self.redrive(key);
        }
    }

    fn redrive(&mut self, key: u8) {
        if let Some(letter) = self.letters.get_mut(&key) {
            letter.redriven = true;
            self.attempts.remove(&letter.event.id);
        }
    }

    /// What events waited for is there now.
    pub fn come(&mut self) {
        self.trouble.retain(|_, trouble| *trouble != Trouble::NotYet);
    }

    /// Mends every cause, and redrives every letter.
    pub fn mend_all(&mut self) {
        self.trouble.clear();
        for key in self.blocked() {
            self.redrive(key);
        }
    }

    pub fn blocked(&self) -> Vec<u8> {
        self.letters.keys().copied().collect()
    }

    /// The letter of a key stands at the event after the last that was applied, and waits for somebody.
    pub fn is_blocked_rightly(&self, key: u8) -> bool {
        self.letters.get(&key).is_some_and(|letter| letter.event.sequence == self.last(key) + 1 && !letter.redriven)
    }

    pub fn holds(&self, key: u8, sequence: i64) -> bool {
        self.parked.contains_key(&(key, sequence))
            || self.letters.get(&key).is_some_and(|letter| letter.event.sequence == sequence)
    }

    /// What lies here of the keys for which `of` is true, beyond effects.
    pub fn left_over(&self, of: impl Fn(u8) -> bool) -> usize {
        let letters = self.letters.keys().filter(|key| of(**key)).count();
        letters + self.parked.keys().filter(|(key, _)| of(*key)).count()
    }

    pub fn tries_left_over(&self) -> usize {
        self.attempts.len()
    }

    /// What a new effect must be, given what there was: tells the first that is not.
    pub fn disorder(&self) -> Option<(u8, i64)> {
        let mut last = [0; KEYS];
        for &(key, sequence) in &self.effects {
            let slot: &mut i64 = &mut last[usize::from(key)];
            let mut next = *slot + 1;
            while self.purged.contains(&(key, next)) {
                next += 1;
            }
            if sequence != next {
                return Some((key, sequence));
            }
            *slot = sequence;
        }
        None
    }
}
