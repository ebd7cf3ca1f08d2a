//! The message of one column.

use proto::profiling::v1::{
    ColumnProfile, Estimate, LengthSummary, Misfit, SortOrder, StructuralType, TextRange, Uniqueness, ValueCount,
};

use crate::cell::Kind;
use crate::decide::Decision;
use crate::figures::Lengths;
use crate::finish::signed;
use crate::numbers;
use crate::summary::{Spectrum, Summary};
use crate::time;
use crate::tokens;

const TOP_VALUES: usize = 20;

/// A column's message, with its numbers for what else is told of them.
pub(crate) struct Described<'a> {
    pub(crate) profile: ColumnProfile,
    pub(crate) spectrum: Option<Spectrum<'a>>,
}

/// Describes a column; `width` is how many there are.
pub(crate) fn column<'a>(
    index: usize,
    name: &str,
    summary: &'a Summary<'_>,
    decision: &Decision,
    width: usize,
) -> Described<'a> {
    let spectrum = summary.spectrum(&decision.slots);
    let misfit = |kind: Kind| !decision.fits(kind) && !matches!(kind, Kind::Token | Kind::Blank);
    let misfits: u64 = Kind::ALL.iter().filter(|kind| misfit(**kind)).map(|kind| summary.figures.count(*kind)).sum();
    let repeated: u64 = decision.repeated.iter().map(|(_, count)| count).sum();
    let distinct = summary.distinct();
    let kind = decision.structural_type;
    let range = summary.figures.range.as_ref().filter(|_| kind == StructuralType::Text);
    let top = summary.top(TOP_VALUES + decision.repeated.len());
    let null_tokens = tokens::tokens(summary, decision, spectrum.as_ref(), &top);
    let is_token = |cell: &str| decision.repeated.iter().any(|(token, _)| token == cell);
    let profile = ColumnProfile {
        index: i32::try_from(index).unwrap_or(i32::MAX),
        column: name.to_owned(),
        structural_type: kind.into(),
        semantic_types: Vec::new(),
        semantic_findings: Vec::new(),
        present_count: signed(summary.present() - repeated),
        missing_count: signed(summary.missing() + repeated),
        misfit_count: signed(misfits - repeated),
        first_misfits: summary
            .column
            .first_cells(misfit)
            .into_iter()
            .filter(|(_, cell)| !is_token(cell))
            .map(|(row, cell)| Misfit { row: signed(row), cell: cell.to_owned() })
            .collect(),
        distinct_count: Some(Estimate {
            value: (distinct.value - decision.repeated.len() as f64).max(0.0),
            relative_standard_error: distinct.relative_standard_error,
        }),
        numeric: spectrum.as_ref().and_then(|spectrum| numbers::summary(kind, spectrum, width)),
        time_range: spectrum
            .as_ref()
            .filter(|_| time::is_calendar(kind))
            .and_then(|spectrum| spectrum.spread.micros)
            .map(|range| time::range(range).into()),
        top_values: top
            .into_iter()
            .filter(|top| !is_token(&top.text))
            .take(TOP_VALUES)
            .map(|top| ValueCount { value: top.text, count: signed(top.count), count_error: signed(top.count_error) })
            .collect(),
        text_range: range.map(|(min, max)| TextRange { min: min.to_string(), max: max.to_string() }),
        lengths: summary.figures.lengths.map(length_summary),
        leading_zero_count: signed(summary.figures.codes.leading_zeros),
        sort_order: sort_order(summary, decision).into(),
        uniqueness: uniqueness(summary),
        null_tokens,
    };
    Described { profile, spectrum }
}

fn length_summary(lengths: Lengths) -> LengthSummary {
    let mean = |total: u64| total as f64 / lengths.count as f64;
    LengthSummary {
        min_bytes: lengths.bytes.0.into(),
        max_bytes: lengths.bytes.1.into(),
        mean_bytes: mean(lengths.total_bytes),
        min_characters: lengths.characters.0.into(),
        max_characters: lengths.characters.1.into(),
        mean_characters: mean(lengths.total_characters),
    }
}

fn sort_order(summary: &Summary<'_>, decision: &Decision) -> SortOrder {
    if decision.slots.is_empty() {
        summary.column.order.text.sort_order()
    } else {
        summary.column.order.value.sort_order()
    }
}

fn uniqueness(summary: &Summary<'_>) -> Option<Uniqueness> {
    let sorted = [summary.column.order.text.sort_order(), summary.column.order.value.sort_order()];
    let strictly = [SortOrder::StrictlyAscending, SortOrder::StrictlyDescending];
    if summary.present() > 1 && sorted.iter().any(|order| strictly.contains(order)) {
        return Some(once(1.0, 1.0, 1.0, true));
    }
    if summary.is_exact() {
        let (all, single) =
            summary.counts().fold((0u64, 0u64), |(all, single), count| (all + 1, single + u64::from(count == 1)));
        let share = single as f64 / all as f64;
        return (all > 0).then(|| once(share, share, share, true));
    }
    let sample = summary.sample.entries();
    let single = sample.iter().filter(|(_, count, _)| *count == 1).count() as u64;
    let interval = sketch::share(single, sample.len() as u64);
    (!sample.is_empty()).then(|| once(interval.value, interval.low, interval.high, false))
}

fn once(share: f64, low: f64, high: f64, exact: bool) -> Uniqueness {
    Uniqueness { unique: share >= 1.0, exact, once_share: share, once_share_low: low, once_share_high: high }
}
