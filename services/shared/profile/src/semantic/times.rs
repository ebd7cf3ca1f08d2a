//! Times that are not timestamps: years, months, weeks and what counts from 1970.

use super::cell::Cell;
use super::lists::{MONTH_NAMES, WEEKDAY_NAMES, holds};

pub(super) fn year(cell: &Cell<'_>) -> bool {
    cell.text.trim_end_matches(".0").len() == 4 && cell.whole().is_some_and(|year| (1_500..=2_100).contains(&year))
}

/// `Q3`, `2024Q3`, `2024-Q3`, `Q3 2024`, `3Q24`, `3. Quartal 2024`, `T3 2024`.
pub(super) fn quarter(cell: &Cell<'_>) -> bool {
    // Letters and digits alone are left of a quarter, twelve at most: the longest mark, one digit, four of the year.
    let is_mark = |byte: &u8| matches!(byte, b' ' | b'-' | b'/' | b'.' | b'_' | b'\'' | b':');
    let mut left = cell.bytes().iter().filter(|byte| !is_mark(byte)).enumerate();
    if !left.all(|(index, byte)| index < 12 && byte.is_ascii_alphanumeric()) {
        return false;
    }
    let text = cell.text.to_ascii_uppercase();
    let bare: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '/' | '.' | '_' | '\'' | ':')).collect();
    let bare = bare.replace("QUARTER", "Q").replace("QUARTAL", "Q").replace("QTR", "Q");
    let is_quarter = |part: &str| matches!(part, "1" | "2" | "3" | "4");
    let is_year = |part: &str| matches!(part.len(), 0 | 2 | 4) && part.bytes().all(|byte| byte.is_ascii_digit());
    let Some(at) = bare.find('Q').or_else(|| bare.find('T')) else { return false };
    let (before, after) = (&bare[..at], &bare[at + 1..]);
    // Qn[year], [year]Qn, nQ[year]
    let leads = before.is_empty() && after.get(..1).is_some_and(is_quarter) && is_year(&after[1..]);
    let trails = is_year(before) && is_quarter(after);
    let counted = is_quarter(before) && is_year(after);
    leads || trails || counted
}

pub(super) fn quarter_number(cell: &Cell<'_>) -> bool {
    matches!(cell.whole(), Some(1..=4))
}

pub(super) fn month(cell: &Cell<'_>) -> bool {
    cell.text.len() <= 4 && matches!(cell.whole(), Some(1..=12))
}

/// `2024-05`, `2024/05`, `05/2024`, `202405`, `2024M05`.
pub(super) fn year_month(cell: &Cell<'_>) -> bool {
    let text = cell.text;
    let number =
        |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<u32>().ok()).flatten();
    let fits = |year: &str, month: &str| {
        let is_month = (1..=2).contains(&month.len()) && number(month).is_some_and(|month| (1..=12).contains(&month));
        is_month && year.len() == 4 && number(year).is_some_and(|year| (1_500..=2_100).contains(&year))
    };
    if let Some((first, second)) = text.split_once(['-', '/', '.', 'M', 'm']) {
        return fits(first, second) || fits(second, first);
    }
    text.len() == 6 && text.is_ascii() && fits(&text[..4], &text[4..])
}

/// The name of a month, with its year or without.
pub(super) fn month_name(cell: &Cell<'_>) -> bool {
    let name = cell.folded();
    let name = name.rsplit_once(' ').filter(|(_, year)| is_year(year)).map_or(name, |(name, _)| name);
    holds(&MONTH_NAMES, name)
}

