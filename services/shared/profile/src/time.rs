//! The spans of time that columns cover.

use proto::profiling::v1::{StructuralType, TemporalCoverage, TimeResolution};
use types::{TimeRange, Timestamp};

use crate::calendar::{civil, days};
use crate::cell::Kind;
use crate::datetime::instant;
use crate::decide::Decision;
use crate::finish::signed;
use crate::spatial::words;
use crate::summary::{Spectrum, Summary};

const SECONDS_PER_DAY: f64 = 86_400.0;
/// The most ranges that are told.
const RANGES: usize = 20;
/// A gap is more than as many times as wide as half of the steps between neighbours.
const WIDE: f64 = 10.0;

/// Tells whether values are points on the calendar.
pub(crate) fn is_calendar(kind: StructuralType) -> bool {
    matches!(kind, StructuralType::Date | StructuralType::Timestamp | StructuralType::TimestampWithZone)
}

/// The span of time that a column covers: dates, timestamps, and years where the name says so.
pub(crate) fn coverage(
    name: &str,
    decision: &Decision,
    summary: &Summary<'_>,
    spectrum: Option<&Spectrum<'_>>,
) -> Option<TemporalCoverage> {
    let spectrum = spectrum?;
    let kind = decision.structural_type;
    let (whole, instants) = match kind {
        kind if is_calendar(kind) => {
            let instants: Vec<f64> = spectrum.weighted.iter().map(|(seconds, _)| *seconds).collect();
            (spectrum.spread.micros?, instants)
        }
        StructuralType::Integer => years(name, spectrum)?,
        _ => return None,
    };
    let zoned = summary.figures.count(Kind::StampZoned) > 0 && kind == StructuralType::TimestampWithZone;
    Some(TemporalCoverage {
        column: name.to_owned(),
        range: Some(range(whole).into()),
        value_count: signed(spectrum.spread.moments.count()),
        columns: vec![name.to_owned()],
        resolution: resolution(&instants).into(),
        ranges: ranges(&instants, whole).into_iter().map(|part| range(part).into()).collect(),
        ranges_exact: spectrum.rank_error == 0.0,
        zone: if zoned { "UTC".to_owned() } else { String::new() },
        ambiguous: decision.order_is_open,
    })
}

/// The span of years, and the first instants of each.
fn years(name: &str, spectrum: &Spectrum<'_>) -> Option<((i64, i64), Vec<f64>)> {
    debug_assert!(spectrum.spread.micros.is_none());
    let moments = &spectrum.spread.moments;
    let (first, last) = (moments.min()?, moments.max()?);
    if !says_year(name) || !is_year(first) || !is_year(last) {
        return None;
    }
    let start = |year: f64| days(year as i64, 1, 1);
    let instants =
        spectrum.weighted.iter().filter_map(|(year, _)| start(*year)).map(|day| day as f64 * SECONDS_PER_DAY);
    Some(((instant(start(first)?, 0), instant(start(last)?, 0)), instants.collect()))
}

/// Tells whether a name speaks of years.
pub(crate) fn says_year(name: &str) -> bool {
    words(name).iter().any(|word| matches!(word.as_str(), "year" | "years" | "yr" | "jahr" | "annee" | "año"))
}

/// Tells whether a number may be a year.
pub(crate) fn is_year(number: f64) -> bool {
    (1_000.0..=2_999.0).contains(&number)
}

/// From the first to the last of two instants in microseconds.
pub(crate) fn range((start, end): (i64, i64)) -> TimeRange {
    TimeRange { start: Some(Timestamp::from_micros(start)), end: Some(Timestamp::from_micros(end)) }
}

/// The finest unit in which instants differ, in seconds since 1970.
pub(crate) fn resolution(instants: &[f64]) -> TimeResolution {
    let finest = instants.iter().map(|seconds| resolution_of(*seconds)).max_by_key(|resolution| *resolution as i32);
    finest.unwrap_or(TimeResolution::Unspecified)
}

fn resolution_of(seconds: f64) -> TimeResolution {
    let multiple = |unit: f64| (seconds / unit).trunc() * unit == seconds;
    if !multiple(1.0) {
        return TimeResolution::Subsecond;
    }
    if !multiple(60.0) {
        return TimeResolution::Second;
    }
    if !multiple(3_600.0) {
        return TimeResolution::Minute;
    }
    if !multiple(SECONDS_PER_DAY) {
        return TimeResolution::Hour;
    }
    match civil((seconds / SECONDS_PER_DAY) as i64) {
        (_, 1, 1) => TimeResolution::Year,
        (_, _, 1) => TimeResolution::Month,
        _ => TimeResolution::Day,
    }
}

/// Divides the whole where instants leave wide gaps.
pub(crate) fn ranges(instants: &[f64], whole: (i64, i64)) -> Vec<(i64, i64)> {
    let micros = |seconds: f64| (seconds * 1e6) as i64;
    let mut steps: Vec<(f64, usize)> = instants
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .enumerate()
        .filter(|(_, step)| *step > 0.0)
        .map(|(i, s)| (s, i))
        .collect();
    if steps.is_empty() {
        return vec![whole];
    }
    steps.sort_by(|a, b| b.0.total_cmp(&a.0));
    let usual = steps[steps.len() / 2].0;
    let mut cuts: Vec<usize> =
        steps.iter().take(RANGES - 1).filter(|(step, _)| *step > WIDE * usual).map(|(_, index)| *index).collect();
    cuts.sort_unstable();
    let mut ranges = Vec::with_capacity(cuts.len() + 1);
    let mut start = whole.0;
    for cut in cuts {
        ranges.push((start, micros(instants[cut])));
        start = micros(instants[cut + 1]);
    }
    ranges.push((start, whole.1));
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(day: i64) -> f64 {
        day as f64 * SECONDS_PER_DAY
    }

    #[test]
    fn the_resolution_is_the_finest_unit() {
        let at = |year, month, of_month| day(days(year, month, of_month).unwrap());
        for (instants, expected) in [
            (vec![], TimeResolution::Unspecified),
            (vec![at(1999, 1, 1), at(2004, 1, 1)], TimeResolution::Year),
            (vec![at(1999, 1, 1), at(2004, 3, 1)], TimeResolution::Month),
            (vec![at(1999, 1, 1), at(1960, 3, 2)], TimeResolution::Day),
            (vec![day(1), day(2) + 3_600.0], TimeResolution::Hour),
            (vec![day(1) + 60.0], TimeResolution::Minute),
            (vec![1.0], TimeResolution::Second),
            (vec![0.5], TimeResolution::Subsecond),
        ] {
            assert_eq!(resolution(&instants), expected, "{instants:?}");
        }
    }

    #[test]
    fn ranges_end_at_wide_gaps() {
        let mut instants: Vec<f64> = (0..30).map(day).collect();
        instants.extend((300..320).map(day));
        let micros = |seconds: f64| (seconds * 1e6) as i64;
        let whole = (0, micros(day(319)));
        assert_eq!(ranges(&instants, whole), [(0, micros(day(29))), (micros(day(300)), whole.1)]);
        assert_eq!(ranges(&instants[..30], (0, micros(day(29)))), [(0, micros(day(29)))]);
        assert_eq!(ranges(&[], whole), [whole]);
    }
}
