//! What a round of a consumer does, without I/O: it is told what happened, and says what to do next.
//!
//! The simulation drives this very machine against a model of store and broker; [`Consumer`](crate::Consumer) drives it
//! against the real ones, and adds nothing but I/O.

use std::collections::HashMap;
use std::time::Duration;

use super::failure::early;
use super::{Fate, Progress};
use crate::inbox::{self, Applied, Decision, Standing, Trouble, Verdict};

/// How many events that lie here as rows are tried in one round.
pub(crate) const ROWS_AT_ONCE: i64 = 64;

/// An event, as far as the machine knows it. Those of one list are numbered from 0 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Item {
    /// The same for events of the same thing and key, within one list.
    pub key: usize,
    /// Its sequence.
    pub sequence: i64,
    /// How often it was delivered.
    pub deliveries: u32,
}

/// What to do next. Numbers mean the events of the list that was read last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Read events that lie here as rows and may be tried, at most [`ROWS_AT_ONCE`].
    Due,
    /// Take deliveries of the bus; wait for the first, where told so.
    Fetch {
        /// Whether to wait.
        wait: bool,
    },
    /// Read how the key of each delivery stands.
    Stand,
    /// Have the handler prepare these.
    Prepare(Vec<usize>),
    /// In one transaction: settle these in this order, give effects, park, and record. All or nothing.
    Apply {
        /// Which.
        items: Vec<usize>,
        /// Whether they lie here as rows.
        from_rows: bool,
    },
    /// In one transaction: judge the failure of this one, then count or bury it.
    Fail {
        /// Which.
        item: usize,
        /// Whether it lies here as a row.
        from_row: bool,
    },
    /// Let this row rest so long.
    Postpone(usize, Duration),
    /// Acknowledge the first, and give back the second.
    Answer {
        /// What is settled.
        done: Vec<usize>,
        /// What comes again, and after how long.
        again: Vec<(usize, Duration)>,
    },
    /// The round is over.
    Rest,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    /// A round begins.
    Began,
    /// The answer to `Due`.
    Due(Vec<Item>),
    /// The answer to `Fetch`.
    Fetched(Vec<Item>),
    /// The answer to `Stand`: that of each delivery's key.
    Stood(Vec<Standing>),
    /// The answer to `Prepare`: the trouble of each, if any.
    Prepared(Vec<Option<Trouble>>),
    /// The answer to `Apply`; or the trouble of the one on account of which all was rolled back.
    Applied(Result<Vec<Applied>, Trouble>),
    /// The answer to `Fail`.
    Judged(Verdict),
    /// `Postpone` or `Answer` is done.
    Done,
}

/// The machine of one round. One that fails is dropped, as by a crash; what it left comes again.
#[derive(Debug, Default)]
pub(crate) struct Round {
    items: Vec<Item>,
    from_rows: bool,
    /// Of each item; an item that waits for its transaction has none.
    fates: Vec<Option<Fate>>,
    /// What is to be prepared, or was and waits for its transaction.
    ready: Vec<usize>,
    /// What needs no preparation: it will be parked, or leaves traces to be cleared.
    unprepared: Vec<usize>,
    /// Parts of what is ready that were not tried yet, the next one last.
    parts: Vec<Vec<usize>>,
    /// Failures to judge, the next one last.
    failed: Vec<usize>,
    /// The part that is tried.
    trying: Vec<usize>,
    standings: Vec<Standing>,
    progress: Progress,
}

impl Round {
    /// What the round did.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Takes what happened, and tells what to do next.
    pub fn next(&mut self, input: Input) -> Action {
        match input {
            Input::Began => Action::Due,
            Input::Due(items) => self.take_rows(items),
            Input::Fetched(items) => self.take_deliveries(items),
            Input::Stood(standings) => self.decide(standings),
            Input::Prepared(troubles) => self.prepared(&troubles),
            Input::Applied(Ok(applied)) => self.applied(&applied),
            Input::Applied(Err(trouble)) => self.rolled_back(trouble),
            Input::Judged(verdict) => self.judged(verdict),
            Input::Done if self.from_rows => self.next_row(),
            Input::Done => Action::Rest,
        }
    }

    fn begin_list(&mut self, items: Vec<Item>, from_rows: bool) {
        self.fates = vec![None; items.len()];
        (self.items, self.from_rows) = (items, from_rows);
        self.progress.more |= !self.items.is_empty();
    }

