//! Rounds of calls: how long each call took, how many were made, and when a round has lasted long enough.

use std::time::{Duration, Instant};

use crate::figures::{median, millis, quantile};

/// No round lasts longer; one that would ends with the calls it made.
pub const ROUND_LIMIT: Duration = Duration::from_secs(20);

/// The time that one round may take, from now on.
#[derive(Clone, Copy)]
pub struct Limit(Instant);

impl Limit {
    pub fn start() -> Self {
        Self(Instant::now() + ROUND_LIMIT)
    }

    pub fn is_over(self) -> bool {
        Instant::now() >= self.0
    }
}

/// How long calls of one kind took, round by round.
#[derive(Default)]
pub struct Rounds(Vec<Vec<Duration>>);

impl Rounds {
    /// Adds a round; one without calls of this kind tells nothing.
    pub fn add(&mut self, times: Vec<Duration>) {
        if !times.is_empty() {
            self.0.push(times);
        }
    }

    /// The median over the rounds of what this share of a round's calls did not exceed.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let each: Vec<_> = self.0.iter().map(|times| quantile(times, share)).collect();
        (!each.is_empty()).then(|| median(&each))
    }

    /// The two quantiles that the table shows.
    pub fn measured(&self) -> String {
        match (self.quantile(0.99), self.quantile(0.5)) {
            (Some(p99), Some(p50)) => format!("p99 {}, p50 {}", millis(p99), millis(p50)),
            _ => "there was no such call".to_owned(),
        }
    }

    /// How many calls these figures stand on: those that were made, not those that were asked for.
    pub fn made(&self) -> String {
        format!("{} calls in {} rounds", self.0.iter().map(Vec::len).sum::<usize>(), self.0.len())
    }
}
