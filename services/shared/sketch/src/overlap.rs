//! What two columns have in common.

use std::collections::HashMap;

use crate::sample::{DistinctSample, Sampled};

/// A figure and the interval around it that holds the truth with 95 % confidence; the ends are equal when exact.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The figure.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// What the distinct values of a first and a second column have in common, estimated from samples of both.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overlap {
    /// Distinct values in both.
    pub common: Interval,
    /// Distinct values in one or both.
    pub union: Interval,
    /// `common` / `union`.
    pub jaccard: Interval,
    /// The share of the first column's distinct values that is in the second.
    pub first_in_second: Interval,
    /// The share of the second column's distinct values that is in the first.
    pub second_in_first: Interval,
    /// Rows of the inner join over the two columns.
    pub join_rows: Interval,
}

/// The share that `part` of `whole` items of a uniform sample are, with Wilson's interval.
pub fn share(part: u64, whole: u64) -> Interval {
    proportion(part, whole, 0.0)
}

const Z: f64 = 1.96;

/// Estimates what two columns have in common. The samples must have been made with one hash and one normalisation.
///
/// Below the lesser of both limits each sample holds every value of its column, so what both hold there is a uniform
/// sample of the union; shares of it carry Wilson's interval, sums that of Horvitz and Thompson.
///
/// Source: Beyer et al., On Synopses for Distinct-Value Estimation under Multiset Operations, 2007; Wilson, 1927.
pub fn overlap(first: &DistinctSample, second: &DistinctSample) -> Overlap {
    let ((a, a_whole), (b, b_whole)) = (first.bound(), second.bound());
    let limit = a.min(b);
    let share = if a_whole && b_whole { 1.0 } else { limit as f64 / u64::MAX as f64 };
    let below = |values: Vec<Sampled>| values.into_iter().filter(move |value| value.hash < limit || share == 1.0);
    let ours: HashMap<u64, u64> = below(first.values()).map(|value| (value.hash, value.count)).collect();
    let (mut theirs, mut common, mut join, mut squares) = (0u64, 0u64, 0.0, 0.0);
    for value in below(second.values()) {
        theirs += 1;
        if let Some(count) = ours.get(&value.hash) {
            let pairs = *count as f64 * value.count as f64;
            common += 1;
            join += pairs;
            squares += pairs * pairs;
        }
    }
    let ours = ours.len() as u64;
    let union = ours + theirs - common;
    Overlap {
        common: scaled(common as f64, common as f64, share),
        union: scaled(union as f64, union as f64, share),
        jaccard: proportion(common, union, share),
        first_in_second: proportion(common, ours, share),
        second_in_first: proportion(common, theirs, share),
        join_rows: scaled(join, squares, share),
    }
}

impl DistinctSample {
    /// How many occurrences there were beyond the first of each value.
    pub fn surplus(&self) -> Interval {
        let (mut sum, mut squares) = (0.0, 0.0);
        for (_, count, _) in self.entries() {
            let more = count.saturating_sub(1) as f64;
            sum += more;
            squares += more * more;
        }
        scaled(sum, squares, self.share())
    }
}

/// A sum over a sample of this share, as the sum over all.
fn scaled(sum: f64, squares: f64, share: f64) -> Interval {
    let value = sum / share;
    let error = Z * ((1.0 - share) * squares).sqrt() / share;
    // Nothing in the sample still leaves room: the rule of three.
    let room = if sum == 0.0 && share < 1.0 { 3.0 / share } else { error };
    Interval { value, low: (value - error).max(sum), high: value + room }
}

fn proportion(part: u64, whole: u64, share: f64) -> Interval {
    if whole == 0 {
        let high = if share < 1.0 { 1.0 } else { 0.0 };
        return Interval { value: 0.0, low: 0.0, high };
    }
    let (n, p) = (whole as f64, part as f64 / whole as f64);
    if share >= 1.0 {
        return Interval { value: p, low: p, high: p };
    }
    let square = Z * Z;
    let middle = (p + square / (2.0 * n)) / (1.0 + square / n);
    let half = Z / (1.0 + square / n) * (p * (1.0 - p) / n + square / (4.0 * n * n)).sqrt();
    Interval { value: p, low: (middle - half).max(0.0), high: (middle + half).min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::mix;

    fn of(k: usize, values: std::ops::Range<u64>, count: u64) -> DistinctSample {
        let mut sample = DistinctSample::new(k);
        values.for_each(|n| sample.offer(mix(n), count, ""));
        sample
    }

    fn holds(interval: Interval, truth: f64) -> bool {
        interval.low <= truth && truth <= interval.high
    }

    #[test]
    fn small_columns_are_compared_exactly() {
        let found = overlap(&of(100, 0..40, 2), &of(100, 30..60, 3));
        let exact = |value| Interval { value, low: value, high: value };
        assert_eq!((found.common, found.union), (exact(10.0), exact(60.0)));
        assert_eq!((found.first_in_second, found.second_in_first), (exact(0.25), exact(10.0 / 30.0)));
        assert_eq!(found.join_rows, exact(60.0));
    }

    #[test]
    fn the_truth_lies_in_the_intervals_nineteen_times_in_twenty() {
        let mut hits = [0; 4];
        for run in 0..200u64 {
            let start = run << 32;
            let found = overlap(&of(512, start..start + 50_000, 2), &of(512, start + 40_000..start + 60_000, 1));
            let truths = [
                holds(found.common, 10_000.0),
                holds(found.jaccard, 1.0 / 6.0),
                holds(found.first_in_second, 0.2),
                holds(found.join_rows, 20_000.0),
            ];
            hits.iter_mut().zip(truths).for_each(|(hits, held)| *hits += i32::from(held));
        }
        assert!(hits.iter().all(|hits| *hits >= 180), "{hits:?}");
    }

    #[test]
    fn columns_without_common_values_say_how_sure_that_is() {
        let found = overlap(&of(64, 0..10_000, 1), &of(64, 20_000..30_000, 1));
        assert_eq!((found.common.value, found.jaccard.value), (0.0, 0.0));
        assert!(found.common.high > 0.0 && found.jaccard.high < 0.1);
    }
}
