//! Numbers by key, to tell how columns of different tables correlate once those are joined.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use crate::codec::{Corrupt, Reader, Writer};
use crate::hash::Identity;
use crate::overlap::Interval;

/// A column of numbers by the values of a key column: the mean number of each of the `k` keys with the least hashes.
///
/// Two such summaries, of different tables but with one hash, hold the same keys below the lesser of their limits, as far as
/// both tables have them. So the numbers that they have for common keys are a uniform sample of the rows that a join over
/// the keys would have, with one row for each key: see [`correlation`]. Rows without a key or without a number stay out.
/// The mean of a key is right to about 1e-15 of the greatest of its numbers, however rows were cut and merged.
///
/// Source: Santos, Bessa, Chirigati, Musco, Freire, Correlation Sketches for Approximate Join-Correlation Queries, 2021.
#[derive(Debug, Clone)]
pub struct KeyedNumbers {
    k: usize,
    /// How often each key occurred, and the sum of its numbers.
    keys: HashMap<u64, (u64, f64), BuildHasherDefault<Identity>>,
    /// Hashes from here on were left out.
    limit: u64,
}

impl KeyedNumbers {
    /// Makes an empty summary of at most `k` keys, at least 8.
    pub fn new(k: usize) -> Self {
        Self { k: k.max(8), keys: HashMap::default(), limit: u64::MAX }
    }

    /// The keys with a number among all those whose hashes are below `limit`, each with its rows and their sum.
    pub(crate) fn of(k: usize, limit: u64, keys: impl Iterator<Item = (u64, u64, f64)>) -> Self {
        Self { limit, keys: keys.map(|(key, rows, sum)| (key, (rows, sum))).collect(), ..Self::new(k) }
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
            self.take(key, 1, number);
        }
    }

    fn take(&mut self, key: u64, rows: u64, sum: f64) {
        let known = self.keys.entry(key).or_default();
        known.0 += rows;
        known.1 += sum;
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
        for (key, rows, sum) in other.all() {
            if key < self.limit {
                self.take(key, rows, sum);
            }
        }
        self.prune();
    }

    /// The keys by rising hash with their rows and sums, at most `k`.
    fn sorted(&self) -> Vec<(u64, u64, f64)> {
        let mut keys = self.all();
        keys.truncate(self.k);
        keys
    }

    fn all(&self) -> Vec<(u64, u64, f64)> {
        let mut keys: Vec<_> = self.keys.iter().map(|(key, (rows, sum))| (*key, *rows, *sum)).collect();
        keys.sort_unstable_by_key(|(key, ..)| *key);
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
        for (key, rows, sum) in keys {
            out.word(key);
            out.number(rows);
            out.double(sum);
        }
    }

    /// Reads an appended summary.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let k = usize::try_from(from.number()?).map_err(|_| from.corrupt())?;
        let mut numbers = Self { limit: from.word()?, ..Self::new(k) };
        for _ in 0..from.length(17)? {
            let (key, rows, sum) = (from.word()?, from.number()?, from.double()?);
            if rows == 0 || !sum.is_finite() || key >= numbers.limit {
                return Err(from.corrupt());
            }
            numbers.keys.insert(key, (rows, sum));
        }
        if numbers.keys.len() > numbers.k { Err(from.corrupt()) } else { Ok(numbers) }
    }
}

/// How two columns of numbers go together over the keys that their tables share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Correlation {
    /// Common keys that it rests on.
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

/// Estimates how two columns of numbers correlate, without joining their tables: over the keys in both, each key once with the
/// mean of its numbers.
///
/// Nothing when fewer than four common keys were sampled, or when either column has one and the same number for all of them.
/// Exact, with intervals that are points, where both summaries hold all keys of their tables.
pub fn correlation(first: &KeyedNumbers, second: &KeyedNumbers) -> Option<Correlation> {
    let limit = first.bound().min(second.bound());
    let is_whole = limit == u64::MAX;
    let (mut xs, mut ys) = (Vec::new(), Vec::new());
    for (key, rows, sum) in first.sorted() {
        if let Some((other_rows, other_sum)) = second.keys.get(&key).filter(|_| key < limit || is_whole) {
            xs.push(sum / rows as f64);
            ys.push(other_sum / *other_rows as f64);
        }
    }
    let keys = xs.len();
    if keys < LEAST_KEYS {
        return None;
    }
    let share = if is_whole { 1.0 } else { limit as f64 / u64::MAX as f64 };
    let spread = Z * ((1.0 - share) * keys as f64).sqrt() / share;
    let common = keys as f64 / share;
    let around = |value: f64, variance: f64| if is_whole { point(value) } else { fisher(value, variance) };
    let (linear, rank) = (pearson(&xs, &ys)?, pearson(&ranks(&xs), &ranks(&ys))?);
    let freedom = (keys - 3) as f64;
    Some(Correlation {
        keys,
        common_keys: Interval { value: common, low: (common - spread).max(keys as f64), high: common + spread },
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

fn pearson(xs: &[f64], ys: &[f64]) -> Option<f64> {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (x_mean, y_mean) = (mean(xs), mean(ys));
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in xs.iter().zip(ys) {
        let (x, y) = (x - x_mean, y - y_mean);
        xy += x * y;
        xx += x * x;
        yy += y * y;
    }
    let scale = xx.sqrt() * yy.sqrt();
    (scale > 0.0 && scale.is_finite()).then(|| (xy / scale).clamp(-1.0, 1.0))
}

/// The rank of each number; equal ones share the mean of their ranks.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for run in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let shared = before as f64 + (run.len() - 1) as f64 / 2.0;
        run.iter().for_each(|index| ranks[*index] = shared);
        before += run.len();
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
    fn equal_numbers_share_their_rank() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [2.5, 0.0, 2.5, 1.0]);
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
