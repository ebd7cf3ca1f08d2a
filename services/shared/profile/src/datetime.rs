//! Dates, times and timestamps in cells.
//!
//! Written by hand, because every cell that begins with a digit or a letter comes by here: one pass over the bytes, no
//! allocation, and the first byte that does not fit ends it.

use crate::calendar::{days, is_weekday, month_named};

const DAY: i64 = 86_400_000_000;
const SECOND: i64 = 1_000_000;

/// The day that a cell names, in days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dated {
    /// There is one way to read it.
    Fixed(i64),
    /// It can be read with the month first and with the day first.
    Either { month_first: i64, day_first: i64 },
    /// Only with the month first, as 12/31/1999.
    MonthFirst(i64),
    /// Only with the day first, as 31/12/1999.
    DayFirst(i64),
}

/// What a cell names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// A day.
    Date(Dated),
    /// A time of day, in microseconds since midnight.
    Time(i64),
    /// A day, and the microseconds from its midnight in UTC to the instant; without a zone, UTC.
    Stamp {
        /// The day.
        day: Dated,
        /// Microseconds from its midnight in UTC.
        micros: i64,
        /// Whether the cell names its zone.
        zoned: bool,
    },
}

/// Tells whether a date may begin with these letters: those of a month or a day of the week.
pub(crate) fn may_begin(text: &str) -> bool {
    const STARTS: [&[u8; 3]; 19] = [
        b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec", b"mon", b"tue",
        b"wed", b"thu", b"fri", b"sat", b"sun",
    ];
    let start = text.as_bytes().first_chunk::<3>().map(|start| start.map(|byte| byte.to_ascii_lowercase()));
    start.is_some_and(|start| STARTS.iter().any(|known| **known == start))
}

/// Reads a date, a time or a timestamp that fills the text.
pub(crate) fn parse(text: &str) -> Option<Moment> {
    if let Some(moment) = usual(text.as_bytes()) {
        return Some(moment);
    }
    let mut cursor = Cursor { rest: text.as_bytes() };
    let Some((day, compact)) = cursor.day() else {
        let mut cursor = Cursor { rest: text.as_bytes() };
        let time = cursor.clock(false)?;
        return (cursor.rest.is_empty() && time < DAY).then_some(Moment::Time(time));
    };
    if cursor.rest.is_empty() {
        return (!compact).then_some(Moment::Date(day));
    }
    if !(cursor.eat(b'T') || cursor.eat(b't') || cursor.eat(b',') || cursor.rest[0] == b' ') {
        return None;
    }
    cursor.spaces();
    let time = cursor.clock(compact)?;
    cursor.spaces();
    let zoned = !cursor.rest.is_empty();
    let zone = cursor.zone()?;
    cursor.rest.is_empty().then_some(Moment::Stamp { day, micros: time - zone, zoned })
}

/// `2000-01-02`, `2000-01-02 03:04:05` and `2000-01-02T03:04:05Z`, which most dates of most files look like.
fn usual(text: &[u8]) -> Option<Moment> {
    let zoned = text.len() == 20 && text[19] == b'Z';
    if !(zoned || matches!(text.len(), 10 | 19)) || text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    let day = days(two(text, 0)? * 100 + two(text, 2)?, two(text, 5)?, two(text, 8)?)?;
    if text.len() == 10 {
        return Some(Moment::Date(Dated::Fixed(day)));
    }
    if !matches!(text[10], b' ' | b'T') || text[13] != b':' || text[16] != b':' {
        return None;
    }
    let (hour, minute, second) = (two(text, 11)?, two(text, 14)?, two(text, 17)?);
    let good = hour < 24 && minute < 60 && second <= 60;
    let micros = (hour * 3_600 + minute * 60 + second) * SECOND;
    good.then_some(Moment::Stamp { day: Dated::Fixed(day), micros, zoned })
}

fn two(text: &[u8], at: usize) -> Option<i64> {
    let (tens, ones) = (text[at].wrapping_sub(b'0'), text[at + 1].wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| i64::from(tens) * 10 + i64::from(ones))
}

