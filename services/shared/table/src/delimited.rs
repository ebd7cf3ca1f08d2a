//! Rows of fields between delimiters.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use encoding_rs::Encoding;

use crate::block::{Rows, Source};
use crate::cells;
use crate::checked::CheckedText;
use crate::dialect::Dialect;
use crate::error::Error;
use crate::footer;
use crate::limits::Limits;
use crate::reader::{BATCH_BYTES, batch_rows};
use crate::records::{Field, Records, Separators, Span};
use crate::split::{Piece, Splitter};
use crate::warning::{Tally, Warning};

/// The text below the header.
pub(crate) struct Body {
    splitter: Splitter,
    first: Option<Piece>,
    /// Where the rows begin in the first piece.
    start: usize,
    separators: Separators,
    limits: Limits,
    padded: bool,
}

impl Body {
    /// Takes what stands above the rows; gives the cells of the header, if there is one.
    pub(crate) fn open(text: CheckedText, dialect: Dialect, limits: &Limits) -> Result<(Self, Vec<String>), Error> {
        let separators = dialect.separators();
        let mut splitter = Splitter::new(text, separators, limits.max_record_bytes);
        let mut above = dialect.preamble + usize::from(dialect.header);
        let mut header = Vec::new();
        let (mut first, mut start) = (splitter.next()?, 0);
        while above > 0
            && let Some(piece) = &first
        {
            let mut records = Records::new(&piece.text, start, separators);
            let mut fields = Vec::new();
            let Some(span) = records.next(|field| fields.push(field)) else {
                (first, start) = (splitter.next()?, 0);
                continue;
            };
            check(span, fields.len(), piece, limits)?;
            start = records.at();
            above -= 1;
            if above == 0 && dialect.header {
                header = fields.into_iter().map(|field| field.text(&piece.text)).collect();
            }
        }
        let (limits, padded) = (limits.clone(), false);
        Ok((Self { splitter, first, start, separators, limits, padded }, header))
    }

    /// Short rows are no oddity.
    pub(crate) fn padded(self) -> Self {
        Self { padded: true, ..self }
    }

    /// The rows as columns of this schema.
    pub(crate) fn with_schema(self, schema: SchemaRef) -> Delimited {
        let Self { splitter, first, start, separators, limits, padded } = self;
        let layout = Layout { separators, schema, limits, padded };
        Delimited { splitter, first: first.map(|piece| (piece, start)), layout: Arc::new(layout) }
    }
}

/// How fields become columns.
struct Layout {
    separators: Separators,
    schema: SchemaRef,
    limits: Limits,
    /// Short rows are no oddity.
    padded: bool,
}

/// Blocks of rows of fields.
pub(crate) struct Delimited {
    splitter: Splitter,
    first: Option<(Piece, usize)>,
    layout: Arc<Layout>,
}

impl Source for Delimited {
    fn next(&mut self) -> Result<Option<Box<dyn Rows>>, Error> {
        let piece = match self.first.take() {
            Some(first) => Some(first),
            None => self.splitter.next()?.map(|piece| (piece, 0)),
        };
        Ok(piece.map(|(piece, start)| Box::new(FieldRows::new(piece, start, self.layout.clone())) as Box<dyn Rows>))
    }

    fn warnings(&self) -> Vec<Warning> {
        self.splitter.text().warnings()
    }

    fn encoding(&self) -> Option<&'static Encoding> {
        (!self.layout.padded).then(|| self.splitter.text().encoding())
    }

    fn read_bytes(&self) -> u64 {
        self.splitter.text().read_bytes()
    }
}

/// Rows of fields.
struct FieldRows {
    piece: Arc<Piece>,
    layout: Arc<Layout>,
    at: usize,
    /// Where the rows end, once that is known.
    end: Option<usize>,
    row: u64,
    short: Tally,
    long: Tally,
    unclosed: Tally,
    footer: Tally,
}

