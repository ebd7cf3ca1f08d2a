//! Numbers in cells.

/// What a number is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    /// Digits, with a sign or not, that fit 64 bits.
    Integer(i64),
    /// `digits` / `10^places`, of at most 18 digits.
    Decimal {
        /// All digits as one whole number.
        digits: i64,
        /// How many of them stand after the point, 0 to 18.
        places: u8,
    },
    /// A whole number beyond 64 bits.
    Great(f64),
    /// With an exponent, or more digits than 18.
    Float(f64),
}

const POWERS: [f64; 19] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18];
/// Whole numbers up to this are doubles, so that one division rounds once.
const EXACT: u64 = 1 << 53;

/// The double nearest to `digits` / `10^places`, at most 18 places.
pub(crate) fn decimal_to_f64(digits: i64, places: u8) -> f64 {
    if digits.unsigned_abs() <= EXACT {
        return digits as f64 / POWERS[usize::from(places.min(18))];
    }
    format!("{digits}e-{places}").parse().unwrap_or(f64::NAN)
}

/// Reads a number: an optional sign, digits that may stand in groups of three, a fraction, an exponent.
///
/// What is too great for a double is no number, and neither are `inf` and `nan`.
///
/// With `decimal_comma` a comma divides the fraction, and points the groups, where there is a comma.
pub(crate) fn parse(text: &str, decimal_comma: bool) -> Option<Number> {
    let bytes = text.as_bytes();
    if let Some(number) = plain(bytes) {
        return Some(number);
    }
    let unsigned = bytes.strip_prefix(b"-").or_else(|| bytes.strip_prefix(b"+")).unwrap_or(bytes);
    if !matches!(unsigned.first()?, b'0'..=b'9' | b'.') {
        return None;
    }
    let numeric = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b',' | b'e' | b'E' | b'+' | b'-');
    if !unsigned.iter().all(numeric) {
        return None;
    }
    if unsigned.contains(&b',') {
        return if decimal_comma { with_comma(text) } else { grouped(text, unsigned) };
    }
    let value = text.parse().ok().filter(|value: &f64| value.is_finite())?;
    let whole = unsigned.iter().all(u8::is_ascii_digit);
    Some(if whole { Number::Great(value) } else { Number::Float(value) })
}

/// Digits with at most one point among them, at most 18 of them, in one pass.
fn plain(bytes: &[u8]) -> Option<Number> {
    let unsigned = match bytes.first()? {
        b'-' | b'+' => &bytes[1..],
        _ => bytes,
    };
    if unsigned.is_empty() || unsigned.len() > 19 {
        return None;
    }
    let mut value: u64 = 0;
    let mut point = None;
    for (index, byte) in unsigned.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        } else if *byte == b'.' && point.is_none() {
            point = Some(index);
        } else {
            return None;
        }
    }
    let digits = unsigned.len() - usize::from(point.is_some());
    if digits == 0 || digits > 18 {
        return None;
    }
    let signed = if bytes[0] == b'-' { -(value as i64) } else { value as i64 };
    Some(match point {
        None => Number::Integer(signed),
        Some(point) => Number::Decimal { digits: signed, places: (unsigned.len() - 1 - point) as u8 },
    })
}

/// `1,234,567.8`: groups of three after the first.
fn grouped(text: &str, unsigned: &[u8]) -> Option<Number> {
    let point = unsigned.iter().position(|byte| *byte == b'.').unwrap_or(unsigned.len());
    let (whole, fraction) = unsigned.split_at(point);
    let mut groups = whole.split(|byte| *byte == b',');
    let digits = |group: &[u8]| group.iter().all(u8::is_ascii_digit);
    let first = groups.next()?;
    let good = (1..=3).contains(&first.len())
        && digits(first)
        && groups.all(|group| group.len() == 3 && digits(group))
        && digits(fraction.get(1..).unwrap_or_default());
    if good { parse(&text.replace(',', ""), false) } else { None }
}

/// `1234,5` and `1.234,5`.
fn with_comma(text: &str) -> Option<Number> {
    let swapped: String = text
        .chars()
        .map(|c| match c {
            ',' => '.',
            '.' => ',',
            other => other,
        })
        .collect();
    match parse(&swapped, false)? {
        Number::Integer(digits) => Some(Number::Decimal { digits, places: 0 }),
        Number::Great(value) => Some(Number::Float(value)),
        number => Some(number),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Number::{Decimal, Float, Great, Integer};
    use super::*;

    fn to_f64(number: Number) -> f64 {
        match number {
            Integer(value) => value as f64,
            Decimal { digits, places } => decimal_to_f64(digits, places),
            Great(value) | Float(value) => value,
        }
    }

    #[test]
    fn numbers_are_read() {
        for (text, number) in [
            ("0", Integer(0)),
            ("-17", Integer(-17)),
            ("+5", Integer(5)),
            ("007", Integer(7)),
            ("12345678901234567890123", Great(12345678901234567890123.0)),
            ("1,234,567", Integer(1_234_567)),
            ("-1,234.5", Decimal { digits: -12_345, places: 1 }),
            (".097", Decimal { digits: 97, places: 3 }),
            ("5.", Decimal { digits: 5, places: 0 }),
            ("0.1234567890123456789", Float(0.123_456_789_012_345_68)),
            ("1e3", Float(1_000.0)),
            ("-2.5E-3", Float(-0.0025)),
        ] {
            assert_eq!(parse(text, false), Some(number), "{text}");
        }
    }

    #[test]
    fn a_comma_may_divide_the_fraction() {
        for (text, value) in [("1,5", 1.5), ("-0,25", -0.25), ("1.234,5", 1_234.5), ("1,234", 1.234)] {
            assert_eq!(parse(text, true).map(to_f64), Some(value), "{text}");
        }
        assert_eq!(parse("1.5", true).map(to_f64), Some(1.5));
        assert_eq!(parse("1,2,3", true), None);
    }

    #[test]
    fn other_texts_are_no_numbers() {
        for text in [
            "", "-", "+", ".", "1-2", "1,23", "1,2345", "1e999", "inf", "NaN", "0x10", "1 2", "12a", "e5", "1,234,",
            "1.2.3",
        ] {
            assert_eq!(parse(text, false), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn decimals_are_the_doubles_that_the_standard_library_reads(digits in -999_999_999_999_999_999i64..999_999_999_999_999_999, places in 1usize..18) {
            let text = format!("{digits:0>20}");
            let text = if digits < 0 { format!("-{:0>18}", digits.unsigned_abs()) } else { text[2..].to_owned() };
            let (whole, fraction) = text.split_at(text.len() - places);
            let text = format!("{whole}.{fraction}");
            prop_assert_eq!(parse(&text, false).map(to_f64), text.parse().ok(), "{}", text);
        }
    }
}
