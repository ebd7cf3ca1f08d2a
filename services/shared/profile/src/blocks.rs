//! A table in runs of rows that any thread can read.

use arrow::array::RecordBatch;
use table::{Error, TableReader, Warning};

/// How many cells a run has, about.
const CELLS: usize = 512 << 10;

/// The runs of a table, one after the other; where one ends depends on the rows alone.
pub(crate) struct Blocks {
    reader: TableReader,
    given: u64,
    left: Option<RecordBatch>,
    rows: usize,
}

/// A run of rows.
pub(crate) struct Block {
    number: u64,
    read_bytes: u64,
    batches: Vec<RecordBatch>,
}

/// What a run held.
pub(crate) struct BlockEnd {
    pub(crate) rows: u64,
    pub(crate) warnings: Vec<Warning>,
}

impl Blocks {
    pub(crate) fn new(reader: TableReader) -> Self {
        let rows = (CELLS / reader.schema().fields().len().max(1)).clamp(64, 64 << 10);
        Self { reader, given: 0, left: None, rows }
    }

    pub(crate) fn next(&mut self) -> Result<Option<Block>, Error> {
        let (mut batches, mut rows) = (Vec::new(), 0);
        while rows < self.rows {
            let next = match self.left.take() {
                Some(batch) => Some(batch),
                None => self.reader.next_batch()?,
            };
            let Some(batch) = next else { break };
            let fitting = batch.num_rows().min(self.rows - rows);
            if fitting < batch.num_rows() {
                self.left = Some(batch.slice(fitting, batch.num_rows() - fitting));
            }
            rows += fitting;
            batches.push(batch.slice(0, fitting));
        }
        if batches.is_empty() {
            return Ok(None);
        }
        self.given += 1;
        Ok(Some(Block { number: self.given - 1, read_bytes: self.reader.read_bytes(), batches }))
    }

    pub(crate) fn warnings(&self) -> Vec<Warning> {
        self.reader.warnings()
    }

    pub(crate) fn recipe(&self) -> &table::Recipe {
        self.reader.recipe()
    }
}

impl Block {
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    pub(crate) fn read<E: From<Error>>(
        self,
        take: &mut dyn FnMut(&RecordBatch) -> Result<(), E>,
    ) -> Result<BlockEnd, E> {
        let mut rows = 0;
        for batch in &self.batches {
            take(batch)?;
            rows += batch.num_rows() as u64;
        }
        Ok(BlockEnd { rows, warnings: Vec::new() })
    }
}
