//! Rebuilds: the index is built anew from the records, beside readers of the old one, and then takes its place.

use ::search::{Document, State};
use runtime::SystemScope;
use sql::work::{self, Claim, Filter, NewWork, Outcome, Queue, WorkRow};
use types::{Digest, RebuildId, RebuildName, TenantId, WorkError, WorkPhase};

use super::index::{Entry, entries};
use super::{Catalog, Page, Paging, RequestKey};
use crate::Error;
use crate::store::Tx;

/// The queue of rebuilds.
pub const QUEUE: &str = "rebuilds";
/// What stands for a tenant where work belongs to the whole platform.
const PLATFORM: &str = "platform";

/// Why a rebuild was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// An operator asked for it.
    Requested,
    /// There was no index, or none of this version.
    Missing,
    /// The index was damaged.
    Damaged,
}

impl Cause {
    /// The word for it in the contract, and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Missing => "missing",
            Self::Damaged => "damaged",
        }
    }

    fn of(state: &State) -> Self {
        match state {
            State::Damaged(_) => Self::Damaged,
            State::Intact | State::Fresh | State::Outdated => Self::Missing,
        }
    }
}

impl Catalog {
    /// The queue of rebuilds, over the service's database.
    pub fn rebuild_queue(&self) -> Queue {
        let settings = &self.config.rebuilds;
        let backoff =
            work::Backoff { first: settings.first_backoff.as_duration(), max: settings.max_backoff.as_duration() };
        Queue::new(self.database.clone(), QUEUE, settings.lease.as_duration(), backoff)
    }

    /// Asks for a rebuild. While one is under way, that one is given back.
    pub async fn create_rebuild(&self, cause: Cause, request: RequestKey) -> Result<WorkRow, Error> {
        const METHOD: &str = "CreateIndexRebuild";
        let (now, max_attempts) = (self.database.now(), self.config.rebuilds.max_attempts);
        let write = self.database.write(move |tx| {
            Box::pin(async move {
                let seen = sql::requests::seen(tx, PLATFORM, METHOD, &request.id, &request.fingerprint).await?;
                if let Some(id) = seen {
                    return get(tx, &String::from_utf8_lossy(&id)).await;
                }
                let id = match under_way(tx).await? {
                    Some(row) => row.id,
                    None => {
                        let id = RebuildId::random().to_string();
                        work::insert(tx, QUEUE, new_work(&id, cause, max_attempts), now).await?;
                        id
                    }
                };
                sql::requests::record(tx, PLATFORM, METHOD, &request.id, &request.fingerprint, id.as_bytes(), now)
                    .await?;
                get(tx, &id).await
            })
        });
        write.await
    }

    /// Gets a rebuild.
    pub async fn get_rebuild(&self, name: RebuildName) -> Result<WorkRow, Error> {
        self.database.read(move |tx| Box::pin(async move { get(tx, name.rebuild.as_str()).await })).await
    }

    /// Lists rebuilds, newest first.
    pub async fn list_rebuilds(&self, paging: Paging) -> Result<Page<WorkRow>, Error> {
        let page = sql::pages::page(&self.database, PLATFORM, "ListIndexRebuilds", &paging.token, paging.size, |tx| {
            Box::pin(async move { work::ids(tx, QUEUE, &Filter::default()).await })
        });
        let sql::pages::Page { ids, next_page_token: next_token } = page.await?;
        let read = self.database.read(move |tx| {
            Box::pin(async move {
                let mut rows = Vec::with_capacity(ids.len());
                for id in ids {
                    rows.extend(work::get(tx, QUEUE, &id).await?);
                }
                Ok::<_, Error>(rows)
            })
        });
        Ok(Page { items: read.await?, next_token })
    }

    /// Reads up to `limit` rebuilds that changed after the change numbered `after`.
    pub async fn changed_rebuilds(&self, after: i64, limit: u32) -> Result<Vec<WorkRow>, Error> {
        let read = self
            .database
            .read(move |tx| Box::pin(async move { Ok(work::changed_after(tx, QUEUE, None, after, limit).await?) }));
        read.await
    }

    /// Cancels a rebuild; the index stays as it was. One that has ended stays as it is.
    pub async fn cancel_rebuild(&self, name: RebuildName) -> Result<WorkRow, Error> {
        let now = self.database.now();
        let write = self.database.write(move |tx| {
            Box::pin(async move {
                let row = work::cancel(tx, QUEUE, name.rebuild.as_str(), now).await?;
                row.ok_or(Error::NoSuchRebuild { name })
            })
        });
        write.await
    }

