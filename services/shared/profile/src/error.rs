//! Why there is no profile.

use types::{ByteSize, ErrorKind, Fault, LimitHit};

use crate::isolation::Told;

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is not read as a table.
    #[error(transparent)]
    Table(#[from] table::Error),
    /// The file cannot be read for its digest.
    #[error("cannot read the file for its digest")]
    Digest(#[source] std::io::Error),
    /// The rows to add have other columns than those before.
    #[error("the rows to add have {found} where the profile has {expected}")]
    OtherColumns {
        /// The first column that differs, as the profile has it.
        expected: String,
        /// The same, as the rows to add have it.
        found: String,
    },
    /// The rows to add come in another format than those before.
    #[error("the rows to add come as {found}, those of the profile came as {expected}")]
    OtherFormat {
        /// The format of the rows before.
        expected: String,
        /// The format of the rows to add.
        found: String,
    },
    /// Another version of the engine wrote the state, and remembered other things.
    #[error(
        "version {found} of the engine wrote this state, and version {} reads its own alone",
        crate::ENGINE_VERSION
    )]
    OtherEngine {
        /// The version that wrote it.
        found: String,
    },
    /// More files were joined than a profile lists.
    #[error("a profile covers at most {} files", crate::state::MOST_PARTS)]
    TooManyParts,
    /// The bytes are no state of a profile of this version.
    #[error("these bytes are no state of a profile that version {} of the engine has written", crate::ENGINE_VERSION)]
    BadState,
    /// What a child process said of the file.
    #[error(transparent)]
    Told(#[from] Told),
    /// The child process that parsed the file crashed.
    #[error("the parser of {format} crashed: {how}")]
    ParserCrashed {
        /// The format of the file.
        format: &'static str,
        /// What ended it.
        how: String,
    },
    /// The file needs more memory than a profile may take.
    #[error("reading the file as {format} takes more than {limit} of memory")]
    MemoryLimit {
        /// The format of the file.
        format: &'static str,
        /// The memory that it may take.
        limit: ByteSize,
    },
    /// The file takes longer than any honest one.
    #[error("reading the file as {format} takes more than {limit_seconds} s of processor time")]
    CpuLimit {
        /// The format of the file.
        format: &'static str,
        /// The limit in seconds.
        limit_seconds: u64,
    },
    /// Somebody killed the child process: the system when its memory ran out, or a person.
    #[error("the process that read the file as {format} was killed from outside")]
    ProfilerKilled {
        /// The format of the file.
        format: &'static str,
    },
    /// No child process can be started.
    #[error("cannot start a process to read the file")]
    NotStarted(#[source] std::io::Error),
}

impl Error {
    /// Tells whether it lies in the table that was read, so that other tables of the same file may be read all the same.
    pub(crate) fn is_of_the_table(&self) -> bool {
        !self.kind().is_transient() && self.kind() != ErrorKind::Cancelled
    }
}

impl Fault for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Table(error) => error.kind(),
            Self::Told(told) => told.kind(),
            Self::ParserCrashed { .. } | Self::MemoryLimit { .. } | Self::CpuLimit { .. } => ErrorKind::Invalid,
            Self::Digest(_) | Self::ProfilerKilled { .. } | Self::NotStarted(_) => ErrorKind::Unavailable,
            Self::OtherColumns { .. }
            | Self::OtherFormat { .. }
            | Self::OtherEngine { .. }
            | Self::TooManyParts
            | Self::BadState => ErrorKind::Precondition,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Table(error) => error.reason(),
            Self::Digest(_) => "FILE_UNREADABLE",
            Self::OtherColumns { .. } => "OTHER_COLUMNS",
            Self::OtherFormat { .. } => "OTHER_FORMAT",
            Self::OtherEngine { .. } => "PROFILE_OF_ANOTHER_ENGINE",
            Self::TooManyParts => "TOO_MANY_PARTS",
            Self::BadState => "PROFILE_STATE_UNREADABLE",
            Self::Told(told) => told.reason(),
            Self::ParserCrashed { .. } => "PARSER_CRASHED",
            Self::MemoryLimit { .. } => "MEMORY_LIMIT",
            Self::CpuLimit { .. } => "CPU_LIMIT",
            Self::ProfilerKilled { .. } => "PROFILER_KILLED",
            Self::NotStarted(_) => "PROFILER_NOT_STARTED",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Table(error) => error.metadata(),
            Self::OtherColumns { expected, found } | Self::OtherFormat { expected, found } => {
                vec![("expected", expected.clone()), ("found", found.clone())]
            }
            Self::OtherEngine { found } => {
                vec![("engine_version", found.clone()), ("expected", crate::ENGINE_VERSION.to_owned())]
            }
            Self::Told(told) => told.metadata(),
            Self::ParserCrashed { format, how } => {
                vec![("format", (*format).to_owned()), ("how", how.clone())]
            }
            Self::MemoryLimit { format, .. } | Self::CpuLimit { format, .. } | Self::ProfilerKilled { format } => {
                vec![("format", (*format).to_owned())]
            }
            Self::Digest(_) | Self::TooManyParts | Self::BadState | Self::NotStarted(_) => Vec::new(),
        }
    }

    fn limit(&self) -> Option<LimitHit> {
        match self {
            Self::Table(error) => error.limit(),
            Self::TooManyParts => {
                Some(LimitHit { name: "parts".to_owned(), value: crate::state::MOST_PARTS.to_string() })
            }
            Self::Told(told) => told.limit(),
            Self::MemoryLimit { limit, .. } => Some(LimitHit { name: "memory".to_owned(), value: limit.to_string() }),
            Self::CpuLimit { limit_seconds, .. } => {
                Some(LimitHit { name: "cpu_seconds".to_owned(), value: format!("{limit_seconds} s") })
            }
            Self::Digest(_)
            | Self::OtherColumns { .. }
            | Self::OtherFormat { .. }
            | Self::OtherEngine { .. }
            | Self::BadState
            | Self::ParserCrashed { .. }
            | Self::ProfilerKilled { .. }
            | Self::NotStarted(_) => None,
        }
    }
}
