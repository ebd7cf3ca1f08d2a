//! What type a column has, once all its cells are known.

use proto::profiling::v1::StructuralType;

use crate::cell::{Kind, SPELLINGS};
use crate::column::{Column, Slot};

/// What a column turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decision {
    pub(crate) structural_type: StructuralType,
    /// The kinds of cell that fit.
    kinds: u16,
    /// The summaries of what fits.
    pub(crate) slots: Vec<Slot>,
    /// `NA` and its like are missing.
    pub(crate) tokens_are_missing: bool,
    /// Nothing tells whether the day or the month comes first.
    pub(crate) order_is_open: bool,
    /// Whole numbers that were taken as text, because they are codes.
    pub(crate) codes: bool,
}

impl Decision {
    /// Tells whether cells of the kind numbered so fit.
    pub(crate) fn fits(&self, kind: usize) -> bool {
        self.kinds >> kind & 1 == 1
    }
}

/// Decides the narrowest type that at least 95 % of the present cells fit; a declared type stands.
pub(crate) fn decide(column: &Column, declared: Option<StructuralType>) -> Decision {
    let tokens = column.count(Kind::Token);
    let solid: u64 = column.counts.iter().sum::<u64>() - tokens;
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
    let enough = |kinds: u16| count_of(column, kinds) * 100 >= solid * 95;
    let Some(found) = candidates.into_iter().find(|candidate| enough(candidate.kinds)) else {
        return text(StructuralType::Text);
    };
    if found.structural_type == StructuralType::Integer && column.codes.are_codes() {
        return Decision { codes: true, ..text(StructuralType::Text) };
    }
    found
}

/// The types that a column of text may turn out to have, the narrowest first.
fn candidates(column: &Column) -> Vec<Decision> {
    let (day_first, order_is_open) = order(column);
    let (date_kind, date_slot) =
        if day_first { (Kind::DateDayFirst, Slot::DateDayFirst) } else { (Kind::DateMonthFirst, Slot::DateMonthFirst) };
    let (stamp_kind, stamp_slot) = if day_first {
        (Kind::StampDayFirst, Slot::StampDayFirst)
    } else {
        (Kind::StampMonthFirst, Slot::StampMonthFirst)
    };
    let dates = mask(&[Kind::Date, Kind::DateEither, date_kind]);
    let stamps = mask(&[Kind::Stamp, Kind::StampEither, stamp_kind]);
    let date = Decision { order_is_open, ..typed(StructuralType::Date, dates, &[Slot::Date, date_slot]) };
    let stamp_slots = [Slot::Stamp, stamp_slot, Slot::Date, date_slot];
    let stamp = Decision { order_is_open, ..typed(StructuralType::Timestamp, dates | stamps, &stamp_slots) };
    let boolean = if is_truth(column.spellings) { mask(&[Kind::Boolean]) } else { 0 };
    vec![
        typed(StructuralType::Boolean, boolean, &[]),
        typed(StructuralType::Integer, mask(&[Kind::Integer]), &[Slot::Integer]),
        typed(StructuralType::Float, mask(&[Kind::Integer, Kind::Float]), &[Slot::Integer, Slot::Float]),
        date,
        typed(StructuralType::Time, mask(&[Kind::Time]), &[Slot::Time]),
        stamp,
        typed(StructuralType::Nested, mask(&[Kind::Nested]), &[]),
    ]
}

/// Whether the day comes first, and whether that is a guess.
fn order(column: &Column) -> (bool, bool) {
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

fn of_declared(column: &Column, declared: StructuralType) -> Decision {
    let slots: &[Slot] = match declared {
        StructuralType::Integer | StructuralType::Float => &[Slot::Integer, Slot::Float],
        StructuralType::Date => &[Slot::Date],
        StructuralType::Time => &[Slot::Time],
        StructuralType::Timestamp => &[Slot::Stamp, Slot::Date],
        _ => &[],
    };
    let tokens_are_missing = declared == StructuralType::Float && column.count(Kind::Token) > 0;
    Decision { tokens_are_missing, ..typed(declared, u16::MAX, slots) }
}

fn typed(structural_type: StructuralType, kinds: u16, slots: &[Slot]) -> Decision {
    let slots = slots.to_vec();
    Decision { structural_type, kinds, slots, tokens_are_missing: true, order_is_open: false, codes: false }
}

fn text(structural_type: StructuralType) -> Decision {
    Decision { tokens_are_missing: false, ..typed(structural_type, u16::MAX, &[]) }
}

fn mask(kinds: &[Kind]) -> u16 {
    kinds.iter().fold(0, |mask, kind| mask | 1 << *kind as u16)
}

fn count_of(column: &Column, kinds: u16) -> u64 {
    column.counts.iter().enumerate().filter(|(kind, _)| kinds >> kind & 1 == 1).map(|(_, count)| count).sum()
}

/// How many dates and timestamps of a column can be read both ways, and the first row with one.
pub(crate) fn open_dates(column: &Column) -> (u64, Option<u64>) {
    let kinds = [Kind::DateEither, Kind::StampEither];
    let count = kinds.iter().map(|kind| column.count(*kind)).sum();
    (count, kinds.iter().filter_map(|kind| column.first_row(*kind)).min())
}
