//! Count, extremes, mean and standard deviation.

use crate::codec::{Corrupt, Reader, Writer};

/// Sums are kept in as many lanes, so that the processor adds them side by side.
const LANES: usize = 4;

/// Count, least, greatest, mean and standard deviation of numbers, numerically stable.
///
/// Source: sums by Neumaier, 1974; squares of each chunk around its own mean, joined as Chan, Golub and LeVeque, 1979.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    count: u64,
    min: f64,
    max: f64,
    sum: f64,
    /// What rounding took from `sum`.
    lost: f64,
    /// The mean so far, for `squares` alone: it drifts, `sum` does not.
    mean: f64,
    squares: f64,
}

impl Default for Moments {
    fn default() -> Self {
        Self { count: 0, min: f64::INFINITY, max: f64::NEG_INFINITY, sum: 0.0, lost: 0.0, mean: 0.0, squares: 0.0 }
    }
}

impl Moments {
    /// Takes numbers, which must be finite. Best called with some hundreds: the chunk is read twice.
    pub fn add_all(&mut self, values: &[f64]) {
        if values.is_empty() {
            return;
        }
        let (mut sums, mut losses) = ([0.0f64; LANES], [0.0f64; LANES]);
        let (mut least, mut greatest) = ([f64::INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
        for chunk in values.chunks(LANES) {
            for (lane, value) in chunk.iter().enumerate() {
                let sum = sums[lane] + value;
                let back = sum - sums[lane];
                losses[lane] += (sums[lane] - (sum - back)) + (value - back);
                sums[lane] = sum;
                least[lane] = if *value < least[lane] { *value } else { least[lane] };
                greatest[lane] = if *value > greatest[lane] { *value } else { greatest[lane] };
            }
        }
        let count = values.len() as u64;
        let plain = (sums.iter().sum::<f64>() + losses.iter().sum::<f64>()) / count as f64;
        // The sum of very great numbers overflows where their mean does not.
        let mean = if plain.is_finite() { plain } else { values.iter().map(|value| value / count as f64).sum() };
        let mut squares = [0.0f64; LANES];
        for chunk in values.chunks(LANES) {
            for (lane, value) in chunk.iter().enumerate() {
                squares[lane] += (value - mean) * (value - mean);
            }
        }
        let mut chunk = Self { count, mean, squares: squares.iter().sum(), ..Self::default() };
        for lane in 0..LANES {
            chunk.add_to_sum(sums[lane]);
            chunk.lost += if losses[lane].is_finite() { losses[lane] } else { 0.0 };
            chunk.min = chunk.min.min(least[lane]);
            chunk.max = chunk.max.max(greatest[lane]);
        }
        self.merge(&chunk);
    }

    /// Takes a number, which must be finite, `count` times.
    pub fn add(&mut self, value: f64, count: u64) {
        let product = value * count as f64;
        let zero = Self { count, min: value, max: value, sum: product, mean: value, ..Self::default() };
        self.merge(&zero);
    }

    /// Takes what `other` has seen.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        let (ours, theirs) = (self.count as f64, other.count as f64);
        self.add_to_sum(other.sum);
        self.lost += other.lost;
        let gap = other.mean - self.mean;
        self.mean += gap * (theirs / (ours + theirs));
        self.squares += other.squares + gap * gap * (ours * theirs / (ours + theirs));
        self.count += other.count;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    fn add_to_sum(&mut self, value: f64) {
        let sum = self.sum + value;
        let (large, small) = if self.sum.abs() >= value.abs() { (self.sum, value) } else { (value, self.sum) };
        let lost = (large - sum) + small;
        self.lost += if lost.is_finite() { lost } else { 0.0 };
        self.sum = sum;
    }

    /// How many numbers were taken.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The least, exactly; nothing when there is none.
    pub fn min(&self) -> Option<f64> {
        (self.count > 0).then_some(self.min)
    }

    /// The greatest, exactly; nothing when there is none.
    pub fn max(&self) -> Option<f64> {
        (self.count > 0).then_some(self.max)
    }

    /// The sum; infinite where it overflows.
    pub fn sum(&self) -> f64 {
        self.sum + self.lost
    }

    /// The arithmetic mean; nothing when there is no number.
    pub fn mean(&self) -> Option<f64> {
        let mean = self.sum() / self.count as f64;
        (self.count > 0).then_some(if mean.is_finite() { mean } else { self.mean })
    }

    /// The standard deviation of the population; nothing when there is no number.
    pub fn standard_deviation(&self) -> Option<f64> {
        (self.count > 0).then(|| (self.squares / self.count as f64).max(0.0).sqrt())
    }

    /// Appends the figures.
    pub fn encode(&self, out: &mut Writer) {
        out.number(self.count);
        for figure in [self.min, self.max, self.sum, self.lost, self.mean, self.squares] {
            out.double(figure);
        }
    }

    /// Reads appended figures.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let count = from.number()?;
        let (min, max, sum) = (from.double()?, from.double()?, from.double()?);
        let (lost, mean, squares) = (from.double()?, from.double()?, from.double()?);
        Ok(Self { count, min, max, sum, lost, mean, squares })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[f64]) -> Moments {
        let mut moments = Moments::default();
        values.chunks(64).for_each(|chunk| moments.add_all(chunk));
        moments
    }

    #[test]
    fn a_large_offset_costs_no_precision() {
        let moments = of(&[1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0]);
        assert_eq!(moments.mean(), Some(1e9 + 10.0));
        assert!((moments.standard_deviation().unwrap() - 22.5f64.sqrt()).abs() < 1e-9);
        let mut far = Moments::default();
        (0..1_000).for_each(|n| far.merge(&of(&[1e9 + f64::from(n % 2)])));
        assert!((far.standard_deviation().unwrap() - 0.5).abs() < 1e-9);
    }

    #[test]
    fn the_mean_of_tenths_is_rounded_once() {
        assert_eq!(of(&[0.1; 1_000]).mean(), Some(0.1));
        assert_eq!(of(&[f64::MAX, f64::MAX]).mean(), Some(f64::MAX));
    }

    #[test]
    fn a_repeated_number_counts_as_often() {
        let mut moments = of(&[1.0, 2.0]);
        moments.add(5.0, 3);
        let whole = of(&[1.0, 2.0, 5.0, 5.0, 5.0]);
        assert_eq!((moments.count(), moments.sum(), moments.max()), (5, 18.0, Some(5.0)));
        assert!((moments.standard_deviation().unwrap() - whole.standard_deviation().unwrap()).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn merged_halves_tell_what_the_whole_tells(values in prop::collection::vec(-1e6..1e6f64, 1..200), cut in 0usize..200) {
            let cut = cut.min(values.len());
            let mut merged = of(&values[..cut]);
            merged.merge(&of(&values[cut..]));
            let whole = of(&values);
            prop_assert_eq!(merged.count(), whole.count());
            prop_assert_eq!(merged.min(), whole.min());
            prop_assert_eq!(merged.max(), whole.max());
            prop_assert!((merged.mean().unwrap() - whole.mean().unwrap()).abs() < 1e-9);
            let deviation = whole.standard_deviation().unwrap();
            prop_assert!((merged.standard_deviation().unwrap() - deviation).abs() <= 1e-9 * deviation.max(1.0));
            let mut out = Writer::default();
            merged.encode(&mut out);
            prop_assert_eq!(Moments::decode(&mut Reader::new(&out.finish())), Ok(merged));
        }
    }
}
