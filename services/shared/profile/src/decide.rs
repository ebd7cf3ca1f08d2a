//! What type a column has, once all its cells are known.

use proto::profiling::v1::StructuralType;

use crate::cell::{Kind, SPELLINGS};
use crate::column::Column;
use crate::figures::{Figures, Slot};
use crate::summary::Summary;

/// The most values that stand for missing ones without being known to.
const REPEATED: usize = 3;
/// They occur at least as often, and beside at least as many different values that fit.
const LEAST_REPEATS: u64 = 5;
const LEAST_VALUES: f64 = 8.0;

/// What a column turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decision {
    pub(crate) structural_type: StructuralType,
    /// The kinds of cell that fit.
    kinds: u32,
    /// The summaries of what fits.
    pub(crate) slots: Vec<Slot>,
    /// `NA` and its like are missing.
    pub(crate) tokens_are_missing: bool,
    /// Nothing tells whether the day or the month comes first.
    pub(crate) order_is_open: bool,
    /// Whole numbers that were taken as text, because they are codes.
    pub(crate) codes: bool,
    /// Values that do not fit, and repeat so often that they stand for missing ones, with their counts.
    pub(crate) repeated: Vec<(String, u64)>,
}

impl Decision {
    /// Tells whether cells of a kind fit.
    pub(crate) fn fits(&self, kind: Kind) -> bool {
        self.kinds >> kind as u32 & 1 == 1
    }
}

/// Decides the narrowest type that at least 95 % of the present cells fit; a declared type stands.
pub(crate) fn decide(summary: &Summary<'_>, declared: Option<StructuralType>) -> Decision {
    let column = &summary.figures;
    let tokens = column.count(Kind::Token);
    let solid: u64 = column.present() - tokens;
    if solid == 0 && (tokens == 0 || declared.is_some()) {
        return Decision { tokens_are_missing: true, ..text(StructuralType::Missing) };
    }
    if let Some(declared) = declared {
        return of_declared(column, declared);
    }
    if solid == 0 {
        return text(StructuralType::Text);
    }
    let candidates = candidates(column);
    let enough = |kinds: u32, solid: u64| count_of(column, kinds) * 100 >= solid * 95;
    let found = candidates.iter().find(|candidate| enough(candidate.kinds, solid)).cloned();
    let Some(found) = found.or_else(|| beside_tokens(summary, candidates, solid)) else {
        return text(StructuralType::Text);
    };
    if found.structural_type == StructuralType::Integer && column.codes.are_codes() {
        return Decision { codes: true, ..text(StructuralType::Text) };
    }
    if found.structural_type == StructuralType::Float && column.need_all_digits(&found.slots) {
        return Decision { structural_type: StructuralType::Decimal, ..found };
    }
    found
}

/// The first type that enough cells fit once values are left out that repeat and do not fit: `unknown` among numbers.
/// Half of the cells at least, and some different ones, must fit.
fn beside_tokens(summary: &Summary<'_>, candidates: Vec<Decision>, solid: u64) -> Option<Decision> {
    let figures = &summary.figures;
    let text_like = figures.count(Kind::Text) + figures.count(Kind::Boolean);
    let likely = |fitting: u64| fitting * 2 >= solid && (fitting + text_like) * 100 >= solid * 95;
    let mut likely = candidates.into_iter().filter(|candidate| likely(count_of(figures, candidate.kinds)));
    let mut found = likely.next()?;
    let fitting = count_of(figures, found.kinds);
    let often = |count: u64| count >= LEAST_REPEATS && count * 100 >= solid;
    let strays = summary.strays().into_iter().filter(|(_, count, kind)| !found.fits(*kind) && often(*count));
    let repeated: Vec<(String, u64)> = strays.map(|(text, count, _)| (text, count)).take(REPEATED).collect();
    let left = solid - repeated.iter().map(|(_, count)| count).sum::<u64>();
    let varied = summary.distinct().value - repeated.len() as f64 >= LEAST_VALUES;
    if repeated.is_empty() || !varied || fitting * 100 < left * 95 {
        return None;
    }
    found.repeated = repeated;
    Some(found)
}

