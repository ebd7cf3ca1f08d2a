//! From what was remembered to the messages of the profile.

use proto::common::v1 as common;
use proto::profiling::v1::{
    ColumnProfile, Estimate, Misfit, NumericSummary, ProfileWarning, Quantile, SampleRow, SemanticType,
    SpatialCoverage, StoredProfile, StructuralType, TableProfile, TemporalCoverage, TextRange, ValueCount,
};
use table::{Recipe, Warning};
use types::{Digest, TimeRange, Timestamp};

use crate::calendar::days;
use crate::cell::Kind;
use crate::column::Column;
use crate::datetime::instant;
use crate::decide::{self, Decision, decide};
use crate::spatial::{Axis, Named, Pair, words};
use crate::spread::Spread;

const RANKS: [f64; 9] = [0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0];
const TOP_VALUES: usize = 20;
/// Warnings beyond these are counted in one.
const WARNINGS: usize = 100;

/// All that was remembered.
pub(crate) struct Table {
    pub(crate) names: Vec<String>,
    pub(crate) declared: Vec<Option<StructuralType>>,
    pub(crate) named: Vec<Option<Named>>,
    pub(crate) columns: Vec<Column>,
    pub(crate) pairs: Vec<Pair>,
    pub(crate) sample: Vec<(u64, Vec<String>)>,
    pub(crate) rows: u64,
}

impl Table {
    pub(crate) fn profile(
        mut self,
        recipe: &Recipe,
        found: Vec<Warning>,
        digest: Digest,
        size_bytes: u64,
    ) -> StoredProfile {
        let mut warnings: Vec<ProfileWarning> = found.into_iter().map(warning).collect();
        let mut temporal_coverage = Vec::new();
        let mut columns = Vec::with_capacity(self.columns.len());
        for index in 0..self.columns.len() {
            let column = &mut self.columns[index];
            let decision = decide(column, self.declared[index]);
            if !decision.tokens_are_missing {
                column.keep_tokens();
            }
            let name = &self.names[index];
            warnings.extend(column_warnings(name, column, &decision));
            let spread = column.merged(&decision.slots);
            temporal_coverage.extend(temporal(name, &decision, spread.as_ref()));
            columns.push(column_profile(index, name, column, &decision, spread.as_ref()));
        }
        let spatial_coverage = self.recognise_places(&mut columns);
        let table = TableProfile {
            name: String::new(),
            digest: Some(digest.into()),
            engine_version: crate::ENGINE_VERSION.to_owned(),
            recipe: Some(recipe_message(recipe)),
            size_bytes: signed(size_bytes),
            row_count: signed(self.rows),
            column_count: i32::try_from(self.names.len()).unwrap_or(i32::MAX),
            column_names: self.names,
            temporal_coverage,
            spatial_coverage,
            sample: self.sample.into_iter().map(|(index, cells)| SampleRow { index: signed(index), cells }).collect(),
            warnings: limited(warnings),
            create_time: None,
        };
        StoredProfile { table: Some(table), columns }
    }

    /// Marks latitudes and longitudes, and finds the box of the pair with the most points.
    fn recognise_places(&self, columns: &mut [ColumnProfile]) -> Option<SpatialCoverage> {
        let in_range: Vec<bool> =
            columns.iter().zip(&self.named).map(|(c, named)| named.as_ref().is_some_and(|n| fits(c, n.axis))).collect();
        let good: Vec<&Pair> =
            self.pairs.iter().filter(|pair| in_range[pair.latitude] && in_range[pair.longitude]).collect();
        let paired = |index: usize| good.iter().any(|pair| pair.latitude == index || pair.longitude == index);
        for (index, named) in self.named.iter().enumerate() {
            let Some(named) = named else { continue };
            if paired(index) || named.plain && in_range[index] {
                let meaning = match named.axis {
                    Axis::Latitude => SemanticType::Latitude,
                    Axis::Longitude => SemanticType::Longitude,
                };
                columns[index].semantic_types.push(meaning.into());
            }
        }
        // The first of equals: columns to the left are the more important ones.
        let most = good.iter().map(|pair| pair.points).max()?;
        let pair = good.iter().find(|pair| pair.points == most)?;
        Some(SpatialCoverage {
            latitude_column: self.names[pair.latitude].clone(),
            longitude_column: self.names[pair.longitude].clone(),
            r#box: Some(pair.bounding_box()?.into()),
            point_count: signed(pair.points),
        })
    }
}

