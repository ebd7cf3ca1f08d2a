//! What is remembered of one column while its cells go by.

use arrow::array::{Array, StringArray};
use sketch::ValueCounts;

use crate::budget::Budget;
use crate::cell::{Kind, Value, classify};
use crate::spread::Spread;

/// How many places of each kind are remembered, and so at least as many misfits.
const FIRSTS: usize = 5;
/// How many spellings of `NA` and its like are told apart.
const TOKENS: usize = 64;
/// How many bytes of a cell are kept.
const CELL_BYTES: usize = 256;

/// A summary of numbers of one kind. Dates that may be read in two ways feed two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    Integer,
    Float,
    Time,
    Date,
    DateMonthFirst,
    DateDayFirst,
    Stamp,
    StampMonthFirst,
    StampDayFirst,
}

impl Slot {
    const COUNT: usize = Self::StampDayFirst as usize + 1;
}

/// One column.
pub(crate) struct Column {
    budget: Budget,
    decimal_comma: bool,
    pub(crate) missing: u64,
    pub(crate) counts: [u64; Kind::COUNT],
    /// The first cells of each kind; empty until there is one.
    firsts: Vec<Vec<(u64, Box<str>)>>,
    spreads: [Option<Box<Spread>>; Slot::COUNT],
    /// All present cells but tokens, which may turn out missing.
    pub(crate) values: ValueCounts,
    pub(crate) tokens: Vec<(Box<str>, u64)>,
    pub(crate) range: Option<(String, String)>,
    /// The spellings of truth that were met.
    pub(crate) spellings: u8,
    pub(crate) codes: Codes,
}

/// Whole numbers that may be codes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Codes {
    pub(crate) leading_zeros: u64,
    pub(crate) first_row: u64,
    pub(crate) lengths: Option<(usize, usize)>,
}

impl Column {
    pub(crate) fn new(budget: Budget, decimal_comma: bool) -> Self {
        Self {
            budget,
            decimal_comma,
            missing: 0,
            counts: [0; Kind::COUNT],
            firsts: Vec::new(),
            spreads: Default::default(),
            values: ValueCounts::new(budget.values, budget.lg_k),
            tokens: Vec::new(),
            range: None,
            spellings: 0,
            codes: Codes::default(),
        }
    }

    /// Takes the cells of the next rows; `first_row` is the number of the first of them.
    pub(crate) fn add_all(&mut self, cells: &StringArray, first_row: u64) {
        if cells.null_count() == cells.len() {
            self.missing += cells.len() as u64;
            return;
        }
        for (row, cell) in (first_row..).zip(cells.iter()) {
            match cell {
                Some(cell) => self.add(row, cell),
                None => self.missing += 1,
            }
        }
    }

    fn add(&mut self, row: u64, cell: &str) {
        let trimmed = cell.trim();
        if trimmed.is_empty() {
            self.missing += 1;
            return;
        }
        let (kind, value) = classify(trimmed, self.decimal_comma);
        let count = &mut self.counts[kind as usize];
        *count += 1;
        if *count <= FIRSTS as u64 {
            self.remember(kind, row, cell);
        }
        if kind == Kind::Token {
            return self.add_token(cell);
        }
        self.values.add(cell, 1);
        widen(&mut self.range, cell);
        self.summarise(kind, value);
        if kind == Kind::Integer {
            self.codes.add(trimmed, row);
        }
    }

    fn summarise(&mut self, kind: Kind, value: Value) {
        match value {
            Value::Nothing => {}
            Value::Spelling(bit) => self.spellings |= bit,
            Value::Number(number) => {
                self.spread(if kind == Kind::Integer { Slot::Integer } else { Slot::Float }).add(number);
            }
            Value::Micros(micros) => {
                let slot = match kind {
                    Kind::Time => Slot::Time,
                    Kind::DateMonthFirst => Slot::DateMonthFirst,
                    Kind::DateDayFirst => Slot::DateDayFirst,
                    Kind::Stamp => Slot::Stamp,
                    Kind::StampMonthFirst => Slot::StampMonthFirst,
                    Kind::StampDayFirst => Slot::StampDayFirst,
                    _ => Slot::Date,
                };
                self.spread(slot).add_micros(micros);
            }
            Value::TwoMicros(month_first, day_first) => {
                let stamp = kind == Kind::StampEither;
                let slot = if stamp { Slot::StampMonthFirst } else { Slot::DateMonthFirst };
                self.spread(slot).add_micros(month_first);
                let slot = if stamp { Slot::StampDayFirst } else { Slot::DateDayFirst };
                self.spread(slot).add_micros(day_first);
            }
        }
    }

