//! What one cell is, by itself.

use std::cmp::Ordering;

use sketch::{Corrupt, Reader, Writer};

use crate::datetime::{self, Dated, Moment, instant};
use crate::geometry::{self, Geometry};
use crate::normal::trimmed;
use crate::number::{self, Number, decimal_to_f64};
use crate::span;

/// What a cell is. Each cell is of exactly one kind; what fits a type is a set of kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Integer,
    /// With a fraction or an exponent.
    Float,
    Boolean,
    /// A date that can be read in one way.
    Date,
    /// A date whose day and month may be either way round.
    DateEither,
    DateMonthFirst,
    DateDayFirst,
    Time,
    Stamp,
    /// A timestamp that names its zone, and whose date can be read in one way.
    StampZoned,
    StampEither,
    StampMonthFirst,
    StampDayFirst,
    Duration,
    Point,
    Shape,
    Nested,
    /// `NA` and its like: missing, if the rest of the column is not text.
    Token,
    Text,
    /// Nothing but white space.
    Blank,
}

impl Kind {
    /// All kinds, each at the place of its number.
    pub(crate) const ALL: [Self; 20] = [
        Self::Integer,
        Self::Float,
        Self::Boolean,
        Self::Date,
        Self::DateEither,
        Self::DateMonthFirst,
        Self::DateDayFirst,
        Self::Time,
        Self::Stamp,
        Self::StampZoned,
        Self::StampEither,
        Self::StampMonthFirst,
        Self::StampDayFirst,
        Self::Duration,
        Self::Point,
        Self::Shape,
        Self::Nested,
        Self::Token,
        Self::Text,
        Self::Blank,
    ];
    /// How many kinds there are.
    pub(crate) const COUNT: usize = Self::ALL.len();
}

/// What a cell says, beside its kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value {
    Nothing,
    Integer(i64),
    Decimal {
        digits: i64,
        places: u8,
    },
    Float(f64),
    /// The bit of its spelling in [`SPELLINGS`].
    Spelling(u8),
    /// An instant, a time of day or a span, in microseconds.
    Micros(i64),
    /// The instant with the month first, and with the day first.
    TwoMicros(i64, i64),
}

impl Value {
    /// The number that it is; nothing for what is none.
    pub(crate) fn number(self) -> Option<f64> {
        match self {
            Self::Integer(value) => Some(value as f64),
            Self::Decimal { digits, places } => Some(decimal_to_f64(digits, places)),
            Self::Float(value) => Some(value),
            Self::Nothing | Self::Spelling(_) | Self::Micros(_) | Self::TwoMicros(..) => None,
        }
    }

    /// Which of two numbers, or of two instants, is the greater; nothing for what does not compare.
    pub(crate) fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) | (Self::Micros(a), Self::Micros(b)) => Some(a.cmp(&b)),
            _ => self.number()?.partial_cmp(&other.number()?),
        }
    }

    pub(crate) fn encode(self, out: &mut Writer) {
        match self {
            Self::Nothing => out.number(0),
            Self::Integer(value) => {
                out.number(1);
                out.signed(value);
            }
            Self::Decimal { digits, places } => {
                out.number(2);
                out.signed(digits);
                out.number(places.into());
            }
            Self::Float(value) => {
                out.number(3);
                out.double(value);
            }
            Self::Spelling(bit) => {
                out.number(4);
                out.number(bit.into());
            }
            Self::Micros(micros) => {
                out.number(5);
                out.signed(micros);
            }
            Self::TwoMicros(month_first, day_first) => {
                out.number(6);
                out.signed(month_first);
                out.signed(day_first);
            }
        }
    }

    pub(crate) fn decode(from: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let small = |number: u64, from: &Reader<'_>| u8::try_from(number).map_err(|_| from.corrupt());
        Ok(match from.number()? {
            0 => Self::Nothing,
            1 => Self::Integer(from.signed()?),
            2 => Self::Decimal { digits: from.signed()?, places: small(from.number()?, from)?.min(18) },
            3 => Self::Float(from.double()?),
            4 => Self::Spelling(small(from.number()?, from)?),
            5 => Self::Micros(from.signed()?),
            6 => Self::TwoMicros(from.signed()?, from.signed()?),
            _ => return Err(from.corrupt()),
        })
    }
}

/// The numbers that texts are, NaN for none.
pub(crate) fn numbers_of<'t>(texts: impl Iterator<Item = Option<&'t str>>, decimal_comma: bool) -> Vec<f64> {
    let number = |text: &str| classify(trimmed(text), decimal_comma).1.number();
    texts.map(|text| text.and_then(number).unwrap_or(f64::NAN)).collect()
}

/// The spellings of truth, in pairs.
pub(crate) const SPELLINGS: [&str; 8] = ["true", "false", "yes", "no", "t", "f", "y", "n"];

const TOKENS: [&str; 14] =
    ["na", "n/a", "#n/a", "null", "none", "nan", "nil", "-", "--", "?", ".", "\\n", "<na>", "missing"];

/// Tells what a cell is. `text` has no white space around it.
pub(crate) fn classify(text: &str, decimal_comma: bool) -> (Kind, Value) {
    let Some(first) = text.as_bytes().first() else { return (Kind::Blank, Value::Nothing) };
    let found = match first {
        b'0'..=b'9' | b'+' | b'-' | b'.' => numeric(text, decimal_comma),
        b'{' | b'[' => braced(text),
        b'(' => geometry::pair(text).then_some((Kind::Point, Value::Nothing)),
        b'A'..=b'Z' | b'a'..=b'z' => word(text),
        _ => None,
    };
    found.or_else(|| token(text)).unwrap_or((Kind::Text, Value::Nothing))
}

