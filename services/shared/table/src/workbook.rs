//! Sheets of a workbook.

use std::fmt::Display;
use std::io::BufReader;
use std::panic::{AssertUnwindSafe, catch_unwind};

use calamine::{Data, DataRef, ExcelDateTime, Ods, Reader, Sheet, SheetType, Xls, Xlsb, Xlsx};

use crate::archive::Member;
use crate::bytes::Input;
use crate::error::Error;
use crate::file_at::FileAt;
use crate::spool::Spool;

/// The first bytes of the compound files that old workbooks are.
pub(crate) const COMPOUND: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

/// The kind of a workbook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Book {
    Xlsx,
    Xlsb,
    Ods,
    Xls,
}

impl Book {
    /// Recognises a workbook by the files that its archive holds.
    pub(crate) fn of(members: &[Member]) -> Option<Self> {
        let has = |name: &str| members.iter().any(|member| member.name.eq_ignore_ascii_case(name));
        match () {
            () if has("xl/workbook.xml") => Some(Self::Xlsx),
            () if has("xl/workbook.bin") => Some(Self::Xlsb),
            () if has("mimetype") && has("content.xml") && has("styles.xml") => Some(Self::Ods),
            () => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Xlsx => "xlsx",
            Self::Xlsb => "xlsb",
            Self::Ods => "ods",
            Self::Xls => "xls",
        }
    }

    /// The parts that are held in memory whole.
    fn is_resident(self, part: &str) -> bool {
        let part = part.to_ascii_lowercase();
        match self {
            Self::Xlsx | Self::Xlsb => ["xl/sharedstrings", "xl/styles", "xl/workbook", "xl/_rels/", "[content"]
                .iter()
                .any(|p| part.starts_with(p)),
            Self::Ods => part == "content.xml",
            Self::Xls => true,
        }
    }
}

/// Refuses a workbook of which more than the limit must be held in memory at once; the parts are unpacked to be sure.
pub(crate) fn check_budget(input: &Input, book: Book, members: &[Member]) -> Result<(), Error> {
    let limit = input.limits.max_resident_bytes;
    let over = || Error::OverBudget { format: book.name(), limit };
    let mut total = if book == Book::Xls { input.in_any_order()?.length() } else { 0 };
    for member in members.iter().filter(|member| book.is_resident(&member.name)) {
        let Some(input) = &member.input else { continue };
        total += input.bytes()?.skip(limit.saturating_sub(total) + 1)?;
        if total > limit {
            return Err(over());
        }
    }
    if total > limit { Err(over()) } else { Ok(()) }
}

/// The names of the sheets that hold cells, and of those that are empty or no tables.
pub(crate) fn sheets(input: &Input, book: Book) -> Result<(Vec<String>, Vec<String>), Error> {
    guarded(input, book, |source| match source {
        Source::Xlsx(book) => Ok(sort(book.sheets_metadata().to_vec(), |name| {
            Ok(book.worksheet_cells_reader(name).map_err(text)?.next_cell().map_err(text)?.is_some())
        })),
        Source::Xlsb(book) => Ok(sort(book.sheets_metadata().to_vec(), |name| {
            Ok(book.worksheet_cells_reader(name).map_err(text)?.next_cell().map_err(text)?.is_some())
        })),
        Source::Ods(book) => Ok(sort(book.sheets_metadata().to_vec(), |name| {
            book.worksheet_range(name).map(|range| !range.is_empty()).map_err(text)
        })),
        Source::Xls(book) => Ok(sort(book.sheets_metadata().to_vec(), |name| {
            book.worksheet_range(name).map(|range| !range.is_empty()).map_err(text)
        })),
    })
}

fn sort(sheets: Vec<Sheet>, mut has_cells: impl FnMut(&str) -> Result<bool, Failure>) -> (Vec<String>, Vec<String>) {
    let names = sheets.into_iter().map(|sheet| (sheet.typ == SheetType::WorkSheet, sheet.name));
    let (full, empty): (Vec<_>, Vec<_>) = names.partition(|(cells, name)| *cells && has_cells(name).unwrap_or(true));
    let name = |(_, name)| name;
    (full.into_iter().map(name).collect(), empty.into_iter().map(name).collect())
}

/// Writes out the rows of a sheet, rows without any cell left out; gives them and the number of columns.
pub(crate) fn spool(input: &Input, book: Book, sheet: &str) -> Result<(Input, usize), Error> {
    guarded(input, book, |source| {
        let mut rows = Rows { out: Spool::new(input)?, row: 0, cells: Vec::new() };
        match source {
            Source::Xlsx(book) => {
                let mut cells = book.worksheet_cells_reader(sheet).map_err(text)?;
                while let Some(cell) = cells.next_cell().map_err(text)? {
                    rows.cell(cell.get_position(), shared_text(cell.get_value()))?;
                }
            }
            Source::Xlsb(book) => {
                let mut cells = book.worksheet_cells_reader(sheet).map_err(text)?;
                while let Some(cell) = cells.next_cell().map_err(text)? {
                    rows.cell(cell.get_position(), shared_text(cell.get_value()))?;
                }
            }
            Source::Ods(book) => rows.range(&book.worksheet_range(sheet).map_err(text)?)?,
            Source::Xls(book) => rows.range(&book.worksheet_range(sheet).map_err(text)?)?,
        }
        rows.end_row()?;
        rows.out.finish(input).map_err(Failure::Ours)
    })
}

