//! One form for values that people write in several ways.

use sketch::{hash, mix};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

use crate::cell::{Kind, Value};
use crate::number::decimal_to_f64;

const INTEGER: u64 = 0x1;
const FLOAT: u64 = 0x2;
const TIME: u64 = 0x3;

/// Hashes the normalised value of a cell, the same for text, Parquet and every other format.
///
/// A number counts by its value (`1.50` is `1.5`), an unambiguous date or time by its instant, text in lower case and
/// the form NFKC, without white space around it. A number with leading zeros or a plus sign is a code, which is text.
pub(crate) fn normal_hash(text: &str, kind: Kind, value: Value, scratch: &mut String) -> u64 {
    match (kind, value) {
        (Kind::Integer, _) if is_code(text) => {}
        (_, Value::Integer(_) | Value::Decimal { .. } | Value::Float(_)) => return number_hash(value),
        (Kind::Date | Kind::Stamp | Kind::StampZoned | Kind::Time | Kind::Duration, Value::Micros(micros)) => {
            return tagged(TIME, micros as u64);
        }
        _ => {}
    }
    text_hash(text, scratch)
}

/// Hashes the normalised form of a text.
pub(crate) fn text_hash(text: &str, scratch: &mut String) -> u64 {
    let text = trimmed(text);
    // Without an early end, so that many bytes are looked at at once.
    if !text.bytes().fold(false, |odd, byte| odd | !byte.is_ascii() | byte.is_ascii_uppercase()) {
        return hash(text.as_bytes());
    }
    scratch.clear();
    if text.is_ascii() {
        scratch.push_str(text);
        scratch.make_ascii_lowercase();
    } else if is_nfkc_quick(text.chars()) == IsNormalized::Yes {
        scratch.extend(text.chars().flat_map(char::to_lowercase));
    } else {
        scratch.extend(text.nfkc().flat_map(char::to_lowercase));
    }
    hash(scratch.as_bytes())
}

/// A text without the white space around it; most have none.
pub(crate) fn trimmed(text: &str) -> &str {
    let bytes = text.as_bytes();
    let bare = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_graphic);
    if bare(bytes.first()) && bare(bytes.last()) { text } else { text.trim() }
}

fn is_code(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() > 1 && matches!(bytes[0], b'0' | b'+')
}

fn number_hash(value: Value) -> u64 {
    match value {
        Value::Integer(value) => tagged(INTEGER, value as u64),
        Value::Decimal { digits, places } => {
            let (digits, places) = stripped(digits, places);
            if places == 0 { tagged(INTEGER, digits as u64) } else { float_hash(decimal_to_f64(digits, places)) }
        }
        Value::Float(value) => float_hash(value),
        Value::Nothing | Value::Spelling(_) | Value::Micros(_) | Value::TwoMicros(..) => 0,
    }
}

fn float_hash(value: f64) -> u64 {
    // Beyond this a double no longer tells whole numbers apart.
    let whole = value.trunc() == value && value.abs() <= (1u64 << 53) as f64;
    if whole { tagged(INTEGER, value as i64 as u64) } else { tagged(FLOAT, value.to_bits()) }
}

fn stripped(mut digits: i64, mut places: u8) -> (i64, u8) {
    while places > 0 && digits % 10 == 0 {
        digits /= 10;
        places -= 1;
    }
    (digits, places)
}

fn tagged(tag: u64, bits: u64) -> u64 {
    mix(bits ^ mix(tag))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::classify;

    fn of(text: &str) -> u64 {
        let (kind, value) = classify(text.trim(), false);
        normal_hash(text.trim(), kind, value, &mut String::new())
    }

    #[test]
    fn spellings_of_one_value_have_one_hash() {
        for (one, other) in [
            ("1.50", "1.5"),
            ("2.0", "2"),
            ("1,000", "1000"),
            ("1e3", "1000"),
            ("Straße ", "straße"),
            ("ＡＢＣ", "abc"),
            ("Seattle", "SEATTLE"),
            ("2000-01-02", "2 Jan 2000"),
        ] {
            assert_eq!(of(one), of(other), "{one} {other}");
        }
        for (one, other) in [("007", "7"), ("1.5", "15"), ("a", "b"), ("1/2/2000", "2/1/2000"), ("1.5", "-1.5")] {
            assert_ne!(of(one), of(other), "{one} {other}");
        }
    }
}
