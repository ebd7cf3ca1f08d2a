//! From bytes to a reader.

use arrow::datatypes::SchemaRef;
use encoding_rs::{Encoding, UTF_8};

use crate::arrow_file;
use crate::block::{Blocks, Source};
use crate::bytes::Input;
use crate::checked::{CheckedText, Known};
use crate::contents::TableRef;
use crate::database;
use crate::delimited::Body;
use crate::dialect::{self, Dialect};
use crate::error::Error;
use crate::fixed_width::{self, Cut};
use crate::json::{self, Elements, Shape};
use crate::json_cells::{self, Columns};
use crate::json_rows::JsonSource;
use crate::kind::Kind;
use crate::limits::Hint;
use crate::names;
use crate::orc_file;
use crate::parquet_file::ParquetSource;
use crate::reader::{TableReader, text_schema};
use crate::recipe::{Format, Recipe};
use crate::scan::Scanner;
use crate::shapefile::{self, Written};
use crate::stata;
use crate::survey;
use crate::text::TextStream;
use crate::typed::TypedSource;
use crate::warning::Warning;
use crate::workbook;

/// How much of a file the first look takes in.
const HEAD: usize = 256 << 10;

/// Opens a table whose kind is known.
pub(crate) fn table(table: &TableRef) -> Result<TableReader, Error> {
    let (input, kind, hint) = table.parts();
    let opening = |input: &Input, whole| {
        let (input, warnings) = (input.clone(), Vec::new());
        Opening { whole, input, hint, table, warnings }
    };
    match kind {
        Kind::Parquet => opening(input, false).parquet(),
        Kind::ArrowFile => opening(input, false).typed(Format::Arrow, arrow_file::open_file),
        Kind::ArrowStream => opening(input, false).typed(Format::ArrowStream, arrow_file::open_stream),
        Kind::Avro => opening(input, false).typed(Format::Avro, arrow_file::open_avro),
        Kind::Orc => opening(input, false).typed(Format::Orc, orc_file::open),
        Kind::Stata => opening(input, false).typed(Format::Stata, stata::open),
        Kind::Sqlite => {
            let (rows, width) = database::spool(input, &table.table)?;
            let opening = opening(input, false);
            let recipe = opening.recipe(Format::Sqlite, None);
            opening.spooled(recipe, rows, Dialect::of_rows(width))
        }
        Kind::Book(book) => {
            let (rows, width) = workbook::spool(input, book, &table.table)?;
            let (dialect, opening) = (dialect_of(&rows, width)?, opening(input, false));
            let recipe = opening.recipe(book.into(), None);
            opening.spooled(recipe, rows, dialect)
        }
        Kind::Shapes => {
            opening(input, false).written(Format::Shapefile, shapefile::write_shapes(input, table.beside())?)
        }
        Kind::Dbase => opening(input, false).written(Format::Dbf, shapefile::write_table(input, None)?),
        Kind::Unread(format) => Err(Error::FormatNotRead { format }),
        Kind::Other(found) => Err(Error::NotATable { found }),
        Kind::Zip | Kind::Tar => Err(Error::NotATable { found: "an archive" }),
        Kind::Text => {
            let mut head = vec![0; HEAD];
            let length = input.bytes()?.read_full(&mut head)?;
            head.truncate(length);
            opening(input, length < HEAD).text(&head)
        }
    }
}

/// Tells whether text that begins so is a table of several columns; nothing where it is no table at all.
pub(crate) fn is_table(head: &[u8], hint: &Hint) -> Option<bool> {
    let encoding = survey::marked_encoding(head).unwrap_or(UTF_8);
    let sample = decode(head, encoding);
    refuse_other_text(&sample).ok()?;
    refuse_implausible(&sample).ok()?;
    if looks_like_json(&sample) {
        return Some(true);
    }
    let dialect = dialect::sniff(&sample, false, hint)?;
    Some(dialect.width > 1 || fixed_width::find(&sample, false).is_some())
}

