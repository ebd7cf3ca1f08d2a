//! Numbers by key, to tell how columns of different tables correlate once those are joined.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use crate::codec::{Corrupt, MOST_KEPT, Reader, Writer};
use crate::hash::Identity;
use crate::overlap::Interval;
use crate::tally::Tally;

/// A column of numbers by the values of a key column: the mean number of each of the `k` keys with the least hashes.
///
/// Two such summaries, of different tables but with one hash, hold the same keys below the lesser of their limits, as far as
/// both tables have them. So the numbers that they have for common keys are a uniform sample of the rows that a join over
/// the keys would have, with one row for each key: see [`correlation`]. Rows without a key or without a number stay out.
/// The mean of a key is right to about 1e-15 of the greatest of its numbers, however rows were cut and merged: what
/// rounding takes from sums is kept beside them. A key whose numbers add up to more than a double holds has none.
///
/// Source: Santos, Bessa, Chirigati, Musco, Freire, Correlation Sketches for Approximate Join-Correlation Queries, 2021.
#[derive(Debug, Clone)]
pub struct KeyedNumbers {
    k: usize,
    /// The numbers of each key.
    keys: HashMap<u64, Tally, BuildHasherDefault<Identity>>,
    /// Hashes from here on were left out.
    limit: u64,
}

impl KeyedNumbers {
    /// Makes an empty summary of at most `k` keys, 8 to [`MOST_KEPT`].
    pub fn new(k: usize) -> Self {
        Self { k: k.clamp(8, MOST_KEPT), keys: HashMap::default(), limit: u64::MAX }
    }

    /// The keys with a number among all those whose hashes are below `limit`, each with its numbers.
    pub(crate) fn of(k: usize, limit: u64, keys: impl Iterator<Item = (u64, Tally)>) -> Self {
        Self { limit, keys: keys.collect(), ..Self::new(k) }
    }

    /// How many keys it holds.
    pub fn len(&self) -> usize {
        self.keys.len().min(self.k)
    }

    /// Tells whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Tells whether a key with this hash would be kept now; asked before its number is looked up.
    #[inline]
    pub fn wants(&self, key: u64) -> bool {
        key < self.limit
    }

    /// Takes a row: the hash of its key, and its number, which must be finite.
    #[inline]
    pub fn offer(&mut self, key: u64, number: f64) {
        if key < self.limit {
            self.take(key, |tally| tally.add(number));
        }
    }

    fn take(&mut self, key: u64, add: impl FnOnce(&mut Tally)) {
        add(self.keys.entry(key).or_default());
        if self.keys.len() >= 2 * self.k {
            self.prune();
        }
    }

    /// Leaves the `k` least.
    fn prune(&mut self) {
        if self.keys.len() <= self.k {
            return;
        }
        let mut hashes: Vec<u64> = self.keys.keys().copied().collect();
        let (_, limit, _) = hashes.select_nth_unstable(self.k);
        self.limit = *limit;
        self.keys.retain(|key, _| *key < self.limit);
    }

    /// Takes what `other` has seen.
    pub fn merge(&mut self, other: &Self) {
        self.k = self.k.min(other.k);
        self.limit = self.limit.min(other.limit);
        self.keys.retain(|key, _| *key < self.limit);
        // Those beyond the `k` least too: the first of them may be where the limit is to be.
        for (key, theirs) in other.all() {
            if key < self.limit {
                self.take(key, |tally| tally.merge(&theirs));
            }
        }
        self.prune();
    }

    /// The keys by rising hash with their numbers, at most `k`.
    fn sorted(&self) -> Vec<(u64, Tally)> {
        let mut keys = self.all();
        keys.truncate(self.k);
        keys
    }

    fn all(&self) -> Vec<(u64, Tally)> {
        let mut keys: Vec<_> = self.keys.iter().map(|(key, tally)| (*key, *tally)).collect();
        keys.sort_unstable_by_key(|(key, _)| *key);
        keys
    }

    /// Every key whose hash is below this is kept; the greatest number when all are.
    fn bound(&self) -> u64 {
        if self.keys.len() <= self.k {
            return self.limit;
        }
        let mut hashes: Vec<u64> = self.keys.keys().copied().collect();
        *hashes.select_nth_unstable(self.k).1
    }

    /// Appends the summary.
    pub fn encode(&self, out: &mut Writer) {
        let keys = self.sorted();
        out.number(self.k as u64);
        out.word(self.bound());
        out.number(keys.len() as u64);
        for (key, tally) in keys {
            out.word(key);
            tally.encode(out);
        }
    }

