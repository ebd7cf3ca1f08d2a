//! The summaries of a column with many distinct cells.

use sketch::{Corrupt, Counted, Distinct, DistinctSample, Frequent, Reader, Writer};

use crate::budget::Budget;
use crate::cell::Kind;
use crate::cells::Cell;
use crate::figures::Figures;
use crate::form::Form;

/// The summaries of a column with many distinct cells.
#[derive(Debug, Clone)]
pub(crate) struct Beyond {
    pub(crate) figures: Figures,
    pub(crate) distinct: Distinct,
    pub(crate) sample: DistinctSample,
    pub(crate) frequent: Frequent,
    /// Cells that are neither numbers nor instants, as long as there are few different ones.
    pub(crate) strays: Option<Frequent>,
}

/// How many different strays are counted.
pub(crate) const STRAYS: usize = 64;

impl Beyond {
    pub(crate) fn new(budget: &Budget) -> Self {
        Self {
            figures: Figures::new(budget.ranks),
            distinct: Distinct::new(budget.lg_k),
            sample: DistinctSample::new(budget.sample),
            frequent: Frequent::new(budget.frequent),
            strays: Some(Frequent::new(STRAYS)),
        }
    }

    pub(crate) fn absorb<'c>(&mut self, cells: impl Iterator<Item = (&'c Cell, &'c str)> + Clone, form: Form) {
        let is_text = !matches!(form, Form::Native(_));
        for (cell, text) in cells.clone() {
            self.figures.add(cell, is_text.then_some(text));
            if is_value(cell) {
                self.distinct.add(cell.hash);
                if self.sample.wants(cell.normal) {
                    self.sample.offer(cell.normal, cell.count, &form.text(cell, text));
                }
            }
        }
        self.frequent.absorb(counted(cells.clone(), form, is_value));
        if let Some(strays) = &mut self.strays {
            strays.absorb(counted(cells, form, is_stray));
        }
        self.drop_strays();
    }

    fn drop_strays(&mut self) {
        if self.strays.as_ref().is_some_and(|strays| strays.count_error() > 0) {
            self.strays = None;
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.figures.merge(other.figures);
        self.distinct.merge(&other.distinct);
        self.sample.merge(&other.sample);
        self.frequent.merge(&other.frequent);
        match (&mut self.strays, &other.strays) {
            (Some(ours), Some(theirs)) => ours.merge(theirs),
            (_, None) | (None, _) => self.strays = None,
        }
        self.drop_strays();
    }

    pub(crate) fn encode(&self, out: &mut Writer) {
        self.figures.encode(out);
        self.distinct.encode(out);
        self.sample.encode(out);
        self.frequent.encode(out);
        out.optional(self.strays.as_ref(), |out, strays| strays.encode(out));
    }

    pub(crate) fn decode(from: &mut Reader<'_>) -> Result<Self, Corrupt> {
        Ok(Self {
            figures: Figures::decode(from)?,
            distinct: Distinct::decode(from)?,
            sample: DistinctSample::decode(from)?,
            frequent: Frequent::decode(from)?,
            strays: from.optional(Frequent::decode)?,
        })
    }
}

/// Cells that are values whatever the type of the column.
pub(crate) fn is_value(cell: &Cell) -> bool {
    !matches!(cell.kind, Kind::Token | Kind::Blank)
}

/// Cells that are neither numbers nor instants, nor anything else with a form of its own.
pub(crate) fn is_stray(cell: &Cell) -> bool {
    matches!(cell.kind, Kind::Text | Kind::Boolean)
}

/// Cells with their counts, whose texts are made when they are asked for.
fn counted<'c>(
    cells: impl Iterator<Item = (&'c Cell, &'c str)> + Clone,
    form: Form,
    chosen: impl Fn(&Cell) -> bool + Copy,
) -> impl Iterator<Item = Counted<impl FnOnce() -> Box<str>>> + Clone {
    cells.filter(move |(cell, _)| chosen(cell)).map(move |(cell, text)| Counted {
        hash: cell.hash,
        count: cell.count,
        text: move || form.text(cell, text).into(),
    })
}
