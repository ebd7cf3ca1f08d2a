//! Values by rank.

use crate::codec::{Corrupt, Reader, Writer};
use crate::rng::SplitMix;

/// The least capacity of a level.
const LEAST: usize = 8;

/// Quantiles of numbers: a KLL sketch whose coin is seeded, so that equal input gives equal output.
///
/// Exact up to `k` numbers. Beyond, a value's true rank lies within [`Quantiles::rank_error`] with 99 % confidence;
/// memory is about `3 k` numbers whatever the input.
///
/// Source: Karnin, Lang, Liberty, Optimal Quantile Approximation in Streams, 2016. The sketch of Apache DataSketches
/// draws its coin from a random source, which stored profiles cannot have; its formula of the error holds here.
#[derive(Debug, Clone)]
pub struct Quantiles {
    k: usize,
    count: u64,
    /// A number on level `h` stands for `2^h` numbers. Numbers are kept as keys that sort like them; all levels but the
    /// first are sorted.
    levels: Vec<Vec<i64>>,
    retained: usize,
    capacity: usize,
    coin: SplitMix,
}

impl Quantiles {
    /// Makes an empty sketch that is exact up to `k` numbers, at least 8.
    pub fn new(k: usize) -> Self {
        let k = k.max(LEAST);
        Self { k, count: 0, levels: vec![Vec::new()], retained: 0, capacity: k, coin: SplitMix::new(k as u64) }
    }

    /// Takes numbers, of which none may be NaN.
    pub fn add_all(&mut self, mut values: &[f64]) {
        self.count += values.len() as u64;
        while !values.is_empty() {
            while self.retained >= self.capacity {
                self.compress();
            }
            let (now, later) = values.split_at(values.len().min(self.capacity - self.retained));
            self.levels[0].extend(now.iter().map(|value| key(*value)));
            self.retained += now.len();
            values = later;
        }
    }

    /// Takes a number, which must not be NaN, `count` times: once on the level of each bit of `count`.
    pub fn add(&mut self, value: f64, count: u64) {
        self.count += count;
        let key = key(value);
        for level in (0..64).filter(|level| count >> level & 1 == 1) {
            self.grow(level + 1);
            let values = &mut self.levels[level];
            let at = if level == 0 { values.len() } else { values.partition_point(|other| *other < key) };
            values.insert(at, key);
            self.retained += 1;
        }
        self.shrink();
    }

    /// Takes what `other` has seen. The error is that of the smaller `k`.
    pub fn merge(&mut self, other: &Self) {
        self.k = self.k.min(other.k);
        self.grow(other.levels.len());
        for (level, values) in other.levels.iter().enumerate() {
            self.join(level, values);
        }
        self.count += other.count;
        self.retained += other.retained;
        self.capacity = total_capacity(self.k, self.levels.len());
        self.shrink();
    }

    /// How many numbers were taken.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How far the true rank of a value may lie from the rank asked for, 0 to 1, with 99 % confidence; 0 when exact.
    pub fn rank_error(&self) -> f64 {
        if self.levels.len() == 1 { 0.0 } else { (2.296 / (self.k as f64).powf(0.9021)).min(1.0) }
    }

    /// The numbers that are kept, by rising value, each with how many it stands for.
    pub fn weighted(&self) -> Vec<(f64, u64)> {
        let mut weighted: Vec<(i64, u64)> = Vec::with_capacity(self.retained);
        for (level, values) in self.levels.iter().enumerate() {
            weighted.extend(values.iter().map(|value| (*value, 1u64 << level)));
        }
        weighted.sort_by_key(|(value, _)| *value);
        weighted.into_iter().map(|(value, weight)| (number(value), weight)).collect()
    }

    /// The values at `ranks`; see [`at_ranks`]. Ranks 0 and 1 give retained numbers, so ask [`crate::Moments`] for the
    /// extremes.
    pub fn values(&self, ranks: &[f64]) -> Vec<f64> {
        at_ranks(&self.weighted(), ranks)
    }

