//! What the indexer does: it brings the index to where the records are, then says so in the records.

use std::collections::HashMap;

use ::events::trace;
use ::search::{Document, Op, State};
use runtime::SystemScope;
use tracing::Instrument;
use types::{DatasetId, TenantId, VersionName};

use super::Catalog;
use crate::document::document;
use crate::record::{Record, Version, Words};
use crate::store::{Store, Tx};
use crate::{Error, events};

/// What one round of the indexer did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Indexed {
    /// Documents put into the index.
    pub put: usize,
    /// Documents deleted from it.
    pub deleted: usize,
    /// Whether more records wait.
    pub more: bool,
}

impl Catalog {
    /// Takes the oldest changes that the index lacks into it, in one commit, and then notes in one transaction that the
    /// index holds them.
    ///
    /// A crash between the two leaves the records waiting; the next round does the same again, and the same operations
    /// give the same index. So nothing needs to be undone or remembered in between.
    pub async fn index_pending(&self, all: SystemScope) -> Result<Indexed, Error> {
        match self.next_round(all).await? {
            Some(round) => self.take(round).await,
            None => Ok(Indexed::default()),
        }
    }

    /// Reads what the index lacks; none when it lacks nothing.
    pub(crate) async fn next_round(&self, all: SystemScope) -> Result<Option<Round>, Error> {
        let (store, limit) = (self.store.clone(), self.config.index_batch);
        let read = self.database.read(move |tx| {
            Box::pin(async move {
                let records = store.to_index(tx, &all, limit).await?;
                entries(&*store, tx, records).await
            })
        });
        let batch = read.await?;
        let Some(last) = batch.last().map(|entry| entry.record.index.change) else { return Ok(None) };
        let more = batch.len() >= limit as usize;
        let (operations, seen) = batch.into_iter().map(Entry::split).unzip();
        Ok(Some(Round { operations, seen, last, more }))
    }

    /// Has the index take a round, and then the records.
    pub(crate) async fn take(&self, round: Round) -> Result<Indexed, Error> {
        let Round { operations, seen, last, more } = round;
        let put = seen.iter().filter(|seen| seen.held.is_some()).count();
        let deleted = seen.len() - put;
        self.index.apply(operations, last).await?;
        self.settle(seen).await?;
        Ok(Indexed { put, deleted, more })
    }

    /// What is done once at start: an index that was not found whole is rebuilt, and what an older index lost is taken
    /// again.
    pub async fn catch_up(&self, all: SystemScope, state: &State) -> Result<(), Error> {
        if state.needs_rebuild() {
            return self.rebuild_missing(all, state).await;
        }
        let reached = self.index.reached().await?;
        let store = self.store.clone();
        let write = self
            .database
            .write(move |tx| Box::pin(async move { Ok::<_, Error>(store.index_again(tx, &all, reached).await?) }));
        let lost = write.await?;
        if lost > 0 {
            tracing::warn!(records = lost, "the search index is older than the records and takes their changes again");
        }
        Ok(())
    }

    async fn settle(&self, seen: Vec<Seen>) -> Result<(), Error> {
        let (store, now, lease) = (self.store.clone(), self.database.now(), self.lease.clone());
        let write = self.database.write(move |tx| {
            Box::pin(async move {
                // A process that was catalog before knows another index than the one that is searched now.
                if let Some(lease) = lease {
                    lease.check(tx, now).await?;
                }
                for Seen { tenant, dataset, held, change } in seen {
                    let Some(mut record) = store.records(tx, &tenant, std::slice::from_ref(&dataset)).await?.pop()
                    else {
                        continue;
                    };
                    let held_name = held.map(|version| VersionName::new(tenant, dataset, version));
                    if let Some(version) = &held_name {
                        store.mark_indexed(tx, version).await?;
                    }
                    let appeared = record.settle(held, change, now);
                    let event = held_name.filter(|_| appeared).map(|version| events::indexed(&version));
                    // The trace of the dataset goes on from the change that is indexed now.
                    let span = tracing::info_span!("index", dataset.name = %record.name, role = "catalog");
                    trace::adopt(&span, &record.index.cause);
                    store.save(tx, &mut record, event.as_slice(), now).instrument(span).await?;
                }
                Ok(())
            })
        });
        write.await
    }
}

/// What one commit of the index takes.
pub(crate) struct Round {
    pub(crate) operations: Vec<Op>,
    seen: Vec<Seen>,
    /// The number of the last change among them.
    pub(crate) last: i64,
    /// Whether more records wait.
    more: bool,
}

/// A record whose change the index has to take.
pub(super) struct Entry {
    record: Record,
    /// What the index should hold of it.
    wanted: Option<(Version, Words)>,
}

/// What the index now holds of a record, as of one of its changes.
struct Seen {
    tenant: TenantId,
    dataset: DatasetId,
    held: Option<u64>,
    change: i64,
}

impl Entry {
    fn split(self) -> (Op, Seen) {
        let held = self.wanted.as_ref().map(|(version, _)| version.name.version);
        let change = self.record.index.change;
        let types::DatasetName { tenant, dataset } = self.record.name.clone();
        (self.operation(), Seen { tenant, dataset, held, change })
    }

    fn operation(self) -> Op {
        let id = self.record.name.to_string();
        self.into_document().map_or(Op::Delete(id), Op::put)
    }

    /// The document that the index should hold; none when it should hold none.
    pub(super) fn into_document(self) -> Option<Document> {
        self.wanted.map(|(version, words)| document(&self.record, &version, words))
    }
}

/// Adds to each record the version that the index should hold, with its words.
pub(super) async fn entries(store: &dyn Store, tx: &mut Tx, records: Vec<Record>) -> Result<Vec<Entry>, Error> {
    let mut wanted: HashMap<TenantId, Vec<(DatasetId, u64)>> = HashMap::new();
    for record in &records {
        if let Some(version) = record.wanted_in_index() {
            wanted.entry(record.name.tenant.clone()).or_default().push((record.name.dataset.clone(), version));
        }
    }
    let (mut versions, mut words) = (HashMap::new(), HashMap::new());
    for (tenant, wanted) in wanted {
        for version in store.versions(tx, &tenant, &wanted).await? {
            versions.insert((tenant.clone(), version.name.dataset.clone()), version);
        }
        for (dataset, of_dataset) in store.words(tx, &tenant, &wanted).await? {
            words.insert((tenant.clone(), dataset), of_dataset);
        }
    }
    let entry = |record: Record| {
        let key = (record.name.tenant.clone(), record.name.dataset.clone());
        let wanted = versions.remove(&key).map(|version| (version, words.remove(&key).unwrap_or_default()));
        Entry { record, wanted }
    };
    Ok(records.into_iter().map(entry).collect())
}