    /// Asks for a rebuild of an index that was not found whole. Without records an empty index is whole at once.
    pub(super) async fn rebuild_missing(&self, all: SystemScope, state: &State) -> Result<(), Error> {
        if self.last_index_change(all).await? == 0 {
            return Ok(self.index.begin_rebuild().await?.finish(0).await?);
        }
        tracing::warn!(?state, "the search index was not found whole and is rebuilt from the records");
        let request = RequestKey { id: String::new(), fingerprint: Digest::of(b"") };
        self.create_rebuild(Cause::of(state), request).await.map(drop)
    }

    /// Makes one attempt at a rebuild that was claimed, and ends the claim.
    pub async fn run_rebuild(&self, all: SystemScope, queue: &Queue, claim: Claim) -> Result<WorkPhase, Error> {
        let outcome = match self.attempt_rebuild(all, queue, &claim).await {
            Ok(outcome) => outcome,
            Err(error) => Outcome::Failed(WorkError::of(&error)),
        };
        let now = self.database.now();
        let write = self
            .database
            .write(move |tx| Box::pin(async move { Ok::<_, Error>(claim.finish(tx, now, outcome).await?) }));
        write.await
    }

    /// Adds every record to a new index, in the order of their changes, until there are no more; then swaps.
    ///
    /// A record that changes meanwhile comes again with a greater change number, and the indexer applies its change to
    /// both indexes. So the new index holds every change up to the last one read here.
    async fn attempt_rebuild(&self, all: SystemScope, queue: &Queue, claim: &Claim) -> Result<Outcome, Error> {
        if claim.row.cancel_requested {
            return Ok(Outcome::Cancelled);
        }
        let mut rebuild = self.index.begin_rebuild().await?;
        let total = self.last_index_change(all).await?.max(1);
        let (mut reached, mut count) = (0, 0i64);
        while let Some((documents, last)) = self.rebuild_batch(all, reached).await? {
            count += i64::try_from(documents.len()).unwrap_or_default();
            rebuild.add(documents).await?;
            reached = last;
            // How far the changes were read is what is known of the whole: records are counted once they are added.
            let progress = (reached as f64 / total as f64).min(1.0);
            let counts = vec![("records".to_owned(), count)];
            if claim.renew(queue, Some(progress), counts, Vec::new()).await?.cancel_requested {
                return Ok(Outcome::Cancelled);
            }
        }
        rebuild.finish(reached).await?;
        Ok(Outcome::Succeeded { counts: vec![("records".to_owned(), count)], detail: Vec::new() })
    }

    /// Reads the next documents of a rebuild, and the number of the last change that they hold.
    pub(crate) async fn rebuild_batch(
        &self,
        all: SystemScope,
        after: i64,
    ) -> Result<Option<(Vec<Document>, i64)>, Error> {
        let (store, limit) = (self.store.clone(), self.config.rebuilds.batch);
        let read = self.database.read(move |tx| {
            Box::pin(async move {
                let records = store.index_changed(tx, &all, after, limit).await?;
                let last = records.last().map(|record| record.index.change);
                Ok::<_, Error>((entries(&*store, tx, records).await?, last))
            })
        });
        let (entries, last) = read.await?;
        let documents = entries.into_iter().filter_map(Entry::into_document).collect();
        Ok(last.map(|last| (documents, last)))
    }

    async fn last_index_change(&self, all: SystemScope) -> Result<i64, Error> {
        let store = self.store.clone();
        let read = self.database.read(move |tx| Box::pin(async move { Ok(store.last_index_change(tx, &all).await?) }));
        read.await
    }
}

async fn get(tx: &mut Tx, id: &str) -> Result<WorkRow, Error> {
    let row = work::get(tx, QUEUE, id).await?;
    let name = || id.parse().map(RebuildName::new).map_err(|_| sql::Error::Malformed { column: "requests.reply" });
    match row {
        Some(row) => Ok(row),
        None => Err(Error::NoSuchRebuild { name: name()? }),
    }
}

async fn under_way(tx: &mut Tx) -> Result<Option<WorkRow>, sql::Error> {
    let phases = vec![WorkPhase::Queued, WorkPhase::Running, WorkPhase::Waiting];
    let mut rows = work::list(tx, QUEUE, &Filter { phases, ..Filter::default() }).await?;
    // One that was asked to stop does not count: what is asked for now would not come of it.
    rows.retain(|row| !row.cancel_requested);
    Ok(rows.pop())
}

fn new_work(id: &str, cause: Cause, max_attempts: u32) -> NewWork {
    NewWork {
        id: id.to_owned(),
        tenant: PLATFORM.parse::<TenantId>().expect("a lower-case word is an id"),
        resource: String::new(),
        priority: 0,
        input: cause.as_str().as_bytes().to_vec(),
        detail: Vec::new(),
        max_attempts,
        not_before: None,
    }
}
