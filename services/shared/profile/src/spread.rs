//! How the numbers of one kind are spread.

use sketch::{Moments, Quantiles};

use crate::budget::Budget;

/// A summary of numbers; instants go in as microseconds and count as seconds.
#[derive(Debug, Clone)]
pub(crate) struct Spread {
    pub(crate) moments: Moments,
    pub(crate) quantiles: Quantiles,
    /// The first and the last instant.
    pub(crate) micros: Option<(i64, i64)>,
}

impl Spread {
    pub(crate) fn new(budget: &Budget) -> Self {
        Self { moments: Moments::default(), quantiles: Quantiles::new(budget.ranks), micros: None }
    }

    pub(crate) fn add(&mut self, number: f64) {
        self.moments.add(number);
        self.quantiles.add(number);
    }

    pub(crate) fn add_micros(&mut self, micros: i64) {
        self.add(micros as f64 / 1e6);
        let (first, last) = self.micros.unwrap_or((micros, micros));
        self.micros = Some((first.min(micros), last.max(micros)));
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.moments.merge(&other.moments);
        self.quantiles.merge(&other.quantiles);
        self.micros = match (self.micros, other.micros) {
            (Some(ours), Some(theirs)) => Some((ours.0.min(theirs.0), ours.1.max(theirs.1))),
            (ours, theirs) => ours.or(theirs),
        };
    }
}
