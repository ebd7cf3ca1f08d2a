//! Numbers in cells.

/// What a number is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    /// Digits, with a sign or not.
    Integer(f64),
    /// With a point or an exponent.
    Float(f64),
}

/// Reads a number: an optional sign, digits that may stand in groups of three, a fraction, an exponent.
///
/// What is too great for a double is no number, and neither are `inf` and `nan`.
///
/// With `decimal_comma` a comma divides the fraction, and points the groups, where there is a comma.
pub(crate) fn parse(text: &str, decimal_comma: bool) -> Option<Number> {
    let bytes = text.as_bytes();
    let unsigned = bytes.strip_prefix(b"-").or_else(|| bytes.strip_prefix(b"+")).unwrap_or(bytes);
    if unsigned.len() <= 18 && unsigned.iter().all(u8::is_ascii_digit) && !unsigned.is_empty() {
        let value = unsigned.iter().fold(0i64, |value, digit| value * 10 + i64::from(digit - b'0')) as f64;
        return Some(Number::Integer(if bytes[0] == b'-' { -value } else { value }));
    }
    if !matches!(unsigned.first()?, b'0'..=b'9' | b'.') {
        return None;
    }
    if unsigned.contains(&b',') {
        return if decimal_comma { with_comma(text) } else { grouped(text, unsigned) };
    }
    let numeric = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
    if !unsigned.iter().all(numeric) {
        return None;
    }
    let value = text.parse().ok().filter(|value: &f64| value.is_finite())?;
    let whole = unsigned.iter().all(u8::is_ascii_digit);
    Some(if whole { Number::Integer(value) } else { Number::Float(value) })
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
    if !good {
        return None;
    }
    let value = text.replace(',', "").parse().ok()?;
    Some(if fraction.is_empty() { Number::Integer(value) } else { Number::Float(value) })
}

/// `1234,5` and `1.234,5`.
fn with_comma(text: &str) -> Option<Number> {
    let swapped: String = text
        .chars()
        .map(|c| {
            if c == ',' {
                '.'
            } else if c == '.' {
                ','
            } else {
                c
            }
        })
        .collect();
    match parse(&swapped, false)? {
        Number::Integer(value) | Number::Float(value) => Some(Number::Float(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::Number::{Float, Integer};
    use super::*;

    #[test]
    fn numbers_are_read() {
        for (text, number) in [
            ("0", Integer(0.0)),
            ("-17", Integer(-17.0)),
            ("+5", Integer(5.0)),
            ("007", Integer(7.0)),
            ("12345678901234567890123", Integer(12345678901234567890123.0)),
            ("1,234,567", Integer(1_234_567.0)),
            ("-1,234.5", Float(-1_234.5)),
            (".097", Float(0.097)),
            ("5.", Float(5.0)),
            ("1e3", Float(1_000.0)),
            ("-2.5E-3", Float(-0.0025)),
        ] {
            assert_eq!(parse(text, false), Some(number), "{text}");
        }
    }

    #[test]
    fn a_comma_may_divide_the_fraction() {
        for (text, value) in [("1,5", 1.5), ("-0,25", -0.25), ("1.234,5", 1_234.5), ("1,234", 1.234)] {
            assert_eq!(parse(text, true), Some(Float(value)), "{text}");
        }
        assert_eq!(parse("1.5", true), Some(Float(1.5)));
        assert_eq!(parse("1,2,3", true), None);
    }

    #[test]
    fn other_texts_are_no_numbers() {
        for text in
            ["", "-", "+", ".", "1-2", "1,23", "1,2345", "1e999", "inf", "NaN", "0x10", "1 2", "12a", "e5", "1,234,"]
        {
            assert_eq!(parse(text, false), None, "{text}");
        }
    }
}
