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
}

impl Fault for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Table(error) => error.kind(),
            Self::Digest(_) => ErrorKind::Unavailable,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Table(error) => error.reason(),
            Self::Digest(_) => "FILE_UNREADABLE",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Table(error) => error.metadata(),
            Self::Digest(_) => Vec::new(),
        }
    }

    fn limit(&self) -> Option<LimitHit> {
        match self {
            Self::Table(error) => error.limit(),
            Self::Digest(_) => None,
        }
    }
}