/// Numbers lie on an axis when all of them do, but for the outermost hundredths.
fn fits(column: &ColumnProfile, axis: Axis) -> bool {
    let Some(numeric) = &column.numeric else { return false };
    let kind = column.structural_type();
    if kind != StructuralType::Integer && kind != StructuralType::Float {
        return false;
    }
    let at = |rank: f64| numeric.quantiles.iter().find(|quantile| quantile.rank == rank).map(|quantile| quantile.value);
    let (Some(low), Some(high)) = (at(0.01), at(0.99)) else { return false };
    match axis {
        Axis::Latitude => low >= -90.0 && high <= 90.0,
        Axis::Longitude => low >= -180.0 && high <= 180.0 || low >= 0.0 && high <= 360.0,
    }
}

fn column_profile(
    index: usize,
    name: &str,
    column: &Column,
    decision: &Decision,
    spread: Option<&Spread>,
) -> ColumnProfile {
    let tokens = if decision.tokens_are_missing { column.count(Kind::Token) } else { 0 };
    let present: u64 = column.counts.iter().sum::<u64>() - tokens;
    let misfit = |kind: usize| !decision.fits(kind) && kind != Kind::Token as usize;
    let misfits: u64 = (0..Kind::COUNT).filter(|kind| misfit(*kind)).map(|kind| column.counts[kind]).sum();
    let distinct = column.values.distinct();
    let kind = decision.structural_type;
    let range = column.range.as_ref().filter(|_| kind == StructuralType::Text);
    ColumnProfile {
        index: i32::try_from(index).unwrap_or(i32::MAX),
        column: name.to_owned(),
        structural_type: kind.into(),
        semantic_types: Vec::new(),
        present_count: signed(present),
        missing_count: signed(column.missing + tokens),
        misfit_count: signed(misfits),
        first_misfits: column
            .first_cells(misfit)
            .into_iter()
            .map(|(row, cell)| Misfit { row: signed(row), cell: cell.to_owned() })
            .collect(),
        distinct_count: Some(Estimate {
            value: distinct.value,
            relative_standard_error: distinct.relative_standard_error,
        }),
        numeric: spread.and_then(numeric_summary),
        time_range: spread
            .filter(|_| is_calendar(kind))
            .and_then(|spread| spread.micros)
            .map(|range| time_range(range).into()),
        top_values: column.values.top(TOP_VALUES).into_iter().map(value_count).collect(),
        text_range: range.map(|(min, max)| TextRange { min: min.clone(), max: max.clone() }),
    }
}

fn value_count(value: sketch::TopValue) -> ValueCount {
    ValueCount { value: value.text, count: signed(value.count), count_error: signed(value.count_error) }
}

fn numeric_summary(spread: &Spread) -> Option<NumericSummary> {
    let moments = &spread.moments;
    let (min, max) = (moments.min()?, moments.max()?);
    let values = spread.quantiles.values(&RANKS);
    let error = spread.quantiles.rank_error();
    let quantile = |(rank, value): (&f64, &f64)| match *rank {
        0.0 => Quantile { rank: 0.0, value: min, rank_error: 0.0 },
        1.0 => Quantile { rank: 1.0, value: max, rank_error: 0.0 },
        rank => Quantile { rank, value: *value, rank_error: error },
    };
    let quantiles = RANKS.iter().zip(&values).map(quantile).collect();
    Some(NumericSummary {
        min,
        max,
        mean: moments.mean()?,
        standard_deviation: moments.standard_deviation()?,
        quantiles,
    })
}

