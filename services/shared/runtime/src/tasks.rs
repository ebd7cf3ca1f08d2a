//! Background loops, as a service registers them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use types::{BoxError, Loop, LoopState, Loops, Span};

use crate::{Readiness, SystemScope};

/// One background loop: compares what is with what should be, and acts.
#[async_trait]
pub trait Reconcile: Send {
    /// Makes one attempt. It takes no input, is idempotent, and may be dropped at any `.await`: the next round finds
    /// what is left to do in the store.
    async fn reconcile(&mut self) -> Result<Report, BoxError>;

    /// Gives back what others would otherwise wait for, a lease say, when the process stops in order: no further round
    /// comes. Nothing may depend on it, since a process that is killed does not get here.
    async fn end(&mut self) -> Result<(), BoxError> {
        Ok(())
    }
}

/// What a round did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// For people: `indexed 3 versions`.
    pub summary: String,
    /// There is more to do: the next round follows at once.
    pub again: bool,
}

impl Report {
    /// There was nothing to do.
    pub fn idle() -> Self {
        Self::done("nothing to do")
    }

    /// All was done.
    pub fn done(summary: impl Into<String>) -> Self {
        Self { summary: summary.into(), again: false }
    }

    /// Some was done, and there is more.
    pub fn more(summary: impl Into<String>) -> Self {
        Self { summary: summary.into(), again: true }
    }
}

/// How often a loop runs when nobody pokes it. Each wait is longer or shorter by up to a tenth, so that loops spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period(Duration);

impl Period {
    /// Runs this often.
    pub const fn every(duration: Duration) -> Self {
        Self(duration)
    }

    /// Runs once in so many seconds.
    pub const fn secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The time between two rounds.
    pub const fn as_duration(self) -> Duration {
        self.0
    }
}

impl From<Duration> for Period {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl From<Span> for Period {
    fn from(span: Span) -> Self {
        Self(span.as_duration())
    }
}

/// The background loops of one role. They rest until a [`Supervisor`](crate::Supervisor) takes them.
pub struct Tasks {
    role: &'static str,
    ready: Readiness,
    board: Arc<Board>,
    pub(crate) entries: Vec<Entry>,
}

pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) period: Period,
    pub(crate) poke: Option<watch::Receiver<u64>>,
    pub(crate) task: Box<dyn Reconcile>,
}

impl Tasks {
    /// No loops yet, of this role.
    pub fn new(role: &'static str) -> Self {
        let ready = Readiness::new();
        let board = Arc::new(Board { states: Mutex::default(), ready: ready.clone() });
        Self { role, ready, board, entries: Vec::new() }
    }

    /// The role.
    pub fn role(&self) -> &'static str {
        self.role
    }

    /// Whether the role takes calls.
    pub fn readiness(&self) -> Readiness {
        self.ready.clone()
    }

    /// Adds a loop that runs at start and then once in a `period`. Its name is put behind that of the role.
    ///
    /// A round that fails is tried again with back-off, from 100 ms up to 30 s; a panic counts as a failure.
    ///
    /// # Panics
    /// When the role has a loop of this name already: two would share one line of the status.
    pub fn add(&mut self, name: &str, period: impl Into<Period>, task: Box<dyn Reconcile>) {
        self.push(name, period.into(), None, task);
    }

    /// Adds a loop that also runs whenever `poke` changes: "look now", not "this changed".
    ///
    /// # Panics
    /// As [`Tasks::add`] does.
    pub fn add_poked(
        &mut self,
        name: &str,
        period: impl Into<Period>,
        poke: watch::Receiver<u64>,
        task: Box<dyn Reconcile>,
    ) {
        self.push(name, period.into(), Some(poke), task);
    }

    fn push(&mut self, name: &str, period: Period, poke: Option<watch::Receiver<u64>>, task: Box<dyn Reconcile>) {
        let short = name.strip_prefix(self.role).and_then(|rest| rest.strip_prefix('.')).unwrap_or(name);
        let name = format!("{}.{short}", self.role);
        assert!(self.entries.iter().all(|entry| entry.name != name), "the loop `{name}` is there already");
        self.board.update(&name, |_| ());
        self.entries.push(Entry { name, period, poke, task });
    }

    /// The right to look across tenants, for the loops of this role.
    pub fn scope(&self) -> SystemScope {
        SystemScope::for_loops()
    }

    /// What the loops did, for the operator's calls and the admin page; it stays true once they run.
    pub fn states(&self) -> Arc<dyn Loops> {
        self.board.clone()
    }

    pub(crate) fn board(&self) -> Arc<Board> {
        self.board.clone()
    }

    /// Runs one round of the loop `name` now and here. For tests, which step through what the supervisor would do.
    ///
    /// # Panics
    /// When there is no such loop.
    pub async fn round(&mut self, name: &str) -> Result<Report, BoxError> {
        let entry = self.entries.iter_mut().find(|entry| entry.name == name);
        entry.unwrap_or_else(|| panic!("there is no loop `{name}`")).task.reconcile().await
    }
}

/// The last result of each loop of a role.
pub(crate) struct Board {
    states: Mutex<BTreeMap<String, LoopState>>,
    ready: Readiness,
}

impl Board {
    pub(crate) fn update(&self, name: &str, change: impl FnOnce(&mut LoopState)) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        change(states.entry(name.to_owned()).or_default());
    }
}

impl Loops for Board {
    fn loops(&self) -> Vec<Loop> {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.iter().map(|(name, state)| Loop { name: name.clone(), state: state.clone() }).collect()
    }

    fn readiness(&self) -> Result<(), String> {
        self.ready.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;

    #[async_trait]
    impl Reconcile for Nothing {
        async fn reconcile(&mut self) -> Result<Report, BoxError> {
            Ok(Report::idle())
        }
    }

    #[tokio::test]
    async fn a_loop_is_listed_under_its_role_before_it_ran() {
        let mut tasks = Tasks::new("catalog");
        tasks.add("indexer", Period::secs(1), Box::new(Nothing));
        tasks.add("catalog.relay", Duration::from_secs(1), Box::new(Nothing));
        let names: Vec<_> = tasks.states().loops().into_iter().map(|one| one.name).collect();
        assert_eq!(names, ["catalog.indexer", "catalog.relay"]);
        assert_eq!(tasks.round("catalog.indexer").await.unwrap(), Report::idle());
    }

    #[test]
    #[should_panic(expected = "there already")]
    fn two_loops_of_one_name_are_refused() {
        let mut tasks = Tasks::new("catalog");
        tasks.add("indexer", Period::secs(1), Box::new(Nothing));
        tasks.add("indexer", Period::secs(1), Box::new(Nothing));
    }
}
