//! A column once all its cells are known.

use std::borrow::Cow;

use sketch::{DistinctSample, Estimate, Frequent, TopValue, at_ranks};

use crate::beyond::{STRAYS, is_stray, is_value};
use crate::budget::Budget;
use crate::cell::{Kind, Value, classify};
use crate::cells::Cell;
use crate::column::Column;
use crate::figures::{Figures, Lengths, Slot};
use crate::form::Form;
use crate::spread::Spread;

/// All figures of a column, and whether they are exact.
pub(crate) struct Summary<'a> {
    pub(crate) column: &'a Column,
    pub(crate) figures: Cow<'a, Figures>,
    /// Values of a column of text that are missing in any other, while they count as values.
    tokens_kept: Option<Vec<(Box<str>, u64)>>,
    distinct: Estimate,
    /// Nothing where all distinct cells are known.
    frequent: Option<Cow<'a, Frequent>>,
    pub(crate) sample: Cow<'a, DistinctSample>,
}

/// Numbers or instants, by rank.
pub(crate) struct Spectrum<'a> {
    pub(crate) spread: Cow<'a, Spread>,
    /// By rising value, each with how many it stands for.
    pub(crate) weighted: Vec<(f64, u64)>,
    /// How far a rank may be off, 0 to 1; 0 when `weighted` is all there is.
    pub(crate) rank_error: f64,
}

impl<'a> Summary<'a> {
    pub(crate) fn new(column: &'a Column) -> Self {
        match column.beyond() {
            Some(beyond) => Self {
                column,
                figures: Cow::Borrowed(&beyond.figures),
                tokens_kept: None,
                distinct: beyond.distinct.estimate(),
                frequent: Some(Cow::Borrowed(&beyond.frequent)),
                sample: Cow::Borrowed(&beyond.sample),
            },
            None => Self::exact(column),
        }
    }

    fn exact(column: &'a Column) -> Self {
        // Quantiles come from the cells themselves.
        let mut figures = Figures::new(0);
        let mut sample = DistinctSample::new(Budget::SAMPLE);
        let is_text = !matches!(column.form(), Form::Native(_));
        let mut distinct = 0;
        for (cell, kept) in column.cells().iter() {
            figures.add(cell, is_text.then_some(kept));
            if is_value(cell) {
                distinct += 1;
                if sample.wants(cell.normal) {
                    sample.offer(cell.normal, cell.count, &column.text(cell, kept));
                }
            }
        }
        figures.settle();
        Self {
            column,
            figures: Cow::Owned(figures),
            tokens_kept: None,
            distinct: Estimate::exact(distinct),
            frequent: None,
            sample: Cow::Owned(sample),
        }
    }

    /// Tells whether every figure is exact, because all distinct cells are known.
    pub(crate) fn is_exact(&self) -> bool {
        self.column.beyond().is_none()
    }

    /// Counts tokens as values, once the column is known to be text.
    pub(crate) fn keep_tokens(&mut self) {
        if self.figures.tokens.is_empty() {
            self.tokens_kept = Some(Vec::new());
            return;
        }
        let mut scratch = String::new();
        let figures = self.figures.to_mut();
        let tokens = std::mem::take(&mut figures.tokens);
        for (token, count) in &tokens {
            figures.measure(token, Lengths::of_text(token, *count));
            self.sample.to_mut().offer(crate::normal::text_hash(token, &mut scratch), *count, token);
        }
        self.distinct.value += tokens.len() as f64;
        if let Some(frequent) = &mut self.frequent {
            frequent.to_mut().absorb(tokens.iter().map(|(token, count)| sketch::Counted {
                hash: sketch::hash(token.as_bytes()),
                count: *count,
                text: || token.clone(),
            }));
        }
        self.tokens_kept = Some(tokens);
    }

    /// Cells with a value.
    pub(crate) fn present(&self) -> u64 {
        let tokens = if self.tokens_kept.is_some() { 0 } else { self.figures.count(Kind::Token) };
        self.figures.present() - tokens
    }

    /// Cells without one.
    pub(crate) fn missing(&self) -> u64 {
        let tokens = if self.tokens_kept.is_some() { 0 } else { self.figures.count(Kind::Token) };
        self.column.missing + self.figures.count(Kind::Blank) + tokens
    }

    /// How many distinct values there are; never more than cells.
    pub(crate) fn distinct(&self) -> Estimate {
        let value = self.distinct.value.min(self.present() as f64);
        Estimate { value, ..self.distinct }
    }

    /// Cells that are neither numbers nor instants, with their counts and kinds, the most frequent first; none where
    /// there are many different ones.
    pub(crate) fn strays(&self) -> Vec<(String, u64, Kind)> {
        let mut strays: Vec<(String, u64, Kind)> = match self.column.beyond() {
            None => {
                let cells = self.column.cells().iter().filter(|(cell, _)| is_stray(cell)).take(STRAYS + 1);
                cells.map(|(cell, text)| (text.to_owned(), cell.count, cell.kind)).collect()
            }
            Some(beyond) => {
                let top = beyond.strays.iter().flat_map(|strays| strays.top(STRAYS));
                top.map(|top| (top.count, classify(top.text.trim(), false).0, top.text))
                    .map(|(c, k, t)| (t, c, k))
                    .collect()
            }
        };
        if strays.len() > STRAYS {
            return Vec::new();
        }
        strays.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        strays
    }

