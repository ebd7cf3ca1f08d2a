//! A table in pieces that can be read apart from each other.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use encoding_rs::Encoding;

use crate::error::Error;
use crate::limits::CancelFlag;
use crate::recipe::Recipe;
use crate::warning::Warning;

/// A format: cuts a file into blocks, by its bytes alone.
pub(crate) trait Source: Send {
    /// The next block, which reads nothing until it is asked to; nothing after the last one.
    fn next(&mut self) -> Result<Option<Box<dyn Rows>>, Error>;

    /// What was odd so far about the bytes, whatever the rows.
    fn warnings(&self) -> Vec<Warning>;

    /// The encoding of the text as it is known by now; nothing where the recipe's stands.
    fn encoding(&self) -> Option<&'static Encoding> {
        None
    }

    /// How many bytes of the file stand behind the blocks so far.
    fn read_bytes(&self) -> u64;
}

/// The rows of a block.
pub(crate) trait Rows: Send {
    /// The next rows, nothing after the last one. No batch is empty.
    fn next(&mut self) -> Result<Option<RecordBatch>, Error>;

    /// What was odd about the rows so far, which count from the first one of the block.
    fn warnings(&self) -> Vec<Warning>;
}

/// The blocks of a table, one after the other.
///
/// Where a block ends depends on the bytes of the file alone: text is cut at the last end of a record within 8 MiB of
/// decoded text, other formats where they divide rows themselves. So the rows of a block, and what is computed from
/// them, are the same whoever reads it.
pub struct Blocks {
    pub(crate) recipe: Recipe,
    pub(crate) schema: SchemaRef,
    pub(crate) typed: bool,
    pub(crate) found: Vec<Warning>,
    pub(crate) source: Box<dyn Source>,
    pub(crate) cancel: CancelFlag,
    pub(crate) given: u64,
}

/// A run of rows that has been found but not read; reading needs nothing else and may happen on any thread.
pub struct Block {
    number: u64,
    read_bytes: u64,
    pub(crate) rows: Box<dyn Rows>,
    cancel: CancelFlag,
}

/// What a block held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockEnd {
    /// How many rows it has.
    pub rows: u64,
    /// What was odd about them; rows count from the first one of the block, bytes from the first one of the file.
    pub warnings: Vec<Warning>,
}

impl Blocks {
    /// The next block, nothing after the last one. It costs a read and a search for the end of a record, no parsing;
    /// what is damaged beyond that, or too long, fails here or in [`Block::read`].
    #[allow(
        clippy::should_implement_trait,
        reason = "it fails, and an iterator of results would go on after a failure"
    )]
    pub fn next(&mut self) -> Result<Option<Block>, Error> {
        if self.cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let Some(rows) = self.source.next()? else { return Ok(None) };
        if let Some(encoding) = self.source.encoding() {
            self.recipe.encoding = Some(encoding);
        }
        self.given += 1;
        let read_bytes = self.source.read_bytes();
        Ok(Some(Block { number: self.given - 1, read_bytes, rows, cancel: self.cancel.clone() }))
    }

    /// How the bytes are read. The encoding is settled once the last block was given.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The names and types of the columns. Names are never empty and never repeat.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Tells whether the file declares the types of its columns; else all are text.
    pub fn is_typed(&self) -> bool {
        self.typed
    }

    /// What was odd so far, but for what the blocks themselves tell; complete after the last block.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = self.found.clone();
        warnings.extend(self.source.warnings());
        warnings
    }

    /// How many bytes of the file stand behind the blocks given so far, as they are on disk.
    pub fn read_bytes(&self) -> u64 {
        self.source.read_bytes()
    }
}

impl Block {
    /// Its place among the blocks, from 0.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How many bytes of the file stand behind this block and all before it, as they are on disk.
    pub fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// Reads the rows and hands them on, a batch at a time; no batch is empty. Ends at the first failure.
    pub fn read<E: From<Error>>(mut self, take: &mut dyn FnMut(&RecordBatch) -> Result<(), E>) -> Result<BlockEnd, E> {
        let mut rows = 0;
        while let Some(batch) = self.rows.next()? {
            if self.cancel.is_cancelled() {
                return Err(Error::Cancelled.into());
            }
            take(&batch)?;
            rows += batch.num_rows() as u64;
        }
        Ok(BlockEnd { rows, warnings: self.rows.warnings() })
    }
}