/// The types that a column of text may turn out to have, the narrowest first.
fn candidates(column: &Figures) -> Vec<Decision> {
    let (day_first, order_is_open) = order(column);
    let (date_kind, date_slot) =
        if day_first { (Kind::DateDayFirst, Slot::DateDayFirst) } else { (Kind::DateMonthFirst, Slot::DateMonthFirst) };
    let (stamp_kind, stamp_slot) = if day_first {
        (Kind::StampDayFirst, Slot::StampDayFirst)
    } else {
        (Kind::StampMonthFirst, Slot::StampMonthFirst)
    };
    let dates = mask(&[Kind::Date, Kind::DateEither, date_kind]);
    let zoned = mask(&[Kind::StampZoned]);
    let stamps = mask(&[Kind::Stamp, Kind::StampEither, stamp_kind]) | zoned;
    let date = Decision { order_is_open, ..typed(StructuralType::Date, dates, &[Slot::Date, date_slot]) };
    let stamp_slots = [Slot::Stamp, stamp_slot, Slot::Date, date_slot];
    let stamp = Decision { order_is_open, ..typed(StructuralType::Timestamp, dates | stamps, &stamp_slots) };
    let with_zone =
        Decision { order_is_open: false, ..typed(StructuralType::TimestampWithZone, zoned, &[Slot::Stamp]) };
    let boolean = if is_truth(column.spellings) { mask(&[Kind::Boolean]) } else { 0 };
    vec![
        typed(StructuralType::Boolean, boolean, &[]),
        typed(StructuralType::Integer, mask(&[Kind::Integer]), &[Slot::Integer]),
        typed(StructuralType::Float, mask(&[Kind::Integer, Kind::Float]), &[Slot::Integer, Slot::Float]),
        date,
        typed(StructuralType::Time, mask(&[Kind::Time]), &[Slot::Time]),
        with_zone,
        stamp,
        // A span of less than a day looks like a time of day.
        typed(StructuralType::Duration, mask(&[Kind::Duration, Kind::Time]), &[Slot::Duration, Slot::Time]),
        typed(StructuralType::GeoPoint, mask(&[Kind::Point]), &[]),
        typed(StructuralType::GeoShape, mask(&[Kind::Point, Kind::Shape]), &[]),
        typed(StructuralType::Nested, mask(&[Kind::Nested, Kind::Point, Kind::Shape]), &[]),
    ]
}

/// Whether the day comes first, and whether that is a guess.
fn order(column: &Figures) -> (bool, bool) {
    let count = |date: Kind, stamp: Kind| column.count(date) + column.count(stamp);
    let month_first = count(Kind::DateMonthFirst, Kind::StampMonthFirst);
    let day_first = count(Kind::DateDayFirst, Kind::StampDayFirst);
    let either = count(Kind::DateEither, Kind::StampEither);
    (day_first > month_first, either > 0 && day_first == month_first)
}

/// Single letters are truth only as a pair: a column of nothing but `F` is not.
fn is_truth(spellings: u8) -> bool {
    let pair = |index: usize| spellings >> index & 0b11;
    debug_assert_eq!(SPELLINGS[4], "t");
    let single = [pair(4), pair(6)];
    single.iter().all(|bits| matches!(bits, 0 | 0b11))
}

fn of_declared(column: &Figures, declared: StructuralType) -> Decision {
    let slots: &[Slot] = match declared {
        StructuralType::Integer | StructuralType::Float | StructuralType::Decimal => &[Slot::Integer, Slot::Float],
        StructuralType::Date => &[Slot::Date],
        StructuralType::Time => &[Slot::Time],
        StructuralType::Timestamp | StructuralType::TimestampWithZone => &[Slot::Stamp, Slot::Date],
        StructuralType::Duration => &[Slot::Duration],
        _ => &[],
    };
    let tokens_are_missing = declared == StructuralType::Float && column.count(Kind::Token) > 0;
    Decision { tokens_are_missing, ..typed(declared, u32::MAX, slots) }
}

fn typed(structural_type: StructuralType, kinds: u32, slots: &[Slot]) -> Decision {
    let slots = slots.to_vec();
    Decision {
        structural_type,
        kinds,
        slots,
        tokens_are_missing: true,
        order_is_open: false,
        codes: false,
        repeated: Vec::new(),
    }
}

fn text(structural_type: StructuralType) -> Decision {
    Decision { tokens_are_missing: false, ..typed(structural_type, u32::MAX, &[]) }
}

fn mask(kinds: &[Kind]) -> u32 {
    kinds.iter().fold(0, |mask, kind| mask | 1 << *kind as u32)
}

fn count_of(column: &Figures, kinds: u32) -> u64 {
    column.counts.iter().enumerate().filter(|(kind, _)| kinds >> kind & 1 == 1).map(|(_, count)| count).sum()
}

/// How many dates and timestamps of a column can be read both ways, and the first row with one.
pub(crate) fn open_dates(figures: &Figures, column: &Column) -> (u64, Option<u64>) {
    let kinds = [Kind::DateEither, Kind::StampEither];
    let count = kinds.iter().map(|kind| figures.count(*kind)).sum();
    (count, kinds.iter().filter_map(|kind| column.first_row(*kind)).min())
}
