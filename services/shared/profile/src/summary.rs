//! A column once all its cells are known.

use sketch::{DistinctSample, Estimate, Frequent, Sampled, TopValue, at_ranks};

use crate::budget::Budget;
use crate::cell::{Kind, Value, classify};
use crate::cells::Cell;
use crate::column::{Column, Form, STRAYS, is_stray, is_value};
use crate::figures::{Figures, Lengths, Slot};
use crate::spread::Spread;

/// All figures of a column, and whether they are exact.
pub(crate) struct Summary<'a> {
    pub(crate) column: &'a Column,
    pub(crate) figures: Figures,
    /// Values of a column of text that are missing in any other.
    tokens_kept: bool,
    distinct: Estimate,
    frequent: Frequent,
    pub(crate) sample: DistinctSample,
}

/// Numbers or instants, by rank.
pub(crate) struct Spectrum {
    pub(crate) spread: Spread,
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
                figures: beyond.figures.clone(),
                tokens_kept: false,
                distinct: beyond.distinct.estimate(),
                frequent: beyond.frequent.clone(),
                sample: beyond.sample.clone(),
            },
            None => Self::exact(column),
        }
    }

    fn exact(column: &'a Column) -> Self {
        let count = column.cells().len();
        // Quantiles come from the cells themselves.
        let mut figures = Figures::new(8);
        let mut frequent = Frequent::new(count + crate::figures::TOKENS);
        let mut sample = DistinctSample::new(Budget::SAMPLE);
        let is_text = !matches!(column.form(), Form::Native(_));
        for (cell, kept) in column.cells().iter() {
            figures.add(cell, is_text.then_some(kept));
            if is_value(cell) && sample.wants(cell.normal) {
                sample.offer(cell.normal, cell.count, &column.text(cell, kept));
            }
        }
        figures.settle();
        let values = || column.cells().iter().filter(|(cell, _)| is_value(cell));
        frequent.absorb(values().map(|(cell, kept)| sketch::Counted {
            hash: cell.hash,
            count: cell.count,
            text: move || column.text(cell, kept),
        }));
        let distinct = Estimate::exact(values().count() as u64);
        Self { column, figures, tokens_kept: false, distinct, frequent, sample }
    }

    /// Tells whether every figure is exact, because all distinct cells are known.
    pub(crate) fn is_exact(&self) -> bool {
        self.column.beyond().is_none()
    }

    /// Counts tokens as values, once the column is known to be text.
    pub(crate) fn keep_tokens(&mut self) {
        self.tokens_kept = true;
        let mut scratch = String::new();
        let tokens = std::mem::take(&mut self.figures.tokens);
        for (token, count) in &tokens {
            self.figures.measure(token, Lengths::of_text(token, *count));
            self.sample.offer(crate::normal::text_hash(token, &mut scratch), *count, token);
        }
        self.distinct.value += tokens.len() as f64;
        self.frequent.absorb(tokens.iter().map(|(token, count)| sketch::Counted {
            hash: sketch::hash(token.as_bytes()),
            count: *count,
            text: || token.clone(),
        }));
    }

    /// Cells with a value.
    pub(crate) fn present(&self) -> u64 {
        let tokens = if self.tokens_kept { 0 } else { self.figures.count(Kind::Token) };
        self.figures.present() - tokens
    }

    /// Cells without one.
    pub(crate) fn missing(&self) -> u64 {
        let tokens = if self.tokens_kept { 0 } else { self.figures.count(Kind::Token) };
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

    /// How often each value occurs, where all are known.
    pub(crate) fn counts(&self) -> impl Iterator<Item = u64> {
        let tokens = self.tokens_kept;
        let kept = move |cell: &Cell| is_value(cell) || tokens && cell.kind == Kind::Token;
        self.column.cells().iter().filter(move |(cell, _)| kept(cell)).map(|(cell, _)| cell.count)
    }

    pub(crate) fn top(&self, limit: usize) -> Vec<TopValue> {
        self.frequent.top(limit)
    }

    /// The sample of distinct values, by rising hash.
    pub(crate) fn sampled(&self) -> Vec<Sampled> {
        self.sample.values()
    }

    /// The numbers of some slots; nothing when there are none.
    pub(crate) fn spectrum(&self, slots: &[Slot]) -> Option<Spectrum> {
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

impl Spectrum {
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