impl FieldRows {
    fn new(piece: Piece, start: usize, layout: Arc<Layout>) -> Self {
        let (short, long, unclosed, footer) = Default::default();
        Self { piece: Arc::new(piece), layout, at: start, end: None, row: 0, short, long, unclosed, footer }
    }

    /// Finds where the rows end: at the end of the text, or above lines of text that stand below the table.
    fn find_end(&mut self) -> usize {
        let (text, width) = (&self.piece.text, self.layout.schema.fields().len());
        let mut end = text.len();
        if self.piece.last && width > 2 {
            let lines = footer::lines(text, self.at, self.layout.separators);
            end = lines.first().copied().unwrap_or(end);
            for line in lines {
                self.footer.add(0, self.piece.places.byte(self.piece.offset + line as u64));
            }
        }
        end
    }

    /// Notes what is odd about a row.
    fn note(&mut self, span: Span, count: usize, surplus: bool) {
        let byte = self.piece.places.byte(self.piece.offset + span.start as u64);
        if count < self.layout.schema.fields().len() {
            if !self.layout.padded {
                self.short.add(self.row, byte);
            }
        } else if surplus {
            self.long.add(self.row, byte);
        }
        if span.open && self.piece.text[span.start..span.end].contains(&b'\n') {
            self.unclosed.add(self.row, byte);
        }
    }
}

impl Rows for FieldRows {
    fn next(&mut self) -> Result<Option<RecordBatch>, Error> {
        let (layout, piece) = (self.layout.clone(), self.piece.clone());
        let end = match self.end {
            Some(end) => end,
            None => {
                let end = self.find_end();
                self.end = Some(end);
                end
            }
        };
        let text = &piece.text[..end];
        let width = layout.schema.fields().len();
        let (first, most) = (self.row, batch_rows(width));
        let mut fields: Vec<Field> = Vec::with_capacity(most * width);
        let mut records = Records::new(text, self.at, layout.separators);
        while self.row - first < most as u64 && records.at() - self.at < BATCH_BYTES {
            let (start, mut count, mut surplus) = (fields.len(), 0, false);
            let span = records.next(|field| {
                count += 1;
                if count <= width {
                    fields.push(field);
                } else {
                    surplus |= !field.is_empty();
                }
            });
            let Some(span) = span else { break };
            if count == 1 && width > 1 && is_blank(fields[start], text) {
                fields.truncate(start);
                continue;
            }
            let whole = count == width && !span.open;
            check(span, count, &piece, &layout.limits)?;
            if !whole {
                fields.resize(start + width, Field::MISSING);
                self.note(span, count, surplus);
            }
            self.row += 1;
        }
        self.at = records.at();
        let rows = (self.row - first) as usize;
        if rows == 0 { Ok(None) } else { cells::batch(&layout.schema, text, &fields, rows).map(Some) }
    }

    fn warnings(&self) -> Vec<Warning> {
        let short = self.short.warning("SHORT_ROWS", "Rows with fewer cells than columns: the rest is missing.");
        let long = self.long.warning("LONG_ROWS", "Rows with more cells than columns: the surplus was left out.");
        let unclosed =
            self.unclosed.warning("UNCLOSED_QUOTE", "A quote is never closed: all that follows is one cell.");
        let footer = self.footer.warning("FOOTER_SKIPPED", "Lines of text below the table were left out.");
        let footer = footer.map(|warning| Warning { first_row: None, ..warning });
        short.into_iter().chain(long).chain(unclosed).chain(footer).collect()
    }
}

fn check(span: Span, fields: usize, piece: &Piece, limits: &Limits) -> Result<(), Error> {
    if fields > limits.max_columns {
        return Err(Error::TooManyColumns { limit: limits.max_columns });
    }
    if span.end - span.start > limits.max_record_bytes {
        return Err(Error::RecordTooLong { limit: limits.max_record_bytes, offset: piece.offset + span.start as u64 });
    }
    Ok(())
}

/// Tells whether the only field of a line holds nothing but white space.
fn is_blank(field: Field, text: &[u8]) -> bool {
    !field.is_quoted() && text[field.range()].iter().all(u8::is_ascii_whitespace)
}
