//! What is remembered of one column while its cells go by.

use std::borrow::Cow;

use arrow::array::{Array, StringArray};
use sketch::{Corrupt, Reader, Writer};

use crate::beyond::Beyond;
use crate::budget::Budget;
use crate::cell::{Kind, Value, classify};
use crate::cells::{CELL_BYTES, Cell, Cells};
use crate::figures::has_leading_zero;
use crate::form::Form;
use crate::normal::{normal_hash, trimmed};
use crate::order::Order;
use crate::rows::RowHashes;

/// How many places of each kind are remembered, and so at least as many misfits.
pub(crate) const FIRSTS: usize = 5;
/// Once a column has more distinct cells than are kept, cells are counted in runs of about as many distinct ones.
const RUN: usize = 2_048;
/// How many cells are looked at before any of them is counted.
const STRETCH: usize = 64;
/// What stands for a missing cell in the hash of a row.
const MISSING: u64 = 0x5bd1_e995;

/// The hash of a cell, and where a look at many of them found it, see [`Cells::guess`].
type Seen = (u64, u32);

/// One column.
///
/// As long as there are few distinct cells, they are all there is, and every figure follows from them. With the first
/// one too many, what is there goes into summaries, and from then on does so in runs.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    budget: Budget,
    form: Form,
    pub(crate) missing: u64,
    cells: Cells,
    beyond: Option<Box<Beyond>>,
    /// The first cells of each kind.
    firsts: Vec<(Kind, u64, Box<str>)>,
    /// The kinds of which not all first cells are known yet.
    open: u32,
    pub(crate) order: Order,
    /// The first row with a number that begins with 0.
    pub(crate) first_code: Option<u64>,
    /// Whether a cell was a number, while rows are added.
    numeric: bool,
    /// The cell before, while it is among `cells`.
    last: Option<usize>,
    scratch: String,
}

impl Column {
    pub(crate) fn new(budget: Budget, form: Form) -> Self {
        Self {
            budget,
            form,
            missing: 0,
            cells: Cells::default(),
            beyond: None,
            firsts: Vec::new(),
            open: u32::MAX,
            order: Order::default(),
            first_code: None,
            numeric: false,
            last: None,
            scratch: String::new(),
        }
    }

    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// Tells whether any of the cells that were added is a number; of columns of values, whether one may be.
    pub(crate) fn has_numbers(&self) -> bool {
        match self.form {
            Form::Native(native) => native.is_number(),
            Form::Text { .. } => self.numeric,
            Form::Declared => false,
        }
    }

    pub(crate) fn cells(&self) -> &Cells {
        &self.cells
    }

    pub(crate) fn beyond(&self) -> Option<&Beyond> {
        self.beyond.as_deref()
    }

    /// Takes the cells of the next rows; `first_row` is the number of the first of them. The hashes of the rows take
    /// those of the cells, `numbers` the numbers that they are, NaN for none.
    pub(crate) fn add_texts(
        &mut self,
        cells: &StringArray,
        first_row: u64,
        rows: &mut RowHashes<'_>,
        numbers: Option<&mut Vec<f64>>,
    ) {
        if cells.null_count() == cells.len() {
            return self.add_missing(cells.len(), rows, numbers);
        }
        let (mut hashes, mut guesses) = ([0; STRETCH], [0; STRETCH]);
        let mut numbers = numbers;
        for start in (0..cells.len()).step_by(STRETCH) {
            let count = STRETCH.min(cells.len() - start);
            for (hash, row) in hashes.iter_mut().zip(start..start + count) {
                *hash = sketch::hash(cells.value(row).as_bytes());
            }
            self.cells.guess(&hashes[..count], &mut guesses[..count]);
            for index in 0..count {
                let row = start + index;
                let seen = (hashes[index], guesses[index]);
                let place = cells.is_valid(row).then(|| self.add_text(cells.value(row), seen, first_row + row as u64));
                self.account(row, place, rows, &mut numbers);
            }
        }
    }

    /// Takes the values of the next rows, each with the hash of its bits.
    pub(crate) fn add_values(
        &mut self,
        mut values: impl Iterator<Item = Option<(u64, Kind, Value)>>,
        first_row: u64,
        rows: &mut RowHashes<'_>,
        mut numbers: Option<&mut Vec<f64>>,
    ) {
        let (mut hashes, mut guesses) = ([0; STRETCH], [0; STRETCH]);
        let mut stretch = Vec::with_capacity(STRETCH);
        let mut row = 0;
        loop {
            stretch.clear();
            stretch.extend(values.by_ref().take(STRETCH));
            if stretch.is_empty() {
                return;
            }
            for (hash, value) in hashes.iter_mut().zip(&stretch) {
                *hash = value.map_or(0, |(hash, ..)| hash);
            }
            self.cells.guess(&hashes[..stretch.len()], &mut guesses[..stretch.len()]);
            for (value, guess) in stretch.iter().zip(guesses) {
                let place =
                    value.map(|(hash, kind, value)| self.add_value((hash, guess), kind, value, first_row + row as u64));
                self.account(row, place, rows, &mut numbers);
                row += 1;
            }
        }
    }

