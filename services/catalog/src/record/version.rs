//! Versions: what the bytes of a dataset were at one time.

use proto::profiling::v1::{SemanticType, StructuralType};
use types::{BoundingBox, Digest, Materialization, ProfileName, TimeRange, Timestamp, VersionName};

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
    /// Rows, exactly.
    pub row_count: u64,
    /// Columns, exactly.
    pub column_count: u32,
    /// The first [`Version::SHOWN_COLUMNS`] columns.
    pub columns: Vec<Column>,
    /// The span of time that its rows cover.
    pub time_range: Option<TimeRange>,
    /// The box that its rows cover.
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
    /// Every column with its structural type, up to [`Words::MAX_COLUMNS`].
    pub columns: Vec<(String, StructuralType)>,
    /// The most frequent values of the text columns, up to [`Words::MAX_VALUES`].
    pub values: Vec<String>,
}

impl Version {
    /// How many columns a version shows; its profile has them all.
    pub const SHOWN_COLUMNS: usize = 100;
    /// How much of a column's name it shows, in characters.
    pub const SHOWN_CHARS: usize = 1_000;

    /// How many bytes of a message it takes, roughly.
    pub fn weight(&self) -> usize {
        512 + self.columns.iter().map(|column| column.name.len() + 16).sum::<usize>()
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
}
