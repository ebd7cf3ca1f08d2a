//! What goes wrong on the way to foreign bytes.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use types::{ByteSize, ErrorKind, Fault, LimitHit};
use url::Url;

/// The name of the limit on the bytes of one file.
pub(crate) const MAX_BYTES: &str = "fetch.max_bytes";

/// ELOOP: links were followed more often than the system does. The kind of `std` that means it is not stable.
const TOO_MANY_LINKS: i32 = if cfg!(target_os = "linux") { 40 } else { 62 };

/// Why a place was refused, or its bytes could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The path of a folder is relative.
    #[error("the path `{}` is not absolute", path.display())]
    PathNotAbsolute {
        /// The path as given.
        path: PathBuf,
    },
    /// There is no such folder beneath a root.
    #[error("there is no folder `{}`", path.display())]
    FolderNotFound {
        /// The path as given.
        path: PathBuf,
    },
    /// The folder is outside every root of the operator.
    #[error("`{}` does not lie beneath a folder root; the operator sets them with `folder_roots`", path.display())]
    FolderOutsideRoots {
        /// The path as given.
        path: PathBuf,
    },
    /// The folder is the data directory, or lies in it.
    #[error("`{}` belongs to the data directory, which is never a source", path.display())]
    FolderIsDataDirectory {
        /// The path as given.
        path: PathBuf,
    },
    /// There is no such file.
    #[error("there is no file `{}`", path.display())]
    FileNotFound {
        /// The path as given.
        path: PathBuf,
    },
    /// A link leads out of the roots, or into the data directory.
    #[error("`{}` leads out of the folder roots", path.display())]
    LinkLeadsOut {
        /// The path as given.
        path: PathBuf,
    },
    /// Links lead round in a circle.
    #[error("the links that begin at `{}` lead round in a circle", path.display())]
    LinkLoop {
        /// The path as given.
        path: PathBuf,
    },
    /// The path is that of a folder, a device or a pipe.
    #[error("`{}` is no regular file", path.display())]
    NotARegularFile {
        /// The path as given.
        path: PathBuf,
    },
    /// The file or folder cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The path.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file was written to, or replaced, while it was read.
    #[error("`{}` changed while it was read", path.display())]
    ChangedWhileRead {
        /// The path.
        path: PathBuf,
    },
    /// The URL is of no use here.
    #[error("the URL `{url}` cannot be used: {why}")]
    UrlRefused {
        /// The URL, without its credentials.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The host has an address that is not public.
    #[error(
        "`{host}` has the address {address}, which is not public; the operator may allow it with `fetch.allow_private`"
    )]
    AddressForbidden {
        /// The host.
        host: String,
        /// The address.
        address: IpAddr,
    },
    /// The host's name has no address.
    #[error("the host `{host}` cannot be found")]
    HostNotFound {
        /// The host.
        host: String,
        /// What the resolver says.
        source: std::io::Error,
    },
    /// No connection came to stand.
    #[error("cannot connect to `{host}`")]
    Connect {
        /// The host.
        host: String,
        /// What the client says.
        source: reqwest::Error,
    },
    /// The server answered with a status that is no success.
    #[error("`{url}` answered with status {status}")]
    HttpStatus {
        /// The URL that answered.
        url: Url,
        /// The status.
        status: u16,
        /// When the server says to come back.
        retry_after: Option<Duration>,
    },
    /// There were too many redirects.
    #[error("`{url}` redirects more than {limit} times")]
    TooManyRedirects {
        /// The URL that was asked for.
        url: Url,
        /// The limit.
        limit: usize,
    },
    /// A redirect tells no usable place.
    #[error("`{url}` redirects to no usable place")]
    BadRedirect {
        /// The URL that redirects.
        url: Url,
    },
    /// The exchange took too long.
    #[error("`{url}` took too long")]
    Timeout {
        /// The URL.
        url: Url,
    },
    /// The exchange broke off.
    #[error("the answer of `{url}` broke off")]
    Interrupted {
        /// The URL.
        url: Url,
        /// What the client says.
        source: reqwest::Error,
    },
    /// There are more bytes than allowed.
    #[error("`{place}` is larger than {limit}")]
    TooLarge {
        /// The URL or path.
        place: String,
        /// The name of the limit.
        name: &'static str,
        /// The limit.
        limit: ByteSize,
    },
    /// The origin is an object of our own.
    #[error("the origin is no foreign place")]
    NotForeign,
    /// The client cannot be made.
    #[error("cannot set up the HTTP client")]
    Setup(#[source] reqwest::Error),
}

impl Error {
    /// What the system's refusal to resolve or read `path` means.
    pub fn reading(path: &Path, source: std::io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            _ if source.raw_os_error() == Some(TOO_MANY_LINKS) => Self::LinkLoop { path },
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => Self::FileNotFound { path },
            _ => Self::Read { path, source },
        }
    }

    /// Tells whether the place answered that what was asked for does not exist: 404 or 410, or no such file.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::HttpStatus { status: 404 | 410, .. } | Self::FileNotFound { .. })
    }
}