    fn spread(&mut self, slot: Slot) -> &mut Spread {
        self.spreads[slot as usize].get_or_insert_with(|| Box::new(Spread::new(&self.budget)))
    }

    fn remember(&mut self, kind: Kind, row: u64, cell: &str) {
        if self.firsts.is_empty() {
            self.firsts.resize(Kind::COUNT, Vec::new());
        }
        self.firsts[kind as usize].push((row, cut(cell).into()));
    }

    fn add_token(&mut self, cell: &str) {
        // Spelt with other capitals or spaces: there are few, and each is short.
        let known = self.tokens.iter().position(|(token, _)| token.as_ref() == cell);
        match known.or_else(|| (self.tokens.len() >= TOKENS).then_some(TOKENS - 1)) {
            Some(index) => self.tokens[index].1 += 1,
            None => self.tokens.push((cut(cell).into(), 1)),
        }
    }

    /// Counts the tokens as values, once the column is known to be text.
    pub(crate) fn keep_tokens(&mut self) {
        for (token, count) in std::mem::take(&mut self.tokens) {
            self.values.add(&token, count);
            widen(&mut self.range, &token);
        }
    }

    /// How many cells are of a kind.
    pub(crate) fn count(&self, kind: Kind) -> u64 {
        self.counts[kind as usize]
    }

    /// The first row with a cell of a kind.
    pub(crate) fn first_row(&self, kind: Kind) -> Option<u64> {
        self.firsts.get(kind as usize)?.first().map(|(row, _)| *row)
    }

    /// The first cells of those kinds, with their rows.
    pub(crate) fn first_cells(&self, kinds: impl Fn(usize) -> bool) -> Vec<(u64, &str)> {
        let chosen = self.firsts.iter().enumerate().filter(|(kind, _)| kinds(*kind));
        let mut cells: Vec<(u64, &str)> =
            chosen.flat_map(|(_, firsts)| firsts.iter().map(|(row, cell)| (*row, cell.as_ref()))).collect();
        cells.sort_unstable();
        cells.truncate(FIRSTS);
        cells
    }

    /// The merged summary of some slots; nothing when all are empty.
    pub(crate) fn merged(&self, slots: &[Slot]) -> Option<Spread> {
        let mut filled = slots.iter().filter_map(|slot| self.spreads[*slot as usize].as_deref());
        let mut merged = filled.next()?.clone();
        filled.for_each(|spread| merged.merge(spread));
        Some(merged)
    }
}

impl Codes {
    fn add(&mut self, digits: &str, row: u64) {
        let length = digits.len();
        if length > 1 && digits.starts_with('0') {
            if self.leading_zeros == 0 {
                self.first_row = row;
            }
            self.leading_zeros += 1;
        }
        let (least, most) = self.lengths.unwrap_or((length, length));
        self.lengths = Some((least.min(length), most.max(length)));
    }

    /// Numbers of one length, some of which begin with 0, are codes. Two digits may be an hour or a month.
    pub(crate) fn are_codes(&self) -> bool {
        self.leading_zeros > 0 && self.lengths.is_some_and(|(least, most)| least == most && least > 2)
    }
}

/// Cuts a text to what is kept of a cell, at a character boundary.
pub(crate) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(CELL_BYTES)]
}

fn widen(range: &mut Option<(String, String)>, cell: &str) {
    let Some((least, greatest)) = range else {
        *range = Some((cut(cell).to_owned(), cut(cell).to_owned()));
        return;
    };
    let place = if cell < least.as_str() {
        least
    } else if cell > greatest.as_str() {
        greatest
    } else {
        return;
    };
    place.clear();
    place.push_str(cut(cell));
}