    fn grow(&mut self, height: usize) {
        if self.levels.len() < height {
            self.levels.resize(height, Vec::new());
            self.capacity = total_capacity(self.k, height);
        }
    }

    fn shrink(&mut self) {
        while self.retained > self.capacity {
            self.compress();
        }
    }

    /// Adds values to a level; sorted ones, but for the first.
    fn join(&mut self, level: usize, values: &[i64]) {
        let ours = &mut self.levels[level];
        let sorted = level > 0 && !ours.is_empty() && !values.is_empty();
        ours.extend_from_slice(values);
        if sorted {
            // Finds the two runs and merges them.
            ours.sort();
        }
    }

    /// Halves the lowest level that is full, and thereby the numbers that it stands for twice.
    fn compress(&mut self) {
        let height = self.levels.len();
        let full = (0..height).find(|level| self.levels[*level].len() >= level_capacity(self.k, height, *level));
        let level = full.unwrap_or(0);
        self.grow(level + 2);
        let mut values = std::mem::take(&mut self.levels[level]);
        if level == 0 {
            values.sort_unstable();
        }
        let odd_one = if values.len() % 2 == 1 { values.pop() } else { None };
        let start = (self.coin.next() >> 63) as usize;
        let kept: Vec<i64> = values.iter().skip(start).step_by(2).copied().collect();
        self.retained -= values.len() - kept.len();
        self.join(level + 1, &kept);
        values.clear();
        values.extend(odd_one);
        self.levels[level] = values;
    }

    /// Appends the sketch.
    pub fn encode(&self, out: &mut Writer) {
        out.number(self.k as u64);
        out.number(self.count);
        out.word(self.coin.state());
        out.number(self.levels.len() as u64);
        for level in &self.levels {
            out.number(level.len() as u64);
            level.iter().for_each(|value| out.word(*value as u64));
        }
    }

    /// Reads an appended sketch.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let k = usize::try_from(from.number()?).map_err(|_| from.corrupt())?;
        let (count, coin) = (from.number()?, SplitMix::new(from.word()?));
        let height = from.length(1)?;
        if !(1..=64).contains(&height) || !(LEAST..1 << 32).contains(&k) {
            return Err(from.corrupt());
        }
        let mut levels = Vec::with_capacity(height);
        let mut weight: u64 = 0;
        for level in 0..height {
            let values: Result<Vec<i64>, Corrupt> =
                (0..from.length(8)?).map(|_| from.word().map(|word| word as i64)).collect();
            let mut values = values?;
            if level > 0 {
                values.sort();
            }
            let here = (values.len() as u64).checked_mul(1 << level).ok_or(from.corrupt())?;
            weight = weight.checked_add(here).ok_or(from.corrupt())?;
            levels.push(values);
        }
        if weight != count {
            return Err(from.corrupt());
        }
        let retained = levels.iter().map(Vec::len).sum();
        Ok(Self { k, count, retained, capacity: total_capacity(k, height), levels, coin })
    }
}

/// The values at `ranks`, each 0 to 1: the least value that at least that share of the numbers does not exceed. The
/// numbers come by rising value, each with how many it stands for; without any the result is empty, and where none of them
/// stands for any it is the last.
pub fn at_ranks(weighted: &[(f64, u64)], ranks: &[f64]) -> Vec<f64> {
    let mut below = 0;
    let sums: Vec<u64> = weighted
        .iter()
        .map(|(_, weight)| {
            below = weight.saturating_add(below);
            below
        })
        .collect();
    let Some((last, _)) = weighted.last() else { return Vec::new() };
    let total = below;
    let at = |rank: &f64| {
        let wanted = ((rank * total as f64).ceil() as u64).clamp(1, total.max(1));
        weighted.get(sums.partition_point(|sum| *sum < wanted)).map_or(*last, |(value, _)| *value)
    };
    ranks.iter().map(at).collect()
}

