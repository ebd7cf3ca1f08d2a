//! The Gregorian calendar.

/// Days from 1970-01-01 to a day of the Gregorian calendar; nothing when there is no such day.
///
/// Source: Howard Hinnant, chrono-compatible low-level date algorithms.
pub(crate) fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || day < 1 || day > month_length(year, month) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468)
}

/// The year, month and day of a day counted from 1970-01-01: the inverse of [`days`].
///
/// Source: Howard Hinnant, chrono-compatible low-level date algorithms.
pub(crate) fn civil(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, of_year - (153 * shifted + 2) / 5 + 1)
}

fn month_length(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The number of the month with this name or its first three letters.
pub(crate) fn month_named(word: &[u8]) -> Option<i64> {
    const NAMES: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let names = |name: &&str| {
        let name = name.as_bytes();
        let whole = word.eq_ignore_ascii_case(name);
        whole
            || word.len() == 3 && word.eq_ignore_ascii_case(&name[..3])
            || word.eq_ignore_ascii_case(b"sept") && name[0] == b's'
    };
    NAMES.iter().position(names).map(|index| index as i64 + 1)
}

/// Tells whether this is the name of a day of the week, or its first three letters.
pub(crate) fn is_weekday(word: &[u8]) -> bool {
    const NAMES: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let names = |name: &&str| {
        word.eq_ignore_ascii_case(name.as_bytes())
            || word.len() == 3 && word.eq_ignore_ascii_case(&name.as_bytes()[..3])
    };
    NAMES.iter().any(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_1970() {
        assert_eq!(days(1970, 1, 1), Some(0));
        assert_eq!(days(2000, 3, 1), Some(11_017));
        assert_eq!(days(1, 1, 1), Some(-719_162));
        assert_eq!(days(1900, 2, 29), None);
        assert_eq!(days(2000, 2, 29), Some(11_016));
        for day in (-800_000..800_000).step_by(97) {
            let (year, month, of_month) = civil(day);
            assert!(days(year, month, of_month).is_none_or(|found| found == day), "{day}");
            assert!((1..=12).contains(&month) && (1..=31).contains(&of_month));
        }
        assert_eq!(civil(11_016), (2000, 2, 29));
    }
}