impl Fault for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::PathNotAbsolute { .. } | Self::UrlRefused { .. } => ErrorKind::Invalid,
            Self::FolderNotFound { .. }
            | Self::FolderOutsideRoots { .. }
            | Self::FolderIsDataDirectory { .. }
            | Self::LinkLeadsOut { .. }
            | Self::LinkLoop { .. }
            | Self::NotARegularFile { .. }
            | Self::AddressForbidden { .. }
            | Self::TooManyRedirects { .. }
            | Self::BadRedirect { .. }
            | Self::TooLarge { .. } => ErrorKind::Precondition,
            Self::FileNotFound { .. } => ErrorKind::NotFound,
            Self::Read { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                ErrorKind::Precondition
            }
            Self::Read { .. } | Self::HostNotFound { .. } | Self::Connect { .. } | Self::Interrupted { .. } => {
                ErrorKind::Unavailable
            }
            Self::ChangedWhileRead { .. } => ErrorKind::Conflict,
            Self::HttpStatus { status, .. } => kind_of_status(*status),
            Self::Timeout { .. } => ErrorKind::Timeout,
            Self::NotForeign | Self::Setup(_) => ErrorKind::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::PathNotAbsolute { .. } => "PATH_NOT_ABSOLUTE",
            Self::FolderNotFound { .. } => "FOLDER_NOT_FOUND",
            Self::FolderOutsideRoots { .. } => "FOLDER_OUTSIDE_ROOTS",
            Self::FolderIsDataDirectory { .. } => "FOLDER_IS_DATA_DIRECTORY",
            Self::FileNotFound { .. } => "FILE_NOT_FOUND",
            Self::LinkLeadsOut { .. } => "LINK_LEADS_OUT",
            Self::LinkLoop { .. } => "LINK_LOOP",
            Self::NotARegularFile { .. } => "NOT_A_REGULAR_FILE",
            Self::Read { .. } => "READ_FAILED",
            Self::ChangedWhileRead { .. } => "CHANGED_WHILE_READ",
            Self::UrlRefused { .. } => "URL_REFUSED",
            Self::AddressForbidden { .. } => "ADDRESS_FORBIDDEN",
            Self::HostNotFound { .. } => "HOST_NOT_FOUND",
            Self::Connect { .. } => "CONNECT",
            Self::HttpStatus { .. } => "HTTP_STATUS",
            Self::TooManyRedirects { .. } => "TOO_MANY_REDIRECTS",
            Self::BadRedirect { .. } => "BAD_REDIRECT",
            Self::Timeout { .. } => "TIMEOUT",
            Self::Interrupted { .. } => "INTERRUPTED",
            Self::TooLarge { .. } => "TOO_LARGE",
            Self::NotForeign => "NOT_FOREIGN",
            Self::Setup(_) => "FETCH_SETUP",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::FolderOutsideRoots { path } => rule("beneath_a_root", "folder_roots", path.display().to_string()),
            Self::LinkLeadsOut { path } => rule("links_stay_inside", "folder_roots", path.display().to_string()),
            Self::FolderIsDataDirectory { path } => {
                rule("not_the_data_directory", "data_dir", path.display().to_string())
            }
            Self::AddressForbidden { host, address } => {
                let mut facts = rule("public_addresses", "fetch.allow_private", host.clone());
                facts.push(("address", address.to_string()));
                facts
            }
            Self::HttpStatus { url, status, .. } => vec![("url", url.to_string()), ("status", status.to_string())],
            Self::PathNotAbsolute { path }
            | Self::FolderNotFound { path }
            | Self::FileNotFound { path }
            | Self::LinkLoop { path }
            | Self::NotARegularFile { path }
            | Self::Read { path, .. }
            | Self::ChangedWhileRead { path } => vec![("path", path.display().to_string())],
            Self::UrlRefused { url, .. } => vec![("url", url.clone())],
            Self::HostNotFound { host, .. } | Self::Connect { host, .. } => vec![("host", host.clone())],
            Self::TooManyRedirects { url, .. }
            | Self::BadRedirect { url }
            | Self::Timeout { url }
            | Self::Interrupted { url, .. } => vec![("url", url.to_string())],
            Self::TooLarge { place, .. } => vec![("place", place.clone())],
            Self::NotForeign | Self::Setup(_) => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::HttpStatus { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    fn limit(&self) -> Option<LimitHit> {
        match self {
            Self::TooLarge { name, limit, .. } => Some(LimitHit { name: (*name).to_owned(), value: limit.to_string() }),
            Self::TooManyRedirects { limit, .. } => {
                Some(LimitHit { name: "fetch.max_redirects".into(), value: limit.to_string() })
            }
            _ => None,
        }
    }
}

fn rule(rule: &str, setting: &str, place: String) -> Vec<(&'static str, String)> {
    vec![("rule", rule.to_owned()), ("setting", setting.to_owned()), ("place", place)]
}

fn kind_of_status(status: u16) -> ErrorKind {
    match status {
        404 | 410 => ErrorKind::NotFound,
        408 => ErrorKind::Timeout,
        425 | 429 => ErrorKind::Exhausted,
        500..=599 => ErrorKind::Unavailable,
        _ => ErrorKind::Precondition,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_busy_is_worth_another_attempt_and_one_that_refuses_is_not() {
        let of = |status| {
            let url = "http://example.org/".parse().unwrap();
            Error::HttpStatus { url, status, retry_after: None }.kind().is_transient()
        };
        assert!([408, 429, 500, 503].into_iter().all(of));
        assert!(![400, 401, 403, 404, 410].into_iter().any(of));
    }
}