fn numeric(text: &str, decimal_comma: bool) -> Option<(Kind, Value)> {
    if let Some(number) = number::parse(text, decimal_comma) {
        return Some(match number {
            Number::Integer(value) => (Kind::Integer, Value::Integer(value)),
            Number::Great(value) => (Kind::Integer, Value::Float(value)),
            Number::Decimal { digits, places } => (Kind::Float, Value::Decimal { digits, places }),
            Number::Float(value) => (Kind::Float, Value::Float(value)),
        });
    }
    if text.len() > 64 {
        return None;
    }
    let found = moment(text);
    // Neither a span nor a pair is without any of these.
    let is_divided = || text.bytes().any(|byte| matches!(byte, b' ' | b',' | b':')) || text.starts_with("-P");
    if found.is_some() || !is_divided() {
        return found;
    }
    let span = span::parse(text).map(|micros| (Kind::Duration, Value::Micros(micros)));
    span.or_else(|| geometry::pair(text).then_some((Kind::Point, Value::Nothing)))
}

fn word(text: &str) -> Option<(Kind, Value)> {
    if text.len() <= 5
        && let Some(index) = SPELLINGS.iter().position(|spelling| text.eq_ignore_ascii_case(spelling))
    {
        return Some((Kind::Boolean, Value::Spelling(1 << index)));
    }
    if let Some(shape) = geometry::well_known(text) {
        return Some((of_geometry(shape), Value::Nothing));
    }
    if text.starts_with('P')
        && let Some(micros) = span::parse(text)
    {
        return Some((Kind::Duration, Value::Micros(micros)));
    }
    // The shortest date that begins with a letter is `Jan 2000`.
    ((8..=48).contains(&text.len()) && datetime::may_begin(text)).then(|| moment(text)).flatten()
}

fn of_geometry(shape: Geometry) -> Kind {
    match shape {
        Geometry::Point => Kind::Point,
        Geometry::Shape => Kind::Shape,
    }
}

fn moment(text: &str) -> Option<(Kind, Value)> {
    if text.len() > 48 {
        return None;
    }
    Some(match datetime::parse(text)? {
        Moment::Time(micros) => (Kind::Time, Value::Micros(micros)),
        Moment::Date(day) => on_day(day, 0, [Kind::Date, Kind::DateEither, Kind::DateMonthFirst, Kind::DateDayFirst]),
        Moment::Stamp { day, micros, zoned } => {
            let fixed = if zoned { Kind::StampZoned } else { Kind::Stamp };
            on_day(day, micros, [fixed, Kind::StampEither, Kind::StampMonthFirst, Kind::StampDayFirst])
        }
    })
}

fn on_day(day: Dated, micros: i64, kinds: [Kind; 4]) -> (Kind, Value) {
    match day {
        Dated::Fixed(day) => (kinds[0], Value::Micros(instant(day, micros))),
        Dated::Either { month_first, day_first } => {
            (kinds[1], Value::TwoMicros(instant(month_first, micros), instant(day_first, micros)))
        }
        Dated::MonthFirst(day) => (kinds[2], Value::Micros(instant(day, micros))),
        Dated::DayFirst(day) => (kinds[3], Value::Micros(instant(day, micros))),
    }
}

fn token(text: &str) -> Option<(Kind, Value)> {
    let found = text.len() <= 7 && TOKENS.iter().any(|token| text.eq_ignore_ascii_case(token));
    found.then_some((Kind::Token, Value::Nothing))
}

fn braced(text: &str) -> Option<(Kind, Value)> {
    if !balanced(text) {
        return None;
    }
    let kind = geometry::geojson(text).map_or(Kind::Nested, of_geometry);
    Some((kind, Value::Nothing))
}

/// A list or a record by its outer brackets, with what JSON lets follow the first one.
fn balanced(text: &str) -> bool {
    let inner = text[1..].trim_start();
    let constant = || ["true", "false", "null"].iter().any(|constant| inner.starts_with(constant));
    match (text.as_bytes()[0], text.as_bytes()[text.len() - 1]) {
        (b'{', b'}') => inner.starts_with(['"', '}']),
        (b'[', b']') => {
            inner.starts_with(['"', '{', '[', ']', '-'])
                || inner.starts_with(|c: char| c.is_ascii_digit())
                || constant()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cell_has_one_kind() {
        for (text, kind) in [
            ("12", Kind::Integer),
            ("-1.5", Kind::Float),
            ("TRUE", Kind::Boolean),
            ("n", Kind::Boolean),
            ("2000-01-02", Kind::Date),
            ("1/2/2000", Kind::DateEither),
            ("13:05", Kind::Time),
            ("2000-01-02T03:04:05", Kind::Stamp),
            ("2000-01-02T03:04:05Z", Kind::StampZoned),
            ("P1DT2H", Kind::Duration),
            ("36:15:00", Kind::Duration),
            ("POINT (8.5 47.4)", Kind::Point),
            ("47.4, 8.5", Kind::Point),
            ("POLYGON ((0 0, 1 0, 1 1, 0 0))", Kind::Shape),
            ("{\"type\":\"Point\",\"coordinates\":[8,47]}", Kind::Point),
            ("{\"a\":1}", Kind::Nested),
            ("[1,2]", Kind::Nested),
            ("[note] x]", Kind::Text),
            ("N/A", Kind::Token),
            ("-", Kind::Token),
            ("NaN", Kind::Token),
            ("Seattle", Kind::Text),
            ("12 Main Street", Kind::Text),
            ("É", Kind::Text),
            ("", Kind::Blank),
        ] {
            assert_eq!(classify(text, false).0, kind, "{text}");
        }
        assert!(Kind::ALL.iter().enumerate().all(|(index, kind)| *kind as usize == index));
    }
}
