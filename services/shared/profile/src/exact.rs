//! Numbers to the last digit, where doubles round.

use std::cmp::Ordering;

use sketch::{Corrupt, Decimal, Reader, Writer};

/// As many digits, and no fewer places, fit what a decimal holds.
const DIGITS: u32 = 38;
/// Decimals of digits up to this are told apart by the doubles nearest to them, whatever their places.
const TOLD_APART: u128 = 1 << 52;

/// The least and the greatest number with all their digits, and whether doubles are enough for all of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exact {
    ends: Option<(End, End)>,
    /// The double nearest to a number, written with as many places, is another number.
    pub(crate) rounds: bool,
}

/// A number with the double nearest to it, which tells most numbers apart.
#[derive(Debug, Clone, Copy)]
struct End {
    near: f64,
    decimal: Decimal,
}

impl Exact {
    /// Takes a number and the double nearest to it.
    #[inline]
    pub(crate) fn add(&mut self, near: f64, decimal: Decimal) {
        if decimal.digits.unsigned_abs() > TOLD_APART && !self.rounds {
            self.rounds = rounds(near, decimal);
        }
        let Some((least, greatest)) = &mut self.ends else {
            self.ends = Some((End { near, decimal }, End { near, decimal }));
            return;
        };
        if near <= least.near {
            least.take(Ordering::Less, End { near, decimal });
        }
        if near >= greatest.near {
            greatest.take(Ordering::Greater, End { near, decimal });
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.rounds |= other.rounds;
        if let Some((least, greatest)) = other.ends {
            self.add(least.near, least.decimal);
            self.add(greatest.near, greatest.decimal);
        }
    }

    /// The least and the greatest number.
    pub(crate) fn ends(&self) -> Option<(Decimal, Decimal)> {
        self.ends.map(|(least, greatest)| (least.decimal, greatest.decimal))
    }

    pub(crate) fn encode(&self, out: &mut Writer) {
        out.number(u64::from(self.rounds));
        out.optional(self.ends(), |out, (least, greatest)| {
            for end in [least, greatest] {
                out.wide(end.digits);
                out.number(end.places.into());
            }
        });
    }

    pub(crate) fn decode(from: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let rounds = from.number()? == 1;
        let end = |from: &mut Reader<'_>| {
            let digits = from.wide()?;
            let places = u8::try_from(from.number()?).ok().filter(|places| u32::from(*places) <= DIGITS);
            let decimal = Decimal { digits, places: places.ok_or(from.corrupt())? };
            Ok(End { near: decimal.to_f64(), decimal })
        };
        Ok(Self { rounds, ends: from.optional(|from| Ok((end(from)?, end(from)?)))? })
    }
}

impl End {
    /// Takes another number that lies further out, or is equal and has more places.
    fn take(&mut self, out: Ordering, other: Self) {
        let order = compare(other.decimal, self.decimal);
        if order == out || order == Ordering::Equal && other.decimal.places > self.decimal.places {
            *self = other;
        }
    }
}

fn compare(a: Decimal, b: Decimal) -> Ordering {
    if a.places > b.places {
        return compare(b, a).reverse();
    }
    match a.digits.checked_mul(10i128.pow((b.places - a.places).into())) {
        Some(digits) => digits.cmp(&b.digits),
        // It is further from zero than any number of as many places.
        None => a.digits.cmp(&0),
    }
}

/// Tells whether the double nearest to a number is another number when it is written with as many places.
fn rounds(near: f64, decimal: Decimal) -> bool {
    rounds_in_whole_numbers(near, decimal)
        .unwrap_or_else(|| format!("{near:.*}", usize::from(decimal.places)) != decimal.to_string())
}

/// The same without text: `m * 2^e` is as near to `digits / 10^places` as half a unit of the last place when
/// `m * 10^places` is as near to `digits / 2^e` as half of that. Nothing where that leaves 128 bits.
fn rounds_in_whole_numbers(near: f64, decimal: Decimal) -> Option<bool> {
    let bits = near.abs().to_bits();
    let (mantissa, exponent) = (bits & ((1 << 52) - 1) | 1 << 52, (bits >> 52) as i32 - 1_075);
    if !(-120..0).contains(&exponent) {
        return None;
    }
    let unit = 1i128 << -exponent;
    let double = i128::from(mantissa).checked_mul(10i128.checked_pow(decimal.places.into())?)?;
    let digits = decimal.digits.checked_abs()?.checked_mul(unit)?;
    // In the middle between two decimals either of them is a fair print of the double.
    Some((double - digits).checked_abs()?.checked_mul(2)? > unit)
}

