//! Why a file is not read as a table.

use types::{ErrorKind, Fault, LimitHit};

/// Why a file is not read as a table.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read from the disk.
    #[error("cannot read the file")]
    Io(#[source] std::io::Error),
    /// The result cannot be written.
    #[error("cannot write the table")]
    Write(#[source] std::io::Error),
    /// There are no bytes, or only white space.
    #[error("the file is empty")]
    Empty,
    /// The bytes are no table in any supported format.
    #[error("the file is not a table: {found}")]
    NotATable {
        /// What they look like.
        found: &'static str,
    },
    /// The file holds data in a format that is known and not read.
    #[error("files of {format} are not read: save it as Parquet or CSV with a program that reads it")]
    FormatNotRead {
        /// The format.
        format: &'static str,
    },
    /// The table that is asked for is not in the file, or the name fits several.
    #[error("the file has no single table `{wanted}`; it holds {found}")]
    NoSuchTable {
        /// What was asked for.
        wanted: String,
        /// The names of those that there are.
        found: String,
    },
    /// A line or record is too long.
    #[error("a record is longer than {limit} bytes; it begins at byte {offset}")]
    RecordTooLong {
        /// The limit in bytes.
        limit: usize,
        /// Where it begins in the decompressed text.
        offset: u64,
    },
    /// There are too many columns.
    #[error("the table has more than {limit} columns")]
    TooManyColumns {
        /// The limit.
        limit: usize,
    },
    /// The decompressed bytes are too many.
    #[error("the file decompresses to more than {limit} bytes")]
    DecompressedTooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The file is compressed more than is plausible.
    #[error("the file decompresses to more than {limit} times its size")]
    SuspiciousCompression {
        /// The limit.
        limit: u64,
    },
    /// Compressed data or an archive end in the middle.
    #[error("the {compression} data end in the middle, at byte {offset}")]
    TruncatedCompression {
        /// `gzip`, `zstd`, `bzip2`, `xz`, `zip` or `tar`.
        compression: &'static str,
        /// Where, in the file.
        offset: u64,
    },
    /// Compressed data or an archive are damaged.
    #[error("the {compression} data are damaged before byte {offset}")]
    CorruptCompression {
        /// `gzip`, `zstd`, `bzip2`, `xz`, `zip` or `tar`.
        compression: &'static str,
        /// Where it showed, in the file; 0 where that is not known.
        offset: u64,
    },
    /// An archive holds too many files.
    #[error("the archive holds more than {limit} files")]
    TooManyMembers {
        /// The limit.
        limit: usize,
    },
    /// Archives and compressions are nested too deeply.
    #[error("archives and compressions are nested deeper than {limit}")]
    TooNested {
        /// The limit.
        limit: usize,
    },
    /// The Parquet file has no footer.
    #[error("the Parquet file ends in the middle: byte {offset} is its last, and no footer ends there")]
    TruncatedParquet {
        /// The length of the file.
        offset: u64,
    },
    /// The Parquet file is damaged, or of a kind that is not supported.
    #[error("the Parquet file cannot be read: {message}")]
    MalformedParquet {
        /// What the reader says.
        message: String,
    },
    /// A file of another binary format is damaged, or of a kind that is not supported.
    #[error("the {format} file cannot be read: {message}")]
    Malformed {
        /// The format.
        format: &'static str,
        /// What its reader says.
        message: String,
    },
    /// The file asks for more memory at once than it may have.
    #[error("the {format} file needs more than {limit} bytes of memory at once")]
    OverBudget {
        /// The format.
        format: &'static str,
        /// The limit in bytes.
        limit: u64,
    },
    /// The JSON is malformed.
    #[error("the JSON is malformed in element {row}, near byte {offset}: {message}")]
    MalformedJson {
        /// Where, in the decompressed text.
        offset: u64,
        /// The element, the first one being 0.
        row: u64,
        /// What is wrong.
        message: String,
    },
    /// The JSON ends in the middle.
    #[error("the JSON ends in the middle, at byte {offset}")]
    TruncatedJson {
        /// Where, in the decompressed text.
        offset: u64,
    },
    /// JSON values are nested too deeply.
    #[error("JSON values are nested deeper than {limit}, near byte {offset}")]
    TooDeep {
        /// The limit.
        limit: usize,
        /// Where, in the decompressed text.
        offset: u64,
    },
    /// Arrow refused what we built: a defect.
    #[error("cannot build a batch of rows")]
    Arrow(#[source] arrow::error::ArrowError),
    /// The caller gave up.
    #[error("reading was cancelled")]
    Cancelled,
}

impl Error {
    /// Tells whether a member of an archive that fails so leaves the rest of the archive readable.
    pub(crate) fn is_of_one_member(&self) -> bool {
        match self {
            Self::Empty
            | Self::NotATable { .. }
            | Self::FormatNotRead { .. }
            | Self::TruncatedCompression { .. }
            | Self::CorruptCompression { .. }
            | Self::TooNested { .. }
            | Self::Malformed { .. } => true,
            Self::Io(_)
            | Self::Write(_)
            | Self::NoSuchTable { .. }
            | Self::RecordTooLong { .. }
            | Self::TooManyColumns { .. }
            | Self::DecompressedTooLarge { .. }
            | Self::SuspiciousCompression { .. }
            | Self::TooManyMembers { .. }
            | Self::TruncatedParquet { .. }
            | Self::MalformedParquet { .. }
            | Self::OverBudget { .. }
            | Self::MalformedJson { .. }
            | Self::TruncatedJson { .. }
            | Self::TooDeep { .. }
            | Self::Arrow(_)
            | Self::Cancelled => false,
        }
    }
}

/// Its errors have reasons of their own, from before there were others.
const GZIP: &str = "gzip";

impl Fault for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Io(_) | Self::Write(_) => ErrorKind::Unavailable,
            Self::NoSuchTable { .. } => ErrorKind::NotFound,
            Self::Empty
            | Self::NotATable { .. }
            | Self::FormatNotRead { .. }
            | Self::RecordTooLong { .. }
            | Self::TooManyColumns { .. }
            | Self::DecompressedTooLarge { .. }
            | Self::SuspiciousCompression { .. }
            | Self::TruncatedCompression { .. }
            | Self::CorruptCompression { .. }
            | Self::TooManyMembers { .. }
            | Self::TooNested { .. }
            | Self::TruncatedParquet { .. }
            | Self::MalformedParquet { .. }
            | Self::Malformed { .. }
            | Self::OverBudget { .. }
            | Self::MalformedJson { .. }
            | Self::TruncatedJson { .. }
            | Self::TooDeep { .. } => ErrorKind::Invalid,
            Self::Arrow(_) => ErrorKind::Internal,
            Self::Cancelled => ErrorKind::Cancelled,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Io(_) => "FILE_UNREADABLE",
            Self::Write(_) => "WRITE_FAILED",
            Self::Empty => "EMPTY_FILE",
            Self::NotATable { .. } => "NOT_A_TABLE",
            Self::FormatNotRead { .. } => "FORMAT_NOT_READ",
            Self::NoSuchTable { .. } => "NO_SUCH_TABLE",
            Self::RecordTooLong { .. } => "RECORD_TOO_LONG",
            Self::TooManyColumns { .. } => "TOO_MANY_COLUMNS",
            Self::DecompressedTooLarge { .. } => "DECOMPRESSED_TOO_LARGE",
            Self::SuspiciousCompression { .. } => "SUSPICIOUS_COMPRESSION",
            Self::TruncatedCompression { compression: GZIP, .. } => "TRUNCATED_GZIP",
            Self::CorruptCompression { compression: GZIP, .. } => "CORRUPT_GZIP",
            Self::TruncatedCompression { .. } => "TRUNCATED_ARCHIVE",
            Self::CorruptCompression { .. } => "CORRUPT_ARCHIVE",
            Self::TooManyMembers { .. } => "TOO_MANY_MEMBERS",
            Self::TooNested { .. } => "ARCHIVE_TOO_DEEP",
            Self::TruncatedParquet { .. } => "TRUNCATED_PARQUET",
            Self::MalformedParquet { .. } => "MALFORMED_PARQUET",
            Self::Malformed { .. } => "MALFORMED_FILE",
            Self::OverBudget { .. } => "MEMORY_BUDGET_EXCEEDED",
            Self::MalformedJson { .. } => "MALFORMED_JSON",
            Self::TruncatedJson { .. } => "TRUNCATED_JSON",
            Self::TooDeep { .. } => "JSON_TOO_DEEP",
            Self::Arrow(_) => "BATCH_FAILED",
            Self::Cancelled => "CANCELLED",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::RecordTooLong { offset, .. }
            | Self::TruncatedCompression { compression: GZIP, offset }
            | Self::CorruptCompression { compression: GZIP, offset }
            | Self::TruncatedParquet { offset }
            | Self::TruncatedJson { offset }
            | Self::TooDeep { offset, .. } => vec![("offset", offset.to_string())],
            Self::TruncatedCompression { compression, offset } | Self::CorruptCompression { compression, offset } => {
                vec![("compression", (*compression).to_owned()), ("offset", offset.to_string())]
            }
            Self::MalformedJson { offset, row, .. } => vec![("offset", offset.to_string()), ("row", row.to_string())],
            Self::Malformed { format, .. } | Self::OverBudget { format, .. } | Self::FormatNotRead { format } => {
                vec![("format", (*format).to_owned())]
            }
            Self::NotATable { found } => vec![("found", (*found).to_owned())],
            Self::NoSuchTable { wanted, .. } => vec![("table", wanted.clone())],
            Self::Io(_)
            | Self::Write(_)
            | Self::Empty
            | Self::TooManyColumns { .. }
            | Self::DecompressedTooLarge { .. }
            | Self::SuspiciousCompression { .. }
            | Self::TooManyMembers { .. }
            | Self::TooNested { .. }
            | Self::MalformedParquet { .. }
            | Self::Arrow(_)
            | Self::Cancelled => Vec::new(),
        }
    }

    fn limit(&self) -> Option<LimitHit> {
        let hit = |name: &str, value: String| Some(LimitHit { name: name.to_owned(), value });
        match self {
            Self::RecordTooLong { limit, .. } => hit("max_record_bytes", format!("{limit} bytes")),
            Self::TooManyColumns { limit } => hit("max_columns", limit.to_string()),
            Self::DecompressedTooLarge { limit } => hit("max_decompressed_bytes", format!("{limit} bytes")),
            Self::SuspiciousCompression { limit } => hit("max_ratio", limit.to_string()),
            Self::TooDeep { limit, .. } => hit("max_depth", limit.to_string()),
            Self::OverBudget { limit, .. } => hit("max_resident_bytes", format!("{limit} bytes")),
            Self::TooManyMembers { limit } => hit("max_members", limit.to_string()),
            Self::TooNested { limit } => hit("max_nesting", limit.to_string()),
            Self::Io(_)
            | Self::Write(_)
            | Self::Empty
            | Self::NotATable { .. }
            | Self::FormatNotRead { .. }
            | Self::NoSuchTable { .. }
            | Self::TruncatedCompression { .. }
            | Self::CorruptCompression { .. }
            | Self::TruncatedParquet { .. }
            | Self::MalformedParquet { .. }
            | Self::Malformed { .. }
            | Self::MalformedJson { .. }
            | Self::TruncatedJson { .. }
            | Self::Arrow(_)
            | Self::Cancelled => None,
        }
    }
}
