//! Rows of a table, a batch at a time.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;

use crate::block::{Block, Blocks};
use crate::error::Error;
use crate::recipe::Recipe;
use crate::warning::{Warning, add_warnings};

/// Batches of text hold at most so many rows, …
const BATCH_ROWS: usize = 4_096;
/// … and so many cells, …
const BATCH_CELLS: usize = 256 << 10;
/// … and about so many bytes.
pub(crate) const BATCH_BYTES: usize = 4 << 20;

/// Reads the rows of a table, a batch at a time.
pub struct TableReader {
    blocks: Blocks,
    block: Option<Block>,
    /// How many rows the blocks before this one have.
    rows_before: u64,
    block_rows: u64,
    /// What was odd in the blocks before this one.
    told: Vec<Warning>,
}

impl TableReader {
    pub(crate) fn new(blocks: Blocks) -> Self {
        Self { blocks, block: None, rows_before: 0, block_rows: 0, told: Vec::new() }
    }

    /// Adds what was odd about the file around the table.
    pub(crate) fn warn(&mut self, warning: Option<Warning>) {
        self.blocks.found.extend(warning);
    }

    /// How the bytes are read. The encoding is settled once the last row was read.
    pub fn recipe(&self) -> &Recipe {
        self.blocks.recipe()
    }

    /// The names and types of the columns. Names are never empty and never repeat.
    pub fn schema(&self) -> SchemaRef {
        self.blocks.schema()
    }

    /// The names of the columns, in order.
    pub fn column_names(&self) -> Vec<String> {
        self.blocks.schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    /// Tells whether the file declares the types of its columns; else all are text.
    pub fn is_typed(&self) -> bool {
        self.blocks.is_typed()
    }

    /// The table in pieces that can be read on many threads. Rows that were read already are not given again.
    pub fn into_blocks(self) -> Blocks {
        self.blocks
    }

    /// The next rows, nothing after the last one. No batch is empty.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>, Error> {
        loop {
            if self.blocks.cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            if self.block.is_none() {
                self.block = self.blocks.next()?;
            }
            let Some(block) = &mut self.block else { return Ok(None) };
            if let Some(batch) = block.rows.next()? {
                self.block_rows += batch.num_rows() as u64;
                return Ok(Some(batch));
            }
            add_warnings(&mut self.told, block.rows.warnings(), self.rows_before);
            self.rows_before += std::mem::take(&mut self.block_rows);
            self.block = None;
        }
    }

    /// How many bytes of the file were read for the rows so far, as they are on disk.
    pub fn read_bytes(&self) -> u64 {
        self.blocks.read_bytes()
    }

    /// What was odd so far; complete after the last row.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = self.told.clone();
        if let Some(block) = &self.block {
            add_warnings(&mut warnings, block.rows.warnings(), self.rows_before);
        }
        let mut all = self.blocks.warnings();
        all.extend(warnings);
        all
    }
}

/// The schema of text columns.
pub(crate) fn text_schema(names: &[String]) -> SchemaRef {
    let fields: Vec<Field> = names.iter().map(|name| Field::new(name, DataType::Utf8, true)).collect();
    Arc::new(Schema::new(fields))
}

/// How many rows a batch of this many columns holds at most.
pub(crate) fn batch_rows(width: usize) -> usize {
    (BATCH_CELLS / width.max(1)).clamp(16, BATCH_ROWS)
}
