//! Dates whose year, month and day stand in columns of their own.

use std::collections::BTreeSet;

use proto::profiling::v1::{TemporalCoverage, TimeResolution};
use sketch::{Corrupt, Reader, Writer};

use crate::calendar::days;
use crate::datetime::instant;
use crate::finish::signed;
use crate::spatial::words;
use crate::time;

/// The columns of a date, by position, and the dates that they hold.
#[derive(Debug, Clone)]
pub(crate) struct Split {
    year: usize,
    month: usize,
    day: Option<usize>,
    count: u64,
    /// Rows whose year or month is none, or that have no such day.
    failed: u64,
    ends: Option<(i64, i64)>,
    /// The first days of the months with a date.
    months: BTreeSet<i64>,
}

/// Finds a column of years, one of months and perhaps one of days, by name. The first of each belong together.
pub(crate) fn splits(names: &[String]) -> Vec<Split> {
    let named = |wanted: &[&str]| {
        let says = |name: &String| matches!(&words(name)[..], [.., last] if wanted.contains(&last.as_str()));
        names.iter().position(says)
    };
    let year = named(&["year", "yr", "jahr"]);
    let (Some(year), Some(month)) = (year, named(&["month", "mon", "monat"])) else { return Vec::new() };
    let day = named(&["day", "dom", "tag"]);
    vec![Split { year, month, day, count: 0, failed: 0, ends: None, months: BTreeSet::new() }]
}

impl Split {
    /// The columns of the date.
    pub(crate) fn columns(&self) -> impl Iterator<Item = usize> {
        [Some(self.year), Some(self.month), self.day].into_iter().flatten()
    }

    /// Takes the numbers of the next rows, NaN where a cell is none; `numbers` has those of each column.
    pub(crate) fn add_all(&mut self, numbers: &[Vec<f64>]) {
        let (years, months) = (&numbers[self.year], &numbers[self.month]);
        for (row, (year, month)) in years.iter().zip(months).enumerate() {
            let of_month = self.day.map_or(1.0, |day| numbers[day][row]);
            if year.is_nan() && month.is_nan() && (of_month.is_nan() || self.day.is_none()) {
                continue;
            }
            match date(*year, *month, of_month) {
                Some((first, day)) => self.add(first, day),
                None => self.failed += 1,
            }
        }
    }

    fn add(&mut self, first: i64, day: i64) {
        self.count += 1;
        let (start, end) = self.ends.unwrap_or((day, day));
        self.ends = Some((start.min(day), end.max(day)));
        // Rows of one month follow each other more often than not.
        if self.months.last() != Some(&first) {
            self.months.insert(first);
        }
    }

    /// Takes the dates of the same columns in other rows.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.failed += other.failed;
        self.ends = match (self.ends, other.ends) {
            (Some(ours), Some(theirs)) => Some((ours.0.min(theirs.0), ours.1.max(theirs.1))),
            (ours, theirs) => ours.or(theirs),
        };
        self.months.extend(&other.months);
    }

    /// What the dates cover; nothing where more than a twentieth of the rows has none.
    pub(crate) fn coverage(&self, names: &[String]) -> Option<TemporalCoverage> {
        let (start, end) = self.ends?;
        if self.failed * 20 > self.count {
            return None;
        }
        let whole = (instant(start, 0), instant(end, 0));
        let months: Vec<f64> = self.months.iter().map(|day| *day as f64 * 86_400.0).collect();
        let resolution = if self.day.is_some() { TimeResolution::Day } else { TimeResolution::Month };
        let columns: Vec<String> = self.columns().map(|column| names[column].clone()).collect();
        Some(TemporalCoverage {
            column: columns[0].clone(),
            range: Some(time::range(whole).into()),
            value_count: signed(self.count),
            columns,
            resolution: resolution.into(),
            ranges: time::ranges(&months, whole).into_iter().map(|range| time::range(range).into()).collect(),
            // Months are known one by one, days are not.
            ranges_exact: self.day.is_none(),
            zone: String::new(),
            ambiguous: false,
        })
    }

    pub(crate) fn encode(&self, out: &mut Writer) {
        out.number(self.count);
        out.number(self.failed);
        out.optional(self.ends, |out, (start, end)| {
            out.signed(start);
            out.signed(end);
        });
        out.number(self.months.len() as u64);
        self.months.iter().for_each(|month| out.signed(*month));
    }

    pub(crate) fn decode(&mut self, from: &mut Reader<'_>) -> Result<(), Corrupt> {
        self.count = from.number()?;
        self.failed = from.number()?;
        self.ends = from.optional(|from| Ok((from.signed()?, from.signed()?)))?;
        for _ in 0..from.length(1)? {
            self.months.insert(from.signed()?);
        }
        Ok(())
    }
}

/// The first day of the month, and the day.
fn date(year: f64, month: f64, day: f64) -> Option<(i64, i64)> {
    let whole = |number: f64| (number.trunc() == number).then_some(number as i64);
    if !time::is_year(year) {
        return None;
    }
    let (year, month) = (whole(year)?, whole(month)?);
    Some((days(year, month, 1)?, days(year, month, whole(day)?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_in_three_columns_is_one() {
        let names = ["id", "Year", "month", "start_day"].map(str::to_owned);
        let mut found = splits(&names);
        assert_eq!(found[0].columns().collect::<Vec<usize>>(), [1, 2, 3]);
        let numbers = [vec![], vec![1999.0, 2001.0, f64::NAN], vec![12.0, 2.0, f64::NAN], vec![31.0, 3.0, f64::NAN]];
        found[0].add_all(&numbers);
        let coverage = found[0].coverage(&names).unwrap();
        assert_eq!((coverage.value_count, coverage.columns.len(), coverage.resolution()), (2, 3, TimeResolution::Day));
        assert_eq!(coverage.range.unwrap().start.unwrap().seconds, 946_598_400);
        assert!(splits(&["year".to_owned(), "monthly".to_owned()]).is_empty());
    }
}
