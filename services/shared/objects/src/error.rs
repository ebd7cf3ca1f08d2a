//! What can go wrong with objects.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use types::{BoxError, ErrorKind, Fault, LimitHit};

use crate::{Key, KeyError};

/// Why a call to an object store failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such object.
    #[error("there is no object `{key}`")]
    NotFound {
        /// Its key.
        key: Key,
    },
    /// A text is no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A range holds no byte of the object.
    #[error("bytes {start} to {end} hold nothing of object `{key}`, which has {size_bytes}")]
    Range {
        /// The object's key.
        key: Key,
        /// The first byte asked for.
        start: u64,
        /// The byte after the last one asked for.
        end: u64,
        /// The object's length.
        size_bytes: u64,
    },
    /// An object is larger than the caller takes.
    #[error("object `{key}` has {size_bytes} bytes, more than {limit}")]
    TooLarge {
        /// Its key.
        key: Key,
        /// Its length.
        size_bytes: u64,
        /// What the caller takes.
        limit: u64,
    },
    /// The bytes that were to be written could not be had.
    #[error("the bytes to store ended with an error")]
    Body(#[source] BoxError),
    /// The disk, or the store's share of it, is full.
    #[error("the disk of the object store at {} is full", path.display())]
    Full {
        /// The store's folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The process may not write where the store is.
    #[error("the object store at {} may not be written", path.display())]
    Denied {
        /// The store's folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The URL of the store cannot be used.
    #[error("`{url}` names no object store: write `file:DIR`")]
    Url {
        /// The URL as given.
        url: String,
    },
    /// The store does not answer as it should.
    #[error("the object store at {} failed to {doing}", path.display())]
    Io {
        /// The store's folder.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// What to tell a caller: that the disk is full, because then it is clear to everybody what has to be done, else
    /// `otherwise`, because how the store failed is no caller's business.
    pub fn words(&self, otherwise: &'static str) -> &'static str {
        match self {
            Self::Full { .. } => "the disk is full",
            _ => otherwise,
        }
    }

    /// Classifies what the system said while the store at `path` was `doing` something.
    pub(crate) fn io(path: &std::path::Path, doing: &'static str, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path, source },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::Denied { path, source },
            _ => Self::Io { path, doing, source },
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Key(_) | Self::Range { .. } | Self::Url { .. } => ErrorKind::Invalid,
            Self::TooLarge { .. } => ErrorKind::Precondition,
            Self::Full { .. } => ErrorKind::Exhausted,
            Self::Denied { .. } => ErrorKind::Precondition,
            Self::Body(_) | Self::Io { .. } => ErrorKind::Unavailable,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "OBJECT_NOT_FOUND",
            Self::Key(_) => "OBJECT_KEY_INVALID",
            Self::Range { .. } => "OBJECT_RANGE_INVALID",
            Self::TooLarge { .. } => "OBJECT_TOO_LARGE",
            Self::Body(_) => "OBJECT_BODY_FAILED",
            Self::Full { .. } => "DISK_FULL",
            Self::Denied { .. } => "OBJECT_STORE_DENIED",
            Self::Url { .. } => "OBJECT_STORE_URL_INVALID",
            Self::Io { .. } => "OBJECT_STORE_UNAVAILABLE",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::NotFound { key } | Self::Range { key, .. } | Self::TooLarge { key, .. } => {
                vec![("key", key.to_string())]
            }
            Self::Url { url } => vec![("url", url.clone())],
            Self::Key(_) | Self::Body(_) | Self::Full { .. } | Self::Denied { .. } | Self::Io { .. } => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Full { .. } => Some(Duration::from_secs(60)),
            _ => None,
        }
    }

    fn limit(&self) -> Option<LimitHit> {
        match self {
            Self::TooLarge { limit, .. } => {
                Some(LimitHit { name: "object_read".to_owned(), value: format!("{limit}B") })
            }
            Self::NotFound { .. }
            | Self::Key(_)
            | Self::Range { .. }
            | Self::Body(_)
            | Self::Full { .. }
            | Self::Denied { .. }
            | Self::Url { .. }
            | Self::Io { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_other_failures() {
        let of = |kind: io::ErrorKind| Error::io("x".as_ref(), "write", kind.into()).reason();
        assert_eq!(of(io::ErrorKind::StorageFull), "DISK_FULL");
        assert_eq!(of(io::ErrorKind::QuotaExceeded), "DISK_FULL");
        assert_eq!(of(io::ErrorKind::ReadOnlyFilesystem), "OBJECT_STORE_DENIED");
        assert_eq!(of(io::ErrorKind::Other), "OBJECT_STORE_UNAVAILABLE");
        let full = Error::io("x".as_ref(), "write", io::ErrorKind::StorageFull.into());
        assert_eq!(full.words("cannot read or write an object"), "the disk is full");
        assert!(full.retry_after().is_some());
    }
}
