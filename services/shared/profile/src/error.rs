//! Why there is no profile.

use types::{ErrorKind, Fault, LimitHit};

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
    /// The bytes are no state of a profile of this version.
    #[error("these bytes are no state of a profile that version {} of the engine has written", crate::ENGINE_VERSION)]
    BadState,
}

impl Fault for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Table(error) => error.kind(),
            Self::Digest(_) => ErrorKind::Unavailable,
            Self::OtherColumns { .. } | Self::BadState => ErrorKind::Precondition,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Table(error) => error.reason(),
            Self::Digest(_) => "FILE_UNREADABLE",
            Self::OtherColumns { .. } => "OTHER_COLUMNS",
            Self::BadState => "PROFILE_STATE_UNREADABLE",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Table(error) => error.metadata(),
            Self::OtherColumns { expected, found } => vec![("expected", expected.clone()), ("found", found.clone())],
            Self::Digest(_) | Self::BadState => Vec::new(),
        }
    }

    fn limit(&self) -> Option<LimitHit> {
        match self {
            Self::Table(error) => error.limit(),
            Self::Digest(_) | Self::OtherColumns { .. } | Self::BadState => None,
        }
    }
}
