//! Why the database, or a promise of its tables, refused.

use std::path::PathBuf;
use std::time::Duration;

use types::{ErrorKind, Fault, FieldViolation};

/// An error of the database, or of the tables that this crate owns.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL's scheme names no back end that is built in, or the URL has no path.
    #[error("`{url}` is no database URL: write `sqlite:PATH`")]
    Url {
        /// What was given.
        url: String,
    },
    /// The file, or its folder, cannot be made or opened.
    #[error("cannot open the database `{}`", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: types::BoxError,
    },
    /// A newer version of Millrace wrote this database.
    #[error("the database `{}` was written by a newer version of Millrace", path.display())]
    NewerSchema {
        /// The file.
        path: PathBuf,
    },
    /// The migrations that are built in do not fit what was applied.
    #[error("cannot bring the database `{}` up to date", path.display())]
    Migration {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: sqlx::migrate::MigrateError,
    },
    /// Others held the database for too long.
    #[error("the database is busy")]
    Busy(#[source] sqlx::Error),
    /// The disk is full.
    #[error("the disk is full")]
    Full(#[source] sqlx::Error),
    /// The database, or its disk, takes no writes.
    #[error("the database cannot be written to")]
    ReadOnly(#[source] sqlx::Error),
    /// The file is damaged, or is no database.
    #[error("the database is damaged")]
    Corrupt(#[source] sqlx::Error),
    /// There is such a row already.
    #[error("there is such a row already")]
    Unique(#[source] sqlx::Error),
    /// A row names another one that is not there, or is named by one.
    #[error("a row that is referred to is missing, or still referred to")]
    ForeignKey(#[source] sqlx::Error),
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
    /// What to tell a caller: this error's own words where the request is what was wrong, or where it is clear to
    /// everybody what has to be done, else `otherwise`, because how the store failed is no caller's business.
    pub fn words(&self, otherwise: &'static str) -> String {
        match self {
            Self::PageSize { .. }
            | Self::PageTokenInvalid
            | Self::PageTokenExpired
            | Self::RequestIdReused { .. }
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

/// `SQLITE_IOERR_SHMSIZE`.
const SHARED_MEMORY_CANNOT_GROW: u32 = 4874;

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if matches!(error, sqlx::Error::PoolTimedOut) {
            return Self::Busy(error);
        }
        let Some(code) = sqlite_code(&error) else { return Self::Other(error) };
        // https://www.sqlite.org/rescode.html: the low byte is the primary code.
        match (code & 0xff, code) {
            (5 | 6, _) => Self::Busy(error),
            (8, _) => Self::ReadOnly(error),
            (11 | 26, _) => Self::Corrupt(error),
            // A full disk shows first where the file of shared memory cannot grow, when a database is opened.
            (13, _) | (10, SHARED_MEMORY_CANNOT_GROW) => Self::Full(error),
            (19, 1555 | 2067) => Self::Unique(error),
            (19, 787) => Self::ForeignKey(error),
            _ => Self::Other(error),
        }
    }
}

/// What the database itself said when it was opened.
fn at_open(source: &types::BoxError) -> Option<&Error> {
    source.downcast_ref()
}

fn sqlite_code(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.code()?.parse().ok()
}

impl Fault for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Open { source, .. } => at_open(source).map_or(ErrorKind::Unavailable, Self::kind),
            Self::Busy(_) | Self::ReadOnly(_) => ErrorKind::Unavailable,
            Self::Full(_) => ErrorKind::Exhausted,
            Self::NewerSchema { .. } | Self::PageTokenExpired => ErrorKind::Precondition,
            Self::Corrupt(_) | Self::Migration { .. } | Self::Other(_) | Self::Malformed { .. } => ErrorKind::Internal,
            Self::Unique(_) => ErrorKind::AlreadyExists,
            Self::ForeignKey(_) | Self::LostLease { .. } => ErrorKind::Conflict,
            Self::Url { .. } | Self::PageSize { .. } | Self::PageTokenInvalid | Self::RequestIdReused { .. } => {
                ErrorKind::Invalid
            }
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Url { .. } => "STORE_URL_INVALID",
            Self::Open { source, .. } => at_open(source).map_or("STORE_UNAVAILABLE", Self::reason),
            Self::NewerSchema { .. } => "STORE_NEWER",
            Self::Migration { .. } => "STORE_MIGRATION_FAILED",
            Self::Busy(_) => "STORE_BUSY",
            Self::Full(_) => "DISK_FULL",
            Self::ReadOnly(_) => "STORE_READ_ONLY",
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

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy(_) => Some(Duration::from_secs(1)),
            Self::Full(_) => Some(Duration::from_secs(60)),
            _ => None,
        }
    }
}