enum Source {
    Xlsx(Xlsx<BufReader<FileAt>>),
    Xlsb(Xlsb<BufReader<FileAt>>),
    Ods(Ods<BufReader<FileAt>>),
    Xls(Xls<BufReader<FileAt>>),
}

/// What went wrong: the parser says so, or we do.
enum Failure {
    Theirs(String),
    Ours(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

fn text(error: impl Display) -> Failure {
    Failure::Theirs(error.to_string())
}

/// Opens a workbook and reads from it. What makes its parser panic is malformed.
fn guarded<T>(input: &Input, book: Book, read: impl FnOnce(&mut Source) -> Result<T, Failure>) -> Result<T, Error> {
    let file = BufReader::new(input.in_any_order()?);
    let parse = || {
        let mut source = match book {
            Book::Xlsx => Source::Xlsx(Xlsx::new(file).map_err(text)?),
            Book::Xlsb => Source::Xlsb(Xlsb::new(file).map_err(text)?),
            Book::Ods => Source::Ods(Ods::new(file).map_err(text)?),
            Book::Xls => Source::Xls(Xls::new(file).map_err(text)?),
        };
        read(&mut source)
    };
    let malformed = |message| Error::Malformed { format: book.name(), message };
    match catch_unwind(AssertUnwindSafe(parse)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(Failure::Ours(error))) => Err(error),
        Ok(Err(Failure::Theirs(message))) => Err(malformed(message)),
        Err(_) => Err(malformed("the parser gave up on its contents".to_owned())),
    }
}

/// Cells on their way into rows.
struct Rows {
    out: Spool,
    row: u32,
    cells: Vec<Option<String>>,
}

impl Rows {
    fn cell(&mut self, (row, column): (u32, u32), text: Option<String>) -> Result<(), Failure> {
        if row < self.row {
            return Err(Failure::Theirs(format!("row {row} stands below row {}", self.row)));
        }
        if row > self.row {
            self.end_row()?;
            self.row = row;
        }
        let column = column as usize;
        if text.is_none() {
            return Ok(());
        }
        if column >= self.cells.len() {
            self.cells.resize(column + 1, None);
        }
        self.cells[column] = text;
        Ok(())
    }

    fn range(&mut self, range: &calamine::Range<Data>) -> Result<(), Failure> {
        let (row, column) = range.start().unwrap_or_default();
        for (down, across, value) in range.used_cells() {
            self.cell((row + down as u32, column + across as u32), owned_text(value))?;
        }
        Ok(())
    }

    fn end_row(&mut self) -> Result<(), Failure> {
        if !self.cells.is_empty() {
            self.out.row(self.cells.iter().map(Option::as_deref))?;
            self.cells.clear();
        }
        Ok(())
    }
}

fn shared_text(value: &DataRef<'_>) -> Option<String> {
    match value {
        DataRef::Int(number) => Some(number.to_string()),
        DataRef::Float(value) => Some(number(*value)),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => present(text),
        DataRef::SharedString(text) => present(text),
        DataRef::Bool(value) => Some(value.to_string()),
        DataRef::DateTime(value) => Some(date(value)),
        DataRef::Error(error) => Some(error.to_string()),
        DataRef::Empty => None,
    }
}

fn owned_text(value: &Data) -> Option<String> {
    match value {
        Data::Int(number) => Some(number.to_string()),
        Data::Float(value) => Some(number(*value)),
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => present(text),
        Data::Bool(value) => Some(value.to_string()),
        Data::DateTime(value) => Some(date(value)),
        Data::Error(error) => Some(error.to_string()),
        Data::Empty => None,
    }
}

fn present(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// A number in its shortest form that reads as the same number.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-7..1e17).contains(&size) { format!("{value:e}") } else { value.to_string() }
}

/// A date, a time or both as ISO 8601 has them, a duration in hours, minutes and seconds.
fn date(value: &ExcelDateTime) -> String {
    let days = value.as_f64();
    if value.is_duration() {
        let seconds = (days * 86_400.0).round() as i64;
        let (sign, seconds) = (if seconds < 0 { "-" } else { "" }, seconds.unsigned_abs());
        return format!("{sign}{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    }
    let (year, month, day, hour, minute, second, milli) = value.to_ymd_hms_milli();
    let mut time = format!("{hour:02}:{minute:02}:{second:02}");
    if milli > 0 {
        time += &format!(".{milli:03}");
    }
    match days {
        _ if (0.0..1.0).contains(&days) => time,
        _ if days.fract() == 0.0 => format!("{year:04}-{month:02}-{day:02}"),
        _ => format!("{year:04}-{month:02}-{day:02}T{time}"),
    }
}