    /// Reads an appended summary.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let k = from.kept()?;
        let mut numbers = Self { limit: from.word()?, ..Self::new(k) };
        for _ in 0..from.length(18)? {
            let (key, tally) = (from.word()?, Tally::decode(from)?);
            if tally.count() == 0 || key >= numbers.limit {
                return Err(from.corrupt());
            }
            numbers.keys.insert(key, tally);
        }
        if numbers.keys.len() > numbers.k { Err(from.corrupt()) } else { Ok(numbers) }
    }
}

/// How two columns of numbers go together over the keys that their tables share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Correlation {
    /// Common keys that it rests on: those with a mean in both.
    pub keys: usize,
    /// How many common keys there are; an interval of 95 %.
    pub common_keys: Interval,
    /// Pearson's coefficient, with Fisher's interval of 95 %, which supposes that the numbers are about normal: where
    /// few of them are very great, trust `rank`.
    pub linear: Interval,
    /// Spearman's coefficient of ranks, with an interval of 95 %, whatever the numbers look like.
    pub rank: Interval,
}

const Z: f64 = 1.96;
/// With fewer pairs there is no interval.
const LEAST_KEYS: usize = 4;
/// Means that differ by no more than this share of the greater one are the same, for they are rounded.
const NOISE: f64 = 1e-12;

/// Estimates how two columns of numbers correlate, without joining their tables: over the keys in both, each key once with the
/// mean of its numbers.
///
/// Means that differ by no more than 1e-12 of the greater one count as the same, and share their rank. Nothing when the
/// sample has fewer than four common keys, or when either column has the same mean for all of them. Exact, with intervals
/// that are points, where both summaries hold all keys of their tables.
pub fn correlation(first: &KeyedNumbers, second: &KeyedNumbers) -> Option<Correlation> {
    let limit = first.bound().min(second.bound());
    let is_whole = limit == u64::MAX;
    let (mut common, mut xs, mut ys) = (0u64, Vec::new(), Vec::new());
    for (key, ours) in first.sorted() {
        let Some(theirs) = second.keys.get(&key).filter(|_| key < limit || is_whole) else { continue };
        common += 1;
        if let (Some(x), Some(y)) = (ours.mean(), theirs.mean()) {
            xs.push(x);
            ys.push(y);
        }
    }
    let keys = xs.len();
    if keys < LEAST_KEYS || !varies(&xs) || !varies(&ys) {
        return None;
    }
    let share = if is_whole { 1.0 } else { limit as f64 / u64::MAX as f64 };
    let common = common as f64;
    let spread = Z * ((1.0 - share) * common).sqrt() / share;
    let around = |value: f64, variance: f64| if is_whole { point(value) } else { fisher(value, variance) };
    let (linear, rank) = (pearson(&xs, &ys)?, pearson(&ranks(&xs), &ranks(&ys))?);
    let freedom = (keys - 3) as f64;
    Some(Correlation {
        keys,
        common_keys: Interval {
            value: common / share,
            low: (common / share - spread).max(common),
            high: common / share + spread,
        },
        linear: around(linear, 1.0 / freedom),
        // Bonett and Wright, 2000.
        rank: around(rank, (1.0 + rank * rank / 2.0) / freedom),
    })
}

fn point(value: f64) -> Interval {
    Interval { value, low: value, high: value }
}

/// The interval that is symmetric in the inverse hyperbolic tangent. Fisher, 1921.
fn fisher(value: f64, variance: f64) -> Interval {
    let (middle, half) = (value.clamp(-0.999_999_999, 0.999_999_999).atanh(), Z * variance.sqrt());
    Interval { value, low: (middle - half).tanh().min(value), high: (middle + half).tanh().max(value) }
}

/// Tells whether means differ by more than rounding explains.
fn varies(means: &[f64]) -> bool {
    let least = means.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    !is_same(least, greatest)
}

fn is_same(a: f64, b: f64) -> bool {
    (a - b).abs() <= NOISE * a.abs().max(b.abs())
}

fn pearson(xs: &[f64], ys: &[f64]) -> Option<f64> {
    let (x_factor, y_factor) = (factor(xs), factor(ys));
    let mean = |values: &[f64], factor| values.iter().map(|value| value * factor).sum::<f64>() / values.len() as f64;
    let (x_mean, y_mean) = (mean(xs, x_factor), mean(ys, y_factor));
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in xs.iter().zip(ys) {
        let (x, y) = (x * x_factor - x_mean, y * y_factor - y_mean);
        xy += x * y;
        xx += x * x;
        yy += y * y;
    }
    let scale = xx.sqrt() * yy.sqrt();
    (scale > 0.0 && scale.is_finite()).then(|| (xy / scale).clamp(-1.0, 1.0))
}

