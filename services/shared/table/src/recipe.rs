//! How bytes were read as a table.

use std::fmt;

use encoding_rs::Encoding;

use crate::workbook::Book;

/// The format of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Fields between commas, semicolons or bars.
    Csv,
    /// Fields between tabs.
    Tsv,
    /// One JSON value.
    Json,
    /// One JSON value per row.
    JsonLines,
    /// Columns at fixed positions of their lines.
    FixedWidth,
    /// An ESRI shapefile.
    Shapefile,
    /// A table of dBASE.
    Dbf,
    /// Features of GeoJSON, whatever holds them.
    GeoJson,
    /// Apache Parquet.
    Parquet,
    /// An Arrow IPC file, also called Feather.
    Arrow,
    /// A stream of Arrow IPC messages.
    ArrowStream,
    /// An Apache Avro object container file.
    Avro,
    /// An Apache ORC file.
    Orc,
    /// A Stata dataset.
    Stata,
    /// An SQLite database.
    Sqlite,
    /// An Excel workbook.
    Xlsx,
    /// An Excel workbook in binary.
    Xlsb,
    /// An OpenDocument spreadsheet.
    Ods,
    /// An Excel workbook of 1997 to 2003.
    Xls,
}

impl From<Book> for Format {
    fn from(book: Book) -> Self {
        match book {
            Book::Xlsx => Self::Xlsx,
            Book::Xlsb => Self::Xlsb,
            Book::Ods => Self::Ods,
            Book::Xls => Self::Xls,
        }
    }
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::Csv,
        Self::Tsv,
        Self::Json,
        Self::JsonLines,
        Self::FixedWidth,
        Self::Shapefile,
        Self::Dbf,
        Self::GeoJson,
        Self::Parquet,
        Self::Arrow,
        Self::ArrowStream,
        Self::Avro,
        Self::Orc,
        Self::Stata,
        Self::Sqlite,
        Self::Xlsx,
        Self::Xlsb,
        Self::Ods,
        Self::Xls,
    ];

    /// Its name in recipes: `csv`, `tsv`, `fixed-width`, `json`, `jsonl`, `geojson`, `parquet`, `arrow`, `arrow-stream`, `avro`, `orc`,
    /// `stata`, `sqlite`, `xlsx`, `xlsb`, `ods`, `xls`, `shapefile` or `dbf`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Json => "json",
            Self::JsonLines => "jsonl",
            Self::FixedWidth => "fixed-width",
            Self::Shapefile => "shapefile",
            Self::Dbf => "dbf",
            Self::GeoJson => "geojson",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
            Self::ArrowStream => "arrow-stream",
            Self::Avro => "avro",
            Self::Orc => "orc",
            Self::Stata => "stata",
            Self::Sqlite => "sqlite",
            Self::Xlsx => "xlsx",
            Self::Xlsb => "xlsb",
            Self::Ods => "ods",
            Self::Xls => "xls",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How bytes were read as a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// What the bytes were unwrapped from, from the outside inwards, joined by `+`: `gzip`, `zstd`, `bzip2`, `xz`, `zip`,
    /// `tar`; empty for nothing.
    pub compression: String,
    /// The path in the archive, those of nested archives joined by `!/`; empty where there is none.
    pub member: String,
    /// The sheet of a workbook or the table of a database; empty where there is none.
    pub table: String,
    /// The format.
    pub format: Format,
    /// The character encoding; nothing for binary formats.
    pub encoding: Option<&'static Encoding>,
    /// The delimiter of fields; nothing when the format has none.
    pub delimiter: Option<char>,
    /// The quote character; nothing when the format or the file has none.
    pub quote: Option<char>,
    /// Whether the first row names the columns.
    pub header: bool,
    /// How many records of text above the table were left out.
    pub preamble_lines: u64,
    /// Where each column begins in lines of fixed width, in characters from 0; empty for any other format.
    pub column_starts: Vec<usize>,
}

impl Recipe {
    /// A format without anything else.
    pub fn of(format: Format) -> Self {
        Self {
            compression: String::new(),
            member: String::new(),
            table: String::new(),
            format,
            encoding: None,
            delimiter: None,
            quote: None,
            header: false,
            preamble_lines: 0,
            column_starts: Vec::new(),
        }
    }

    /// The label of the encoding in the WHATWG standard, lower case; empty for binary formats.
    pub fn encoding_label(&self) -> String {
        self.encoding.map(|encoding| encoding.name().to_ascii_lowercase()).unwrap_or_default()
    }
}
