//! Numbers by key, so that columns of different tables tell how they correlate before anybody joins them.

use proto::profiling::v1::{ColumnProfile, CorrelationSketch, StructuralType};
use sketch::{Corrupt, KeyedLanes, KeyedNumbers, LANES, Reader, Writer};

use crate::budget::Budget;
use crate::cell::{Kind, Value};
use crate::cells::Cell;
use crate::decide;
use crate::form::Form;
use crate::layout::Layout;
use crate::native::Native;
use crate::normal::normal_hash;
use crate::partial::Partial;
use crate::summary::Summary;

/// How many key columns are looked at.
pub(crate) const KEYS: usize = 6;
/// Whole numbers from here on may name something; those of one or two digits count and grade.
const LEAST_NAME: u64 = 100;
/// A column with fewer keys tells nothing.
const LEAST_KEYS: usize = 8;
/// Kinds of cell that may be a key: whole numbers, texts and days. Numbers with a fraction measure, they do not name.
const KEY_KINDS: u32 = {
    let kinds = [
        Kind::Integer,
        Kind::Text,
        Kind::Date,
        Kind::DateEither,
        Kind::DateMonthFirst,
        Kind::DateDayFirst,
        Kind::Stamp,
        Kind::StampZoned,
        Kind::StampEither,
        Kind::StampMonthFirst,
        Kind::StampDayFirst,
    ];
    let (mut mask, mut at) = (0, 0);
    while at < kinds.len() {
        mask |= 1 << kinds[at] as u32;
        at += 1;
    }
    mask
};

/// The numbers of a table by the keys of its first columns.
///
/// Key columns are the first [`KEYS`] that have a cell which may be a key; beside them stand the first [`LANES`] columns
/// that have a number. A column that is among the first of the whole is so in every part that has such a cell of it, so
/// parts merge to the whole.
#[derive(Debug, Clone)]
pub(crate) struct Keyed {
    k: usize,
    /// The columns of numbers, by position.
    lanes: Vec<usize>,
    keys: Vec<(usize, KeyedLanes)>,
}

/// The rows of a batch whose keys are wanted in a column.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    limit: u64,
    rows: Vec<(u32, u64)>,
}

impl Wanted {
    #[inline]
    pub(crate) fn offer(&mut self, row: usize, cell: &Cell) {
        if cell.normal < self.limit && KEY_KINDS >> cell.kind as u32 & 1 == 1 && !is_little(cell) {
            self.rows.push((row as u32, cell.normal));
        }
    }
}

/// Tells whether a cell is a whole number of one or two digits.
#[inline]
fn is_little(cell: &Cell) -> bool {
    let Value::Integer(number) = cell.value else { return false };
    number.unsigned_abs() < LEAST_NAME && (cell.length < 3 || !is_long_code(cell, number.unsigned_abs() as u8))
}

/// Tells whether a whole number below 100 was written with three digits or more, as `007` is. Such a code is hashed as
/// text, which is not that of `07`, `+7` or `+07`; its length may come from white space.
fn is_long_code(cell: &Cell, number: u8) -> bool {
    let [tens, ones] = [b'0' + number / 10, b'0' + number % 10];
    let short: [&[u8]; 3] = [&[tens, ones], &[b'+', ones], &[b'+', tens, ones]];
    cell.normal != normal_hash("", cell.kind, cell.value, &mut String::new())
        && short.iter().all(|code| cell.normal != sketch::hash(code))
}

/// Tells whether cells that come like this may be keys.
fn may_be_keys(form: Form) -> bool {
    match form {
        Form::Text { .. } => true,
        Form::Declared => false,
        Form::Native(native) => matches!(native, Native::Integer | Native::Date | Native::Stamp { .. }),
    }
}

impl Keyed {
    /// No rows; at most `k` keys of each column.
    pub(crate) fn new(k: usize) -> Self {
        Self { k, lanes: Vec::new(), keys: Vec::new() }
    }

