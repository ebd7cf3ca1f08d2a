//! What goes wrong in discovery.

use std::time::Duration;

use types::{CrawlName, ErrorKind, Fault, FieldViolation, LimitHit, Revision, SourceName};

/// Why a call, or a crawl, failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such source.
    #[error("there is no source `{name}`")]
    SourceNotFound {
        /// Its name.
        name: SourceName,
    },
    /// There is such a source already.
    #[error("there is a source `{name}` already")]
    SourceExists {
        /// Its name.
        name: SourceName,
    },
    /// There is no such crawl.
    #[error("there is no crawl `{name}`")]
    CrawlNotFound {
        /// Its name.
        name: CrawlName,
    },
    /// A crawl that does not accept losses is under way, and one that does is asked for.
    #[error("the crawl `{name}` is under way and does not accept losses; run the source again when it has ended")]
    CrawlUnderWay {
        /// Its name.
        name: CrawlName,
    },
    /// Somebody changed the source in the meantime.
    #[error("revision {given} of `{name}` is stale, the current one is {current}")]
    StaleRevision {
        /// The source.
        name: SourceName,
        /// The revision that was named.
        given: Revision,
        /// The revision that is current.
        current: Revision,
    },
    /// Fields of the request are wrong.
    #[error(transparent)]
    BadRequest(#[from] rpc::BadRequest),
    /// The settings are of no kind that is built in.
    #[error("the settings of the source are of no known kind")]
    UnknownKind,
    /// The place is refused, or cannot be read.
    #[error(transparent)]
    Fetch(#[from] fetch::Error),
    /// What answers is no listing.
    #[error("`{url}` is no listing of files as Apache or nginx make them")]
    NoListing {
        /// The URL that answered.
        url: String,
    },
    /// A redirect leads away from the source.
    #[error("`{url}` redirects to a place outside the source")]
    RedirectLeadsOut {
        /// The URL that redirects.
        url: String,
    },
    /// A link leads to a folder that it lies in.
    #[error("the link `{path}` leads to a folder that it lies in")]
    LinkLoop {
        /// The link.
        path: String,
    },
    /// The store failed.
    #[error("cannot read or change the store of discovery")]
    Store(#[source] sql::Error),
    /// The store answered a caller about pages or request ids.
    #[error(transparent)]
    Paging(sql::Error),
    /// The events cannot be stored.
    #[error("cannot store the events of discovery")]
    Events(#[from] events::Error),
    /// A stored value does not read back.
    #[error("the store of discovery holds a value that cannot be read: {what}")]
    Malformed {
        /// What it is.
        what: &'static str,
    },
}

impl Error {
    /// Tells whether the place says that what was asked for is not there.
    pub(crate) fn is_gone(&self) -> bool {
        match self {
            Self::Fetch(error) => error.is_gone() || matches!(error, fetch::Error::FolderNotFound { .. }),
            _ => false,
        }
    }

    /// Tells whether a server answered for this very thing that it is not there.
    pub(crate) fn is_answered_gone(&self) -> bool {
        matches!(self, Self::Fetch(fetch::Error::HttpStatus { status: 404 | 410, .. }))
    }

    /// Tells whether a link or redirect was refused because of where it leads.
    pub(crate) fn leads_out(&self) -> bool {
        matches!(
            self,
            Self::RedirectLeadsOut { .. }
                | Self::LinkLoop { .. }
                | Self::Fetch(fetch::Error::LinkLeadsOut { .. } | fetch::Error::LinkLoop { .. })
        )
    }
}

impl From<sql::Error> for Error {
    fn from(error: sql::Error) -> Self {
        match error.kind() {
            ErrorKind::Invalid | ErrorKind::Precondition => Self::Paging(error),
            _ => Self::Store(error),
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::SourceNotFound { .. } | Self::CrawlNotFound { .. } => ErrorKind::NotFound,
            Self::SourceExists { .. } => ErrorKind::AlreadyExists,
            Self::StaleRevision { .. } => ErrorKind::Conflict,
            Self::BadRequest(error) => error.kind(),
            Self::CrawlUnderWay { .. }
            | Self::NoListing { .. }
            | Self::RedirectLeadsOut { .. }
            | Self::LinkLoop { .. } => ErrorKind::Precondition,
            Self::Fetch(error) => error.kind(),
            Self::Store(error) | Self::Paging(error) => error.kind(),
            Self::Events(error) => error.kind(),
            Self::UnknownKind | Self::Malformed { .. } => ErrorKind::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::SourceNotFound { .. } => "SOURCE_NOT_FOUND",
            Self::SourceExists { .. } => "SOURCE_EXISTS",
            Self::CrawlNotFound { .. } => "CRAWL_NOT_FOUND",
            Self::CrawlUnderWay { .. } => "CRAWL_UNDER_WAY",
            Self::StaleRevision { .. } => "STALE_REVISION",
            Self::BadRequest(error) => error.reason(),
            Self::UnknownKind => "UNKNOWN_KIND",
            Self::Fetch(error) => error.reason(),
            Self::NoListing { .. } => "NO_LISTING",
            Self::RedirectLeadsOut { .. } => "LINK_LEADS_OUT",
            Self::LinkLoop { .. } => "LINK_LOOP",
            Self::Store(error) | Self::Paging(error) => error.reason(),
            Self::Events(error) => error.reason(),
            Self::Malformed { .. } => "STORE_CORRUPT",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::SourceNotFound { name } | Self::SourceExists { name } => vec![("name", name.to_string())],
            Self::CrawlNotFound { name } | Self::CrawlUnderWay { name } => vec![("name", name.to_string())],
            Self::StaleRevision { name, given, current } => {
                vec![("name", name.to_string()), ("given", given.to_string()), ("current", current.to_string())]
            }
            Self::Fetch(error) => error.metadata(),
            Self::NoListing { url } | Self::RedirectLeadsOut { url } => vec![("url", url.clone())],
            Self::LinkLoop { path } => vec![("path", path.clone())],
            Self::Store(error) | Self::Paging(error) => error.metadata(),
            Self::Events(error) => error.metadata(),
            Self::BadRequest(_) | Self::UnknownKind | Self::Malformed { .. } => Vec::new(),
        }
    }

    fn violations(&self) -> Vec<FieldViolation> {
        match self {
            Self::BadRequest(error) => error.violations(),
            Self::Paging(error) => error.violations(),
            _ => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Store(error) | Self::Paging(error) => error.retry_after(),
            Self::Fetch(error) => error.retry_after(),
            Self::Events(error) => error.retry_after(),
            _ => None,
        }
    }

    fn limit(&self) -> Option<LimitHit> {
        match self {
            Self::Fetch(error) => error.limit(),
            _ => None,
        }
    }
}
