//! What can go wrong with the index.

use std::io;
use std::path::PathBuf;

use types::{BoxError, ErrorKind, Fault};

/// Why a call to the index failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process, or another part of this one, has the index open.
    #[error("the search index at {} is in use", path.display())]
    InUse {
        /// Where the index is.
        path: PathBuf,
    },
    /// The disk is full.
    #[error("the disk of the search index at {} is full", path.display())]
    Full {
        /// Where the index is.
        path: PathBuf,
        /// What the index said.
        source: BoxError,
    },
    /// The process may not write where the index is.
    #[error("the search index at {} may not be written", path.display())]
    Denied {
        /// Where the index is.
        path: PathBuf,
        /// What the index said.
        source: BoxError,
    },
    /// There is a rebuild already.
    #[error("the search index is being rebuilt")]
    RebuildRunning,
    /// Operations could not be brought into the new index, which is therefore not complete.
    #[error("the rebuild missed changes that were applied meanwhile and was given up")]
    RebuildBroken,
    /// The index does not do what it should.
    #[error("the search index failed to {doing}")]
    Failed {
        /// What was tried.
        doing: &'static str,
        /// What the index said.
        source: BoxError,
    },
}

impl Error {
    /// Classifies an input or output error of the index at `path`; gives others back.
    pub(crate) fn of_io(path: &std::path::Path, kind: io::ErrorKind, source: BoxError) -> Result<Self, BoxError> {
        let path = path.to_owned();
        match kind {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Ok(Self::Full { path, source }),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Ok(Self::Denied { path, source }),
            _ => Err(source),
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::InUse { .. } | Self::RebuildRunning => ErrorKind::Precondition,
            Self::Full { .. } => ErrorKind::Exhausted,
            // What takes no writes now may take them later.
            Self::Denied { .. } | Self::RebuildBroken | Self::Failed { .. } => ErrorKind::Unavailable,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::InUse { .. } => "SEARCH_INDEX_IN_USE",
            Self::Full { .. } => "DISK_FULL",
            Self::Denied { .. } => "SEARCH_INDEX_DENIED",
            Self::RebuildRunning => "REBUILD_RUNNING",
            Self::RebuildBroken => "REBUILD_BROKEN",
            Self::Failed { .. } => "SEARCH_INDEX_FAILED",
        }
    }
}
