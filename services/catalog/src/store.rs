//! What catalog keeps: records, their versions, and the words that search looks at.

#[cfg(test)]
mod conformance;
mod tables;

use async_trait::async_trait;
use events::Event;
use runtime::SystemScope;
use types::{DatasetId, DatasetName, SourceId, TenantId, Timestamp, VersionName};

use crate::record::{Record, State, Version, Words};

pub use tables::Tables;

/// A transaction of the service's database; [`sql::Database`] begins and ends it.
pub type Tx = sql::Conn;

/// Which records a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// Only those of this source.
    pub source: Option<SourceId>,
    /// Only those in one of these states; empty means any.
    pub states: Vec<State>,
    /// Hidden ones too.
    pub show_hidden: bool,
}

/// Keeps records and versions. Every method is a step of the caller's transaction: all of its steps happen or none.
///
/// - Writes see those before them in the same transaction; reads in a snapshot see one moment.
/// - A query names the tenant that it is about, or holds the [`SystemScope`] of a loop over all tenants.
/// - Versions are never deleted.
#[async_trait]
pub trait Store: Send + Sync + std::fmt::Debug + 'static {
    /// Writes a record, new or changed, and with it the events that tell of the change.
    ///
    /// The record gets the next change number. Where the change concerns the index, that number is also the one by which
    /// the indexer takes it, and the record is no longer done.
    async fn save(
        &self,
        tx: &mut Tx,
        record: &mut Record,
        events: &[Event],
        now: Timestamp,
    ) -> Result<(), events::Error>;

    /// Writes a version with its words; one with the same name is replaced.
    async fn put_version(&self, tx: &mut Tx, version: &Version, words: &Words) -> Result<(), sql::Error>;

    /// Notes that the index holds a version. It stays noted when a newer one takes its place.
    async fn mark_indexed(&self, tx: &mut Tx, version: &VersionName) -> Result<(), sql::Error>;

    /// Reads the records of `ids`; those that are missing are left out, and the order is any.
    async fn records(&self, tx: &mut Tx, tenant: &TenantId, ids: &[DatasetId]) -> Result<Vec<Record>, sql::Error>;

    /// Reads versions; those that are missing are left out, and the order is any.
    async fn versions(
        &self,
        tx: &mut Tx,
        tenant: &TenantId,
        wanted: &[(DatasetId, u64)],
    ) -> Result<Vec<Version>, sql::Error>;

    /// Reads the words of versions; those that are missing are left out, and the order is any.
    async fn words(
        &self,
        tx: &mut Tx,
        tenant: &TenantId,
        wanted: &[(DatasetId, u64)],
    ) -> Result<Vec<(DatasetId, Words)>, sql::Error>;

    /// Lists the datasets that pass `filter`, by id.
    async fn list(&self, tx: &mut Tx, tenant: &TenantId, filter: &ListFilter) -> Result<Vec<DatasetId>, sql::Error>;

    /// Lists the numbers of a dataset's versions, newest first.
    async fn list_versions(&self, tx: &mut Tx, dataset: &DatasetName) -> Result<Vec<u64>, sql::Error>;

    /// Reads up to `limit` records that changed after the change numbered `after`, in the order of their last changes.
    async fn changed(
        &self,
        tx: &mut Tx,
        tenant: &TenantId,
        source: Option<&SourceId>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Record>, sql::Error>;

    /// Reads up to `limit` records whose change the index has still to take, in the order of those changes.
    async fn to_index(&self, tx: &mut Tx, all: &SystemScope, limit: u32) -> Result<Vec<Record>, sql::Error>;

    /// Has the indexer take again every change after the one numbered `reached`, and tells how many records that are.
    async fn index_again(&self, tx: &mut Tx, all: &SystemScope, reached: i64) -> Result<u64, sql::Error>;

    /// Reads up to `limit` records whose last change that concerned the index came after the one numbered `after`, in
    /// the order of those changes.
    async fn index_changed(
        &self,
        tx: &mut Tx,
        all: &SystemScope,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Record>, sql::Error>;

    /// Reads the number of the last change that concerned the index; 0 when there was none.
    async fn last_index_change(&self, tx: &mut Tx, all: &SystemScope) -> Result<i64, sql::Error>;
}