struct Opening<'a> {
    input: Input,
    hint: &'a Hint,
    table: &'a TableRef,
    /// The head is all there is.
    whole: bool,
    warnings: Vec<Warning>,
}

impl Opening<'_> {
    fn parquet(mut self) -> Result<TableReader, Error> {
        let (source, schema) = ParquetSource::open(&self.input, &mut self.warnings)?;
        let recipe = self.recipe(Format::Parquet, None);
        Ok(self.reader(recipe, schema, true, Box::new(source)))
    }

    fn typed(
        mut self,
        format: Format,
        open: impl FnOnce(&Input, &mut Vec<Warning>) -> Result<(TypedSource, SchemaRef), Error>,
    ) -> Result<TableReader, Error> {
        let (source, schema) = open(&self.input, &mut self.warnings)?;
        let recipe = self.recipe(format, None);
        Ok(self.reader(recipe, schema, true, Box::new(source)))
    }

    /// Rows below their names, and what was odd about them.
    fn written(mut self, format: Format, written: Written) -> Result<TableReader, Error> {
        let Written { rows, width, warnings } = written;
        self.warnings.extend(warnings);
        let recipe = self.recipe(format, None);
        self.spooled(recipe, rows, Dialect::of_rows(width))
    }

    /// Rows that were written out; a row ends with its last cell, so a short one is nothing odd.
    fn spooled(mut self, recipe: Recipe, rows: Input, dialect: Dialect) -> Result<TableReader, Error> {
        let text = CheckedText::open(&rows, Known { encoding: UTF_8, certain: true })?;
        let (body, header) = Body::open(text, dialect, &self.input.limits)?;
        let names = self.names(dialect, header);
        let schema = text_schema(&names);
        let source = body.padded().with_schema(schema.clone());
        let (header, preamble_lines) = (dialect.header, dialect.preamble as u64);
        let recipe = Recipe { header, preamble_lines, ..recipe };
        Ok(self.reader(recipe, schema, false, Box::new(source)))
    }

    fn text(mut self, head: &[u8]) -> Result<TableReader, Error> {
        let marked = survey::marked_encoding(head);
        let sample = decode(head, marked.unwrap_or(UTF_8));
        refuse_other_text(&sample)?;
        let json = looks_like_json(&sample);
        let known = match marked {
            Some(encoding) => Known { encoding, certain: true },
            None if begins_as_utf8(head, self.whole) => Known { encoding: UTF_8, certain: false },
            None => self.survey(!json)?,
        };
        if json {
            return self.json(known);
        }
        let sample = if known.encoding == UTF_8 {
            sample
        } else {
            let sample = decode(head, known.encoding);
            refuse_implausible(&sample)?;
            sample
        };
        refuse_undecodable(&sample)?;
        let dialect = dialect::sniff(&sample, self.whole, self.hint).ok_or(Error::Empty)?;
        let starts = (dialect.width == 1).then(|| fixed_width::find(&sample, self.whole)).flatten();
        match starts {
            Some(starts) => self.fixed_width(known, starts),
            None => self.delimited(known, dialect),
        }
    }

    /// Lines whose columns begin at these positions.
    fn fixed_width(mut self, known: Known, starts: Vec<usize>) -> Result<TableReader, Error> {
        let Cut { rows, width, encoding, warnings } = fixed_width::cut(&self.input, known, &starts)?;
        self.warnings.extend(warnings);
        let dialect = dialect_of(&rows, width)?;
        let recipe = self.recipe(Format::FixedWidth, Some(encoding));
        self.spooled(Recipe { column_starts: starts, ..recipe }, rows, dialect)
    }

    /// Learns the encoding from the whole file.
    fn survey(&mut self, lines: bool) -> Result<Known, Error> {
        let encoding = survey::find_encoding(&self.input, lines, &mut self.warnings)?;
        Ok(Known { encoding, certain: true })
    }

    fn delimited(mut self, known: Known, dialect: Dialect) -> Result<TableReader, Error> {
        let limits = self.input.limits.clone();
        if dialect.width > limits.max_columns {
            return Err(Error::TooManyColumns { limit: limits.max_columns });
        }
        let (body, header) = Body::open(CheckedText::open(&self.input, known)?, dialect, &limits)?;
        let names = self.names(dialect, header);
        let format = if dialect.delimiter == b'\t' { Format::Tsv } else { Format::Csv };
        let recipe = Recipe {
            delimiter: Some(char::from(dialect.delimiter)),
            quote: dialect.quoting.then_some('"'),
            header: dialect.header,
            preamble_lines: dialect.preamble as u64,
            ..self.recipe(format, Some(known.encoding))
        };
        let schema = text_schema(&names);
        let source = body.with_schema(schema.clone());
        Ok(self.reader(recipe, schema, false, Box::new(source)))
    }

    /// The names of the columns, and what is odd about them.
    fn names(&mut self, dialect: Dialect, header: Vec<String>) -> Vec<String> {
        let width = dialect.width.max(header.len());
        if dialect.preamble > 0 {
            let message = "Lines of text above the table were left out.";
            self.warnings
                .push(Warning { count: dialect.preamble as u64, ..Warning::whole("PREAMBLE_SKIPPED", message) });
        }
        if dialect.header {
            return names::unique(header, width, &mut self.warnings);
        }
        self.warnings
            .push(Warning::whole("NO_HEADER", "The first row holds values, so columns were named by position."));
        names::made_up(width)
    }

    fn json(mut self, known: Known) -> Result<TableReader, Error> {
        let (shape, columns, decoded) = self.json_columns(known.encoding)?;
        let known = if decoded || known.certain { known } else { self.survey(false)? };
        let (shape, columns) = match known.encoding == UTF_8 || decoded {
            true => (shape, columns),
            false => self.json_columns(known.encoding).map(|(shape, columns, _)| (shape, columns))?,
        };
        let Columns { names: members, features } = columns;
        if members.is_empty() {
            return Err(Error::Empty);
        }
        let format = match &shape {
            Shape::Lines => Format::JsonLines,
            Shape::Array { member, .. } => {
                if let Some(member) = member {
                    let message = format!("The file is one object; the rows are those of its member `{member}`.");
                    self.warnings.push(Warning::whole("ROWS_IN_MEMBER", message));
                }
                Format::Json
            }
            Shape::Single => {
                self.warnings.push(Warning::whole("SINGLE_RECORD", "The file is one object, and the table one row."));
                Format::Json
            }
        };
        let format = if features { Format::GeoJson } else { format };
        let names = names::unique(members.clone(), 0, &mut self.warnings);
        let recipe = self.recipe(format, Some(known.encoding));
        let schema = text_schema(&names);
        let elements = Elements::new(self.scanner(known.encoding)?, shape);
        let source = JsonSource::new(elements, members, schema.clone(), known.encoding, &self.input);
        Ok(self.reader(recipe, schema, false, Box::new(source)))
    }

    /// Reads all elements: where they are, their columns, and whether all of the text decoded.
    fn json_columns(&self, encoding: &'static Encoding) -> Result<(Shape, Columns, bool), Error> {
        let shape = json::find_shape(&mut self.scanner(encoding)?)?;
        let mut elements = Elements::new(self.scanner(encoding)?, shape.clone());
        let columns = json_cells::columns(&mut elements, &self.input.limits)?;
        Ok((shape, columns, elements.text().malformed().0 == 0))
    }

    fn scanner(&self, encoding: &'static Encoding) -> Result<Scanner, Error> {
        Ok(Scanner::new(TextStream::new(self.input.bytes()?, encoding), &self.input.limits))
    }

    fn recipe(&self, format: Format, encoding: Option<&'static Encoding>) -> Recipe {
        let TableRef { member, table, .. } = self.table.clone();
        Recipe { compression: self.input.compression(), member, table, encoding, ..Recipe::of(format) }
    }

    fn reader(self, recipe: Recipe, schema: SchemaRef, typed: bool, source: Box<dyn Source>) -> TableReader {
        let Input { cancel, .. } = self.input;
        TableReader::new(Blocks { recipe, schema, typed, found: self.warnings, source, cancel, given: 0 })
    }
}

