//! Columns of Stata: what their display formats and labels make of numbers.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{
    ArrayBuilder, ArrayRef, Date32Builder, Float32Builder, Float64Builder, Int8Builder, Int16Builder, Int32Builder,
    StringBuilder, TimestampMillisecondBuilder,
};
use arrow::datatypes::{DataType, TimeUnit};
use arrow::error::ArrowError;
use dta::stata::dta::value::Value;
use dta::stata::dta::value_label_table::ValueLabelTable;
use dta::stata::dta::variable::Variable;
use dta::stata::dta::variable_type::VariableType;
use dta::stata::temporal::TemporalKind;
use dta::stata::temporal::conversion::{
    STATA_EPOCH_UNIX_DAYS, tc_millis_to_unix_millis, th_halves_to_year_half, tm_months_to_year_month,
    tq_quarters_to_year_quarter, tw_weeks_to_year_week,
};

use crate::stata::LongStrings;
use crate::warning::Warning;

/// The days of the years that Stata has, counted from 1970.
const DAYS: std::ops::Range<i32> = -683_003..2_932_897;
const DAY_MILLIS: i64 = 86_400_000;

/// A column on its way into a batch.
pub(crate) struct Column {
    name: String,
    build: Build,
}

enum Build {
    Byte(Int8Builder),
    Int(Int16Builder),
    Long(Int32Builder),
    Float(Float32Builder),
    Double(Float64Builder),
    Text(StringBuilder),
    /// The label of each value.
    Labels(StringBuilder, HashMap<i32, String>),
    /// The first days of periods, and how many lie outside all years.
    Days(Date32Builder, TemporalKind, Arc<AtomicU64>),
    Times(TimestampMillisecondBuilder, Arc<AtomicU64>),
    Years(Int32Builder, Arc<AtomicU64>),
}

/// The columns of these variables; `applied` tells of each whether its labels are its values, `out_of_range` counts what
/// lies outside all years.
pub(crate) fn columns(
    variables: &[Variable],
    labels: &ValueLabelTable,
    applied: &[bool],
    out_of_range: &Arc<AtomicU64>,
) -> Vec<Column> {
    let column = |(variable, applied): (&Variable, &bool)| {
        let labels = applied.then(|| labels.get(variable.value_label_name())).flatten();
        let build = match (labels, period(variable)) {
            (Some(set), _) => {
                let mut labels = HashMap::new();
                for entry in set.entries() {
                    labels.entry(entry.value()).or_insert_with(|| entry.label().to_owned());
                }
                Build::Labels(StringBuilder::new(), labels)
            }
            (None, Some(TemporalKind::DateTime)) => {
                Build::Times(TimestampMillisecondBuilder::new(), out_of_range.clone())
            }
            (None, Some(TemporalKind::Year)) => Build::Years(Int32Builder::new(), out_of_range.clone()),
            (None, Some(period)) => Build::Days(Date32Builder::new(), period, out_of_range.clone()),
            (None, None) => Build::of(variable.variable_type()),
        };
        Column { name: variable.name().to_owned(), build }
    };
    variables.iter().zip(applied).map(column).collect()
}

/// What the display format makes of numbers, where that is a date, a time or a year.
fn period(variable: &Variable) -> Option<TemporalKind> {
    let is_number = !matches!(variable.variable_type(), VariableType::FixedString(_) | VariableType::LongString);
    TemporalKind::from_format(&display_format(variable)).filter(|kind| {
        is_number
            && matches!(
                kind,
                TemporalKind::Date
                    | TemporalKind::DateTime
                    | TemporalKind::Week
                    | TemporalKind::Month
                    | TemporalKind::Quarter
                    | TemporalKind::HalfYear
                    | TemporalKind::Year
            )
    })
}

/// The display format without its alignment: `%td` where it is `%-td`.
fn display_format(variable: &Variable) -> String {
    variable.format().replacen("%-", "%", 1)
}

