//! A run of rows on its way into what is remembered of it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use proto::profiling::v1::ProfileWarning;
use sketch::PlaceSample;

use crate::cell::numbers_of;
use crate::column::Column;
use crate::correlate::Wanted;
use crate::error::Error;
use crate::form::Form;
use crate::layout::Layout;
use crate::native;
use crate::partial::Partial;
use crate::place::Coverage;
use crate::rows::{RowHashes, Rows, Scratch};
use crate::spatial::Pair;
use crate::split::Split;
use crate::threads::side_by_side;

/// A run of rows on its way into what is remembered of it.
pub(crate) struct Builder<'a> {
    layout: &'a Layout,
    part: u64,
    partial: Partial,
    scratch: Scratch,
    /// The numbers of a batch, of each column that belongs with others.
    numbers: Vec<Vec<f64>>,
    paired: Vec<bool>,
    /// The rows of a batch whose keys are wanted, of each column.
    wanted: Vec<Wanted>,
    threads: usize,
}

impl<'a> Builder<'a> {
    /// Begins the run of this number.
    pub(crate) fn new(layout: &'a Layout, part: u64) -> Self {
        let partial = Partial::new(layout);
        let mut paired = vec![false; layout.names.len()];
        for pair in &partial.pairs {
            paired[pair.latitude] = true;
            paired[pair.longitude] = true;
        }
        partial.splits.iter().flat_map(Split::columns).for_each(|column| paired[column] = true);
        let numbers = vec![Vec::new(); paired.len()];
        let wanted = paired.iter().map(|_| Wanted::default()).collect();
        Self { layout, part, partial, scratch: Scratch::default(), numbers, paired, wanted, threads: 1 }
    }