    fn account(
        &mut self,
        row: usize,
        place: Option<usize>,
        rows: &mut RowHashes<'_>,
        numbers: &mut Option<&mut Vec<f64>>,
    ) {
        let cell = place.map(|place| self.cells.get(place));
        match cell {
            Some(cell) => {
                rows.add(row, cell.hash, cell.normal);
                rows.want(row, cell);
            }
            None => {
                self.missing += 1;
                rows.add(row, MISSING, MISSING);
            }
        }
        if let Some(numbers) = numbers {
            numbers.push(cell.and_then(|cell| cell.value.number()).unwrap_or(f64::NAN));
        }
    }

    fn add_missing(&mut self, count: usize, rows: &mut RowHashes<'_>, numbers: Option<&mut Vec<f64>>) {
        self.missing += count as u64;
        (0..count).for_each(|row| rows.add(row, MISSING, MISSING));
        if let Some(numbers) = numbers {
            numbers.resize(numbers.len() + count, f64::NAN);
        }
    }

    /// Counts a cell and tells its place.
    fn add_text(&mut self, text: &str, seen: Seen, row: u64) -> usize {
        let slot = match self.known(seen, row, |_| text) {
            Ok(place) => return place,
            Err(slot) => slot,
        };
        let trimmed = trimmed(text);
        let (kind, value) = match self.form {
            Form::Text { decimal_comma } => classify(trimmed, decimal_comma),
            _ => (Kind::Text, Value::Nothing),
        };
        self.numeric |= matches!(kind, Kind::Integer | Kind::Float);
        let normal = normal_hash(trimmed, kind, value, &mut self.scratch);
        if kind == Kind::Integer && self.first_code.is_none() && has_leading_zero(trimmed) {
            self.first_code = Some(row);
        }
        let cell = Cell::new(seen.0, normal, (kind, value), text);
        self.insert(slot, cell, Some(text), row)
    }

    fn add_value(&mut self, seen: Seen, kind: Kind, value: Value, row: u64) -> usize {
        let Form::Native(native) = self.form else { unreachable!("values come in columns of values") };
        let slot = match self.known(seen, row, |value| native.render(value)) {
            Ok(place) => return place,
            Err(slot) => slot,
        };
        let normal = normal_hash("", kind, value, &mut self.scratch);
        self.insert(slot, Cell::new(seen.0, normal, (kind, value), ""), None, row)
    }

    /// Counts a cell that was seen before and tells its place, or the slot that it would take.
    fn known<T: AsRef<str>>(
        &mut self,
        (hash, guess): Seen,
        row: u64,
        text: impl FnOnce(Value) -> T,
    ) -> Result<usize, usize> {
        let place = match self.last.filter(|last| self.cells.get(*last).hash == hash) {
            Some(last) => last,
            None => self.cells.find_near(hash, guess)?,
        };
        let cell = self.cells.count(place, 1);
        let (kind, value) = (cell.kind, cell.value);
        if self.open >> kind as u32 & 1 == 1 {
            self.remember(kind, row, text(value).as_ref());
        }
        self.follow(place, kind, value);
        Ok(place)
    }

    fn insert(&mut self, mut slot: usize, cell: Cell, text: Option<&str>, row: u64) -> usize {
        if self.cells.len() >= self.room() {
            self.spill();
            slot = self.cells.find(cell.hash).unwrap_or_else(|slot| slot);
        }
        let place = self.cells.insert(slot, cell, text.unwrap_or_default());
        if self.open >> cell.kind as u32 & 1 == 1 {
            let text = text.map_or_else(|| self.text(&cell, ""), Cow::Borrowed);
            self.remember(cell.kind, row, &text);
        }
        self.follow(place, cell.kind, cell.value);
        place
    }

    /// How many distinct cells may wait.
    fn room(&self) -> usize {
        if self.beyond.is_some() { self.budget.values.min(RUN) } else { self.budget.values }
    }

    fn follow(&mut self, place: usize, kind: Kind, value: Value) {
        if self.order.is_open() && !matches!(kind, Kind::Token | Kind::Blank) {
            if self.last == Some(place) {
                self.order.repeat();
            } else {
                let text = self.is_text().then(|| self.cells.text(self.cells.get(place)));
                self.order.step(text, value);
            }
        }
        self.last = Some(place);
    }

    fn is_text(&self) -> bool {
        !matches!(self.form, Form::Native(_))
    }

    fn remember(&mut self, kind: Kind, row: u64, text: &str) {
        let known = self.firsts.iter().filter(|(other, ..)| *other == kind).count();
        if known < FIRSTS {
            self.firsts.push((kind, row, cut(text).into()));
        }
        if known + 1 >= FIRSTS {
            self.open &= !(1 << kind as u32);
        }
    }

