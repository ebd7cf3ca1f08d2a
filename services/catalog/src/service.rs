//! What catalog decides. No messages of the contract here, no tables and no sockets: back ends stand behind traits.

pub mod apply;
mod chunks;
pub mod download;
pub mod index;
mod pins;
pub mod rebuild;
pub mod search;
pub mod spool;
pub mod upload;
mod wanted;

use std::collections::HashMap;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use ::search::SearchIndex;
use fetch::Fetcher;
use objects::ObjectStore;
use sql::Database;
use types::{BoxFuture, DatasetId, DatasetName, Digest, Permitted, Revision, SourceId, TenantId, TenantName};

use crate::Error;
use crate::config::Config;
use crate::record::{Edit, Record, StaleRevision, Version};
use crate::store::{ListFilter, Store, Tx};

pub use pins::Pins;

/// The catalog. Clones share everything.
#[derive(Debug, Clone)]
pub struct Catalog {
    pub(crate) database: Database,
    /// The lease by which this process alone is catalog, where others could be.
    pub(crate) lease: Option<sql::Lease>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) index: Arc<dyn SearchIndex>,
    pub(crate) fetcher: Fetcher,
    /// Where bytes lie while they are taken in or sent out.
    pub(crate) spool: Arc<Path>,
    pub(crate) config: Arc<Config>,
    /// The lists of searches whose pages are under way.
    pub(crate) pins: Arc<Pins>,
}

/// A dataset as readers see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// What is known of the dataset.
    pub record: Record,
    /// The version that is shown; none before the first one was indexed.
    pub version: Option<Version>,
}

/// Which page of a list is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paging {
    /// At most this many; 0 means the usual number.
    pub size: i32,
    /// From the page before; empty for the first one.
    pub token: String,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// What the page holds.
    pub items: Vec<T>,
    /// Gets the next page; empty at the end.
    pub next_token: String,
}

/// What makes a repeated mutation answer like the first: its id, and a digest of the whole request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// The id; empty when the call may not be repeated.
    pub id: String,
    /// Tells this request from others.
    pub fingerprint: Digest,
}

impl Catalog {
    /// Gets a dataset.
    pub async fn get(&self, name: Permitted<DatasetName>) -> Result<Dataset, Error> {
        let store = self.store.clone();
        self.database.read(move |tx| Box::pin(async move { dataset(&*store, tx, &name).await })).await
    }

    /// Lists the datasets that pass `filter`, by name.
    pub async fn list(
        &self,
        parent: Permitted<TenantName>,
        filter: ListFilter,
        mut paging: Paging,
    ) -> Result<Page<Dataset>, Error> {
        let tenant = parent.into_inner().tenant;
        let query = format!("ListDatasets {filter:?}");
        loop {
            let (store, owner, filter) = (self.store.clone(), tenant.clone(), filter.clone());
            let page = self.page(&tenant, &query, &paging, move |tx| {
                Box::pin(async move { Ok(to_texts(store.list(tx, &owner, &filter).await?)) })
            });
            let page = page.await?;
            let (store, owner, ids) = (self.store.clone(), tenant.clone(), from_texts(&page.ids)?);
            let read = self.database.read(move |tx| Box::pin(async move { datasets(&*store, tx, &owner, &ids).await }));
            let items = read.await?;
            match fitting(&items, Dataset::weight) {
                all if all == items.len() => return Ok(Page { items, next_token: page.next_page_token }),
                fewer => paging.size = page_size(fewer),
            }
        }
    }

    /// Lists the versions of a dataset, newest first.
    pub async fn list_versions(
        &self,
        parent: Permitted<DatasetName>,
        mut paging: Paging,
    ) -> Result<Page<Version>, Error> {
        let name = self.get(parent).await?.record.name;
        let query = format!("ListVersions {name}");
        loop {
            let (store, of) = (self.store.clone(), name.clone());
            let page = self.page(&name.tenant, &query, &paging, move |tx| {
                Box::pin(async move { Ok(to_texts(store.list_versions(tx, &of).await?)) })
            });
            let page = page.await?;
            let (store, of) = (self.store.clone(), name.clone());
            let wanted: Vec<_> =
                from_texts(&page.ids)?.into_iter().map(|number| (of.dataset.clone(), number)).collect();
            let read =
                self.database.read(move |tx| Box::pin(async move { store.versions(tx, &of.tenant, &wanted).await }));
            let mut items = read.await?;
            items.sort_by_key(|version| std::cmp::Reverse(version.name.version));
            match fitting(&items, Version::weight) {
                all if all == items.len() => return Ok(Page { items, next_token: page.next_page_token }),
                fewer => paging.size = page_size(fewer),
            }
        }
    }

