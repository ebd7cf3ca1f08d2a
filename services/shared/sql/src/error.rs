//! Why the database, or a promise of its tables, refused.

mod codes;

use std::time::Duration;

use types::{ErrorKind, Fault, FieldViolation};

pub(crate) use codes::is_stale;

/// An error of the database, or of the tables that this crate owns.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL's scheme names no back end that is built in, or the URL has no path.
    #[error("`{url}` is no database URL: write `sqlite:PATH`, or `postgres://HOST[:PORT]/DATABASE`")]
    Url {
        /// What was given.
        url: String,
    },
    /// A setting of the database cannot be used.
    #[error("{message}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// The database cannot be made, reached or opened.
    #[error("cannot open the database `{store}`")]
    Open {
        /// Which one.
        store: String,
        /// Why.
        #[source]
        source: types::BoxError,
    },
    /// A newer version of Millrace wrote this database.
    #[error("the database `{store}` was written by a newer version of Millrace")]
    NewerSchema {
        /// Which one.
        store: String,
    },
    /// The migrations that are built in do not fit what was applied.
    #[error("cannot bring the database `{store}` up to date")]
    Migration {
        /// Which one.
        store: String,
        /// Why.
        #[source]
        source: Box<sqlx::migrate::MigrateError>,
    },
    /// The server cannot be reached, or the connection to it broke.
    #[error("the database server cannot be reached")]
    Unavailable(#[source] sqlx::Error),
    /// The server does not let us in, or not do what we must; its words say which.
    #[error("the database server refused the user, a right, the database, a setting or the connection's protection")]
    Refused(#[source] sqlx::Error),
    /// Others held the database for too long, or it has no room for one more.
    #[error("the database is busy")]
    Busy(#[source] sqlx::Error),
    /// The disk is full.
    #[error("the disk is full")]
    Full(#[source] sqlx::Error),
    /// The database, or its disk, takes no writes.
    #[error("the database cannot be written to")]
    ReadOnly(#[source] sqlx::Error),
    /// The disk under the database failed a read or a write.
    #[error("the disk under the database failed")]
    Disk(#[source] sqlx::Error),
    /// The file is damaged, or is no database.
    #[error("the database is damaged")]
    Corrupt(#[source] sqlx::Error),
    /// There is such a row already.
    #[error("there is such a row already")]
    Unique(#[source] sqlx::Error),
    /// A row names another one that is not there, or is named by one.
    #[error("a row that is referred to is missing, or still referred to")]
    ForeignKey(#[source] sqlx::Error),
    /// A text holds the character of number 0, which PostgreSQL cannot store.
    #[error("a text holds a character that cannot be stored")]
    Unstorable(#[source] sqlx::Error),
    /// Anything else that the driver reports.
    #[error("the database failed")]
    Other(#[source] sqlx::Error),
    /// A stored value does not read back.
    #[error("the database holds a value of `{column}` that cannot be read")]
    Malformed {
        /// Table and column.
        column: &'static str,
    },
    /// A page size is out of range.
    #[error("the page size {given} is not in 0 to 1000")]
    PageSize {
        /// What was given.
        given: i32,
    },
    /// A page token is not one that this list gave to this caller.
    #[error("the page token belongs to no such list; ask for the first page again")]
    PageTokenInvalid,
    /// A page token is older than lists are kept.
    #[error("the page token is too old; ask for the first page again")]
    PageTokenExpired,
    /// A request id came with another request than before.
    #[error("the request id `{request_id}` was used for another request")]
    RequestIdReused {
        /// The id.
        request_id: String,
    },
    /// Another worker holds the work now, or it ended.
    #[error("the lease on `{id}` was lost")]
    LostLease {
        /// The id of the work.
        id: String,
    },
}

impl Error {
    pub(crate) fn other(what: &str) -> Self {
        Self::Other(sqlx::Error::Protocol(what.to_owned()))
    }

    /// What to tell a caller: this error's own words where the request is what was wrong, or where it is clear to
    /// everybody what has to be done, else `otherwise`, because how the store failed is no caller's business.
    pub fn words(&self, otherwise: &'static str) -> String {
        match self {
            Self::PageSize { .. }
            | Self::PageTokenInvalid
            | Self::PageTokenExpired
            | Self::RequestIdReused { .. }
            | Self::Unstorable(_)
            | Self::Full(_) => self.to_string(),
            _ => otherwise.to_owned(),
        }
    }

    /// Tells whether a row with this key was there already.
    pub fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Unique(_))
    }

    /// Tells whether a row that is referred to was missing, or still referred to.
    pub fn is_foreign_key_violation(&self) -> bool {
        matches!(self, Self::ForeignKey(_))
    }
}

/// What the database itself said when it was opened.
fn at_open(source: &types::BoxError) -> Option<&Error> {
    source.downcast_ref()
}

impl Fault for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Open { source, .. } => at_open(source).map_or(ErrorKind::Unavailable, Self::kind),
            Self::Unavailable(_) | Self::Busy(_) | Self::ReadOnly(_) | Self::Disk(_) => ErrorKind::Unavailable,
            Self::Full(_) => ErrorKind::Exhausted,
            Self::NewerSchema { .. } | Self::Refused(_) | Self::PageTokenExpired => ErrorKind::Precondition,
            Self::Corrupt(_) | Self::Migration { .. } | Self::Other(_) | Self::Malformed { .. } => ErrorKind::Internal,
            Self::Unique(_) => ErrorKind::AlreadyExists,
            Self::ForeignKey(_) | Self::LostLease { .. } => ErrorKind::Conflict,
            Self::Url { .. }
            | Self::Setting { .. }
            | Self::Unstorable(_)
            | Self::PageSize { .. }
            | Self::PageTokenInvalid
            | Self::RequestIdReused { .. } => ErrorKind::Invalid,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Url { .. } => "STORE_URL_INVALID",
            Self::Setting { .. } => "STORE_SETTING_INVALID",
            Self::Unavailable(_) => "STORE_UNAVAILABLE",
            Self::Refused(_) => "STORE_REFUSED",
            Self::Unstorable(_) => "TEXT_UNSTORABLE",
            Self::Open { source, .. } => at_open(source).map_or("STORE_UNAVAILABLE", Self::reason),
            Self::NewerSchema { .. } => "STORE_NEWER",
            Self::Migration { .. } => "STORE_MIGRATION_FAILED",
            Self::Busy(_) => "STORE_BUSY",
            Self::Full(_) => "DISK_FULL",
            Self::ReadOnly(_) => "STORE_READ_ONLY",
            Self::Disk(_) => "STORE_DISK_FAILED",
            Self::Corrupt(_) | Self::Malformed { .. } => "STORE_CORRUPT",
            Self::Unique(_) => "ALREADY_EXISTS",
            Self::ForeignKey(_) => "REFERENCE_VIOLATED",
            Self::Other(_) => "STORE_FAILED",
            Self::PageSize { .. } => "BAD_REQUEST",
            Self::PageTokenInvalid => "PAGE_TOKEN_INVALID",
            Self::PageTokenExpired => "PAGE_TOKEN_EXPIRED",
            Self::RequestIdReused { .. } => "REQUEST_ID_REUSED",
            Self::LostLease { .. } => "LEASE_LOST",
        }
    }

    fn violations(&self) -> Vec<FieldViolation> {
        match self {
            Self::PageSize { .. } => vec![FieldViolation::new("page_size", self.to_string())],
            Self::PageTokenInvalid => vec![FieldViolation::new("page_token", self.to_string())],
            Self::RequestIdReused { .. } => vec![FieldViolation::new("request_id", self.to_string())],
            _ => Vec::new(),
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Setting { setting, .. } => vec![("setting", (*setting).to_owned())],
            _ => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Open { source, .. } => at_open(source).and_then(Self::retry_after),
            Self::Busy(_) | Self::Unavailable(_) => Some(Duration::from_secs(1)),
            // Somebody has to see to it first.
            Self::ReadOnly(_) | Self::Disk(_) => Some(Duration::from_secs(10)),
            Self::Full(_) => Some(Duration::from_secs(60)),
            _ => None,
        }
    }
}
