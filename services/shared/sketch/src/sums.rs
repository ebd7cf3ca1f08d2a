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
/// There is one sum of 128 bits per number of decimal places, so nothing is rounded; ends without result when a sum
/// leaves them, or a number was taken that is no decimal of at most 38 places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    by_places: Vec<i128>,
    lost: bool,
}

impl Sums {
    /// Takes `digits` / `10^places`, `count` times.
    pub fn add(&mut self, digits: i64, places: u8, count: u64) {
        // A product of 64 by 64 bits fits 128; the sum may not.
        self.take(i128::from(digits) * i128::from(count), places);
    }

    /// Takes a number of more digits, `count` times.
    pub fn add_wide(&mut self, number: Decimal, count: u64) {
        match number.digits.checked_mul(count.into()) {
            Some(product) => self.take(product, number.places),
            None => self.lost = true,
        }
    }

    fn take(&mut self, product: i128, places: u8) {
        if places > MAX_PLACES {
            self.lost = true;
            return;
        }
        let place = usize::from(places);
        if place >= self.by_places.len() {
            self.by_places.resize(place + 1, 0);
        }
        match self.by_places[place].checked_add(product) {
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
            self.by_places.resize(other.by_places.len(), 0);
        }
        for (ours, theirs) in self.by_places.iter_mut().zip(&other.by_places) {
            match ours.checked_add(*theirs) {
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
            total = total.checked_add(sum.checked_mul(10i128.pow((places - place) as u32))?)?;
        }
        (!self.lost).then_some(Decimal { digits: total, places: places as u8 })
    }

    /// Appends the sums.
    pub fn encode(&self, out: &mut Writer) {
        out.number(u64::from(self.lost));
        out.number(self.by_places.len() as u64);
        self.by_places.iter().for_each(|sum| out.wide(*sum));
    }

    /// Reads appended sums.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let lost = from.number()? == 1;
        let length = from.length(16)?;
        if length > usize::from(MAX_PLACES) + 1 {
            return Err(from.corrupt());
        }
        let by_places: Result<Vec<i128>, Corrupt> = (0..length).map(|_| from.wide()).collect();
        Ok(Self { by_places: by_places?, lost })
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
