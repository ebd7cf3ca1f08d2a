//! A simulation of relays and consumers that repeats itself: the machines that the product drives, on a model of store
//! and broker, under everything that may happen to either.
//!
//! One seed is one run: one to three relays on an outbox, one to three workers on a consumer, transactions that commit
//! out of order or roll back, and chaos: processes that die or stop between any two actions, publications of which the
//! outcome is not known, deliveries doubled, reordered, lost and late, acknowledgements lost, a broker that is away,
//! restarts, loses what it had not synced, comes back as an old copy or without its store, with messages of others over
//! the gap and consumers that are farther than their stream; handlers that fail, once or for good; an operator who
//! redrives and purges. Then calm comes, and the audit checks:
//!
//! - every committed event had its effect exactly once, in the order of its key;
//! - a poison blocked its key alone;
//! - nothing is left over: no row unsent, no delivery unanswered, no letter, parked event or count of tries;
//! - what was lost beyond the outbox's retention was named by an alarm, and nothing else raised one.
//!
//! A failure prints its seed; put it into `SEED` and run `cargo test -p millrace-events one_seed -- --ignored`. Many more
//! seeds: `cargo test --release -p millrace-events many_more_seeds -- --ignored`.
//!
//! That the simulation bites is a test too: each [`Mutant`] breaks one thing, and each is caught. Not modelled: a tail
//! that is lost without a reconnect while others publish over the gap.

use std::fmt;

mod broker;
pub(crate) mod chance;
mod inbox;
mod outbox;
mod relay;
mod worker;
mod world;

use world::World;

/// How many keys there are.
const KEYS: usize = 5;
/// How many seeds each build runs.
const SEEDS: u64 = 1200;
/// How many seeds a mutant has to survive in order not to be caught.
const SEEDS_PER_MUTANT: u64 = 1500;
/// The seed of `one_seed`.
const SEED: u64 = 0;
/// How many seeds `many_more_seeds` runs.
const MANY: u64 = 200_000;

/// An event, as far as the simulation needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SimEvent {
    id: u64,
    key: u8,
    sequence: i64,
}

/// A way to break the logic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mutant {
    /// A consumer applies what leaves a gap.
    NoGapCheck,
    /// A consumer applies what it applied.
    NoDuplicateCheck,
    /// A consumer acknowledges before its transaction commits.
    AckBeforeCommit,
    /// A consumer acknowledges what its key's dead letter blocks, and does not keep it.
    ParkNothing,
    /// A failure is judged by how the key stood before the transaction.
    JudgeUnlocked,
    /// A relay does not compare the stream after a reconnect.
    NoTailCheck,
    /// A relay compares positions, not ids, so that others may publish over the gap.
    PositionsAlone,
    /// A relay marks rows sent when it does not know whether they are.
    UnknownIsSent,
    /// A relay that lost its lease goes on writing.
    NoFence,
    /// Consumers are not taken back when their stream lost its tail.
    NoRewind,
    /// Consumers are taken back, and what they had not acknowledged before that is forgotten.
    RewindPastPending,
    /// A relay that takes back what a stream lost leaves the run sent that is lost in part.
    CutNoRun,
    /// A relay never looks for rows that wait before others that were sent.
    NoGapsRead,
}

const MUTANTS: &[Mutant] = &[
    Mutant::NoGapCheck,
    Mutant::NoDuplicateCheck,
    Mutant::AckBeforeCommit,
    Mutant::ParkNothing,
    Mutant::JudgeUnlocked,
    Mutant::NoTailCheck,
    Mutant::PositionsAlone,
    Mutant::UnknownIsSent,
    Mutant::NoFence,
    Mutant::NoRewind,
    Mutant::RewindPastPending,
    Mutant::CutNoRun,
    Mutant::NoGapsRead,
];

/// What a seed brought to light.
struct Broken {
    seed: u64,
    what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}: {}", self.seed, self.what)
    }
}

fn run(seed: u64, mutant: Option<Mutant>) -> Result<(), Broken> {
    World::new(seed, mutant).run().map_err(|what| Broken { seed, what })
}

fn first_broken(seeds: std::ops::Range<u64>, mutant: Option<Mutant>) -> Option<Broken> {
    seeds.into_iter().find_map(|seed| run(seed, mutant).err())
}

#[test]
fn every_seed_gives_each_event_its_effect_once_and_in_order() {
    let broken = first_broken(0..SEEDS, None);
    assert!(broken.is_none(), "{}", broken.map(|broken| broken.to_string()).unwrap_or_default());
}

#[test]
fn the_simulation_catches_every_mutant() {
    let alive: Vec<_> =
        MUTANTS.iter().filter(|mutant| first_broken(0..SEEDS_PER_MUTANT, Some(**mutant)).is_none()).collect();
    assert!(alive.is_empty(), "not caught: {alive:?}");
}

#[test]
fn a_seed_repeats_itself() {
    let told = |_| run(3, Some(Mutant::NoGapCheck)).err().map(|broken| broken.to_string());
    assert_eq!(told(1), told(2));
}

#[test]
#[ignore = "a tool: repeats the one seed that a failure printed, set as SEED"]
fn one_seed() {
    if let Err(broken) = run(SEED, None) {
        panic!("{broken}");
    }
}

#[test]
#[ignore = "the same as every_seed over many more of them; takes minutes, run by hand"]
fn many_more_seeds() {
    let broken = first_broken(0..MANY, None);
    assert!(broken.is_none(), "{}", broken.map(|broken| broken.to_string()).unwrap_or_default());
}