fn is_year(word: &str) -> bool {
    matches!(word.len(), 2 | 4) && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// `2024-W05`, `2024W05`, `2024-W05-3`, `W05`, `KW 5`.
pub(super) fn iso_week(cell: &Cell<'_>) -> bool {
    if !cell.bytes().iter().any(|byte| matches!(byte, b'w' | b'W')) {
        return false;
    }
    let text = cell.text.to_ascii_uppercase();
    let Some((year, rest)) = text.split_once('W') else { return false };
    let year = year.trim_end_matches(['-', ' ', 'K']);
    let (week, day) = rest.trim_start_matches(['-', ' ']).split_once('-').map_or((rest, None), |(w, d)| (w, Some(d)));
    let week_fits = week.trim().len() <= 2 && matches!(week.trim().parse::<u32>(), Ok(1..=53));
    let day_fits = day.is_none_or(|day| matches!(day.parse::<u32>(), Ok(1..=7)));
    (year.is_empty() || year.len() == 4 && is_year(year)) && week_fits && day_fits
}

pub(super) fn weekday(cell: &Cell<'_>) -> bool {
    holds(&WEEKDAY_NAMES, cell.folded())
}

pub(super) fn weekday_number(cell: &Cell<'_>) -> bool {
    cell.text.len() <= 3 && matches!(cell.whole(), Some(0..=7))
}

pub(super) fn hour(cell: &Cell<'_>) -> bool {
    cell.text.len() <= 4 && matches!(cell.whole(), Some(0..=23))
}

/// From 1990 on to 2050, as the other two.
pub(super) fn epoch_seconds(cell: &Cell<'_>) -> bool {
    let seconds = cell.text.split('.').next().unwrap_or_default();
    matches!(seconds.len(), 9 | 10)
        && cell.number().is_some_and(|n| (631_152_000.0..2_524_608_000.0).contains(&n.value))
}

pub(super) fn epoch_milliseconds(cell: &Cell<'_>) -> bool {
    cell.whole().is_some_and(|value| (631_152_000_000..2_524_608_000_000).contains(&value))
}

pub(super) fn epoch_microseconds(cell: &Cell<'_>) -> bool {
    cell.whole().is_some_and(|value| (631_152_000_000_000..2_524_608_000_000_000).contains(&value))
}

/// `FY2024`, `FY24`, `FY 2023/24`, `2023/24`, `2023-24`.
pub(super) fn fiscal_year(cell: &Cell<'_>) -> bool {
    if !cell.bytes().last().is_some_and(u8::is_ascii_digit) {
        return false;
    }
    let text = cell.text.to_ascii_uppercase();
    let (labelled, rest) = match ["FY", "GJ", "SY", "AY"].iter().find_map(|label| text.strip_prefix(label)) {
        Some(rest) => (true, rest.trim_start_matches([' ', '-', '\''])),
        None => (false, text.as_str()),
    };
    match rest.split_once(['/', '-', '–']) {
        Some((first, second)) => is_next(first, second),
        None => labelled && is_year(rest),
    }
}

fn is_next(first: &str, second: &str) -> bool {
    if first.len() != 4 || second.len() != 2 || !is_year(first) || !is_year(second) {
        return false;
    }
    let (Ok(first), Ok(second)) = (first.parse::<u32>(), second.parse::<u32>()) else { return false };
    (first + 1) % 100 == second
}

/// `1999-2004`, `1999–2004`, `1999 - 2004`, `1999 to 2004`, `since` left out.
pub(super) fn year_range(cell: &Cell<'_>) -> bool {
    // A year begins and another ends it.
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    if !is_digit(cell.bytes().first()) || !is_digit(cell.bytes().last()) {
        return false;
    }
    let parts: Vec<&str> = cell.text.split(['-', '–', '—', '/']).map(str::trim).collect();
    let (first, second) = match parts.as_slice() {
        [first, second] => (*first, *second),
        _ => match cell.text.split_once(" to ").or_else(|| cell.text.split_once(" bis ")) {
            Some(pair) => pair,
            None => return false,
        },
    };
    let year = |part: &str| {
        let fits = part.len() == 4 && is_year(part);
        fits.then(|| part.parse::<u32>().ok()).flatten().filter(|year| (1_000..=2_200).contains(year))
    };
    matches!((year(first), year(second)), (Some(first), Some(second)) if first <= second)
}