/// A power of two that brings the greatest number near 1, so that a double holds all squares. Nothing is rounded by it.
fn factor(values: &[f64]) -> f64 {
    let greatest = values.iter().fold(0.0f64, |greatest, value| greatest.max(value.abs()));
    2f64.powi(-(greatest.log2() as i32).clamp(-1_000, 1_000))
}

/// The rank of each number; those that are the same but for noise share the mean of their ranks.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    while let Some(least) = order.get(before) {
        // Not each as the one before: a row of small steps may lead far.
        let same = order[before + 1..].iter().take_while(|index| is_same(values[*least], values[**index])).count();
        let shared = before as f64 + same as f64 / 2.0;
        order[before..=before + same].iter().for_each(|index| ranks[*index] = shared);
        before += same + 1;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hash::mix;

    /// About a normal number, the same for the same place.
    fn normal(place: u64) -> f64 {
        let uniform = |n: u64| mix(n) as f64 / u64::MAX as f64;
        (0..12).map(|n| uniform(place.wrapping_mul(31).wrapping_add(n << 40))).sum::<f64>() - 6.0
    }

    /// Two tables of keys and numbers that correlate by `rho`, and have half of their keys in common.
    fn tables(run: u64, keys: u64, rho: f64) -> [Vec<(u64, f64)>; 2] {
        let start = run << 24;
        let x = |key: u64| normal(key);
        let y = |key: u64| rho * x(key) + (1.0 - rho * rho).sqrt() * normal(key ^ 1 << 50);
        [
            (start..start + keys).map(|key| (key, x(key))).collect(),
            (start + keys / 2..start + keys / 2 + keys).map(|key| (key, y(key))).collect(),
        ]
    }

    fn of(k: usize, rows: &[(u64, f64)]) -> KeyedNumbers {
        let mut numbers = KeyedNumbers::new(k);
        rows.iter().for_each(|(key, number)| numbers.offer(mix(*key), *number));
        numbers
    }

    /// The same from all rows.
    fn truth(tables: &[Vec<(u64, f64)>; 2]) -> (f64, f64) {
        let second: HashMap<u64, f64> = tables[1].iter().copied().collect();
        let joined: (Vec<f64>, Vec<f64>) =
            tables[0].iter().filter_map(|(key, x)| second.get(key).map(|y| (*x, *y))).unzip();
        let rank = pearson(&ranks(&joined.0), &ranks(&joined.1)).unwrap();
        (pearson(&joined.0, &joined.1).unwrap(), rank)
    }

    #[test]
    fn the_truth_lies_in_the_intervals_nineteen_times_in_twenty() {
        for rho in [0.0, 0.6, -0.9] {
            let mut held = [0; 3];
            for run in 0..100 {
                let tables = tables(run, 8_000, rho);
                let found = correlation(&of(512, &tables[0]), &of(512, &tables[1])).unwrap();
                let (linear, rank) = truth(&tables);
                let within = |interval: Interval, truth: f64| interval.low <= truth && truth <= interval.high;
                held[0] += i32::from(within(found.linear, linear));
                held[1] += i32::from(within(found.rank, rank));
                held[2] += i32::from(within(found.common_keys, 4_000.0));
                assert!(found.linear.high - found.linear.low < 0.35, "{found:?}");
            }
            assert!(held.iter().all(|held| *held >= 88), "{rho}: {held:?}");
        }
    }

    #[test]
    fn small_tables_are_told_exactly_and_repeated_keys_by_their_mean() {
        let first = [(1, 1.0), (1, 3.0), (2, 5.0), (3, 1.0), (4, 7.0), (9, 100.0)];
        let second = [(1, 4.0), (2, 10.0), (3, 2.0), (4, 14.0), (8, -100.0)];
        let found = correlation(&of(64, &first), &of(64, &second)).unwrap();
        assert_eq!((found.keys, found.common_keys), (4, point(4.0)));
        for coefficient in [found.linear, found.rank] {
            assert!((coefficient.value - 1.0).abs() < 1e-12 && coefficient.low == coefficient.high, "{coefficient:?}");
        }
    }

    #[test]
    fn too_few_keys_or_numbers_that_do_not_vary_tell_nothing() {
        let rows: Vec<(u64, f64)> = (0..20).map(|key| (key, key as f64)).collect();
        let flat: Vec<(u64, f64)> = (0..20).map(|key| (key, 1.0)).collect();
        assert_eq!(correlation(&of(64, &rows), &of(64, &rows[..3])), None);
        assert_eq!(correlation(&of(64, &rows), &of(64, &flat)), None);
    }

    #[test]
    fn a_constant_column_tells_nothing_however_often_each_key_occurs() {
        for flat in [0.1, -0.1, 1.0 / 3.0, 1e-300, 123_456_789.123] {
            let rows: Vec<(u64, f64)> = (0..40).flat_map(|key| vec![(key, flat); 1 + key as usize % 13]).collect();
            let varied: Vec<(u64, f64)> = (0..40).map(|key| (key, key as f64)).collect();
            for cut in 0..rows.len() {
                let mut merged = of(64, &rows[cut..]);
                merged.merge(&of(64, &rows[..cut]));
                assert_eq!(correlation(&merged, &of(64, &varied)), None, "{flat}");
                assert_eq!(correlation(&of(64, &varied), &merged), None, "{flat}");
            }
        }
    }

    #[test]
    fn a_key_whose_numbers_are_more_than_a_double_holds_is_left_out() {
        let mut rows: Vec<(u64, f64)> = (0..20).map(|key| (key, key as f64)).collect();
        let other = of(64, &rows);
        rows.extend([(7, f64::MAX), (7, f64::MAX), (7, -f64::MAX)]);
        let mut out = Writer::default();
        of(64, &rows).encode(&mut out);
        let back = KeyedNumbers::decode(&mut Reader::new(&out.finish())).unwrap();
        let found = correlation(&back, &other).unwrap();
        assert_eq!((back.len(), found.keys, found.common_keys), (20, 19, point(20.0)));
        assert!((found.linear.value - 1.0).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn very_great_and_very_small_numbers_correlate_as_others_do() {
        let of_size = |size: f64| of(64, &(0..20).map(|key| (key, size * (key % 7) as f64)).collect::<Vec<_>>());
        let usual = correlation(&of_size(1.0), &of_size(2.0)).unwrap();
        for size in [1e305, 1e200, 1e-200, 1e-305] {
            let found = correlation(&of_size(size), &of_size(1.0)).unwrap();
            assert!((found.linear.value - usual.linear.value).abs() < 1e-12, "{size:e}: {found:?}");
        }
    }

    #[test]
    fn more_keys_than_a_summary_may_have_are_refused() {
        for (k, good) in [(MOST_KEPT as u64, true), (MOST_KEPT as u64 + 1, false), (u64::MAX, false)] {
            let mut out = Writer::default();
            out.number(k);
            out.word(u64::MAX);
            out.number(0);
            assert_eq!(KeyedNumbers::decode(&mut Reader::new(&out.finish())).is_ok(), good, "{k}");
        }
    }

    #[test]
    fn equal_numbers_share_their_rank() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [2.5, 0.0, 2.5, 1.0]);
        let third = 1.0 / 3.0;
        assert_eq!(ranks(&[third, -0.0, third - 1e-16, 0.0, third + 1e-16, 1.0]), [3.0, 0.5, 3.0, 0.5, 3.0, 5.0]);
        let steps: Vec<f64> = (0..100).map(|step| 1.0 + f64::from(step) * 0.9e-12).collect();
        assert!(ranks(&steps).last() > Some(&90.0));
    }

    proptest! {
        #[test]
        fn merging_is_as_taking_all_and_bytes_read_back(
            rows in prop::collection::vec((0u64..300, -1_000i32..1_000), 1..1_500), cut in any::<prop::sample::Index>(),
        ) {
            let rows: Vec<(u64, f64)> = rows.into_iter().map(|(key, number)| (key, f64::from(number))).collect();
            let cut = cut.index(rows.len());
            let mut merged = of(32, &rows[..cut]);
            merged.merge(&of(32, &rows[cut..]));
            let whole = of(32, &rows);
            // Whole numbers add up exactly.
            prop_assert_eq!(merged.sorted(), whole.sorted());
            prop_assert_eq!(merged.bound(), whole.bound());
            let mut out = Writer::default();
            merged.encode(&mut out);
            let bytes = out.finish();
            let back = KeyedNumbers::decode(&mut Reader::new(&bytes)).unwrap();
            prop_assert_eq!(back.sorted(), merged.sorted());
            prop_assert_eq!(back.bound(), merged.bound());
            prop_assert!(KeyedNumbers::decode(&mut Reader::new(&bytes[..bytes.len() - 1])).is_err());
        }
    }
}
