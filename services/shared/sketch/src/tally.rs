//! How many numbers there are, and what they add up to.

use crate::codec::{Corrupt, Reader, Writer};

/// Numbers, counted and added up. What rounding takes from the sum is added up beside it.
///
/// Source: Neumaier, Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen, 1974.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Tally {
    count: u64,
    /// Once it has left what a double holds it stays outside.
    sum: f64,
    /// What rounding took from `sum`.
    lost: f64,
}

impl Tally {
    /// No numbers.
    pub(crate) const NONE: Self = Self { count: 0, sum: 0.0, lost: 0.0 };

    /// Takes a number, which must be finite.
    #[inline]
    pub(crate) fn add(&mut self, number: f64) {
        self.count = self.count.wrapping_add(1);
        self.add_to_sum(number);
    }

    /// Takes what `other` has seen.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.add_to_sum(other.sum);
        self.lost += other.lost;
    }

    #[inline]
    fn add_to_sum(&mut self, number: f64) {
        let sum = self.sum + number;
        let (large, small) = if self.sum.abs() >= number.abs() { (self.sum, number) } else { (number, self.sum) };
        self.lost += (large - sum) + small;
        self.sum = sum;
    }

    /// How many numbers there are.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The mean, right to about 1e-15 of the greatest number for up to 1e8 of them, in whatever order they came; nothing
    /// when there is none, or when they add up to more than a double holds.
    pub(crate) fn mean(&self) -> Option<f64> {
        let count = self.count as f64;
        // Each by itself: together they may leave what a double holds.
        let mean = self.sum / count + self.lost / count;
        mean.is_finite().then_some(mean)
    }

    /// Appends the count, and the sum if there is something to it.
    pub(crate) fn encode(&self, out: &mut Writer) {
        out.number(self.count);
        if self.count == 0 {
            return;
        }
        // Not every machine has the same bits for what is no number.
        let is_finite = self.sum.is_finite() && self.lost.is_finite();
        let (sum, lost) = if is_finite { (self.sum, self.lost) } else { (f64::INFINITY, 0.0) };
        out.double(sum);
        out.optional((lost != 0.0).then_some(lost), Writer::double);
    }

    /// Reads what was appended.
    pub(crate) fn decode(from: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let count = from.number()?;
        if count == 0 {
            return Ok(Self::NONE);
        }
        let (sum, lost) = (from.double()?, from.optional(Reader::double)?.unwrap_or_default());
        let is_beyond = sum == f64::INFINITY && lost == 0.0;
        let good = sum.is_finite() && lost.is_finite() || is_beyond;
        if good { Ok(Self { count, sum, lost }) } else { Err(from.corrupt()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(numbers: &[f64]) -> Tally {
        let mut tally = Tally::NONE;
        numbers.iter().for_each(|number| tally.add(*number));
        tally
    }

    fn bytes(tally: &Tally) -> Vec<u8> {
        let mut out = Writer::default();
        tally.encode(&mut out);
        out.finish()
    }

    #[test]
    fn the_mean_of_one_number_is_that_number() {
        for count in [3, 10, 1_000, 100_000] {
            let mean = of(&vec![0.1; count]).mean().unwrap();
            assert!((mean - 0.1).abs() < 1e-16, "{count}: {mean:e}");
        }
        assert_eq!(of(&[1e100, 1.0, -1e100]).mean(), Some(1.0 / 3.0));
        assert_eq!(Tally::NONE.mean(), None);
    }

    #[test]
    fn what_a_double_does_not_hold_has_no_mean_and_reads_back() {
        let mut beyond = of(&[1e308, 1e308, -1e308]);
        for _ in 0..3 {
            assert_eq!((beyond.mean(), beyond.count()), (None, 3));
            beyond = Tally::decode(&mut Reader::new(&bytes(&beyond))).unwrap();
        }
        beyond.merge(&of(&[-1e308, -1e308]));
        assert_eq!((beyond.mean(), beyond.count()), (None, 5));
        assert_eq!(bytes(&beyond), bytes(&Tally { count: 5, sum: f64::NAN, lost: f64::NAN }));
        for (sum, lost) in [(f64::NAN, 0.0), (f64::NEG_INFINITY, 0.0), (1.0, f64::INFINITY), (f64::INFINITY, 1.0)] {
            let mut out = Writer::default();
            out.number(1);
            out.double(sum);
            out.optional(Some(lost), Writer::double);
            assert!(Tally::decode(&mut Reader::new(&out.finish())).is_err(), "{sum} {lost}");
        }
    }

    proptest! {
        #[test]
        fn means_are_right_to_1e15_of_the_greatest_number_however_cut(
            // Whole numbers of very different sizes, so that the truth is known.
            numbers in prop::collection::vec((-1_000_000i64..1_000_000, 0u32..10), 1..400),
            cut in any::<prop::sample::Index>(),
        ) {
            let digits: Vec<i128> = numbers.iter().map(|(digits, power)| i128::from(*digits) << (3 * power)).collect();
            let numbers: Vec<f64> = digits.iter().map(|digits| *digits as f64).collect();
            let cut = cut.index(numbers.len());
            let mut merged = of(&numbers[..cut]);
            merged.merge(&of(&numbers[cut..]));
            let greatest = numbers.iter().fold(0.0f64, |greatest, number| greatest.max(number.abs()));
            let truth = digits.iter().sum::<i128>() as f64 / numbers.len() as f64;
            for tally in [merged, of(&numbers)] {
                prop_assert!((tally.mean().unwrap() - truth).abs() <= 1e-15 * greatest);
                prop_assert_eq!(Tally::decode(&mut Reader::new(&bytes(&tally))), Ok(tally));
            }
        }
    }
}