/// Finds the header and what stands above it in rows that were written out.
fn dialect_of(rows: &Input, width: usize) -> Result<Dialect, Error> {
    let mut head = vec![0; HEAD];
    let length = rows.bytes()?.read_full(&mut head)?;
    let sample = String::from_utf8_lossy(&head[..length]);
    dialect::sniff_rows(&sample, length < HEAD, width).ok_or(Error::Empty)
}

/// Tells whether the head is UTF-8; where there is more, it may end inside a character.
fn begins_as_utf8(head: &[u8], whole: bool) -> bool {
    std::str::from_utf8(head).map_or_else(|fault| !whole && fault.error_len().is_none(), |_| true)
}

fn decode(head: &[u8], encoding: &'static Encoding) -> String {
    let mut text = encoding.decode_with_bom_removal(head).0.into_owned();
    // The head may end inside a character.
    if text.ends_with('\u{fffd}') {
        text.pop();
    }
    text
}

fn refuse_other_text(sample: &str) -> Result<(), Error> {
    let text = sample.trim_start();
    if text.is_empty() {
        return Err(Error::Empty);
    }
    let start = text[..text.floor_char_boundary(16)].to_ascii_lowercase();
    let found = match start.as_str() {
        _ if start.starts_with("<!doctype") || start.starts_with("<html") => "an HTML page",
        _ if start.starts_with("<?xml") => "an XML document",
        _ if start.starts_with("{\\rtf") => "an RTF document",
        _ => return refuse_implausible(sample),
    };
    Err(Error::NotATable { found })
}