    /// The same with the columns divided among as many threads.
    pub(crate) fn on(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    /// The same for rows that will be merged into `earlier`, and no others.
    pub(crate) fn beside(mut self, earlier: Option<&Partial>) -> Self {
        let earlier = earlier.into_iter().flat_map(|earlier| &earlier.pairs);
        for (pair, earlier) in self.partial.pairs.iter_mut().zip(earlier) {
            pair.coverage = Coverage::beside(&earlier.coverage);
        }
        self
    }

    /// Takes the next rows.
    pub(crate) fn add(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        if self.threads > 1 {
            self.add_columns_apart(batch)?;
        } else {
            self.add_columns(batch)?;
        }
        let partial = &mut self.partial;
        partial.splits.iter_mut().for_each(|split| split.add_all(&self.numbers));
        partial.keyed.add(&self.wanted, &self.numbers);
        sample(&mut partial.sample, batch, self.part, partial.row_count, self.layout.cell_bytes)?;
        partial.row_count += batch.num_rows() as u64;
        Ok(())
    }

    fn add_columns(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let partial = &mut self.partial;
        self.scratch.begin(batch.num_rows(), batch.num_columns());
        for (index, array) in batch.columns().iter().enumerate() {
            let mut rows = self.scratch.of_column(index);
            let column = &mut partial.columns[index];
            rows.wanted = partial.keyed.begin(index, column.form(), &mut self.wanted[index]);
            let keyed = partial.keyed.wants_numbers(index);
            let into = Target { column, numbers: &mut self.numbers[index], paired: self.paired[index], keyed };
            add_column(into, array, partial.row_count, &mut rows)?;
        }
        for pair in &mut partial.pairs {
            pair.add_all(&self.numbers[pair.latitude], &self.numbers[pair.longitude]);
        }
        partial.rows.add(&self.scratch);
        Ok(())
    }

    /// The same on several threads: each column keeps its hashes to itself, and rows are hashed once all have theirs.
    fn add_columns_apart(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let partial = &mut self.partial;
        let first_row = partial.row_count;
        let mut outcomes: Vec<Result<(), Error>> = batch.columns().iter().map(|_| Ok(())).collect();
        let rows = self.scratch.begin_apart(batch.num_rows(), batch.num_columns());
        let columns =
            partial.columns.iter_mut().zip(&mut self.numbers).zip(&self.paired).zip(&mut self.wanted).zip(rows);
        let targets = columns.enumerate().map(|(index, ((((column, numbers), paired), wanted), mut rows))| {
            rows.wanted = partial.keyed.begin(index, column.form(), wanted);
            let keyed = partial.keyed.wants_numbers(index);
            (Target { column, numbers, paired: *paired, keyed }, rows)
        });
        let targets = targets.zip(batch.columns()).zip(&mut outcomes).collect();
        side_by_side(self.threads, targets, |(((into, mut rows), array), outcome)| {
            *outcome = add_column(into, array, first_row, &mut rows);
        });
        outcomes.into_iter().collect::<Result<(), Error>>()?;
        self.scratch.join();
        let (scratch, numbers) = (&self.scratch, &self.numbers);
        let rest = std::iter::once(Rest::Rows(&mut partial.rows));
        let rest = rest.chain(partial.pairs.iter_mut().map(Rest::Pair)).collect();
        side_by_side(self.threads, rest, |rest| match rest {
            Rest::Rows(rows) => rows.add(scratch),
            Rest::Pair(pair) => pair.add_all(&numbers[pair.latitude], &numbers[pair.longitude]),
        });
        Ok(())
    }

    /// Ends the run.
    pub(crate) fn finish(mut self, warnings: Vec<ProfileWarning>) -> Partial {
        self.partial.columns.iter_mut().for_each(Column::seal);
        self.partial.keyed.seal();
        self.partial.warnings = warnings;
        self.partial
    }
}

/// What takes the cells of several columns.
enum Rest<'a> {
    Rows(&'a mut Rows),
    Pair(&'a mut Pair),
}

/// Where a column of a batch goes.
struct Target<'a> {
    column: &'a mut Column,
    numbers: &'a mut Vec<f64>,
    /// Whether its numbers belong with those of other columns.
    paired: bool,
    /// Whether its numbers are wanted beside keys, if it has any.
    keyed: bool,
}

fn add_column(into: Target<'_>, array: &ArrayRef, first_row: u64, rows: &mut RowHashes<'_>) -> Result<(), Error> {
    let Target { column, numbers, paired, keyed } = into;
    numbers.clear();
    // Whether a column of text has numbers shows in its first rows, mostly.
    let asked = paired || keyed && (first_row == 0 || column.has_numbers());
    if matches!(column.form(), Form::Native(_)) {
        return Ok(native::add(column, array, first_row, rows, asked.then_some(numbers)).map_err(table::Error::Arrow)?);
    }
    let texts = as_text(array)?;
    column.add_texts(texts.as_string(), first_row, rows, asked.then_some(&mut *numbers));
    if let Form::Text { decimal_comma } = column.form()
        && keyed
        && !asked
        && column.has_numbers()
    {
        *numbers = numbers_of(texts.as_string::<i32>().iter(), decimal_comma);
    }
    Ok(())
}

/// A column as text; cells that came as text stay as they are.
fn as_text(array: &ArrayRef) -> Result<ArrayRef, Error> {
    let arrow = |error: ArrowError| Error::from(table::Error::Arrow(error));
    match array.data_type() {
        DataType::Utf8 => Ok(Arc::clone(array)),
        DataType::LargeUtf8 | DataType::Utf8View => cast(array, &DataType::Utf8).map_err(arrow),
        DataType::Dictionary(_, values) => as_text(&cast(array, values).map_err(arrow)?),
        _ => {
            let batch =
                RecordBatch::try_from_iter_with_nullable([("cells", Arc::clone(array), true)]).map_err(arrow)?;
            Ok(Arc::clone(table::to_text(&batch)?.column(0)))
        }
    }
}

fn sample(
    sample: &mut PlaceSample<Vec<String>>,
    batch: &RecordBatch,
    part: u64,
    first_row: u64,
    bytes: usize,
) -> Result<(), Error> {
    let mut failed = None;
    for row in 0..batch.num_rows() {
        sample.offer_at(part, first_row + row as u64, || match table::to_text(&batch.slice(row, 1)) {
            Ok(texts) => texts.columns().iter().map(|cells| sample_cell(cells, bytes)).collect(),
            Err(error) => {
                failed = Some(error);
                Vec::new()
            }
        });
    }
    failed.map_or(Ok(()), |error| Err(error.into()))
}

fn sample_cell(cells: &ArrayRef, bytes: usize) -> String {
    if cells.is_null(0) {
        return String::new();
    }
    let cell = cells.as_string::<i32>().value(0);
    cell[..cell.floor_char_boundary(bytes)].to_owned()
}
