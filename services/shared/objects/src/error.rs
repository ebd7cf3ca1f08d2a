//! What can go wrong with objects.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use types::{BoxError, ErrorKind, Fault, LimitHit};

use crate::{Key, KeyError, Problem};

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
    /// The bytes are not those that were announced or stored: they changed on their way or where they lay.
    #[error("the bytes of object `{key}` do not match their checksum")]
    Damaged {
        /// The object's key.
        key: Key,
    },
    /// The object was replaced while it was being read.
    #[error("object `{key}` was replaced while it was being read")]
    Changed {
        /// The object's key.
        key: Key,
    },
    /// Others kept writing the same key.
    #[error("others keep writing object `{key}`")]
    Contended {
        /// The object's key.
        key: Key,
    },
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
    #[error(
        "`{url}` names no object store: write `file:DIR`, or `s3://BUCKET/PREFIX?region=…`, \
         or `s3://BUCKET/PREFIX?endpoint=…&path_style=true`"
    )]
    Url {
        /// The URL as given.
        url: String,
    },
    /// A setting of the store cannot be used.
    #[error("setting `{setting}` of the object store: {problem}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What is wrong with it, and what would be right.
        problem: &'static str,
    },
    /// A store at the other end of a network did not do what it was asked.
    #[error("could not {doing} in the object store {place}: {problem}")]
    Remote {
        /// Which store.
        place: String,
        /// What was tried.
        doing: &'static str,
        /// What went wrong, as far as it can be told.
        problem: Problem,
        /// What the client or the server said.
        source: BoxError,
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
            Self::Key(_) | Self::Range { .. } | Self::Url { .. } | Self::Setting { .. } => ErrorKind::Invalid,
            Self::Damaged { .. } => ErrorKind::Internal,
            Self::Changed { .. } | Self::Contended { .. } => ErrorKind::Conflict,
            Self::Remote { problem, .. } => problem.kind(),
            Self::TooLarge { .. } => ErrorKind::Precondition,
            Self::Full { .. } => ErrorKind::Exhausted,
            // It heals when the disk takes writes again; nothing that a caller changes would help.
            Self::Body(_) | Self::Denied { .. } | Self::Io { .. } => ErrorKind::Unavailable,
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
            Self::Damaged { .. } => "OBJECT_CHECKSUM_MISMATCH",
            Self::Changed { .. } => "OBJECT_CHANGED",
            Self::Contended { .. } => "OBJECT_CONTENDED",
            Self::Url { .. } => "OBJECT_STORE_URL_INVALID",
            Self::Setting { .. } => "OBJECT_STORE_SETTING_INVALID",
            Self::Remote { problem, .. } => problem.reason(),
            Self::Io { .. } => "OBJECT_STORE_UNAVAILABLE",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::NotFound { key }
            | Self::Range { key, .. }
            | Self::TooLarge { key, .. }
            | Self::Damaged { key }
            | Self::Changed { key }
            | Self::Contended { key } => vec![("key", key.to_string())],
            Self::Setting { setting, .. } => vec![("setting", (*setting).to_owned())],
            Self::Remote { place, .. } => vec![("store", place.clone())],
            Self::Url { url } => vec![("url", url.clone())],
            Self::Key(_) | Self::Body(_) | Self::Full { .. } | Self::Denied { .. } | Self::Io { .. } => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Full { .. } => Some(Duration::from_secs(60)),
            Self::Denied { .. } => Some(Duration::from_secs(10)),
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
            | Self::Damaged { .. }
            | Self::Changed { .. }
            | Self::Contended { .. }
            | Self::Setting { .. }
            | Self::Remote { .. }
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
        let denied = Error::io("x".as_ref(), "write", io::ErrorKind::ReadOnlyFilesystem.into());
        assert_eq!(denied.kind(), ErrorKind::Unavailable, "it heals by itself");
        assert!(denied.retry_after().is_some());
        assert_eq!(of(io::ErrorKind::Other), "OBJECT_STORE_UNAVAILABLE");
        let full = Error::io("x".as_ref(), "write", io::ErrorKind::StorageFull.into());
        assert_eq!(full.words("cannot read or write an object"), "the disk is full");
        assert!(full.retry_after().is_some());
    }
}
