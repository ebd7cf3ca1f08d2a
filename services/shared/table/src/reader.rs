//! Rows of a table, a batch at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{ArrayRef, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

use crate::error::Error;
use crate::limits::CancelFlag;
use crate::parquet_file::ParquetRows;
use crate::recipe::Recipe;
use crate::warning::Warning;

const BATCH_ROWS: usize = 4_096;
const BATCH_CELLS: usize = 256 << 10;
const BATCH_BYTES: usize = 4 << 20;

/// Reads the rows of a table, a batch at a time.
pub struct TableReader {
    pub(crate) recipe: Recipe,
    pub(crate) schema: SchemaRef,
    pub(crate) source: Source,
    /// What was odd before the first row.
    pub(crate) found: Vec<Warning>,
    pub(crate) read: Arc<AtomicU64>,
    pub(crate) cancel: CancelFlag,
}

pub(crate) enum Source {
    Text { rows: Box<dyn Rows>, done: bool },
    Parquet(Box<ParquetRows>),
}

/// A text format: fills batches of text.
pub(crate) trait Rows: Send {
    /// Appends rows until the batch is full; tells whether there may be more.
    fn fill(&mut self, batch: &mut TextBatch) -> Result<bool, Error>;

    /// What was odd so far.
    fn warnings(&self) -> Vec<Warning>;

    /// How many places did not decode, and the first of them.
    fn malformed(&self) -> (u64, Option<u64>);
}

impl TableReader {
    /// How the bytes are read.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The names and types of the columns. Names are never empty and never repeat.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The names of the columns, in order.
    pub fn column_names(&self) -> Vec<String> {
        self.schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    /// Tells whether the file declares the types of its columns; else all are text.
    pub fn is_typed(&self) -> bool {
        matches!(self.source, Source::Parquet(_))
    }

    /// The next rows, nothing after the last one. No batch is empty.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>, Error> {
        if self.cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let (rows, done) = match &mut self.source {
            Source::Parquet(rows) => return rows.next_batch(),
            Source::Text { rows, done } => (rows, done),
        };
        if *done {
            return Ok(None);
        }
        let mut batch = TextBatch::new(self.schema.fields().len());
        *done = !rows.fill(&mut batch)?;
        if batch.rows == 0 { Ok(None) } else { batch.finish(&self.schema).map(Some) }
    }

    /// How many bytes of the file were read for the rows so far, as they are on disk.
    pub fn read_bytes(&self) -> u64 {
        match &self.source {
            Source::Text { .. } => self.read.load(Ordering::Relaxed),
            Source::Parquet(rows) => rows.read_bytes(),
        }
    }

    /// What was odd so far; complete after the last row.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = self.found.clone();
        let Source::Text { rows, .. } = &self.source else { return warnings };
        warnings.extend(rows.warnings());
        let (count, first_byte) = rows.malformed();
        if count > 0 {
            let encoding = self.recipe.encoding.map_or("text", |encoding| encoding.name());
            let reason = if encoding == "UTF-8" { "INVALID_UTF8" } else { "INVALID_ENCODING" };
            let message = format!("Bytes that are not {encoding} were replaced by U+FFFD.");
            warnings.push(Warning { reason, message, count, first_row: None, first_byte });
        }
        warnings
    }
}

/// The schema of text columns.
pub(crate) fn text_schema(names: &[String]) -> SchemaRef {
    let fields: Vec<Field> = names.iter().map(|name| Field::new(name, DataType::Utf8, true)).collect();
    Arc::new(Schema::new(fields))
}

/// Rows of text on their way into a batch.
pub(crate) struct TextBatch {
    pub(crate) columns: Vec<StringBuilder>,
    rows: usize,
    bytes: usize,
    max_rows: usize,
}

impl TextBatch {
    fn new(width: usize) -> Self {
        let columns = (0..width).map(|_| StringBuilder::with_capacity(64, 256)).collect();
        Self { columns, rows: 0, bytes: 0, max_rows: (BATCH_CELLS / width.max(1)).clamp(16, BATCH_ROWS) }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.rows >= self.max_rows || self.bytes >= BATCH_BYTES
    }

    /// Counts a row that was appended, with the bytes of its cells.
    pub(crate) fn count(&mut self, bytes: usize) {
        self.rows += 1;
        self.bytes += bytes;
    }

    fn finish(self, schema: &SchemaRef) -> Result<RecordBatch, Error> {
        let columns = self.columns.into_iter().map(|mut column| Arc::new(column.finish()) as ArrayRef).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(Error::Arrow)
    }
}