    /// Begins a batch: which keys of a column are wanted; none where enough columns stand before it.
    pub(crate) fn begin<'w>(&self, column: usize, form: Form, wanted: &'w mut Wanted) -> Option<&'w mut Wanted> {
        wanted.rows.clear();
        if !may_be_keys(form) {
            return None;
        }
        wanted.limit = match self.keys.binary_search_by_key(&column, |(key, _)| *key) {
            Ok(at) => self.keys[at].1.limit(),
            Err(at) if at < KEYS => u64::MAX,
            Err(_) => return None,
        };
        Some(wanted)
    }

    /// Tells whether the numbers of a column are wanted, if it has any.
    pub(crate) fn wants_numbers(&self, column: usize) -> bool {
        self.lanes.len() < LANES || self.lanes.last().is_some_and(|last| column <= *last)
    }

    /// Takes the rows of a batch: those that are wanted of each column, and the numbers of each column that has some.
    pub(crate) fn add(&mut self, wanted: &[Wanted], numbers: &[Vec<f64>]) {
        for (column, numbers) in numbers.iter().enumerate() {
            let is_new = self.wants_numbers(column) && !self.lanes.contains(&column);
            if is_new && numbers.iter().any(|number| number.is_finite()) {
                let mut lanes = self.lanes.clone();
                lanes.push(column);
                self.set_lanes(lanes);
            }
        }
        for (column, _) in wanted.iter().enumerate().filter(|(_, wanted)| !wanted.rows.is_empty()) {
            if let Err(at) = self.keys.binary_search_by_key(&column, |(key, _)| *key)
                && at < KEYS
            {
                self.keys.insert(at, (column, KeyedLanes::new(self.k)));
                self.keys.truncate(KEYS);
            }
        }
        let lanes: Vec<&[f64]> = self.lanes.iter().map(|column| numbers[*column].as_slice()).collect();
        for (column, keyed) in &mut self.keys {
            for (row, key) in &wanted[*column].rows {
                let Some(sums) = keyed.of_key(*key) else { continue };
                for (lane, numbers) in lanes.iter().enumerate() {
                    let number = numbers[*row as usize];
                    if number.is_finite() {
                        sums.add(lane, number);
                    }
                }
            }
        }
    }

    /// Sorts the columns of numbers, keeps the first of them, and lets sums go with their columns.
    fn set_lanes(&mut self, mut lanes: Vec<usize>) {
        lanes.sort_unstable();
        lanes.dedup();
        lanes.truncate(LANES);
        if lanes == self.lanes {
            return;
        }
        let mut from = [None; LANES];
        for (from, lane) in from.iter_mut().zip(&lanes) {
            *from = self.lanes.iter().position(|old| old == lane);
        }
        self.keys.iter_mut().for_each(|(_, keyed)| keyed.rearrange(&from));
        self.lanes = lanes;
    }

    /// Ends a run of rows: gives back memory.
    pub(crate) fn seal(&mut self) {
        self.keys.iter_mut().for_each(|(_, keyed)| keyed.prune());
    }

    /// Takes what was seen of the same table in other rows.
    pub(crate) fn merge(&mut self, mut other: Self) {
        self.k = self.k.min(other.k);
        let lanes: Vec<usize> = self.lanes.iter().chain(&other.lanes).copied().collect();
        other.set_lanes(lanes.clone());
        self.set_lanes(lanes);
        for (column, theirs) in other.keys {
            match self.keys.binary_search_by_key(&column, |(key, _)| *key) {
                Ok(at) => self.keys[at].1.merge(&theirs),
                Err(at) => self.keys.insert(at, (column, theirs)),
            }
        }
        self.keys.truncate(KEYS);
    }

    /// The numbers of a column by the keys of another; nothing where they were not kept.
    fn numbers(&self, key: usize, number: usize) -> Option<KeyedNumbers> {
        let lane = self.lanes.iter().position(|column| *column == number)?;
        let (_, keyed) = self.keys.iter().find(|(column, _)| *column == key)?;
        Some(keyed.lane(lane))
    }

    pub(crate) fn encode(&self, out: &mut Writer) {
        out.number(self.k as u64);
        out.number(self.lanes.len() as u64);
        self.lanes.iter().for_each(|column| out.number(*column as u64));
        out.number(self.keys.len() as u64);
        for (column, keyed) in &self.keys {
            out.number(*column as u64);
            keyed.encode(self.lanes.len(), out);
        }
    }

    /// Reads back a summary of a table of so many columns.
    pub(crate) fn decode(from: &mut Reader<'_>, columns: usize) -> Result<Self, Corrupt> {
        let k = usize::try_from(from.number()?).ok().filter(|k| *k <= Budget::KEYS).ok_or(from.corrupt())?;
        let mut found = Self::new(k);
        let column = |from: &mut Reader<'_>, before: Option<usize>| {
            let column = usize::try_from(from.number()?).map_err(|_| from.corrupt())?;
            let rises = before.is_none_or(|before| before < column);
            if rises && column < columns { Ok(column) } else { Err(from.corrupt()) }
        };
        for _ in 0..from.length(1)? {
            let lane = column(from, found.lanes.last().copied())?;
            found.lanes.push(lane);
        }
        for _ in 0..from.length(10)? {
            let key = column(from, found.keys.last().map(|(key, _)| *key))?;
            found.keys.push((key, KeyedLanes::decode(found.lanes.len(), from)?));
        }
        if found.keys.len() > KEYS || found.lanes.len() > LANES { Err(from.corrupt()) } else { Ok(found) }
    }
}

