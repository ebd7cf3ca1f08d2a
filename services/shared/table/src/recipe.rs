//! How bytes were read as a table.

use std::fmt;

use encoding_rs::Encoding;

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
    /// Apache Parquet.
    Parquet,
}

impl Format {
    /// Its name in recipes: `csv`, `tsv`, `json`, `jsonl` or `parquet`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Json => "json",
            Self::JsonLines => "jsonl",
            Self::Parquet => "parquet",
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
    /// Whether the bytes were decompressed as gzip.
    pub gzip: bool,
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
}

impl Recipe {
    /// The label of the encoding in the WHATWG standard, lower case; empty for binary formats.
    pub fn encoding_label(&self) -> String {
        self.encoding.map(|encoding| encoding.name().to_ascii_lowercase()).unwrap_or_default()
    }
}