/// The instant at `micros` after the midnight that begins a day.
pub(crate) fn instant(day: i64, micros: i64) -> i64 {
    day * DAY + micros
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn eat(&mut self, byte: u8) -> bool {
        let found = self.rest.first() == Some(&byte);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    fn spaces(&mut self) {
        while self.eat(b' ') {}
    }

    /// One of the separators of dates.
    fn separator(&mut self) -> Option<u8> {
        let byte = *self.rest.first()?;
        matches!(byte, b'-' | b'/' | b'.' | b' ').then(|| {
            self.rest = &self.rest[1..];
            byte
        })
    }

    /// A number and how many digits it has, 1 to 8.
    fn number(&mut self) -> Option<(i64, usize)> {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !(1..=8).contains(&digits) {
            return None;
        }
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest;
        Some((number.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0')), digits))
    }

    /// A number of one or two digits.
    fn short(&mut self) -> Option<i64> {
        self.number().and_then(|(value, digits)| (digits <= 2).then_some(value))
    }

    fn word(&mut self) -> &'a [u8] {
        let letters = self.rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let (word, rest) = self.rest.split_at(letters);
        self.rest = rest;
        word
    }

    fn month_word(&mut self) -> Option<i64> {
        let month = month_named(self.word());
        self.eat(b'.');
        month
    }

    /// A day, and whether it is of the compact form that only timestamps have.
    fn day(&mut self) -> Option<(Dated, bool)> {
        let mut first = *self.rest.first()?;
        if first.is_ascii_alphabetic() {
            let mut ahead = Cursor { rest: self.rest };
            if is_weekday(ahead.word()) {
                ahead.eat(b',');
                ahead.spaces();
                self.rest = ahead.rest;
                first = *self.rest.first()?;
            }
        }
        if first.is_ascii_alphabetic() {
            return self.month_then_day().map(|day| (Dated::Fixed(day), false));
        }
        let (number, digits) = self.number()?;
        match digits {
            1 | 2 => self.short_first(number).map(|day| (day, false)),
            4 => self.year_first(number).map(|day| (Dated::Fixed(day), false)),
            8 => days(number / 10_000, number / 100 % 100, number % 100).map(|day| (Dated::Fixed(day), true)),
            _ => None,
        }
    }

    /// `Jan 2, 2000`, `January 2000`.
    fn month_then_day(&mut self) -> Option<i64> {
        let month = self.month_word()?;
        self.separator()?;
        let (number, digits) = self.number()?;
        if digits == 4 {
            return days(number, month, 1);
        }
        let comma = self.eat(b',');
        if self.separator().is_none() && !comma {
            return None;
        }
        let (year, digits) = self.number()?;
        if digits == 4 && number < 100 { days(year, month, number) } else { None }
    }

    /// `2000-01-02`, `2000/1/2`, `2000-Jan-2`, `2000-01`.
    fn year_first(&mut self, year: i64) -> Option<i64> {
        let separator = self.separator()?;
        let named = self.rest.first()?.is_ascii_alphabetic();
        let month = if named { self.month_word()? } else { self.short()? };
        if self.rest.is_empty() {
            return days(year, month, 1);
        }
        if !self.eat(separator) {
            return None;
        }
        let day = self.short()?;
        days(year, month, day)
    }

    /// `2-Jan-2000`, `1/2/2000`, `1/2/00`, `2.1.2000`.
    fn short_first(&mut self, first: i64) -> Option<Dated> {
        let separator = self.separator()?;
        if self.rest.first()?.is_ascii_alphabetic() {
            let month = self.month_word()?;
            self.separator()?;
            return days(self.year(true)?, month, first).map(Dated::Fixed);
        }
        let second = self.short()?;
        if separator == b' ' || !self.eat(separator) {
            return None;
        }
        let year = self.year(separator == b'/')?;
        let day_first = days(year, second, first);
        if separator == b'.' {
            return day_first.map(Dated::Fixed);
        }
        match (days(year, first, second), day_first) {
            (Some(one), Some(other)) if one == other => Some(Dated::Fixed(one)),
            (Some(month_first), Some(day_first)) => Some(Dated::Either { month_first, day_first }),
            (Some(day), None) => Some(Dated::MonthFirst(day)),
            (None, Some(day)) => Some(Dated::DayFirst(day)),
            (None, None) => None,
        }
    }

    /// A year of four digits, or of two, which mean 1969 to 2068, as POSIX has it.
    fn year(&mut self, short: bool) -> Option<i64> {
        match self.number()? {
            (year, 4) => Some(year),
            (year, 2) if short => Some(if year >= 69 { 1900 + year } else { 2000 + year }),
            _ => None,
        }
    }

    /// `9:05`, `09:05:01.25`, `9:05 pm`; compact: `090501`.
    fn clock(&mut self, compact: bool) -> Option<i64> {
        let (number, digits) = self.number()?;
        let (mut hour, minute, second) = if compact && matches!(digits, 4 | 6) {
            let number = if digits == 4 { number * 100 } else { number };
            (number / 10_000, number / 100 % 100, number % 100)
        } else {
            if digits > 2 || !self.eat(b':') {
                return None;
            }
            let minute = self.two_digits()?;
            (number, minute, if self.eat(b':') { self.two_digits()? } else { 0 })
        };
        let micros = if self.eat(b'.') || self.eat(b',') { self.fraction()? } else { 0 };
        if let Some(afternoon) = self.half_day() {
            if !(1..=12).contains(&hour) {
                return None;
            }
            hour = hour % 12 + if afternoon { 12 } else { 0 };
        }
        let midnight = hour == 24 && minute == 0 && second == 0 && micros == 0;
        let good = (hour < 24 || midnight) && minute < 60 && second <= 60;
        good.then_some((hour * 3_600 + minute * 60 + second) * SECOND + micros)
    }

    fn two_digits(&mut self) -> Option<i64> {
        self.number().and_then(|(value, digits)| (digits == 2).then_some(value))
    }

    fn fraction(&mut self) -> Option<i64> {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !(1..=12).contains(&digits) {
            return None;
        }
        let (fraction, rest) = self.rest.split_at(digits);
        self.rest = rest;
        let digit = |index: usize| fraction.get(index).map_or(0, |digit| i64::from(digit - b'0'));
        Some((0..6).fold(0, |micros, index| micros * 10 + digit(index)))
    }

    fn half_day(&mut self) -> Option<bool> {
        let mut ahead = Cursor { rest: self.rest };
        ahead.spaces();
        let word = ahead.word();
        let afternoon = word.eq_ignore_ascii_case(b"pm");
        (afternoon || word.eq_ignore_ascii_case(b"am")).then(|| {
            self.rest = ahead.rest;
            afternoon
        })
    }

    /// The offset from UTC in microseconds; 0 where there is none.
    fn zone(&mut self) -> Option<i64> {
        self.spaces();
        if self.rest.is_empty() || self.eat(b'Z') || self.eat(b'z') {
            return Some(0);
        }
        let east = match self.rest[0] {
            b'+' => 1,
            b'-' => -1,
            _ => {
                let word = self.word();
                return (word.eq_ignore_ascii_case(b"utc") || word.eq_ignore_ascii_case(b"gmt")).then_some(0);
            }
        };
        self.rest = &self.rest[1..];
        let (number, digits) = self.number()?;
        let (hours, minutes) = match digits {
            1 | 2 if self.eat(b':') => (number, self.two_digits()?),
            1 | 2 => (number, 0),
            4 => (number / 100, number % 100),
            _ => return None,
        };
        (hours <= 18 && minutes < 60).then_some(east * (hours * 60 + minutes) * 60 * SECOND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(year: i64, month: i64, day: i64) -> i64 {
        days(year, month, day).unwrap()
    }

    fn at(hour: i64, minute: i64, second: i64) -> i64 {
        (hour * 3_600 + minute * 60 + second) * SECOND
    }

    #[test]
    fn dates_of_many_forms_are_read() {
        for text in [
            "2000-01-02",
            "2000/1/2",
            "2000.01.02",
            "Jan 2 2000",
            "January 2, 2000",
            "2-Jan-2000",
            "2 Jan 2000",
            "02-JAN-00",
            "2.1.2000",
            "Sun, 02 Jan 2000",
        ] {
            assert_eq!(parse(text), Some(Moment::Date(Dated::Fixed(day(2000, 1, 2)))), "{text}");
        }
        for text in ["2000-01", "Jan 2000"] {
            assert_eq!(parse(text), Some(Moment::Date(Dated::Fixed(day(2000, 1, 1)))), "{text}");
        }
    }

    #[test]
    fn the_order_of_day_and_month_is_told_as_far_as_it_goes() {
        assert_eq!(parse("12/31/1999"), Some(Moment::Date(Dated::MonthFirst(day(1999, 12, 31)))));
        assert_eq!(parse("31-12-1999"), Some(Moment::Date(Dated::DayFirst(day(1999, 12, 31)))));
        let either = Dated::Either { month_first: day(2005, 3, 4), day_first: day(2005, 4, 3) };
        assert_eq!(parse("3/4/2005"), Some(Moment::Date(either)));
        assert_eq!(parse("5/5/05"), Some(Moment::Date(Dated::Fixed(day(2005, 5, 5)))));
    }

    #[test]
    fn timestamps_are_read_with_and_without_zone() {
        let second = day(2000, 1, 2);
        for (text, micros) in [
            ("2000-01-02T03:04:05", at(3, 4, 5)),
            ("2000-01-02 03:04", at(3, 4, 0)),
            ("2000-01-02T03:04:05Z", at(3, 4, 5)),
            ("2000-01-02T03:04:05.25+02:00", at(1, 4, 5) + 250_000),
            ("2000-01-02 03:04:05 -0130", at(4, 34, 5)),
            ("20000102T030405Z", at(3, 4, 5)),
            ("Jan 2, 2000 3:04 PM", at(15, 4, 0)),
            ("Sun, 02 Jan 2000 03:04:05 GMT", at(3, 4, 5)),
            ("2000-01-02T24:00:00", DAY),
        ] {
            let zoned = text.ends_with('Z') || text.ends_with("GMT") || text.contains('+') || text.ends_with("-0130");
            assert_eq!(parse(text), Some(Moment::Stamp { day: Dated::Fixed(second), micros, zoned }), "{text}");
        }
    }

    #[test]
    fn times_are_read() {
        assert_eq!(parse("23:59:59.5"), Some(Moment::Time(at(23, 59, 59) + 500_000)));
        assert_eq!(parse("12:30 am"), Some(Moment::Time(at(0, 30, 0))));
    }

    #[test]
    fn other_texts_are_neither() {
        for text in [
            "",
            "2000",
            "20000102",
            "2000-13-01",
            "2000-02-30",
            "1/2",
            "May",
            "Mayor 5",
            "12:60",
            "25:00",
            "1.2.3.4",
            "555-1234",
            "2000-01-02T",
            "2000-01-02X",
            "1999-2000",
            "24:00",
            "13:00 pm",
            "March",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
