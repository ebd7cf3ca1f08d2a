//! Values by rank.

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
    /// A number on level `h` stands for `2^h` numbers.
    levels: Vec<Vec<f64>>,
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

    /// Takes one number, which must not be NaN.
    pub fn add(&mut self, value: f64) {
        if self.retained >= self.capacity {
            self.compress();
        }
        self.levels[0].push(value);
        self.retained += 1;
        self.count += 1;
    }

    /// Takes what `other` has seen. The error is that of the smaller `k`.
    pub fn merge(&mut self, other: &Self) {
        self.k = self.k.min(other.k);
        for (level, values) in other.levels.iter().enumerate() {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            self.levels[level].extend_from_slice(values);
        }
        self.count += other.count;
        self.retained += other.retained;
        self.capacity = total_capacity(self.k, self.levels.len());
        while self.retained > self.capacity {
            self.compress();
        }
    }

    /// How many numbers were taken.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How far the true rank of a value may lie from the rank asked for, 0 to 1, with 99 % confidence; 0 when exact.
    pub fn rank_error(&self) -> f64 {
        if self.levels.len() == 1 { 0.0 } else { (2.296 / (self.k as f64).powf(0.9021)).min(1.0) }
    }

    /// The values at `ranks`, each 0 to 1: the least value that at least that share of the numbers does not exceed.
    /// Empty when no number was taken. Ranks 0 and 1 give retained numbers, so ask [`crate::Moments`] for the extremes.
    pub fn values(&self, ranks: &[f64]) -> Vec<f64> {
        let mut weighted: Vec<(f64, u64)> = Vec::with_capacity(self.retained);
        for (level, values) in self.levels.iter().enumerate() {
            weighted.extend(values.iter().map(|value| (*value, 1u64 << level)));
        }
        if weighted.is_empty() {
            return Vec::new();
        }
        weighted.sort_by(|a, b| a.0.total_cmp(&b.0));
        let total: u64 = weighted.iter().map(|(_, weight)| weight).sum();
        ranks.iter().map(|rank| at_rank(&weighted, total, *rank)).collect()
    }

    /// Halves the lowest level that is full, and thereby the numbers that it stands for twice.
    fn compress(&mut self) {
        let height = self.levels.len();
        let full = (0..height).find(|level| self.levels[*level].len() >= level_capacity(self.k, height, *level));
        let level = full.unwrap_or(0);
        if level + 1 == height {
            self.levels.push(Vec::new());
            self.capacity = total_capacity(self.k, self.levels.len());
        }
        let mut values = std::mem::take(&mut self.levels[level]);
        values.sort_unstable_by(f64::total_cmp);
        let odd_one = if values.len() % 2 == 1 { values.pop() } else { None };
        let start = (self.coin.next() >> 63) as usize;
        let kept = values.len() / 2;
        self.levels[level + 1].extend(values.iter().skip(start).step_by(2));
        self.levels[level].extend(odd_one);
        self.retained -= kept;
    }
}

fn at_rank(weighted: &[(f64, u64)], total: u64, rank: f64) -> f64 {
    let wanted = ((rank * total as f64).ceil() as u64).clamp(1, total);
    let mut below = 0;
    for (value, weight) in weighted {
        below += weight;
        if below >= wanted {
            return *value;
        }
    }
    weighted[weighted.len() - 1].0
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
        values.into_iter().for_each(|value| sketch.add(value));
        sketch
    }

    /// The numbers 0..n in an order that has nothing to do with their size.
    fn mixed(n: u64) -> impl Iterator<Item = f64> {
        (0..n).map(move |i| (i * 7_919 % n) as f64)
    }

    #[test]
    fn few_numbers_are_ranked_exactly() {
        let sketch = of(64, [5.0, 1.0, 3.0, 2.0, 4.0]);
        assert_eq!(sketch.values(&[0.0, 0.5, 1.0]), [1.0, 3.0, 5.0]);
        assert_eq!(sketch.rank_error(), 0.0);
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
        let sketch = of(32, mixed(12_345));
        let weight: u64 = sketch.levels.iter().enumerate().map(|(level, v)| (v.len() as u64) << level).sum();
        assert_eq!(weight, 12_345);
        assert_eq!(sketch.retained, sketch.levels.iter().map(Vec::len).sum::<usize>());
    }

    proptest! {
        #[test]
        fn merged_halves_stay_within_the_error(n in 2u64..20_000, share in 0.0..1.0f64) {
            let cut = (n as f64 * share) as usize;
            let mut merged = of(256, mixed(n).take(cut));
            merged.merge(&of(256, mixed(n).skip(cut)));
            prop_assert_eq!(merged.count(), n);
            // Counted in ranks, where one is exactly one: as shares, both sides would be rounded.
            let n = n as f64;
            let median = merged.values(&[0.5])[0];
            prop_assert!((median - n / 2.0).abs() <= 2.0 * merged.rank_error() * n + 1.0);
        }
    }
}