    fn take_rows(&mut self, items: Vec<Item>) -> Action {
        self.begin_list(items, true);
        self.next_row()
    }

    /// Rows are tried one by one: they are few, and there is trouble with them.
    fn next_row(&mut self) -> Action {
        match self.fates.iter().position(Option::is_none) {
            Some(item) => {
                self.ready = vec![item];
                Action::Prepare(vec![item])
            }
            None => Action::Fetch { wait: !self.progress.more },
        }
    }

    fn take_deliveries(&mut self, items: Vec<Item>) -> Action {
        self.begin_list(items, false);
        if self.items.is_empty() { Action::Rest } else { Action::Stand }
    }

    /// Decides on each delivery, as if all went well with those before it.
    fn decide(&mut self, standings: Vec<Standing>) -> Action {
        self.standings = standings;
        self.ready = Vec::new();
        let mut now: HashMap<usize, Standing> = HashMap::new();
        for (index, item) in self.items.iter().enumerate() {
            let standing = now.entry(item.key).or_insert(self.standings[index]);
            match inbox::decide(*standing, item.sequence) {
                // The second of two copies in one list is one only if the first goes well; the transaction tells.
                Decision::Duplicate if standing.traces || *standing != self.standings[index] => {
                    self.unprepared.push(index);
                }
                Decision::Duplicate => self.fates[index] = Some(Fate::Duplicate),
                Decision::Gap => self.fates[index] = Some(Fate::Early(early(item.deliveries))),
                Decision::Park => self.unprepared.push(index),
                Decision::Apply => {
                    standing.last = item.sequence;
                    self.ready.push(index);
                }
            }
        }
        if self.ready.is_empty() { self.prepared(&[]) } else { Action::Prepare(self.ready.clone()) }
    }

    fn prepared(&mut self, troubles: &[Option<Trouble>]) -> Action {
        let mut ready: Vec<_> = std::mem::take(&mut self.unprepared);
        for (&item, trouble) in std::mem::take(&mut self.ready).iter().zip(troubles) {
            match trouble {
                None => ready.push(item),
                Some(_) => self.failed.push(item),
            }
        }
        // In the order of their coming, on both lists.
        ready.sort_unstable();
        self.failed.reverse();
        self.parts = Vec::from_iter((!ready.is_empty()).then_some(ready));
        self.go_on()
    }

    /// First what failed, since what follows it in its key depends on it; then the transactions; then the answer.
    fn go_on(&mut self) -> Action {
        if let Some(item) = self.failed.pop() {
            self.trying = vec![item];
            return Action::Fail { item, from_row: self.from_rows };
        }
        if let Some(items) = self.parts.pop() {
            self.trying.clone_from(&items);
            return Action::Apply { items, from_rows: self.from_rows };
        }
        if self.from_rows { self.next_row() } else { self.answer() }
    }

    fn applied(&mut self, applied: &[Applied]) -> Action {
        for (item, applied) in std::mem::take(&mut self.trying).into_iter().zip(applied) {
            let fate = match applied {
                Applied::Yes => Fate::Applied,
                Applied::Before => Fate::Duplicate,
                Applied::Parked => Fate::Parked,
                Applied::TooEarly => Fate::Early(early(self.items[item].deliveries)),
            };
            if let Some(action) = self.settle(item, fate) {
                return action;
            }
        }
        self.go_on()
    }

    /// One of several failed: each half is tried by itself, until the one that fails stands alone.
    fn rolled_back(&mut self, _trouble: Trouble) -> Action {
        let mut first = std::mem::take(&mut self.trying);
        if first.len() > 1 {
            let second = first.split_off(first.len() / 2);
            self.parts.extend([second, first]);
        } else {
            self.failed.extend(first);
        }
        self.go_on()
    }

    fn judged(&mut self, verdict: Verdict) -> Action {
        let Some(item) = self.trying.pop() else { return self.go_on() };
        let fate = match verdict {
            Verdict::Before => Fate::Duplicate,
            Verdict::TooEarly => Fate::Early(early(self.items[item].deliveries)),
            Verdict::Park => Fate::Parked,
            Verdict::Again { wait, .. } => Fate::Failed(wait),
            Verdict::Bury { .. } => Fate::Dead,
        };
        self.settle(item, fate).unwrap_or_else(|| self.go_on())
    }