/// Warns of what stays a number and is not meant as one.
pub(crate) fn warnings(variables: &[Variable], labels: &ValueLabelTable, applied: &[bool]) -> Vec<Warning> {
    let named = |reason, message: &str, found: Vec<&Variable>| {
        let names: Vec<String> = found.iter().take(20).map(|variable| format!("`{}`", variable.name())).collect();
        let more = if found.len() > names.len() { " and more" } else { "" };
        let message = format!("{message}: {}{more}.", names.join(", "));
        (!found.is_empty()).then(|| Warning { count: found.len() as u64, ..Warning::whole(reason, message) })
    };
    let unlabelled = || variables.iter().zip(applied).filter(|(_, applied)| !**applied).map(|(variable, _)| variable);
    let partly = unlabelled().filter(|one| labels.get(one.value_label_name()).is_some());
    let leaping =
        unlabelled().filter(|one| TemporalKind::from_format(&display_format(one)) == Some(TemporalKind::DateTimeLeap));
    let business = unlabelled().filter(|one| display_format(one).starts_with("%tb"));
    let message = "Columns stay numbers, because values of theirs have no label";
    let partly = named("LABELS_NOT_APPLIED", message, partly.collect());
    let message = "Columns stay numbers of milliseconds since 1960, because they count leap seconds";
    let leaping = named("LEAP_SECONDS_COUNTED", message, leaping.collect());
    let message = "Columns stay numbers of business days, because their calendars are not in the file";
    let business = named("BUSINESS_DAYS_COUNTED", message, business.collect());
    partly.into_iter().chain(leaping).chain(business).collect()
}

/// The number that a cell of integers holds; nothing for a missing one.
pub(crate) fn integer(value: &Value<'_>) -> Option<i32> {
    match value {
        Value::Byte(number) => number.present().map(i32::from),
        Value::Int(number) => number.present().map(i32::from),
        Value::Long(number) => number.present(),
        Value::Float(_) | Value::Double(_) | Value::String(_) | Value::LongStringRef(_) => None,
    }
}

fn number(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Float(number) => number.present().map(f64::from),
        Value::Double(number) => number.present(),
        value => integer(value).map(f64::from),
    }
}

impl Build {
    fn of(kind: VariableType) -> Self {
        match kind {
            VariableType::Byte => Self::Byte(Int8Builder::new()),
            VariableType::Int => Self::Int(Int16Builder::new()),
            VariableType::Long => Self::Long(Int32Builder::new()),
            VariableType::Float => Self::Float(Float32Builder::new()),
            VariableType::Double => Self::Double(Float64Builder::new()),
            VariableType::FixedString(_) | VariableType::LongString => Self::Text(StringBuilder::new()),
        }
    }
}

impl Column {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn kind(&self) -> DataType {
        match self.build {
            Build::Byte(_) => DataType::Int8,
            Build::Int(_) => DataType::Int16,
            Build::Long(_) | Build::Years(..) => DataType::Int32,
            Build::Float(_) => DataType::Float32,
            Build::Double(_) => DataType::Float64,
            Build::Text(_) | Build::Labels(..) => DataType::Utf8,
            Build::Days(..) => DataType::Date32,
            Build::Times(..) => DataType::Timestamp(TimeUnit::Millisecond, None),
        }
    }

    /// Takes a cell; gives how many bytes it takes at least.
    pub(crate) fn append(&mut self, value: &Value<'_>, strings: &LongStrings) -> Result<usize, ArrowError> {
        match (&mut self.build, value) {
            (Build::Byte(build), Value::Byte(number)) => build.append_option(number.present()),
            (Build::Int(build), Value::Int(number)) => build.append_option(number.present()),
            (Build::Long(build), Value::Long(number)) => build.append_option(number.present()),
            (Build::Float(build), Value::Float(number)) => build.append_option(number.present()),
            (Build::Double(build), Value::Double(number)) => build.append_option(number.present()),
            (Build::Text(build), Value::String(text)) => return Ok(append_text(build, Some(text))),
            (Build::Text(build), Value::LongStringRef(place)) => {
                let key = (place.variable(), place.observation());
                let text = strings.get(&key).map(String::as_str);
                if text.is_none() && key != (0, 0) {
                    let message = format!("a long string of `{}` is not in the file", self.name);
                    return Err(ArrowError::ParseError(message));
                }
                return Ok(append_text(build, text));
            }
            (Build::Labels(build, labels), value) => {
                let label = integer(value).and_then(|value| labels.get(&value));
                return Ok(append_text(build, label.map(String::as_str)));
            }
            (Build::Days(build, period, lost), value) => {
                let day = number(value).map(|number| first_day(*period, number));
                build.append_option(kept(day, lost));
            }
            (Build::Years(build, lost), value) => build.append_option(kept(number(value).map(year), lost)),
            (Build::Times(build, lost), value) => build.append_option(kept(number(value).map(time), lost)),
            _ => return Err(ArrowError::ParseError(format!("a cell of `{}` has another type", self.name))),
        }
        Ok(8)
    }

