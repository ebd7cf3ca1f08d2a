//! From bytes to a reader.

use std::path::Path;

use encoding_rs::{Encoding, UTF_8};

use crate::bytes::Input;
use crate::delimited::Delimited;
use crate::dialect::{self, Dialect};
use crate::error::Error;
use crate::json::{self, Elements, JsonRows, Shape};
use crate::limits::{CancelFlag, Hint, Limits};
use crate::names;
use crate::parquet_file::{self, ParquetRows};
use crate::reader::{Rows, Source, TableReader, text_schema};
use crate::recipe::{Format, Recipe};
use crate::scan::Scanner;
use crate::survey;
use crate::text::TextStream;
use crate::warning::Warning;

/// How much of a file the first look takes in.
const HEAD: usize = 256 << 10;

/// Opens a file as a table, with the default limits.
///
/// Fails with a typed [`Error`] when the bytes are no table, damaged, or beyond a limit.
pub fn open(path: &Path, hint: &Hint) -> Result<TableReader, Error> {
    open_with(path, hint, &Limits::default(), &CancelFlag::default())
}

/// Opens a file as a table. Once `cancel` is set, this call and the reader's fail with [`Error::Cancelled`].
pub fn open_with(path: &Path, hint: &Hint, limits: &Limits, cancel: &CancelFlag) -> Result<TableReader, Error> {
    let input = Input::new(path, limits, cancel)?;
    let mut head = vec![0; HEAD];
    let length = input.bytes()?.read_full(&mut head)?;
    head.truncate(length);
    let opening = Opening { whole: length < HEAD, input, hint, warnings: Vec::new() };
    if head.is_empty() {
        return Err(Error::Empty);
    }
    if head.starts_with(parquet_file::MAGIC) {
        return opening.parquet();
    }
    opening.text(&head)
}

struct Opening<'a> {
    input: Input,
    hint: &'a Hint,
    /// The head is all there is.
    whole: bool,
    warnings: Vec<Warning>,
}

impl Opening<'_> {
    fn parquet(mut self) -> Result<TableReader, Error> {
        let (rows, schema) = ParquetRows::open(&self.input, &mut self.warnings)?;
        let recipe = self.recipe(Format::Parquet, None);
        Ok(TableReader { schema, ..self.reader(recipe, Vec::new(), Source::Parquet(Box::new(rows))) })
    }

    fn text(mut self, head: &[u8]) -> Result<TableReader, Error> {
        refuse_binary(head)?;
        let marked = survey::marked_encoding(head);
        let sample = decode(head, marked.unwrap_or(UTF_8));
        refuse_other_text(&sample)?;
        let json = looks_like_json(&sample);
        let encoding = match marked {
            Some(encoding) => encoding,
            None => survey::find_encoding(&self.input, !json, &mut self.warnings)?,
        };
        if json {
            return self.json(encoding);
        }
        let sample = if encoding == UTF_8 { sample } else { decode(head, encoding) };
        refuse_implausible(&sample)?;
        refuse_undecodable(&sample)?;
        let dialect = dialect::sniff(&sample, self.whole, self.hint).ok_or(Error::Empty)?;
        self.delimited(encoding, dialect)
    }

    fn delimited(mut self, encoding: &'static Encoding, dialect: Dialect) -> Result<TableReader, Error> {
        let limits = self.input.limits.clone();
        if dialect.width > limits.max_columns {
            return Err(Error::TooManyColumns { limit: limits.max_columns });
        }
        let (rows, header) = Delimited::open(self.stream(encoding)?, dialect, &limits)?;
        let width = dialect.width.max(header.len());
        if dialect.preamble > 0 {
            let message = "Lines of text above the table were left out.";
            self.warnings
                .push(Warning { count: dialect.preamble as u64, ..Warning::whole("PREAMBLE_SKIPPED", message) });
        }
        let names = if dialect.header {
            names::unique(header, width, &mut self.warnings)
        } else {
            self.warnings
                .push(Warning::whole("NO_HEADER", "The first row holds values, so columns were named by position."));
            names::made_up(width)
        };
        let format = if dialect.delimiter == b'\t' { Format::Tsv } else { Format::Csv };
        let recipe = Recipe {
            delimiter: Some(char::from(dialect.delimiter)),
            quote: dialect.quoting.then_some('"'),
            header: dialect.header,
            ..self.recipe(format, Some(encoding))
        };
        Ok(self.text_reader(recipe, names, Box::new(rows)))
    }

    fn json(mut self, encoding: &'static Encoding) -> Result<TableReader, Error> {
        let limits = self.input.limits.clone();
        let scanner = |opening: &Self| Ok::<_, Error>(Scanner::new(opening.stream(encoding)?, &limits));
        let shape = json::find_shape(&mut scanner(&self)?)?;
        let members = json::collect_names(Elements::new(scanner(&self)?, shape.clone()), &limits)?;
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
        let rows = JsonRows::new(Elements::new(scanner(&self)?, shape), members.clone());
        let names = names::unique(members, 0, &mut self.warnings);
        let recipe = self.recipe(format, Some(encoding));
        Ok(self.text_reader(recipe, names, Box::new(rows)))
    }

    fn stream(&self, encoding: &'static Encoding) -> Result<TextStream, Error> {
        Ok(TextStream::new(self.input.bytes()?, encoding))
    }

    fn recipe(&self, format: Format, encoding: Option<&'static Encoding>) -> Recipe {
        Recipe { gzip: self.input.gzip, format, encoding, delimiter: None, quote: None, header: false }
    }

    fn text_reader(self, recipe: Recipe, names: Vec<String>, rows: Box<dyn Rows>) -> TableReader {
        self.reader(recipe, names, Source::Text { rows, done: false })
    }

    fn reader(self, recipe: Recipe, names: Vec<String>, source: Source) -> TableReader {
        let Input { read, cancel, .. } = self.input;
        TableReader { recipe, schema: text_schema(&names), source, found: self.warnings, read, cancel }
    }
}

fn decode(head: &[u8], encoding: &'static Encoding) -> String {
    let mut text = encoding.decode_with_bom_removal(head).0.into_owned();
    // The head may end inside a character.
    if text.ends_with('\u{fffd}') {
        text.pop();
    }
    text
}

fn refuse_binary(head: &[u8]) -> Result<(), Error> {
    let known: [(&[u8], &'static str); 9] = [
        (b"PK\x03\x04", "a ZIP archive or an office document"),
        (b"%PDF", "a PDF document"),
        (b"\x89PNG", "an image"),
        (b"\xff\xd8\xff", "an image"),
        (b"GIF8", "an image"),
        (b"BZh", "bzip2 data"),
        (b"\xfd7zXZ", "xz data"),
        (b"\x28\xb5\x2f\xfd", "Zstandard data"),
        (b"SQLite format 3", "an SQLite database"),
    ];
    match known.iter().find(|(magic, _)| head.starts_with(magic)) {
        Some((_, found)) => Err(Error::NotATable { found }),
        None => Ok(()),
    }
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
    let (mut total, mut odd) = (0u64, 0u64);
    for character in sample.chars() {
        total += 1;
        odd += u64::from(character.is_control() && !matches!(character, '\t' | '\n' | '\r' | '\u{c}'));
    }
    if odd * 50 > total { Err(Error::NotATable { found: "binary data" }) } else { Ok(()) }
}

/// Text of which a quarter did not decode is none.
fn refuse_undecodable(sample: &str) -> Result<(), Error> {
    let (total, lost) = (sample.chars().count(), sample.matches('\u{fffd}').count());
    if lost * 4 > total { Err(Error::NotATable { found: "binary data" }) } else { Ok(()) }
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