    fn settle(&mut self, item: usize, fate: Fate) -> Option<Action> {
        self.fates[item] = Some(fate);
        if !self.from_rows {
            return None;
        }
        self.progress.note(fate);
        match fate {
            Fate::Early(delay) | Fate::Failed(delay) => Some(Action::Postpone(item, delay)),
            Fate::Applied | Fate::Duplicate | Fate::Parked | Fate::Dead => None,
        }
    }

    fn answer(&mut self) -> Action {
        let (mut done, mut again) = (Vec::new(), Vec::new());
        for (item, fate) in std::mem::take(&mut self.fates).into_iter().enumerate() {
            let Some(fate) = fate else { continue };
            self.progress.note(fate);
            match fate {
                Fate::Applied | Fate::Duplicate | Fate::Parked | Fate::Dead => done.push(item),
                Fate::Early(delay) | Fate::Failed(delay) => again.push((item, delay)),
            }
        }
        Action::Answer { done, again }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(sequences: &[i64]) -> Vec<Item> {
        sequences.iter().map(|&sequence| Item { key: 0, sequence, deliveries: 1 }).collect()
    }

    fn fetched(round: &mut Round, sequences: &[i64]) -> Action {
        assert_eq!(round.next(Input::Began), Action::Due);
        assert_eq!(round.next(Input::Due(Vec::new())), Action::Fetch { wait: true });
        assert_eq!(round.next(Input::Fetched(items(sequences))), Action::Stand);
        round.next(Input::Stood(vec![Standing::default(); sequences.len()]))
    }

    #[test]
    fn what_fails_among_many_is_found_by_halves() {
        let mut round = Round::default();
        assert_eq!(fetched(&mut round, &[1, 2, 3, 4]), Action::Prepare(vec![0, 1, 2, 3]));
        let apply = |items: &[usize]| Action::Apply { items: items.to_vec(), from_rows: false };
        assert_eq!(round.next(Input::Prepared(vec![None; 4])), apply(&[0, 1, 2, 3]));
        assert_eq!(round.next(Input::Applied(Err(Trouble::Poison))), apply(&[0, 1]));
        assert_eq!(round.next(Input::Applied(Ok(vec![Applied::Yes; 2]))), apply(&[2, 3]));
        assert_eq!(round.next(Input::Applied(Err(Trouble::Poison))), apply(&[2]));
        assert_eq!(round.next(Input::Applied(Err(Trouble::Poison))), Action::Fail { item: 2, from_row: false });
        assert_eq!(round.next(Input::Judged(Verdict::Bury { attempts: 1 })), apply(&[3]));
        let answer = round.next(Input::Applied(Ok(vec![Applied::Parked])));
        assert_eq!(answer, Action::Answer { done: vec![0, 1, 2, 3], again: Vec::new() });
        assert_eq!(round.next(Input::Done), Action::Rest);
        let progress = round.progress();
        assert_eq!((progress.applied, progress.dead, progress.parked), (2, 1, 1));
    }

    #[test]
    fn what_comes_too_early_and_what_was_applied_needs_no_transaction() {
        let mut round = Round::default();
        let again = vec![(1, early(1))];
        assert_eq!(fetched(&mut round, &[0, 5]), Action::Answer { done: vec![0], again });
        assert_eq!((round.progress().duplicates, round.progress().early), (1, 1));
    }

    #[test]
    fn the_second_of_two_copies_is_settled_with_the_first() {
        let mut round = Round::default();
        assert_eq!(fetched(&mut round, &[1, 1]), Action::Prepare(vec![0]));
        let action = round.next(Input::Prepared(vec![None]));
        assert_eq!(action, Action::Apply { items: vec![0, 1], from_rows: false });
    }

    #[test]
    fn a_failed_preparation_is_judged_before_what_follows_it() {
        let mut round = Round::default();
        fetched(&mut round, &[1, 2]);
        let action = round.next(Input::Prepared(vec![Some(Trouble::Retry), None]));
        assert_eq!(action, Action::Fail { item: 0, from_row: false });
        let wait = Duration::from_secs(1);
        let action = round.next(Input::Judged(Verdict::Again { attempts: 1, wait }));
        assert_eq!(action, Action::Apply { items: vec![1], from_rows: false });
    }
}