    /// Moves the cells into summaries.
    fn spill(&mut self) {
        let mut cells = std::mem::take(&mut self.cells);
        let mut beyond = match self.beyond.take() {
            Some(beyond) => beyond,
            None => Box::new(Beyond::new(&self.budget)),
        };
        beyond.absorb(cells.iter(), self.form);
        self.beyond = Some(beyond);
        cells.clear(self.room());
        self.cells = cells;
        self.last = None;
    }

    /// Ends a run of rows: what follows may be merged, and is not added.
    pub(crate) fn seal(&mut self) {
        if self.beyond.is_some() && self.cells.len() > 0 {
            self.spill();
        }
        if self.beyond.is_some() {
            self.cells = Cells::default();
        }
        if let Some(beyond) = &mut self.beyond {
            beyond.figures.settle();
        }
        self.cells.shrink();
        self.last = None;
    }

    /// Takes what a column with the cells of the rows that follow, from `rows_before` on, has seen. Both are sealed.
    pub(crate) fn merge(&mut self, mut other: Self, rows_before: u64) {
        self.budget = self.budget.least(other.budget);
        self.missing += other.missing;
        self.order.merge(std::mem::take(&mut other.order));
        self.first_code = self.first_code.or(other.first_code.map(|row| row + rows_before));
        for (kind, row, text) in std::mem::take(&mut other.firsts) {
            if self.open >> kind as u32 & 1 == 1 {
                self.remember(kind, row + rows_before, &text);
            }
        }
        if other.beyond.is_some() && self.beyond.is_none() || self.cells.len() > self.room() {
            self.spill();
        }
        if let (Some(theirs), Some(ours)) = (other.beyond.take(), &mut self.beyond) {
            ours.merge(*theirs);
        }
        match &mut self.beyond {
            // Nothing waits here, so they need not be looked for.
            Some(ours) if self.cells.len() == 0 => {
                let run = self.budget.values.min(RUN);
                other.cells.runs(run).for_each(|cells| ours.absorb(cells, self.form));
            }
            _ => other.cells.iter().for_each(|(cell, text)| self.add_cell(cell, text)),
        }
        self.seal();
    }

    fn add_cell(&mut self, cell: &Cell, text: &str) {
        match self.cells.find(cell.hash) {
            Ok(place) => {
                self.cells.count(place, cell.count);
            }
            Err(mut slot) => {
                if self.cells.len() >= self.room() {
                    self.spill();
                    slot = self.cells.find(cell.hash).unwrap_or_else(|slot| slot);
                }
                self.cells.insert(slot, *cell, text);
            }
        }
    }

    /// The text of a cell, rendered where it came as a value.
    pub(crate) fn text<'t>(&self, cell: &Cell, kept: &'t str) -> Cow<'t, str> {
        self.form.text(cell, kept)
    }

    /// The first row with a cell of a kind.
    pub(crate) fn first_row(&self, kind: Kind) -> Option<u64> {
        self.firsts.iter().find(|(other, ..)| *other == kind).map(|(_, row, _)| *row)
    }

    /// The first cells of those kinds, with their rows.
    pub(crate) fn first_cells(&self, kinds: impl Fn(Kind) -> bool) -> Vec<(u64, &str)> {
        let chosen = self.firsts.iter().filter(|(kind, ..)| kinds(*kind));
        let mut cells: Vec<(u64, &str)> = chosen.map(|(_, row, text)| (*row, text.as_ref())).collect();
        cells.sort_unstable();
        cells.truncate(FIRSTS);
        cells
    }

    pub(crate) fn encode(&self, out: &mut Writer) {
        self.budget.encode(out);
        out.number(self.missing);
        out.number(self.cells.len() as u64);
        self.cells.iter().for_each(|(cell, text)| cell.encode(text, out));
        out.optional(self.beyond(), |out, beyond| beyond.encode(out));
        out.number(self.firsts.len() as u64);
        for (kind, row, text) in &self.firsts {
            out.number(*kind as u64);
            out.number(*row);
            out.text(text);
        }
        self.order.encode(out);
        out.optional(self.first_code, Writer::number);
    }

    pub(crate) fn decode(from: &mut Reader<'_>, form: Form) -> Result<Self, Corrupt> {
        let mut column = Self::new(Budget::decode(from)?, form);
        column.missing = from.number()?;
        let cells = from.length(20)?;
        column.cells = Cells::with_room(cells);
        for _ in 0..cells {
            let (cell, text) = Cell::decode(from)?;
            match column.cells.find(cell.hash) {
                Ok(_) => return Err(from.corrupt()),
                Err(slot) => column.cells.insert(slot, cell, text),
            };
        }
        column.beyond = from.optional(Beyond::decode)?.map(Box::new);
        for _ in 0..from.length(3)? {
            let kind =
                *usize::try_from(from.number()?).ok().and_then(|kind| Kind::ALL.get(kind)).ok_or(from.corrupt())?;
            let row = from.number()?;
            column.remember(kind, row, from.text()?);
        }
        column.order = Order::decode(from)?;
        column.first_code = from.optional(Reader::number)?;
        Ok(column)
    }
}

/// Cuts a text to what is kept of a cell, at a character boundary.
pub(crate) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(CELL_BYTES)]
}
