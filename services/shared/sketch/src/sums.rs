//! Sums without rounding.

use crate::codec::{Corrupt, Reader, Writer};

/// The most decimal places that are summed exactly.
pub const MAX_PLACES: u8 = 38;

/// A decimal number: `digits` / `10^places`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    /// All digits as one whole number.
    pub digits: i128,
    /// How many of them stand after the point.
    pub places: u8,
}

/// The exact sum of decimal numbers.
///
/// There is one sum of 192 bits per number of decimal places, so nothing is rounded, and the order of numbers leaves no
/// trace; ends without result when the total leaves 128 bits, or a number was taken that is no decimal of at most 38
/// places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    by_places: Vec<Wide>,
    lost: bool,
}

/// A whole number: `high` * 2^64 + `low`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Wide {
    high: i128,
    low: u64,
}

impl Wide {
    /// `digits`, `count` times.
    fn product(digits: i128, count: u64) -> Self {
        // A product of 64 by 64 bits fits 128.
        let low = u128::from(digits as u64) * u128::from(count);
        Self { high: (digits >> 64) * i128::from(count) + (low >> 64) as i128, low: low as u64 }
    }

    /// Nothing after more numbers than anybody has.
    fn plus(self, other: Self) -> Option<Self> {
        let (low, carry) = self.low.overflowing_add(other.low);
        Some(Self { high: self.high.checked_add(other.high)?.checked_add(carry.into())?, low })
    }

    /// The same in 128 bits, if it fits them.
    fn narrow(self) -> Option<i128> {
        i64::try_from(self.high).ok().map(|high| i128::from(high) << 64 | i128::from(self.low))
    }
}

impl Sums {
    /// Takes `digits` / `10^places`, `count` times.
    pub fn add(&mut self, digits: i64, places: u8, count: u64) {
        self.take(Wide::product(digits.into(), count), places);
    }

    /// Takes a number of more digits, `count` times.
    pub fn add_wide(&mut self, number: Decimal, count: u64) {
        self.take(Wide::product(number.digits, count), number.places);
    }

    fn take(&mut self, product: Wide, places: u8) {
        if places > MAX_PLACES {
            self.lost = true;
            return;
        }
        let place = usize::from(places);
        if place >= self.by_places.len() {
            self.by_places.resize(place + 1, Wide::default());
        }
        match self.by_places[place].plus(product) {
            Some(sum) => self.by_places[place] = sum,
            None => self.lost = true,
        }
    }

    /// Takes a number that is no such decimal.
    pub fn lose(&mut self) {
        self.lost = true;
    }

    /// Takes what `other` has seen.
    pub fn merge(&mut self, other: &Self) {
        self.lost |= other.lost;
        if self.by_places.len() < other.by_places.len() {
            self.by_places.resize(other.by_places.len(), Wide::default());
        }
        for (ours, theirs) in self.by_places.iter_mut().zip(&other.by_places) {
            match ours.plus(*theirs) {
                Some(sum) => *ours = sum,
                None => self.lost = true,
            }
        }
    }

    /// The sum, with the most places that any number had; nothing when it is not exact.
    pub fn total(&self) -> Option<Decimal> {
        let places = self.by_places.len().saturating_sub(1);
        let mut total: i128 = 0;
        for (place, sum) in self.by_places.iter().enumerate() {
            total = total.checked_add(sum.narrow()?.checked_mul(10i128.pow((places - place) as u32))?)?;
        }
        (!self.lost).then_some(Decimal { digits: total, places: places as u8 })
    }

    /// Appends the sums.
    pub fn encode(&self, out: &mut Writer) {
        out.number(u64::from(self.lost));
        out.number(self.by_places.len() as u64);
        for sum in &self.by_places {
            out.wide(sum.high);
            out.word(sum.low);
        }
    }

    /// Reads appended sums.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let lost = from.number()? == 1;
        let length = from.length(24)?;
        if length > usize::from(MAX_PLACES) + 1 {
            return Err(from.corrupt());
        }
        let mut by_places = Vec::with_capacity(length);
        for _ in 0..length {
            by_places.push(Wide { high: from.wide()?, low: from.word()? });
        }
        Ok(Self { by_places, lost })
    }
}