    /// What it took, and starts over.
    pub(crate) fn finish(&mut self) -> ArrayRef {
        let build: &mut dyn ArrayBuilder = match &mut self.build {
            Build::Byte(build) => build,
            Build::Int(build) => build,
            Build::Long(build) | Build::Years(build, _) => build,
            Build::Float(build) => build,
            Build::Double(build) => build,
            Build::Text(build) | Build::Labels(build, _) => build,
            Build::Days(build, ..) => build,
            Build::Times(build, _) => build,
        };
        build.finish()
    }
}

/// An empty text is how Stata has a missing one.
fn append_text(build: &mut StringBuilder, text: Option<&str>) -> usize {
    let text = text.filter(|text| !text.is_empty());
    build.append_option(text);
    text.map_or(8, |text| text.len() + 8)
}

/// Counts what is no date or time.
fn kept<T>(cell: Option<Option<T>>, lost: &AtomicU64) -> Option<T> {
    if matches!(cell, Some(None)) {
        lost.fetch_add(1, Ordering::Relaxed);
    }
    cell.flatten()
}

/// The first day of a period, in days since 1970; nothing outside the years that Stata has.
fn first_day(period: TemporalKind, number: f64) -> Option<i32> {
    let number = number.floor();
    if !(-1e7..1e7).contains(&number) {
        return None;
    }
    let number = number as i32;
    let day = match period {
        TemporalKind::Week => {
            let (year, week) = tw_weeks_to_year_week(number);
            day_of(year, 1) + 7 * (i32::from(week) - 1)
        }
        TemporalKind::Month => {
            let (year, month) = tm_months_to_year_month(number);
            day_of(year, i32::from(month))
        }
        TemporalKind::Quarter => {
            let (year, quarter) = tq_quarters_to_year_quarter(number);
            day_of(year, 3 * i32::from(quarter) - 2)
        }
        TemporalKind::HalfYear => {
            let (year, half) = th_halves_to_year_half(number);
            day_of(year, 6 * i32::from(half) - 5)
        }
        _ => number + STATA_EPOCH_UNIX_DAYS,
    };
    Some(day).filter(|day| DAYS.contains(day))
}

fn year(number: f64) -> Option<i32> {
    (100.0..10_000.0).contains(&number).then_some(number as i32)
}

fn time(millis: f64) -> Option<i64> {
    let range = i64::from(DAYS.start) * DAY_MILLIS..i64::from(DAYS.end) * DAY_MILLIS;
    tc_millis_to_unix_millis(millis).filter(|millis| range.contains(millis))
}

/// The first day of a month, in days since 1970, in the calendar of today.
///
/// Source: Hinnant, chrono-Compatible Low-Level Date Algorithms, 2013.
fn day_of(year: i32, month: i32) -> i32 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_begin_on_their_first_day() {
        let day = |period, number| first_day(period, number).unwrap();
        assert_eq!((day_of(1970, 1), day_of(2024, 3), day_of(1960, 1)), (0, 19_783, STATA_EPOCH_UNIX_DAYS));
        assert_eq!((day_of(100, 1), day_of(10_000, 1)), (DAYS.start, DAYS.end));
        assert_eq!((day(TemporalKind::Date, 3_653.7), day(TemporalKind::Week, 52.0 * 10.0 + 51.0)), (0, 357));
        assert_eq!((day(TemporalKind::Month, 121.0), day(TemporalKind::Quarter, 41.0)), (31, 90));
        assert_eq!((day(TemporalKind::HalfYear, 21.0), first_day(TemporalKind::Date, 1e9)), (181, None));
    }

    #[test]
    fn times_lie_in_the_years_of_stata() {
        assert_eq!((time(315_619_200_000.0), time(1e300), time(f64::NAN)), (Some(0), None, None));
    }
}
