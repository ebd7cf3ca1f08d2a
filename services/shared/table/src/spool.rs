//! Rows on disk, for formats that cannot be read in pieces.

use std::io::{BufWriter, Seek, Write};

use crate::bytes::Input;
use crate::error::Error;
use crate::export::write_row;
use crate::limits::{CancelFlag, Limits};

/// How often a long run of rows looks whether it was cancelled.
const CHECK_ROWS: u64 = 1_024;

/// Rows of text, written to a temporary file as CSV and read from there like any other.
pub(crate) struct Spool {
    out: BufWriter<CountedFile>,
    limits: Limits,
    cancel: CancelFlag,
    rows: u64,
    /// The most cells of a row.
    width: usize,
}

impl Spool {
    pub(crate) fn new(input: &Input) -> Result<Self, Error> {
        let file = CountedFile { file: tempfile::tempfile().map_err(Error::Io)?, written: 0 };
        let (limits, cancel) = (input.limits.clone(), input.cancel.clone());
        Ok(Self { out: BufWriter::with_capacity(256 << 10, file), limits, cancel, rows: 0, width: 0 })
    }

    /// Appends a row; one without any cell is none.
    pub(crate) fn row<'a>(&mut self, cells: impl ExactSizeIterator<Item = Option<&'a str>>) -> Result<(), Error> {
        if self.rows.is_multiple_of(CHECK_ROWS) && self.cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        if cells.len() > self.limits.max_columns {
            return Err(Error::TooManyColumns { limit: self.limits.max_columns });
        }
        let limit = self.limits.max_decompressed_bytes;
        if self.out.get_ref().written > limit {
            return Err(Error::DecompressedTooLarge { limit });
        }
        self.width = self.width.max(cells.len());
        self.rows += 1;
        write_row(&mut self.out, cells)
    }

    /// The rows as bytes that stand for those of `origin`, and the most cells of a row.
    pub(crate) fn finish(self, origin: &Input) -> Result<(Input, usize), Error> {
        let mut file = self.out.into_inner().map_err(|error| Error::Write(error.into_error()))?.file;
        file.rewind().map_err(Error::Io)?;
        Ok((origin.replaced(file)?, self.width))
    }
}

struct CountedFile {
    file: std::fs::File,
    written: u64,
}

impl Write for CountedFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}
