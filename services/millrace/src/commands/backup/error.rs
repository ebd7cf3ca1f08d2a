//! Why a back-up cannot be made, trusted or put back.

use std::io;
use std::path::{Path, PathBuf};

use types::{ErrorKind, Fault};

/// Why a back-up cannot be made, trusted or put back.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something lies where the back-up is to be.
    #[error("{} is there already, and no back-up writes over anything; name a new place", .0.display())]
    TargetExists(PathBuf),
    /// The back-up is to lie in the data directory.
    #[error("{} lies in the data directory; name a place outside it, best on another disk", .0.display())]
    TargetInside(PathBuf),
    /// What a mesh keeps is not all there.
    #[error(
        "{} has no `{missing}`, so it does not hold all that a mesh keeps; name the data directory, and with `--config` \
         the settings of a mesh that keeps events or objects elsewhere", path.display()
    )]
    SourceIncomplete {
        /// The directory.
        path: PathBuf,
        /// What it lacks.
        missing: String,
    },
    /// A part of what the mesh keeps lies outside the data directory.
    #[error(
        "this back-up would not hold {parts}; back those up by the servers' own tools, and say `--local-only` for what \
         lies in the data directory"
    )]
    Elsewhere {
        /// What, where, and by which tool.
        parts: String,
    },
    /// A back-up without its last file.
    #[error("{} is no whole back-up: it has no manifest.json, which is written last; take another", .0.display())]
    Incomplete(PathBuf),
    /// A back-up that is not what was written.
    #[error("the back-up {} is damaged: {what}; use another one", path.display())]
    Damaged {
        /// The back-up.
        path: PathBuf,
        /// In what it shows.
        what: String,
    },
    /// A newer version wrote it.
    #[error("{} was written by millrace {found}, newer than this one; use that version", path.display())]
    Newer {
        /// The back-up, or the data directory.
        path: PathBuf,
        /// What wrote it, as far as it tells.
        found: String,
    },
    /// Something lies where a back-up is to be put back.
    #[error("{} is not empty: it holds `{found}`; name an empty or a new directory", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
        /// One of the things in it.
        found: String,
    },
    /// Another process has the directory.
    #[error("another process uses {}; stop it, or name another directory", .0.display())]
    InUse(PathBuf),
    /// The disk has no room.
    #[error("the disk of {} is full; what was written is removed", .0.display())]
    Full(PathBuf),
    /// A file refuses.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A database refuses.
    #[error("cannot copy the databases")]
    Store(#[from] sql::Error),
    /// Whoever waited is gone.
    #[error("interrupted; what was written is removed")]
    Interrupted,
}

impl Error {
    /// Tells of a file that refused.
    pub fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(path),
            io::ErrorKind::Interrupted => Self::Interrupted,
            _ => Self::Io { doing, path, source },
        }
    }

    /// Tells of a back-up that is not what was written.
    pub fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }
}

impl Fault for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::TargetExists(_) => ErrorKind::AlreadyExists,
            Self::TargetInside(_) => ErrorKind::Invalid,
            Self::SourceIncomplete { .. }
            | Self::Elsewhere { .. }
            | Self::Incomplete(_)
            | Self::Damaged { .. }
            | Self::Newer { .. }
            | Self::NotEmpty { .. }
            | Self::InUse(_) => ErrorKind::Precondition,
            Self::Full(_) => ErrorKind::Exhausted,
            Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => ErrorKind::NotFound,
            Self::Io { .. } => ErrorKind::Unavailable,
            Self::Store(error) => error.kind(),
            Self::Interrupted => ErrorKind::Cancelled,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::TargetExists(_) => "BACKUP_EXISTS",
            Self::TargetInside(_) => "BACKUP_TARGET_INVALID",
            Self::SourceIncomplete { .. } => "BACKUP_SOURCE_INCOMPLETE",
            Self::Elsewhere { .. } => "BACKUP_STATE_ELSEWHERE",
            Self::Incomplete(_) => "BACKUP_INCOMPLETE",
            Self::Damaged { .. } => "BACKUP_DAMAGED",
            Self::Newer { .. } => "BACKUP_NEWER",
            Self::NotEmpty { .. } => "RESTORE_DIR_NOT_EMPTY",
            Self::InUse(_) => "DATA_DIR_IN_USE",
            Self::Full(_) => "DISK_FULL",
            Self::Io { .. } => "BACKUP_FILE_FAILED",
            Self::Store(error) => error.reason(),
            Self::Interrupted => "BACKUP_INTERRUPTED",
        }
    }
}