    async fn page<F>(&self, owner: &TenantId, query: &str, paging: &Paging, ids: F) -> Result<sql::pages::Page, Error>
    where
        F: for<'c> FnOnce(&'c mut Tx) -> BoxFuture<'c, Result<Vec<String>, sql::Error>> + Send,
    {
        Ok(sql::pages::page(&self.database, owner.as_str(), query, &paging.token, paging.size, ids).await?)
    }

    /// Edits what is said about a dataset. `based_on` 0 means whichever revision is current.
    pub async fn update(
        &self,
        name: Permitted<DatasetName>,
        edit: Edit,
        based_on: Revision,
        request: RequestKey,
    ) -> Result<Dataset, Error> {
        const METHOD: &str = "UpdateDataset";
        let (store, now) = (self.store.clone(), self.database.now());
        let write = self.database.write(move |tx| {
            Box::pin(async move {
                let (owner, key) = (name.tenant.as_str(), &request.fingerprint);
                let before = sql::requests::seen(tx, owner, METHOD, &request.id, key).await?;
                if before.is_none() {
                    let mut record = record(&*store, tx, &name).await?;
                    record.edit(edit, based_on, now).map_err(|StaleRevision { current }| Error::StaleRevision {
                        name: record.name.clone(),
                        given: based_on,
                        current,
                    })?;
                    store.save(tx, &mut record, &[], now).await?;
                    sql::requests::record(tx, owner, METHOD, &request.id, key, &[], now).await?;
                }
                dataset(&*store, tx, &name).await
            })
        });
        write.await
    }

    /// Reads up to `limit` datasets that changed after the change numbered `after`, in the order of their changes.
    pub async fn changed(
        &self,
        tenant: TenantId,
        source: Option<SourceId>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Dataset>, Error> {
        let store = self.store.clone();
        let read = self.database.read(move |tx| {
            Box::pin(async move {
                let records = store.changed(tx, &tenant, source.as_ref(), after, limit).await?;
                with_versions(&*store, tx, &tenant, records).await
            })
        });
        read.await
    }
}

impl Dataset {
    /// How many bytes of a message it takes, roughly.
    fn weight(&self) -> usize {
        self.record.weight() + self.version.as_ref().map_or(0, Version::weight)
    }
}

/// How much a page may take; no message of gRPC is longer than 4 MiB.
const PAGE_BYTES: usize = 3 << 20;

/// How many of `items`, but at least one, go into one message. A page with fewer than were asked for is a page, too.
fn fitting<T>(items: &[T], weight: impl Fn(&T) -> usize) -> usize {
    let mut total = 0;
    let within = items.iter().take_while(|item| {
        total += weight(item);
        total <= PAGE_BYTES
    });
    within.count().max(1).min(items.len())
}

fn page_size(items: usize) -> i32 {
    i32::try_from(items).unwrap_or(sql::pages::MAX_SIZE)
}

/// Reads a record, which must be there.
async fn record(store: &dyn Store, tx: &mut Tx, name: &DatasetName) -> Result<Record, Error> {
    let found = store.records(tx, &name.tenant, std::slice::from_ref(&name.dataset)).await?.pop();
    found.ok_or_else(|| Error::NoSuchDataset { name: name.clone() })
}

/// Reads a dataset, which must be there.
async fn dataset(store: &dyn Store, tx: &mut Tx, name: &DatasetName) -> Result<Dataset, Error> {
    let record = record(store, tx, name).await?;
    let found = with_versions(store, tx, &name.tenant, vec![record]).await?.pop();
    found.ok_or_else(|| Error::NoSuchDataset { name: name.clone() })
}

/// Reads datasets, in the order of `ids`; those that are missing are left out.
async fn datasets(store: &dyn Store, tx: &mut Tx, tenant: &TenantId, ids: &[DatasetId]) -> Result<Vec<Dataset>, Error> {
    let records = store.records(tx, tenant, ids).await?;
    let mut found: HashMap<_, _> = records.into_iter().map(|record| (record.name.dataset.clone(), record)).collect();
    let records = ids.iter().filter_map(|id| found.remove(id)).collect();
    with_versions(store, tx, tenant, records).await
}

/// Adds to each record the version that readers see.
async fn with_versions(
    store: &dyn Store,
    tx: &mut Tx,
    tenant: &TenantId,
    records: Vec<Record>,
) -> Result<Vec<Dataset>, Error> {
    let current = |record: &Record| record.current.map(|version| (record.name.dataset.clone(), version));
    let wanted: Vec<_> = records.iter().filter_map(current).collect();
    let versions = store.versions(tx, tenant, &wanted).await?;
    let mut found: HashMap<_, _> = versions.into_iter().map(|v| (v.name.dataset.clone(), v)).collect();
    let show = |record: Record| Dataset { version: found.remove(&record.name.dataset), record };
    Ok(records.into_iter().map(show).collect())
}

fn to_texts<T: ToString>(items: Vec<T>) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

/// Reads what [`to_texts`] wrote into a pinned page.
fn from_texts<T: FromStr>(texts: &[String]) -> Result<Vec<T>, sql::Error> {
    let read = |text: &String| text.parse().map_err(|_| sql::Error::Malformed { column: "page_pin_chunks.ids" });
    texts.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_what_one_message_takes_and_never_nothing() {
        assert_eq!(fitting(&[1 << 20; 10], |bytes| *bytes), 3);
        assert_eq!(fitting(&[9 << 20, 1], |bytes| *bytes), 1);
        assert_eq!(fitting(&[1, 2], |bytes| *bytes), 2);
        assert_eq!(fitting(&[], |bytes: &usize| *bytes), 0);
    }
}
