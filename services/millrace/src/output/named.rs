//! The full names of the messages that are printed: generated types do not know theirs.

use prost::Message;

/// A message that knows its full name.
pub trait Named: Message {
    /// `millrace.catalog.v1.Dataset`.
    const NAME: &'static str;
}

macro_rules! named {
    ($($package:ident: $($message:ident),+;)+) => {
        $($(impl Named for proto::$package::v1::$message {
            const NAME: &'static str = concat!("millrace.", stringify!($package), ".v1.", stringify!($message));
        })+)+

        #[cfg(test)]
        const NAMES: &[&str] = &[$($(<proto::$package::v1::$message as Named>::NAME),+),+];
    };
}

named! {
    common: GetStatusResponse, ListDeadLettersResponse, GetDeadLetterResponse, RedriveDeadLetterResponse,
        PurgeDeadLetterResponse;
    discovery: CreateSourceResponse, GetSourceResponse, ListSourcesResponse, UpdateSourceResponse,
        DeleteSourceResponse, FoundDataset, PreviewSummary, RunSourceResponse, ListDiscovererKindsResponse,
        GetCrawlResponse, ListCrawlsResponse, WatchCrawlsResponse, CancelCrawlResponse;
    profiling: StoredProfile, GetJobResponse, ListJobsResponse, WatchJobsResponse, RetryJobResponse,
        CancelJobResponse;
    catalog: CreateDatasetResponse, GetDatasetResponse, ListDatasetsResponse, UpdateDatasetResponse,
        ListVersionsResponse, WatchDatasetsResponse, SearchDatasetsResponse, DownloadStart,
        CreateIndexRebuildResponse, GetIndexRebuildResponse, ListIndexRebuildsResponse, WatchIndexRebuildsResponse,
        CancelIndexRebuildResponse;
    identity: GetCallerResponse, CreateTenantResponse, ListTenantsResponse, DisableTenantResponse,
        EnableTenantResponse, CreateUserResponse, ListUsersResponse, DisableUserResponse, EnableUserResponse,
        SetPasswordResponse, SetUserRolesResponse, CreateApiKeyResponse, ListApiKeysResponse, RevokeApiKeyResponse;
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_name_is_that_of_a_message() {
        for name in super::NAMES {
            assert!(super::super::POOL.get_message_by_name(name).is_some(), "{name}");
        }
    }
}
