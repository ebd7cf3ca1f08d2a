//! One pass over all rows.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use arrow::array::{Array, AsArray, StringArray};
use arrow::datatypes::{DataType, Schema};
use arrow::record_batch::RecordBatch;
use proto::profiling::v1::{StoredProfile, StructuralType};
use sketch::Reservoir;
use table::{Hint, Recipe, Warning};
use types::{Digest, DigestHasher};

use crate::budget::Budget;
use crate::column::Column;
use crate::error::Error;
use crate::finish;
use crate::options::{Options, Progress};
use crate::spatial::{self, Named, Pair};

/// How much text and how many cells the whole sample may hold: it travels in one message.
const SAMPLE_BYTES: usize = 1 << 20;
const SAMPLE_CELLS: usize = 20_000;

/// Profiles the file at `path`: every row, in one pass.
///
/// Blocks; call it where that is allowed. The profile has no name and no creation time: those belong to who stores it.
/// Fails with [`Error::Table`] when the file is no table, damaged or beyond a limit, or when the run was cancelled.
pub fn profile(path: &Path, hint: &Hint, options: &Options) -> Result<StoredProfile, Error> {
    let size_bytes = std::fs::metadata(path).map_err(Error::Digest)?.len();
    let mut reader = table::open_with(path, hint, &options.limits, &options.cancel)?;
    let digest = match options.digest {
        Some(digest) => digest,
        None => digest_of(path, options)?,
    };
    let mut engine = Engine::new(&reader.schema(), reader.recipe(), digest, options);
    while let Some(batch) = reader.next_batch()? {
        engine.add(&batch, reader.is_typed())?;
        if let Some(progress) = &options.progress {
            progress(Progress { read_bytes: reader.read_bytes(), size_bytes, rows: engine.rows });
        }
    }
    Ok(engine.finish(reader.recipe(), reader.warnings(), digest, size_bytes))
}

fn digest_of(path: &Path, options: &Options) -> Result<Digest, Error> {
    let mut file = File::open(path).map_err(Error::Digest)?;
    let mut hasher = DigestHasher::default();
    let mut buffer = vec![0; 64 << 10];
    loop {
        if options.cancel.is_cancelled() {
            return Err(table::Error::Cancelled.into());
        }
        match file.read(&mut buffer).map_err(Error::Digest)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// All that is remembered while rows go by.
struct Engine {
    names: Vec<String>,
    declared: Vec<Option<StructuralType>>,
    named: Vec<Option<Named>>,
    columns: Vec<Column>,
    pairs: Vec<Pair>,
    sample: Reservoir<Vec<String>>,
    cell_bytes: usize,
    decimal_comma: bool,
    rows: u64,
}

impl Engine {
    fn new(schema: &Schema, recipe: &Recipe, digest: Digest, options: &Options) -> Self {
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        let width = names.len();
        let budget = Budget::new(options.memory_bytes, width);
        let named: Vec<Option<Named>> = names.iter().map(|name| spatial::named(name)).collect();
        // Where semicolons divide fields, commas divide fractions.
        let decimal_comma = recipe.delimiter == Some(';');
        let sample_rows = options.sample_rows.min((SAMPLE_CELLS / width.max(1)).max(1));
        let mut seed = [0; 8];
        seed.copy_from_slice(&digest.as_bytes()[..8]);
        Self {
            declared: schema.fields().iter().map(|field| declared(field.data_type())).collect(),
            pairs: spatial::pairs(&named),
            named,
            columns: (0..width).map(|_| Column::new(budget, decimal_comma)).collect(),
            sample: Reservoir::new(sample_rows, u64::from_le_bytes(seed)),
            cell_bytes: (SAMPLE_BYTES / (sample_rows * width).max(1)).clamp(16, 256),
            names,
            decimal_comma,
            rows: 0,
        }
    }

    fn add(&mut self, batch: &RecordBatch, typed: bool) -> Result<(), Error> {
        let rendered = if typed { Some(table::to_text(batch)?) } else { None };
        let batch = rendered.as_ref().unwrap_or(batch);
        let cells: Vec<&StringArray> = batch.columns().iter().map(|column| column.as_string::<i32>()).collect();
        for (column, cells) in self.columns.iter_mut().zip(&cells) {
            column.add_all(cells, self.rows);
        }
        for pair in &mut self.pairs {
            pair.add_all(cells[pair.latitude], cells[pair.longitude], self.decimal_comma);
        }
        for row in 0..batch.num_rows() {
            self.sample.offer(|| cells.iter().map(|cells| sample_cell(cells, row, self.cell_bytes)).collect());
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    fn finish(self, recipe: &Recipe, warnings: Vec<Warning>, digest: Digest, size_bytes: u64) -> StoredProfile {
        let table = finish::Table {
            names: self.names,
            declared: self.declared,
            named: self.named,
            columns: self.columns,
            pairs: self.pairs,
            sample: self.sample.finish(),
            rows: self.rows,
        };
        table.profile(recipe, warnings, digest, size_bytes)
    }
}

fn sample_cell(cells: &StringArray, row: usize, bytes: usize) -> String {
    if cells.is_null(row) {
        return String::new();
    }
    let cell = cells.value(row);
    cell[..cell.floor_char_boundary(bytes)].to_owned()
}

/// The type that a file declares for a column; nothing for text, whose cells speak for themselves.
fn declared(kind: &DataType) -> Option<StructuralType> {
    match kind {
        DataType::Dictionary(_, values) => declared(values),
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => {
            Some(if *scale <= 0 { StructuralType::Integer } else { StructuralType::Float })
        }
        DataType::Boolean => Some(StructuralType::Boolean),
        DataType::Date32 | DataType::Date64 => Some(StructuralType::Date),
        DataType::Time32(_) | DataType::Time64(_) => Some(StructuralType::Time),
        DataType::Timestamp(..) => Some(StructuralType::Timestamp),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            Some(StructuralType::Binary)
        }
        kind if kind.is_integer() => Some(StructuralType::Integer),
        kind if kind.is_floating() => Some(StructuralType::Float),
        kind if kind.is_nested() => Some(StructuralType::Nested),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::ArrayRef;
    use proptest::prelude::*;
    use table::Format;

    use super::*;

    fn profile_in_pieces(cells: &[Option<String>], pieces: &[usize]) -> StoredProfile {
        let column: ArrayRef = Arc::new(cells.iter().map(Option::as_deref).collect::<StringArray>());
        let whole =
            RecordBatch::try_from_iter_with_nullable([("lat", column.clone(), true), ("lon", column, true)]).unwrap();
        let recipe = Recipe {
            gzip: false,
            format: Format::Csv,
            encoding: None,
            delimiter: Some(','),
            quote: None,
            header: true,
        };
        let options = Options { memory_bytes: 1, ..Options::default() };
        let mut engine = Engine::new(&whole.schema(), &recipe, Digest::of(b"x"), &options);
        let mut start = 0;
        for piece in pieces.iter().chain([&usize::MAX]) {
            let length = (*piece).min(whole.num_rows() - start);
            engine.add(&whole.slice(start, length), false).unwrap();
            start += length;
        }
        engine.finish(&recipe, Vec::new(), Digest::of(b"x"), 0)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn batches_leave_no_trace(
            cells in prop::collection::vec(prop::option::of("[0-9]{1,3}|[0-9]\\.[0-9]|NA|[a-c]"), 1..2_000),
            pieces in prop::collection::vec(1usize..300, 0..10),
        ) {
            prop_assert_eq!(profile_in_pieces(&cells, &pieces), profile_in_pieces(&cells, &[]));
        }
    }
}