/// A key that sorts like the number.
fn key(number: f64) -> i64 {
    let bits = number.to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

fn number(key: i64) -> f64 {
    f64::from_bits((key ^ (((key >> 63) as u64) >> 1) as i64) as u64)
}

fn level_capacity(k: usize, height: usize, level: usize) -> usize {
    let depth = (height - 1 - level) as i32;
    ((k as f64 * (2.0f64 / 3.0).powi(depth)).ceil() as usize).max(LEAST)
}

fn total_capacity(k: usize, height: usize) -> usize {
    (0..height).map(|level| level_capacity(k, height, level)).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(k: usize, values: impl IntoIterator<Item = f64>) -> Quantiles {
        let mut sketch = Quantiles::new(k);
        sketch.add_all(&values.into_iter().collect::<Vec<f64>>());
        sketch
    }

    /// The numbers 0..n in an order that has nothing to do with their size.
    fn mixed(n: u64) -> impl Iterator<Item = f64> {
        (0..n).map(move |i| (i * 7_919 % n) as f64)
    }

    #[test]
    fn few_numbers_are_ranked_exactly() {
        let sketch = of(64, [5.0, 1.0, -3.0, 2.0, 4.0]);
        assert_eq!(sketch.values(&[0.0, 0.5, 1.0]), [-3.0, 2.0, 5.0]);
        assert_eq!(sketch.rank_error(), 0.0);
        assert!(of(64, []).values(&[0.5]).is_empty());
    }

    #[test]
    fn numbers_that_stand_for_none_have_ranks_too() {
        assert_eq!(at_ranks(&[(1.0, 0), (2.0, 0)], &[0.0, 0.5, 1.0]), [2.0; 3]);
        assert_eq!(at_ranks(&[(1.0, 0), (2.0, 3), (5.0, 0)], &[0.0, 1.0]), [2.0, 2.0]);
        assert_eq!(at_ranks(&[(1.0, u64::MAX), (2.0, u64::MAX)], &[0.0, 1.0]), [1.0, 1.0]);
        assert!(at_ranks(&[], &[0.5]).is_empty());
    }

    #[test]
    fn many_numbers_are_ranked_within_the_error() {
        let sketch = of(512, mixed(1_000_000));
        let error = sketch.rank_error();
        assert!(error > 0.0 && error < 0.01);
        for rank in [0.01, 0.25, 0.5, 0.75, 0.99] {
            let found = sketch.values(&[rank])[0] / 1_000_000.0;
            assert!((found - rank).abs() <= error, "{rank}: {found}");
        }
        assert!(sketch.retained <= 3 * 512 + 64);
    }

    #[test]
    fn every_number_keeps_its_weight() {
        let mut sketch = of(32, mixed(12_345));
        sketch.add(7.0, 100_000);
        let weight: u64 = sketch.levels.iter().enumerate().map(|(level, v)| (v.len() as u64) << level).sum();
        assert_eq!((weight, sketch.count()), (112_345, 112_345));
        assert_eq!(sketch.retained, sketch.levels.iter().map(Vec::len).sum::<usize>());
        assert_eq!(sketch.values(&[0.5]), [7.0]);
    }

    proptest! {
        #[test]
        fn keys_sort_like_numbers(a in any::<f64>(), b in any::<f64>()) {
            prop_assert_eq!(key(a).cmp(&key(b)), a.total_cmp(&b));
            prop_assert_eq!(number(key(a)).to_bits(), a.to_bits());
        }

        #[test]
        fn merged_halves_stay_within_the_error(n in 2u64..20_000, share in 0.0..1.0f64) {
            let cut = (n as f64 * share) as usize;
            let mut merged = of(256, mixed(n).take(cut));
            merged.merge(&of(256, mixed(n).skip(cut)));
            prop_assert_eq!(merged.count(), n);
            let mut out = Writer::default();
            merged.encode(&mut out);
            let merged = Quantiles::decode(&mut Reader::new(&out.finish())).unwrap();
            // Counted in ranks, where one is exactly one: as shares, both sides would be rounded.
            let n = n as f64;
            let median = merged.values(&[0.5])[0];
            prop_assert!((median - n / 2.0).abs() <= 2.0 * merged.rank_error() * n + 1.0);
        }
    }
}
