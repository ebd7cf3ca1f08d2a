//! Rows of fields between delimiters.

use arrow::array::StringBuilder;
use csv_core::ReadRecordResult;

use crate::dialect::Dialect;
use crate::error::Error;
use crate::limits::Limits;
use crate::reader::{Rows, TextBatch};
use crate::text::TextStream;
use crate::warning::{Tally, Warning};

/// Reads rows of fields.
pub(crate) struct Delimited {
    records: Records,
    columns: usize,
    row: u64,
    short: Tally,
    long: Tally,
    unclosed: Tally,
}

impl Delimited {
    /// Starts to read; gives the cells of the header, if there is one.
    pub(crate) fn open(text: TextStream, dialect: Dialect, limits: &Limits) -> Result<(Self, Vec<String>), Error> {
        let mut records = Records::new(text, dialect, limits);
        let mut header = Vec::new();
        for _ in 0..dialect.preamble {
            records.next()?;
        }
        if dialect.header && records.next()? {
            records.read_text(|record| header.extend(record.cells().map(str::to_owned)));
        }
        let columns = dialect.width.max(header.len());
        let (short, long, unclosed) = Default::default();
        Ok((Self { records, columns, row: 0, short, long, unclosed }, header))
    }

    fn append(&mut self, columns: &mut [StringBuilder], start: Option<u64>) -> usize {
        let (width, row) = (self.columns, self.row);
        let mut bytes = 0;
        let mut fields = 0;
        let mut surplus = false;
        self.records.read_text(|record| {
            for (index, cell) in record.cells().enumerate() {
                fields += 1;
                match columns.get_mut(index) {
                    Some(column) if cell.is_empty() => column.append_null(),
                    Some(column) => column.append_value(cell),
                    None => surplus |= !cell.is_empty(),
                }
                bytes += cell.len();
            }
        });
        for column in columns.iter_mut().skip(fields) {
            column.append_null();
        }
        if fields < width {
            self.short.add(row, start);
        } else if surplus {
            self.long.add(row, start);
        }
        bytes
    }
}

impl Rows for Delimited {
    fn fill(&mut self, batch: &mut TextBatch) -> Result<bool, Error> {
        while !batch.is_full() {
            let start = self.records.text.byte_offset();
            if !self.records.next()? {
                return Ok(false);
            }
            if self.records.is_blank() && self.columns > 1 {
                continue;
            }
            let bytes = self.append(&mut batch.columns, start);
            if self.records.ends_inside_quotes() {
                self.unclosed.add(self.row, start);
            }
            batch.count(bytes);
            self.row += 1;
        }
        Ok(true)
    }

    fn warnings(&self) -> Vec<Warning> {
        let short = self.short.warning("SHORT_ROWS", "Rows with fewer cells than columns: the rest is missing.");
        let long = self.long.warning("LONG_ROWS", "Rows with more cells than columns: the surplus was left out.");
        let unclosed =
            self.unclosed.warning("UNCLOSED_QUOTE", "A quote is never closed: all that follows is one cell.");
        short.into_iter().chain(long).chain(unclosed).collect()
    }

    fn malformed(&self) -> (u64, Option<u64>) {
        self.records.text.malformed()
    }
}

/// Records one by one, in buffers with a limit.
struct Records {
    text: TextStream,
    core: csv_core::Reader,
    output: Vec<u8>,
    written: usize,
    ends: Vec<usize>,
    fields: usize,
    quotes: usize,
    at_end: bool,
    max_bytes: usize,
    max_columns: usize,
}

impl Records {
    fn new(text: TextStream, dialect: Dialect, limits: &Limits) -> Self {
        let core = csv_core::ReaderBuilder::new().delimiter(dialect.delimiter).quoting(dialect.quoting).build();
        Self {
            text,
            core,
            output: vec![0; limits.max_record_bytes.min(4 << 10)],
            written: 0,
            ends: vec![0; 64],
            fields: 0,
            quotes: 0,
            at_end: false,
            max_bytes: limits.max_record_bytes,
            max_columns: limits.max_columns,
        }
    }

    /// Reads the next record into the buffers; tells whether there was one.
    fn next(&mut self) -> Result<bool, Error> {
        (self.written, self.fields, self.quotes) = (0, 0, 0);
        let start = self.text.offset();
        loop {
            let input = self.text.fill()?;
            self.at_end = input.is_empty();
            let (output, ends) = (&mut self.output[self.written..], &mut self.ends[self.fields..]);
            let (result, read, written, fields) = self.core.read_record(input, output, ends);
            self.quotes += input[..read].iter().filter(|byte| **byte == b'"').count();
            self.text.consume(read);
            self.written += written;
            self.fields += fields;
            match result {
                ReadRecordResult::Record => return self.check_columns().map(|()| true),
                ReadRecordResult::End => return Ok(false),
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.grow_output(start)?,
                ReadRecordResult::OutputEndsFull => {
                    self.check_columns()?;
                    self.ends.resize(self.ends.len() * 2, 0);
                }
            }
        }
    }

    fn check_columns(&self) -> Result<(), Error> {
        let limit = self.max_columns;
        if self.fields > limit { Err(Error::TooManyColumns { limit }) } else { Ok(()) }
    }

    fn grow_output(&mut self, offset: u64) -> Result<(), Error> {
        let limit = self.max_bytes;
        if self.output.len() >= limit {
            return Err(Error::RecordTooLong { limit, offset });
        }
        self.output.resize((self.output.len() * 2).min(limit), 0);
        Ok(())
    }

    fn read_text(&self, read: impl FnOnce(Record<'_>)) {
        // The input is UTF-8 and is divided at ASCII characters, so this borrows.
        let text = String::from_utf8_lossy(&self.output[..self.written]);
        read(Record { text: &text, ends: &self.ends[..self.fields] });
    }

    /// A line of nothing but white space.
    fn is_blank(&self) -> bool {
        self.fields == 1 && self.output[..self.written].iter().all(u8::is_ascii_whitespace)
    }

    fn ends_inside_quotes(&self) -> bool {
        self.at_end && self.quotes % 2 == 1 && self.output[..self.written].contains(&b'\n')
    }
}

struct Record<'a> {
    text: &'a str,
    ends: &'a [usize],
}

impl<'a> Record<'a> {
    fn cells(&self) -> impl Iterator<Item = &'a str> {
        let text = self.text;
        self.ends.iter().scan(0, move |start, end| {
            let cell = &text[*start..*end];
            *start = *end;
            Some(cell)
        })
    }
}