    /// Every value with its count, where all are known.
    pub(crate) fn values(&self) -> impl Iterator<Item = (Cow<'_, str>, u64)> {
        let tokens = self.tokens_kept.iter().flatten().map(|(token, count)| (Cow::Borrowed(token.as_ref()), *count));
        let cells = self.column.cells().iter().filter(|(cell, _)| is_value(cell));
        cells.map(|(cell, kept)| (self.column.text(cell, kept), cell.count)).chain(tokens)
    }

    /// How often each value occurs, where all are known.
    pub(crate) fn counts(&self) -> impl Iterator<Item = u64> {
        let tokens = self.tokens_kept.is_some();
        let kept = move |cell: &Cell| is_value(cell) || tokens && cell.kind == Kind::Token;
        self.column.cells().iter().filter(move |(cell, _)| kept(cell)).map(|(cell, _)| cell.count)
    }

    /// The most frequent values: by falling count, then by text.
    pub(crate) fn top(&self, limit: usize) -> Vec<TopValue> {
        match &self.frequent {
            Some(frequent) => frequent.top(limit),
            None => self.exact_top(limit),
        }
    }

    fn exact_top(&self, limit: usize) -> Vec<TopValue> {
        let tokens = self.tokens_kept.iter().flatten();
        let values = || self.column.cells().iter().filter(|(cell, _)| is_value(cell));
        let mut counts: Vec<u64> = tokens.clone().map(|(_, count)| *count).collect();
        counts.extend(values().map(|(cell, _)| cell.count));
        // Texts are made of those values alone that may be among the first.
        let least = match counts.len().checked_sub(limit.max(1)) {
            Some(beyond) => *counts.select_nth_unstable(beyond).1,
            None => 0,
        };
        let mut found: Vec<(u64, Cow<'_, str>)> = tokens
            .filter(|(_, count)| *count >= least)
            .map(|(token, count)| (*count, Cow::Borrowed(token.as_ref())))
            .collect();
        let often = values().filter(|(cell, _)| cell.count >= least);
        found.extend(often.map(|(cell, kept)| (cell.count, self.column.text(cell, kept))));
        let order = |a: &(u64, Cow<'_, str>), b: &(u64, Cow<'_, str>)| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1));
        if limit < found.len() {
            found.select_nth_unstable_by(limit, order);
            found.truncate(limit);
        }
        found.sort_by(order);
        let top = |(count, text): (u64, Cow<'_, str>)| TopValue { text: text.into_owned(), count, count_error: 0 };
        found.into_iter().map(top).collect()
    }

    /// The numbers of some slots; nothing when there are none.
    pub(crate) fn spectrum(&self, slots: &[Slot]) -> Option<Spectrum<'_>> {
        let spread = self.figures.merged(slots)?;
        if !self.is_exact() {
            let (weighted, rank_error) = (spread.quantiles.weighted(), spread.quantiles.rank_error());
            return Some(Spectrum { spread, weighted, rank_error });
        }
        let cells = self.column.cells().iter();
        let numbers = cells.flat_map(|(cell, _)| slots.iter().filter_map(move |slot| number_in(cell, *slot)));
        let mut weighted: Vec<(f64, u64)> = numbers.collect();
        weighted.sort_by(|a, b| a.0.total_cmp(&b.0));
        Some(Spectrum { spread, weighted, rank_error: 0.0 })
    }
}

impl Spectrum<'_> {
    /// The values at ranks, each 0 to 1.
    pub(crate) fn values(&self, ranks: &[f64]) -> Vec<f64> {
        at_ranks(&self.weighted, ranks)
    }
}

/// The number that a cell adds to a slot, with how often.
fn number_in(cell: &Cell, slot: Slot) -> Option<(f64, u64)> {
    let seconds = |micros: i64| micros as f64 / 1e6;
    let number = match (slot, cell.kind, cell.value) {
        (Slot::Integer, Kind::Integer, value) | (Slot::Float, Kind::Float, value) => value.number()?,
        (Slot::Date | Slot::Stamp | Slot::Time | Slot::Duration, kind, Value::Micros(micros))
            if slot_of(kind) == slot =>
        {
            seconds(micros)
        }
        (Slot::DateMonthFirst, Kind::DateMonthFirst, Value::Micros(micros))
        | (Slot::DateMonthFirst, Kind::DateEither, Value::TwoMicros(micros, _))
        | (Slot::DateDayFirst, Kind::DateDayFirst, Value::Micros(micros))
        | (Slot::DateDayFirst, Kind::DateEither, Value::TwoMicros(_, micros))
        | (Slot::StampMonthFirst, Kind::StampMonthFirst, Value::Micros(micros))
        | (Slot::StampMonthFirst, Kind::StampEither, Value::TwoMicros(micros, _))
        | (Slot::StampDayFirst, Kind::StampDayFirst, Value::Micros(micros))
        | (Slot::StampDayFirst, Kind::StampEither, Value::TwoMicros(_, micros)) => seconds(micros),
        _ => return None,
    };
    Some((number, cell.count))
}

fn slot_of(kind: Kind) -> Slot {
    match kind {
        Kind::Time => Slot::Time,
        Kind::Duration => Slot::Duration,
        Kind::Stamp | Kind::StampZoned => Slot::Stamp,
        _ => Slot::Date,
    }
}
