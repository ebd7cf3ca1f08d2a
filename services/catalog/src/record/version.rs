//! Versions: what the bytes of a dataset were at one time.

use proto::profiling::v1::{SemanticType, StructuralType};
use types::{BoundingBox, Digest, Materialization, ProfileName, TimeRange, Timestamp, VersionName, WorkError};

/// One version of a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// Its name; versions count 1, 2, 3.
    pub name: VersionName,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Their length.
    pub size_bytes: u64,
    /// Its profile.
    pub profile: ProfileName,
    /// How to read the bytes.
    pub recipe: Recipe,
    /// Rows, exactly; of a file with several tables those of the first one, as are the columns.
    pub row_count: u64,
    /// Columns, exactly.
    pub column_count: u32,
    /// The first [`Version::SHOWN_COLUMNS`] columns.
    pub columns: Vec<Column>,
    /// The tables of its file.
    pub tables: Tables,
    /// The span of time that its rows cover, those of all tables.
    pub time_range: Option<TimeRange>,
    /// The box that its rows cover, those of all tables.
    pub bounding_box: Option<BoundingBox>,
    /// The object that keeps its bytes; none when they were too many to keep.
    pub content_key: Option<String>,
    /// How its bytes were got.
    pub materialization: Materialization,
    /// A name for a file that holds its bytes.
    pub file_name: String,
    /// Whether the index holds it, or held it before a newer one took its place.
    pub indexed: bool,
    /// When it was recorded.
    pub created: Timestamp,
}

/// The tables of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tables {
    /// How many there are; 0 where that was not noted.
    pub count: u32,
    /// How many of several have a profile; 0 where that was not noted.
    pub profiled: u32,
    /// The first [`Version::SHOWN_TABLES`] where there are several, in the order of the file; none of a file with one.
    pub shown: Vec<Table>,
}

/// A table of a file with several, in brief.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its rows and columns; none without a profile.
    pub figures: Option<(u64, u32)>,
    /// Why it could not be profiled.
    pub error: Option<WorkError>,
}

/// A column in brief.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its structural type.
    pub structural_type: StructuralType,
    /// What its values mean, where that was recognised.
    pub semantic_types: Vec<SemanticType>,
}

/// How bytes are read as a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recipe {
    /// What the bytes are unwrapped from, joined by `+`; empty for nothing.
    pub compression: String,
    /// `csv`, `parquet` or another name of a format.
    pub format: String,
    /// The label of the character encoding; empty for binary formats.
    pub encoding: String,
    /// The delimiter of fields; empty when the format has none.
    pub delimiter: String,
    /// The quote character; empty when the format has none.
    pub quote: String,
    /// Whether the first row names the columns.
    pub header: bool,
    /// The path of the table in its archive; empty when the file is none.
    pub member: String,
    /// How many records above the table are left out.
    pub preamble_lines: i64,
    /// The sheet of a workbook or the table of a database; empty when there is none.
    pub table: String,
    /// Where each column begins in lines of fixed width; empty for any other format.
    pub column_starts: Vec<i32>,
}

/// The words of a version that search looks at, besides the record's metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// Every column with its structural type, up to [`Words::MAX_COLUMNS`]; table by table where there are several.
    pub columns: Vec<(String, StructuralType)>,
    /// The most frequent values of the text columns, up to [`Words::MAX_VALUES`]; table by table where there are several.
    pub values: Vec<String>,
    /// How many of them each table has, in order; none of a file with one table.
    pub tables: Vec<TableWords>,
}

/// How many words a table has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableWords {
    /// Its name.
    pub name: String,
    /// How many of the columns.
    pub columns: usize,
    /// How many of the values.
    pub values: usize,
}

impl Version {
    /// How many columns a version shows; its profile has them all.
    pub const SHOWN_COLUMNS: usize = 100;
    /// How many tables of a file a version shows; its profile names more.
    pub const SHOWN_TABLES: usize = 100;
    /// How much of a column's or table's name it shows, in characters.
    pub const SHOWN_CHARS: usize = 1_000;

    /// How many bytes of a message it takes, roughly.
    pub fn weight(&self) -> usize {
        let tables = self.tables.shown.iter().map(|table| {
            table.name.len() + 24 + table.error.as_ref().map_or(0, |error| error.message.len() + error.reason.len())
        });
        512 + self.columns.iter().map(|column| column.name.len() + 16).chain(tables).sum::<usize>()
    }

    /// Tells whether these bytes, read this way, are those of this version.
    pub fn has_bytes(&self, digest: &Digest, recipe: &Recipe) -> bool {
        self.digest == *digest && self.recipe == *recipe
    }
}

impl Words {
    /// How many columns search looks at.
    pub const MAX_COLUMNS: usize = 10_000;
    /// How many values search looks at.
    pub const MAX_VALUES: usize = 1_000;
    /// How much of one name or value search looks at, in characters.
    pub const MAX_CHARS: usize = 200;

    /// The table that has the column or value with this index, which `count` counts; empty of a file with one table.
    pub fn table_of(&self, index: usize, count: impl Fn(&TableWords) -> usize) -> &str {
        let mut end = 0;
        let has_it = |table: &&TableWords| {
            end += count(table);
            index < end
        };
        self.tables.iter().find(has_it).map_or("", |table| table.name.as_str())
    }
}