/// The number that a text is, of at most 38 digits and as many places, if `value` is the double nearest to it; nothing
/// for one with an exponent.
pub(crate) fn decimal(text: &str, value: f64) -> Option<Decimal> {
    let read = |point: u8, group: u8| digits(text.as_bytes(), point, group).filter(|found| found.to_f64() == value);
    read(b'.', b',').or_else(|| read(b',', b'.'))
}

fn digits(text: &[u8], point: u8, group: u8) -> Option<Decimal> {
    let unsigned = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let (mut digits, mut places) = (0i128, None);
    for byte in unsigned {
        match (byte, places) {
            (b'0'..=b'9', _) => {
                digits = digits.checked_mul(10)?.checked_add((byte - b'0').into())?;
                places = places.map(|places: u32| places + 1);
            }
            (byte, None) if *byte == point => places = Some(0),
            (byte, None) if *byte == group => {}
            _ => return None,
        }
    }
    let places = places.unwrap_or_default();
    if places > DIGITS || digits >= 10i128.pow(DIGITS) {
        return None;
    }
    Some(Decimal { digits: if text.first() == Some(&b'-') { -digits } else { digits }, places: places as u8 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Decimal {
        decimal(text, text.replace(',', "").parse().unwrap()).unwrap()
    }

    #[test]
    fn numbers_are_read_to_the_last_digit() {
        for text in ["-12345678901234567890123456789012345678", "0.12345678901234567890123456789012345678", "12.50"] {
            assert_eq!(read(text).to_string(), text);
        }
        assert_eq!(read("1,234,567,890,123,456,789.25").to_string(), "1234567890123456789.25");
        assert_eq!(decimal("1.234.567.890.123.456.789,25", 1_234_567_890_123_456_789.25).unwrap().places, 2);
        for text in ["1e30", "123456789012345678901234567890123456789", "1.5.5", "x"] {
            assert_eq!(decimal(text, text.parse().unwrap_or(1.5)), None, "{text}");
        }
    }

    #[test]
    fn doubles_written_in_full_do_not_round_and_longer_numbers_do() {
        for (text, expected) in [
            ("0.30000000000000004", false),
            ("52.327241000000001", false),
            ("0.1000000000000000055511151231257827", false),
            ("9007199254740992", false),
            ("9007199254740993", true),
            ("12345678901234567.89", true),
            ("0.33333333333333333333", true),
            ("-99999999999999999.99", true),
        ] {
            assert_eq!(rounds(text.parse().unwrap(), read(text)), expected, "{text}");
        }
    }

    #[test]
    fn ends_are_told_apart_where_doubles_are_not() {
        let mut exact = Exact::default();
        for text in ["9007199254740993.5", "9007199254740992", "9007199254740993.50", "9007199254740993.4"] {
            exact.add(text.parse().unwrap(), read(text));
        }
        let (least, greatest) = exact.ends().unwrap();
        assert_eq!(
            (least.to_string().as_str(), greatest.to_string().as_str()),
            ("9007199254740992", "9007199254740993.50")
        );
        assert!(exact.rounds);
    }

    proptest! {
        #[test]
        fn whole_numbers_and_text_say_the_same(digits in any::<i64>(), places in 0u8..19) {
            let decimal = Decimal { digits: digits.into(), places };
            let near = decimal.to_f64();
            let by_text = format!("{near:.*}", usize::from(places)) != decimal.to_string();
            let full = format!("{near:.60}");
            let full = full.trim_end_matches('0');
            let middle = full.ends_with('5') && full.split('.').next_back().unwrap().len() == usize::from(places) + 1;
            prop_assert!(rounds_in_whole_numbers(near, decimal).is_none_or(|found| found == by_text || middle));
        }

        #[test]
        fn every_printed_double_is_a_double(mantissa in any::<i64>(), power in -24i32..-3) {
            // Beyond 2^53 zeros stand for digits that are not printed.
            let number = mantissa as f64 * 10f64.powi(power);
            let text = number.to_string();
            if let Some(decimal) = decimal(&text, number) {
                prop_assert!(!rounds(number, decimal), "{}", text);
            }
        }
    }
}
