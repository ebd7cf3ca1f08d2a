//! How long fault tests run, and by which dice.

use std::env;

use rand::SeedableRng as _;
use rand::rngs::StdRng;

/// The rounds of one fault test. `MILLRACE_FAULTS_ROUNDS` makes them more, `MILLRACE_FAULTS_SEED` makes them the same
/// again as far as the machine does.
pub struct Rounds {
    test: String,
    seed: u64,
    /// How many there are.
    pub count: usize,
    /// The dice.
    pub random: StdRng,
}

impl Rounds {
    /// `short` of them, unless the environment says otherwise; the seed is printed.
    pub fn of(test: &str, short: usize) -> Self {
        let count = from_environment("MILLRACE_FAULTS_ROUNDS").map_or(short, |rounds| rounds as usize);
        let seed = from_environment("MILLRACE_FAULTS_SEED").unwrap_or_else(rand::random);
        println!("{test}: MILLRACE_FAULTS_SEED={seed} MILLRACE_FAULTS_ROUNDS={count}");
        Self { test: test.to_owned(), seed, count, random: StdRng::seed_from_u64(seed) }
    }

    /// Tells what was counted.
    pub fn tell(&self, counts: &str) {
        println!("{} (seed {}): {counts}", self.test, self.seed);
    }
}

fn from_environment(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} takes a number, not `{text}`")))
}