impl Decimal {
    /// The nearest double.
    pub fn to_f64(self) -> f64 {
        // Through text, which rounds once where a division of rounded numbers would round three times.
        self.to_string().parse().unwrap_or(f64::NAN)
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let places = usize::from(self.places);
        let sign = if self.digits < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", self.digits.unsigned_abs(), width = places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        let point = if places > 0 { "." } else { "" };
        write!(f, "{sign}{whole}{point}{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sums_are_not_rounded() {
        let mut sums = Sums::default();
        (0..10).for_each(|_| sums.add(1, 1, 1));
        sums.add(i64::MAX, 0, 2);
        assert_eq!(sums.total().unwrap().to_string(), "18446744073709551615.0");
        sums.add(-5, 2, 1);
        assert_eq!(sums.total().unwrap().to_string(), "18446744073709551614.95");
        sums.lose();
        assert_eq!(sums.total(), None);
    }

    #[test]
    fn what_leaves_128_bits_between_and_comes_back_is_told_wherever_it_was_cut() {
        let values = [-9, 9].map(|n| n * 10i128.pow(37)).into_iter().chain([85 * 10i128.pow(36)]);
        let values: Vec<Decimal> = values.map(|digits| Decimal { digits, places: 2 }).collect();
        let of = |values: &[Decimal]| {
            let mut sums = Sums::default();
            values.iter().for_each(|value| sums.add_wide(*value, 1));
            sums
        };
        for turn in 0..values.len() {
            let mut turned = values.clone();
            turned.rotate_left(turn);
            for cut in 0..=turned.len() {
                let mut merged = of(&turned[cut..]);
                merged.merge(&of(&turned[..cut]));
                assert_eq!(merged, of(&values));
                assert_eq!(merged.total(), Some(Decimal { digits: 85 * 10i128.pow(36), places: 2 }));
            }
        }
        let beyond = of(&values[1..]);
        assert_eq!((beyond.total(), beyond.lost), (None, false));
    }

    #[test]
    fn products_beyond_128_bits_are_no_total_until_they_are_taken_back() {
        let mut sums = Sums::default();
        sums.add_wide(Decimal { digits: i128::MIN, places: 0 }, u64::MAX);
        assert_eq!(sums.total(), None);
        sums.add_wide(Decimal { digits: i128::MAX, places: 0 }, u64::MAX);
        assert_eq!(sums.total(), Some(Decimal { digits: -i128::from(u64::MAX), places: 0 }));
        sums.add_wide(Decimal { digits: 1, places: 0 }, u64::MAX);
        assert_eq!(sums.total(), Some(Decimal { digits: 0, places: 0 }));
    }

    #[test]
    fn decimals_are_written_with_all_their_places() {
        for (digits, places, text) in
            [(0, 0, "0"), (5, 2, "0.05"), (-5, 2, "-0.05"), (1_234, 1, "123.4"), (-7, 0, "-7")]
        {
            assert_eq!(Decimal { digits, places }.to_string(), text);
        }
        assert_eq!(Decimal { digits: 1, places: 1 }.to_f64(), 0.1);
    }

    proptest! {
        #[test]
        fn wide_numbers_are_as_those_of_128_bits(a in any::<i64>(), b in any::<i64>(), times in any::<u64>(), few in 0u64..2) {
            let product = |n: i64, count: u64| i128::from(n).checked_mul(count.into());
            let whole = product(a, times).and_then(|a| a.checked_add(product(b, few)?));
            let wide = Wide::product(a.into(), times).plus(Wide::product(b.into(), few)).unwrap();
            prop_assert_eq!(wide.narrow(), whole);
        }

        #[test]
        fn merged_halves_are_the_whole(values in prop::collection::vec((any::<i64>(), 0u8..20), 0..50), cut in 0usize..50) {
            let of = |values: &[(i64, u8)]| {
                let mut sums = Sums::default();
                values.iter().for_each(|(digits, places)| sums.add(*digits, *places, 3));
                sums
            };
            let cut = cut.min(values.len());
            let mut merged = of(&values[..cut]);
            merged.merge(&of(&values[cut..]));
            prop_assert_eq!(merged.total(), of(&values).total());
            let mut out = Writer::default();
            merged.encode(&mut out);
            prop_assert_eq!(Sums::decode(&mut Reader::new(&out.finish())), Ok(merged));
        }
    }
}