/// Tells whether values of this type name something.
fn names(kind: StructuralType) -> bool {
    use StructuralType::{Date, Integer, Text, Timestamp, TimestampWithZone};
    matches!(kind, Text | Integer | Date | Timestamp | TimestampWithZone)
}

fn measures(kind: StructuralType) -> bool {
    matches!(kind, StructuralType::Integer | StructuralType::Float | StructuralType::Decimal)
}

/// What the profile says of the sketches that its state holds.
pub(crate) fn describe(keyed: &Keyed, columns: &[ColumnProfile]) -> Vec<CorrelationSketch> {
    let told = keyed.keys.iter().filter_map(|(key, lanes)| {
        let (count, complete) = lanes.keys();
        if count < LEAST_KEYS || !names(columns[*key].structural_type()) {
            return None;
        }
        let numbers = keyed.lanes.iter().filter(|lane| *lane != key && measures(columns[**lane].structural_type()));
        let number_columns: Vec<String> = numbers.map(|lane| columns[*lane].column.clone()).collect();
        (!number_columns.is_empty()).then(|| CorrelationSketch {
            key_column: columns[*key].column.clone(),
            number_columns,
            key_count: i32::try_from(count).unwrap_or(i32::MAX),
            complete,
            least_error: if complete { 0.0 } else { (1.96 / ((count - 3) as f64).sqrt()).tanh() },
        })
    });
    told.collect()
}

/// The numbers of one column by the keys of another, by name; nothing for a pair that [`describe`] does not list.
pub(crate) fn keyed_numbers(layout: &Layout, partial: &Partial, key: &str, number: &str) -> Option<KeyedNumbers> {
    let at = |name: &str| layout.names.iter().position(|other| other == name);
    let (key, number) = (at(key)?, at(number)?);
    let kind = |column: usize| {
        let summary = Summary::new(&partial.columns[column]);
        decide::decide(&summary, layout.declared[column]).structural_type
    };
    let (_, lanes) = partial.keyed.keys.iter().find(|(column, _)| *column == key)?;
    let told = key != number && lanes.keys().0 >= LEAST_KEYS && names(kind(key)) && measures(kind(number));
    partial.keyed.numbers(key, number).filter(|_| told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::classify;

    fn cell(text: &str) -> Cell {
        let (kind, value) = classify(text.trim(), false);
        let normal = normal_hash(text.trim(), kind, value, &mut String::new());
        Cell::new(0, normal, (kind, value), text)
    }

    #[test]
    fn whole_numbers_of_one_or_two_digits_are_little_and_codes_of_three_are_not() {
        for text in ["0", "7", "-12", "99", " 7 ", "07", "  07", "00  ", "+7", "+07", "+12", "  +7"] {
            assert!(is_little(&cell(text)), "{text}");
        }
        for text in ["100", "-100", "007", " 012 ", "000", "0012", "+007"] {
            assert!(!is_little(&cell(text)), "{text}");
        }
    }

    #[test]
    fn more_keys_than_any_budget_has_are_refused() {
        for (k, good) in [(Budget::KEYS as u64, true), (Budget::KEYS as u64 + 1, false), (u64::MAX, false)] {
            let mut out = Writer::default();
            for number in [k, 0, 0] {
                out.number(number);
            }
            assert_eq!(Keyed::decode(&mut Reader::new(&out.finish()), 3).is_ok(), good, "{k}");
        }
    }
}
