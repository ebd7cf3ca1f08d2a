//! Count, extremes, mean and standard deviation.

/// Count, least, greatest, mean and standard deviation of numbers, numerically stable.
///
/// Source: Welford, 1962; merged by Chan, Golub, LeVeque, 1979; the sum by Neumaier, 1974.
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
    /// Takes one number, which must be finite.
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.add_to_sum(value);
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (value - self.mean);
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
        self.mean += gap * theirs / (ours + theirs);
        self.squares += other.squares + gap * gap * ours * theirs / (ours + theirs);
        self.count += other.count;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    fn add_to_sum(&mut self, value: f64) {
        let sum = self.sum + value;
        let (large, small) = if self.sum.abs() >= value.abs() { (self.sum, value) } else { (value, self.sum) };
        self.lost += (large - sum) + small;
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

    /// The arithmetic mean; nothing when there is no number.
    pub fn mean(&self) -> Option<f64> {
        let mean = (self.sum + self.lost) / self.count as f64;
        // The sum of very great numbers overflows where their mean does not.
        (self.count > 0).then_some(if mean.is_finite() { mean } else { self.mean })
    }

    /// The standard deviation of the population; nothing when there is no number.
    pub fn standard_deviation(&self) -> Option<f64> {
        (self.count > 0).then(|| (self.squares / self.count as f64).max(0.0).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[f64]) -> Moments {
        let mut moments = Moments::default();
        values.iter().for_each(|value| moments.add(*value));
        moments
    }

    #[test]
    fn a_large_offset_costs_no_precision() {
        let moments = of(&[1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0]);
        assert_eq!(moments.mean(), Some(1e9 + 10.0));
        assert!((moments.standard_deviation().unwrap() - 22.5f64.sqrt()).abs() < 1e-9);
    }

    #[test]
    fn the_mean_of_tenths_is_rounded_once() {
        assert_eq!(of(&[0.1; 1_000]).mean(), Some(0.1));
        assert_eq!(of(&[f64::MAX, f64::MAX]).mean(), Some(f64::MAX));
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
            prop_assert!((merged.mean().unwrap() - whole.mean().unwrap()).abs() < 1e-6);
            prop_assert!((merged.standard_deviation().unwrap() - whole.standard_deviation().unwrap()).abs() < 1e-6);
        }
    }
}
