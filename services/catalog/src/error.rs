//! What can go wrong in catalog, and whose turn it is then.

use types::{
    DatasetName, ErrorKind, Fault, FieldViolation, LimitHit, Malformed, ProfileName, RebuildName, Revision, VersionName,
};

use crate::record::State;

/// Why catalog did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such dataset.
    #[error("there is no dataset `{name}`")]
    NoSuchDataset {
        /// Its name.
        name: DatasetName,
    },
    /// There is no such version.
    #[error("there is no version `{name}`")]
    NoSuchVersion {
        /// Its name.
        name: VersionName,
    },
    /// A version has no such table, or several whose names end so.
    #[error(
        "`{version}` lists no table `{table}`, or several whose names end so; its `tables` are what can be asked for"
    )]
    NoSuchTable {
        /// The version.
        version: VersionName,
        /// What was asked for.
        table: String,
    },
    /// A table of a version has no profile, so nothing but the profiler may read it.
    #[error("the table `{table}` of `{version}` was not profiled: {why}; download the original")]
    TableNotProfiled {
        /// The version.
        version: VersionName,
        /// The table.
        table: String,
        /// Why it has none.
        why: String,
    },
    /// There is no such rebuild.
    #[error("there is no index rebuild `{name}`")]
    NoSuchRebuild {
        /// Its name.
        name: RebuildName,
    },
    /// The id of an upload is taken.
    #[error("there is a dataset `{name}` already")]
    DatasetExists {
        /// Its name.
        name: DatasetName,
    },
    /// The dataset changed since the revision that an edit is based on.
    #[error("revision {given} of dataset `{name}` is stale, current is {current}")]
    StaleRevision {
        /// The dataset.
        name: DatasetName,
        /// What the edit is based on.
        given: Revision,
        /// What the dataset is at.
        current: Revision,
    },
    /// The dataset has no version yet.
    #[error("dataset `{name}` has no version yet, it is {}", state.as_str())]
    NotReady {
        /// The dataset.
        name: DatasetName,
        /// Its state.
        state: State,
    },
    /// The bytes were not kept, and the source has others now.
    #[error("the source no longer has the bytes of `{version}`")]
    SourceChanged {
        /// The version that was asked for.
        version: VersionName,
    },
    /// The kept bytes of a version are not those that were recorded.
    #[error("the kept bytes of `{version}` are damaged")]
    ContentDamaged {
        /// The version.
        version: VersionName,
    },
    /// The object of a profile holds something else.
    #[error("the object of `{profile}` holds no profile: {problem}")]
    ProfileMalformed {
        /// The profile.
        profile: ProfileName,
        /// What is wrong with it.
        problem: Malformed,
    },
    /// The list of results cannot be continued from this token.
    #[error("the page token belongs to no such search; search again")]
    SearchTokenInvalid,
    /// The bytes of a version cannot be read as a table any more.
    #[error("cannot write `{version}` as CSV")]
    Table {
        /// The version.
        version: VersionName,
        /// Why.
        #[source]
        source: table::Error,
    },
    /// The store failed or refused.
    #[error("{}", .0.words("cannot read or change the catalog store"))]
    Store(#[from] sql::Error),
    /// The outbox failed.
    #[error("cannot record an event")]
    Events(#[from] events::Error),
    /// The object store failed.
    #[error("{}", .0.words("cannot read or write an object"))]
    Objects(#[from] objects::Error),
    /// The source cannot be reached any more.
    #[error("cannot fetch the bytes from the source")]
    Fetch(#[from] fetch::Error),
    /// The index failed.
    #[error("the search index failed")]
    Index(#[from] search::Error),
    /// The spool folder cannot be written or read.
    #[error("{}", spool_words(.0))]
    Spool(#[from] std::io::Error),
}

fn spool_words(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::StorageFull => "the disk is full",
        _ => "cannot spool bytes on the local disk",
    }
}

impl Fault for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoSuchDataset { .. }
            | Self::NoSuchVersion { .. }
            | Self::NoSuchTable { .. }
            | Self::NoSuchRebuild { .. } => ErrorKind::NotFound,
            Self::DatasetExists { .. } => ErrorKind::AlreadyExists,
            Self::StaleRevision { .. } => ErrorKind::Conflict,
            Self::NotReady { .. } | Self::SourceChanged { .. } | Self::TableNotProfiled { .. } => {
                ErrorKind::Precondition
            }
            Self::ContentDamaged { .. } => ErrorKind::Internal,
            // Reading it again would give the same.
            Self::ProfileMalformed { .. } => ErrorKind::Precondition,
            Self::SearchTokenInvalid => ErrorKind::Invalid,
            Self::Table { source, .. } => source.kind(),
            Self::Store(error) => error.kind(),
            Self::Events(error) => error.kind(),
            Self::Objects(error) => error.kind(),
            Self::Fetch(error) => error.kind(),
            Self::Index(error) => error.kind(),
            Self::Spool(error) if error.kind() == std::io::ErrorKind::StorageFull => ErrorKind::Exhausted,
            Self::Spool(_) => ErrorKind::Unavailable,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::NoSuchDataset { .. } => "DATASET_NOT_FOUND",
            Self::NoSuchVersion { .. } => "VERSION_NOT_FOUND",
            Self::NoSuchTable { .. } => "NO_SUCH_TABLE",
            Self::TableNotProfiled { .. } => "TABLE_NOT_PROFILED",
            Self::NoSuchRebuild { .. } => "INDEX_REBUILD_NOT_FOUND",
            Self::DatasetExists { .. } => "DATASET_EXISTS",
            Self::StaleRevision { .. } => "STALE_REVISION",
            Self::NotReady { .. } => "DATASET_NOT_READY",
            Self::SourceChanged { .. } => "SOURCE_CHANGED",
            Self::ContentDamaged { .. } => "CONTENT_DAMAGED",
            Self::ProfileMalformed { .. } => "PROFILE_MALFORMED",
            Self::SearchTokenInvalid => "PAGE_TOKEN_INVALID",
            Self::Table { source, .. } => source.reason(),
            Self::Store(error) => error.reason(),
            Self::Events(error) => error.reason(),
            Self::Objects(error) => error.reason(),
            Self::Fetch(error) => error.reason(),
            Self::Index(error) => error.reason(),
            Self::Spool(error) if error.kind() == std::io::ErrorKind::StorageFull => "DISK_FULL",
            Self::Spool(_) => "SPOOL_FAILED",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::NoSuchDataset { name } | Self::DatasetExists { name } => vec![("dataset", name.to_string())],
            Self::NoSuchVersion { name } => vec![("version", name.to_string())],
            Self::NoSuchTable { version, table } | Self::TableNotProfiled { version, table, .. } => {
                vec![("version", version.to_string()), ("table", table.clone())]
            }
            Self::NoSuchRebuild { name } => vec![("index_rebuild", name.to_string())],
            Self::StaleRevision { name, given, current } => {
                vec![("dataset", name.to_string()), ("given", given.to_string()), ("current", current.to_string())]
            }
            Self::NotReady { name, state } => {
                vec![("dataset", name.to_string()), ("state", state.as_str().to_owned())]
            }
            Self::SourceChanged { version } | Self::ContentDamaged { version } | Self::Table { version, .. } => {
                vec![("version", version.to_string())]
            }
            Self::ProfileMalformed { profile, .. } => vec![("profile", profile.to_string())],
            Self::Store(error) => error.metadata(),
            Self::Events(error) => error.metadata(),
            Self::Objects(error) => error.metadata(),
            Self::Fetch(error) => error.metadata(),
            Self::Index(error) => error.metadata(),
            Self::SearchTokenInvalid | Self::Spool(_) => Vec::new(),
        }
    }

    fn violations(&self) -> Vec<FieldViolation> {
        match self {
            Self::Store(error) => error.violations(),
            Self::SearchTokenInvalid => vec![FieldViolation::new("page_token", self.to_string())],
            _ => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<std::time::Duration> {
        match self {
            Self::Store(error) => error.retry_after(),
            Self::Events(error) => error.retry_after(),
            Self::Objects(error) => error.retry_after(),
            Self::Fetch(error) => error.retry_after(),
            _ => None,
        }
    }

    fn limit(&self) -> Option<LimitHit> {
        match self {
            Self::Store(error) => error.limit(),
            Self::Objects(error) => error.limit(),
            Self::Fetch(error) => error.limit(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_page_token_speaks_for_itself_and_a_failing_store_does_not() {
        assert!(Error::from(sql::Error::PageTokenInvalid).to_string().contains("page"));
        let broken = Error::from(sql::Error::Malformed { column: "secret" });
        assert_eq!(broken.to_string(), "cannot read or change the catalog store");
    }
}
