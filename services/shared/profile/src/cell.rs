//! What one cell is, by itself.

use crate::datetime::{self, Dated, Moment, instant};
use crate::number::{self, Number};

/// What a present cell is. Each cell is of exactly one kind; what fits a type is a set of kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Integer,
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
    StampEither,
    StampMonthFirst,
    StampDayFirst,
    Nested,
    /// `NA` and its like: missing, if the rest of the column is not text.
    Token,
    Text,
}

impl Kind {
    /// How many kinds there are.
    pub(crate) const COUNT: usize = Self::Text as usize + 1;
}

/// What a cell says, beside its kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value {
    Nothing,
    Number(f64),
    /// The bit of its spelling in [`SPELLINGS`].
    Spelling(u8),
    /// An instant, or a time of day, in microseconds.
    Micros(i64),
    /// The instant with the month first, and with the day first.
    TwoMicros(i64, i64),
}

/// The spellings of truth, in pairs.
pub(crate) const SPELLINGS: [&str; 8] = ["true", "false", "yes", "no", "t", "f", "y", "n"];

const TOKENS: [&str; 14] =
    ["na", "n/a", "#n/a", "null", "none", "nan", "nil", "-", "--", "?", ".", "\\n", "<na>", "missing"];

/// Tells what a cell is. `text` has no white space around it and is not empty.
pub(crate) fn classify(text: &str, decimal_comma: bool) -> (Kind, Value) {
    let first = text.as_bytes()[0];
    let found = match first {
        b'0'..=b'9' | b'+' | b'-' | b'.' => numeric(text, decimal_comma),
        b'{' | b'[' => (balanced(text)).then_some((Kind::Nested, Value::Nothing)),
        b'A'..=b'Z' | b'a'..=b'z' => word(text),
        _ => None,
    };
    found.or_else(|| token(text)).unwrap_or((Kind::Text, Value::Nothing))
}

fn numeric(text: &str, decimal_comma: bool) -> Option<(Kind, Value)> {
    match number::parse(text, decimal_comma) {
        Some(Number::Integer(value)) => return Some((Kind::Integer, Value::Number(value))),
        Some(Number::Float(value)) => return Some((Kind::Float, Value::Number(value))),
        None => {}
    }
    moment(text)
}

fn word(text: &str) -> Option<(Kind, Value)> {
    if text.len() <= 5
        && let Some(index) = SPELLINGS.iter().position(|spelling| text.eq_ignore_ascii_case(spelling))
    {
        return Some((Kind::Boolean, Value::Spelling(1 << index)));
    }
    // The shortest date that begins with a letter is `Jan 2000`; every one holds a digit.
    (8..=48).contains(&text.len()).then(|| moment(text)).flatten()
}

fn moment(text: &str) -> Option<(Kind, Value)> {
    if text.len() > 48 {
        return None;
    }
    Some(match datetime::parse(text)? {
        Moment::Time(micros) => (Kind::Time, Value::Micros(micros)),
        Moment::Date(day) => on_day(day, 0, [Kind::Date, Kind::DateEither, Kind::DateMonthFirst, Kind::DateDayFirst]),
        Moment::Stamp(day, micros) => {
            on_day(day, micros, [Kind::Stamp, Kind::StampEither, Kind::StampMonthFirst, Kind::StampDayFirst])
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
            ("2000-01-02T03:04:05Z", Kind::Stamp),
            ("{\"a\":1}", Kind::Nested),
            ("[1,2]", Kind::Nested),
            ("[note] x]", Kind::Text),
            ("N/A", Kind::Token),
            ("-", Kind::Token),
            ("NaN", Kind::Token),
            ("Seattle", Kind::Text),
            ("12 Main Street", Kind::Text),
            ("É", Kind::Text),
        ] {
            assert_eq!(classify(text, false).0, kind, "{text}");
        }
    }
}