fn is_calendar(kind: StructuralType) -> bool {
    matches!(kind, StructuralType::Date | StructuralType::Timestamp)
}

/// The span of time that a column covers: dates, timestamps, and years where the name says so.
fn temporal(name: &str, decision: &Decision, spread: Option<&Spread>) -> Option<TemporalCoverage> {
    let spread = spread?;
    let range = match decision.structural_type {
        kind if is_calendar(kind) => spread.micros?,
        StructuralType::Integer => years(name, spread)?,
        _ => return None,
    };
    let range = Some(time_range(range).into());
    Some(TemporalCoverage { column: name.to_owned(), range, value_count: signed(spread.moments.count()) })
}

fn years(name: &str, spread: &Spread) -> Option<(i64, i64)> {
    debug_assert!(spread.micros.is_none());
    let says_year =
        words(name).iter().any(|word| matches!(word.as_str(), "year" | "years" | "yr" | "jahr" | "annee" | "año"));
    let (first, last) = (spread.moments.min()?, spread.moments.max()?);
    if !says_year || first < 1_000.0 || last > 2_999.0 {
        return None;
    }
    let start = |year: f64| days(year as i64, 1, 1).map(|day| instant(day, 0));
    Some((start(first)?, start(last)?))
}

fn time_range((start, end): (i64, i64)) -> TimeRange {
    TimeRange { start: Some(Timestamp::from_micros(start)), end: Some(Timestamp::from_micros(end)) }
}

fn column_warnings(name: &str, column: &Column, decision: &Decision) -> Vec<ProfileWarning> {
    let mut warnings = Vec::new();
    let mut warn = |reason: &str, message: String, count: u64, first_row: Option<u64>| {
        let first_row = first_row.map(signed);
        warnings.push(ProfileWarning {
            reason: reason.to_owned(),
            message,
            count: signed(count),
            first_row,
            first_byte: None,
        });
    };
    if decision.order_is_open {
        let (count, first_row) = decide::open_dates(column);
        let message =
            format!("Nothing in column `{name}` tells whether day or month comes first; the month was taken.");
        warn("AMBIGUOUS_DATE_ORDER", message, count, first_row);
    }
    if decision.codes {
        let message = format!("The numbers of column `{name}` begin with 0 and are equally long: codes, kept as text.");
        warn("LEADING_ZEROS", message, column.codes.leading_zeros, Some(column.codes.first_row));
    }
    warnings
}

fn warning(warning: Warning) -> ProfileWarning {
    ProfileWarning {
        reason: warning.reason.to_owned(),
        message: warning.message,
        count: signed(warning.count),
        first_row: warning.first_row.map(signed),
        first_byte: warning.first_byte.map(signed),
    }
}

fn limited(mut warnings: Vec<ProfileWarning>) -> Vec<ProfileWarning> {
    let surplus = warnings.len().saturating_sub(WARNINGS);
    if surplus > 0 {
        warnings.truncate(WARNINGS);
        warnings.push(ProfileWarning {
            reason: "MORE_WARNINGS".to_owned(),
            message: "There were more warnings than are kept.".to_owned(),
            count: signed(surplus as u64),
            first_row: None,
            first_byte: None,
        });
    }
    warnings
}

fn recipe_message(recipe: &Recipe) -> common::Recipe {
    common::Recipe {
        compression: if recipe.gzip { "gzip".to_owned() } else { String::new() },
        format: recipe.format.name().to_owned(),
        encoding: recipe.encoding_label(),
        delimiter: recipe.delimiter.map(String::from).unwrap_or_default(),
        quote: recipe.quote.map(String::from).unwrap_or_default(),
        header: recipe.header,
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
