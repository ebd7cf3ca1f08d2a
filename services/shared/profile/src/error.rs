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
}

impl Fault for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Table(error) => error.kind(),
            Self::Digest(_) => ErrorKind::Unavailable,
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
            Self::Digest(_) | Self::TooManyParts | Self::BadState => Vec::new(),
        }
    }

    fn limit(&self) -> Option<LimitHit> {
        match self {
            Self::Table(error) => error.limit(),
            Self::TooManyParts => {
                Some(LimitHit { name: "parts".to_owned(), value: crate::state::MOST_PARTS.to_string() })
            }
            Self::Digest(_)
            | Self::OtherColumns { .. }
            | Self::OtherFormat { .. }
            | Self::OtherEngine { .. }
            | Self::BadState => None,
        }
    }
}