/// Text has no NUL, and next to no control characters.
fn refuse_implausible(sample: &str) -> Result<(), Error> {
    if sample.contains('\0') {
        return Err(Error::NotATable { found: "binary data" });
    }
    let is_odd = |byte: u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r' | b'\x0c');
    let mut odd = sample.bytes().filter(|byte| is_odd(*byte)).count();
    // U+0080 to U+009F.
    odd += sample.as_bytes().windows(2).filter(|pair| pair[0] == 0xc2 && pair[1] < 0xa0).count();
    if odd * 50 > sample.chars().count() { Err(Error::NotATable { found: "binary data" }) } else { Ok(()) }
}

/// Text of which a quarter did not decode is none.
fn refuse_undecodable(sample: &str) -> Result<(), Error> {
    let lost = sample.matches('\u{fffd}').count();
    if lost > 0 && lost * 4 > sample.chars().count() { Err(Error::NotATable { found: "binary data" }) } else { Ok(()) }
}

/// Tells whether text begins as JSON does; a header of CSV may begin with a bracket, too.
fn looks_like_json(sample: &str) -> bool {
    let mut tokens = sample.trim_start().chars();
    let first = tokens.next();
    let second = tokens.find(|character| !character.is_whitespace());
    match (first, second) {
        (Some('['), Some(second)) => {
            matches!(second, '{' | '[' | ']' | '"' | '-' | '0'..='9' | 't' | 'f' | 'n') && !csv_header(sample)
        }
        (Some('['), None) => true,
        (Some('{'), second) => matches!(second, Some('"' | '}') | None),
        _ => false,
    }
}

/// `[id],[name]` is how some databases write names.
fn csv_header(sample: &str) -> bool {
    let line = sample.trim_start().lines().next().unwrap_or_default();
    line.contains("],[") && line.starts_with('[') && !line.starts_with("[[")
}
