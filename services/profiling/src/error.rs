//! What can go wrong in profiling, and whose turn it is then.

use types::{BoxError, ByteSize, ErrorKind, Fault, FieldViolation, JobName, LimitHit, ProfileName};

/// Why profiling did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such profile.
    #[error("there is no profile `{name}`")]
    NoSuchProfile {
        /// Its name.
        name: ProfileName,
    },
    /// The file of the profile has no table of that name, or several whose names end so.
    #[error("the file of profile `{name}` has no table `{wanted}`, or several whose names end so; it has {found}")]
    NoSuchTable {
        /// The profile.
        name: ProfileName,
        /// The table that was asked for.
        wanted: String,
        /// Those that there are.
        found: String,
    },
    /// The table of the file has no profile.
    #[error("table `{table}` of the file of profile `{name}` was not profiled: {why}")]
    TableNotProfiled {
        /// The profile.
        name: ProfileName,
        /// The table.
        table: String,
        /// Why.
        why: String,
    },
    /// Nothing can be appended to or merged with the profile of a file with several tables.
    #[error(
        "profile `{name}` is of a file with several tables, {tables}; rows can be appended to and merged with profiles of \
         one table alone, so announce or upload the table as a file of its own"
    )]
    SeveralTables {
        /// The profile.
        name: ProfileName,
        /// Its tables.
        tables: String,
    },
    /// Of the profile no state is kept.
    #[error("no state of profile `{name}` is kept, so nothing can be appended to it")]
    StateNotKept {
        /// Its name.
        name: ProfileName,
    },
    /// The bytes of the state are none that its profile's engine has written.
    #[error("the stored state of profile `{name}` is damaged")]
    StateDamaged {
        /// The profile.
        name: ProfileName,
    },
    /// There is no such job.
    #[error("there is no job `{name}`")]
    NoSuchJob {
        /// Its name.
        name: JobName,
    },
    /// A newer announcement of the dataset has a job of its own, or the dataset is gone.
    #[error("job `{name}` was superseded and cannot be retried")]
    JobSuperseded {
        /// Its name.
        name: JobName,
    },
    /// Only a failed or cancelled job can be retried.
    #[error("job `{name}` is {phase}; only a failed or cancelled job can be retried")]
    JobNotRetryable {
        /// Its name.
        name: JobName,
        /// Its phase.
        phase: &'static str,
    },
    /// The data are longer than is allowed.
    #[error("the data are longer than {limit}")]
    TooLarge {
        /// The setting that holds the limit.
        setting: &'static str,
        /// The limit.
        limit: ByteSize,
    },
    /// The page token was not made by a list of columns.
    #[error("the page token is not valid here; ask for the first page again")]
    PageToken,
    /// The object that is to be profiled has other bytes than were announced.
    #[error("the object does not have the announced digest")]
    ContentDamaged,
    /// The stored profile cannot be decoded.
    #[error("the stored profile `{name}` is damaged")]
    ProfileDamaged {
        /// Its name.
        name: ProfileName,
    },
    /// A stored row cannot be decoded.
    #[error("the stored job `{id}` is damaged")]
    JobDamaged {
        /// Its id.
        id: String,
    },
    /// An attempt took so long that a sweep may have taken what it had put.
    #[error("the attempt took longer than `profiling.sweep.grace`, so its objects may be gone")]
    HoldEnded,
    /// The objects are those of another database.
    #[error("the objects belong to another mesh: object `{marker}` names {theirs}, this database is {ours}")]
    ForeignObjects {
        /// The object that says whose they are.
        marker: String,
        /// Who this database is.
        ours: String,
        /// Whose objects they are.
        theirs: String,
    },
    /// A caller cancelled the work.
    #[error("the work was cancelled")]
    Cancelled,
    /// The profiler refused the data, or failed.
    #[error("{0}")]
    Profile(profile::Error),
    /// The profiler panicked, which is a defect of ours.
    #[error("the profiler failed on these data")]
    ProfilerPanicked(#[source] BoxError),
    /// The store failed or refused.
    #[error("{}", .0.words("cannot read or change the profiling store"))]
    Store(#[from] sql::Error),
    /// The outbox failed.
    #[error("cannot record an event")]
    Events(#[from] events::Error),
    /// The object store failed.
    #[error("{}", .0.words("cannot read or write an object"))]
    Objects(#[from] objects::Error),
    /// The bytes cannot be had.
    #[error("{0}")]
    Fetch(fetch::Error),
    /// The upload was not taken.
    #[error("{0}")]
    Upload(rpc::upload::Error),
    /// The spool folder cannot be written or read.
    #[error("{}", if is_full(.0) { "the disk is full" } else { "cannot spool bytes on the local disk" })]
    Spool(#[from] std::io::Error),
}

impl Error {
    /// Tells whether a store of our own is away, full, or lets us in no more, which is no fault of the job and passes.
    pub fn is_of_our_stores(&self) -> bool {
        if let Self::Objects(objects::Error::Remote { .. }) | Self::Store(sql::Error::Refused(_)) = self {
            return true;
        }
        let ours = matches!(self, Self::Store(_) | Self::Events(_) | Self::Objects(_) | Self::Spool(_));
        ours && matches!(self.kind(), ErrorKind::Unavailable | ErrorKind::Exhausted)
    }
}

/// How long a caller waits while an operator makes room.
const UNTIL_THERE_IS_ROOM: std::time::Duration = std::time::Duration::from_secs(60);

fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}

impl From<rpc::upload::Error> for Error {
    fn from(error: rpc::upload::Error) -> Self {
        Self::Upload(error)
    }
}

impl From<fetch::Error> for Error {
    fn from(error: fetch::Error) -> Self {
        Self::Fetch(error)
    }
}

impl Fault for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoSuchProfile { .. } | Self::NoSuchTable { .. } | Self::NoSuchJob { .. } => ErrorKind::NotFound,
            Self::StateNotKept { .. }
            | Self::TableNotProfiled { .. }
            | Self::SeveralTables { .. }
            | Self::StateDamaged { .. }
            | Self::JobSuperseded { .. }
            | Self::JobNotRetryable { .. }
            | Self::ForeignObjects { .. } => ErrorKind::Precondition,
            Self::HoldEnded => ErrorKind::Timeout,
            Self::TooLarge { .. } | Self::PageToken => ErrorKind::Invalid,
            Self::ContentDamaged | Self::ProfileDamaged { .. } | Self::JobDamaged { .. } => ErrorKind::Internal,
            Self::ProfilerPanicked(_) => ErrorKind::Invalid,
            Self::Cancelled => ErrorKind::Cancelled,
            Self::Profile(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Events(error) => error.kind(),
            Self::Objects(error) => error.kind(),
            Self::Fetch(error) => error.kind(),
            Self::Upload(error) => error.kind(),
            Self::Spool(error) if is_full(error) => ErrorKind::Exhausted,
            Self::Spool(_) => ErrorKind::Unavailable,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::NoSuchProfile { .. } => "PROFILE_NOT_FOUND",
            Self::NoSuchTable { .. } => "NO_SUCH_TABLE",
            Self::TableNotProfiled { .. } => "TABLE_NOT_PROFILED",
            Self::SeveralTables { .. } => "PROFILE_OF_SEVERAL_TABLES",
            Self::StateNotKept { .. } => "PROFILE_STATE_NOT_KEPT",
            Self::StateDamaged { .. } => "PROFILE_STATE_DAMAGED",
            Self::NoSuchJob { .. } => "JOB_NOT_FOUND",
            Self::JobSuperseded { .. } => "JOB_SUPERSEDED",
            Self::JobNotRetryable { .. } => "JOB_NOT_RETRYABLE",
            Self::TooLarge { .. } => "TOO_LARGE",
            Self::PageToken => "PAGE_TOKEN_INVALID",
            Self::ContentDamaged => "CONTENT_DAMAGED",
            Self::ProfileDamaged { .. } => "PROFILE_DAMAGED",
            Self::JobDamaged { .. } => "JOB_DAMAGED",
            Self::ProfilerPanicked(_) => "PROFILER_PANICKED",
            Self::HoldEnded => "HOLD_ENDED",
            Self::ForeignObjects { .. } => "OBJECTS_OF_ANOTHER_MESH",
            Self::Cancelled => "CANCELLED",
            Self::Profile(error) => error.reason(),
            Self::Store(error) => error.reason(),
            Self::Events(error) => error.reason(),
            Self::Objects(error) => error.reason(),
            Self::Fetch(error) => error.reason(),
            Self::Upload(error) => error.reason(),
            Self::Spool(error) if is_full(error) => "DISK_FULL",
            Self::Spool(_) => "SPOOL_FAILED",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::NoSuchProfile { name }
            | Self::ProfileDamaged { name }
            | Self::StateNotKept { name }
            | Self::StateDamaged { name } => vec![("profile", name.to_string())],
            Self::NoSuchTable { name, wanted, found } => {
                vec![("profile", name.to_string()), ("table", wanted.clone()), ("tables", found.clone())]
            }
            Self::TableNotProfiled { name, table, .. } => {
                vec![("profile", name.to_string()), ("table", table.clone())]
            }
            Self::SeveralTables { name, tables } => vec![("profile", name.to_string()), ("tables", tables.clone())],
            Self::NoSuchJob { name } | Self::JobSuperseded { name } | Self::JobNotRetryable { name, .. } => {
                vec![("job", name.to_string())]
            }
            Self::ForeignObjects { marker, ours, theirs } => {
                vec![("object", marker.clone()), ("ours", ours.clone()), ("theirs", theirs.clone())]
            }
            Self::Profile(error) => error.metadata(),
            Self::Store(error) => error.metadata(),
            Self::Events(error) => error.metadata(),
            Self::Objects(error) => error.metadata(),
            Self::Fetch(error) => error.metadata(),
            Self::Upload(error) => error.metadata(),
            Self::TooLarge { .. }
            | Self::PageToken
            | Self::ContentDamaged
            | Self::JobDamaged { .. }
            | Self::ProfilerPanicked(_)
            | Self::HoldEnded
            | Self::Cancelled
            | Self::Spool(_) => Vec::new(),
        }
    }

    fn violations(&self) -> Vec<FieldViolation> {
        match self {
            Self::PageToken => vec![FieldViolation::new("page_token", self.to_string())],
            Self::Store(error) => error.violations(),
            _ => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<std::time::Duration> {
        match self {
            Self::Store(error) => error.retry_after(),
            Self::Events(error) => error.retry_after(),
            Self::Objects(error) => error.retry_after(),
            Self::Fetch(error) => error.retry_after(),
            Self::Spool(error) if is_full(error) => Some(UNTIL_THERE_IS_ROOM),
            _ => None,
        }
    }

    fn limit(&self) -> Option<LimitHit> {
        match self {
            Self::TooLarge { setting, limit } => {
                Some(LimitHit { name: (*setting).to_owned(), value: limit.to_string() })
            }
            Self::Profile(error) => error.limit(),
            Self::Fetch(error) => error.limit(),
            Self::Upload(error) => error.limit(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_as_such_with_a_time_to_come_back() {
        let full = || std::io::Error::from(std::io::ErrorKind::StorageFull);
        for error in
            [Error::Spool(full()), Error::Objects(objects::Error::Full { path: "objects".into(), source: full() })]
        {
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Exhausted, "DISK_FULL"));
            assert_eq!(error.to_string(), "the disk is full");
            assert!(error.retry_after().is_some());
        }
    }

    #[test]
    fn a_bucket_that_lets_us_in_no_more_costs_a_job_nothing() {
        let remote = |problem| objects::Error::Remote {
            place: "s3://bucket".into(),
            doing: "write an object",
            problem,
            source: "refused".into(),
        };
        for problem in [objects::Problem::Denied, objects::Problem::BucketMissing, objects::Problem::Unreachable] {
            assert!(Error::Objects(remote(problem)).is_of_our_stores(), "{problem:?}");
        }
        assert!(!Error::ContentDamaged.is_of_our_stores());
    }
}
