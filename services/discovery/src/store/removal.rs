//! What is removed in the background: deleted sources, and crawls that are too many.

use std::time::Duration;

use events::outbox;
use runtime::SystemScope;
use sql::Conn;
use sql::work::{self, Filter};
use types::{DatasetName, SourceName, TenantId, WorkPhase};

use super::{Store, crawls, entries, sources};
use crate::error::Error;
use crate::events::{RetractionReason, retracted};
use crate::source::CRAWLS;

const BATCH: u32 = 200;
/// How long watches are told of a crawl that is gone.
const TOLD: Duration = Duration::from_secs(24 * 3600);

/// A crawl that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedCrawl {
    /// Its name.
    pub name: String,
    /// The number of its removal.
    pub change: i64,
}

/// What a round over deleted sources did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovalRound {
    /// The kind of the source that was worked on.
    pub kind: String,
    /// How many of its datasets were retracted.
    pub retracted: u64,
}

impl Store {
    /// Retracts a batch of datasets of the source that was deleted first, and forgets a source of which none is left.
    /// `None` when no source waits for that.
    pub async fn remove_deleted(&self, _: SystemScope) -> Result<Option<RemovalRound>, Error> {
        let now = self.db.now();
        let waits = self.db.read(|conn| Box::pin(async move { sources::next_deleted(conn).await })).await?;
        if waits.is_none() {
            return Ok(None);
        }
        let write = self.db.write(move |conn| {
            Box::pin(async move {
                let Some(source) = sources::next_deleted(conn).await? else { return Ok(None) };
                let batch = entries::announced(conn, &source.uid, BATCH).await?;
                let retracted_count = batch.len() as u64;
                for (path, _) in &batch {
                    let Some(dataset) = entries::retract(conn, &source.uid, path).await? else { continue };
                    let dataset = DatasetName::new(source.name.tenant.clone(), dataset);
                    let event = retracted(&dataset, &source.name, &source.actor, RetractionReason::SourceDeleted);
                    outbox::append(conn, &[event], now).await?;
                }
                if retracted_count < u64::from(BATCH) {
                    forget(conn, &source, now).await?;
                }
                Ok::<_, Error>(Some(RemovalRound { kind: source.kind, retracted: retracted_count }))
            })
        });
        write.await
    }

    /// Forgets all but the last `kept` ended crawls of each source, and old words of removed ones. Tells how many.
    pub async fn trim_crawls(&self, _: SystemScope, kept: u32) -> Result<u64, Error> {
        let now = self.db.now();
        let write = self.db.write(move |conn| {
            Box::pin(async move {
                let too_many: Vec<String> = sql::query_scalar(
                    "SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY resource ORDER BY created DESC, id DESC) \
                     AS place FROM work WHERE queue = ? AND phase IN ('succeeded', 'failed', 'cancelled')) \
                     AS numbered WHERE place > ? LIMIT 1000",
                )
                .bind(CRAWLS)
                .bind(kept)
                .fetch_all(&mut *conn)
                .await?;
                for crawl in crawls::by_ids(conn, &too_many).await? {
                    crawls::forget(conn, &crawl.name, now).await?;
                }
                let old = sql::query("DELETE FROM removed_crawls WHERE removed < ?");
                old.bind((now - TOLD).as_micros()).execute(&mut *conn).await?;
                Ok::<_, Error>(too_many.len() as u64)
            })
        });
        write.await
    }
}

async fn forget(conn: &mut Conn, source: &sources::Deleted, now: types::Timestamp) -> Result<(), Error> {
    let filter = Filter {
        tenant: Some(source.name.tenant.clone()),
        resource: Some(source.name.to_string()),
        phases: Vec::new(),
    };
    for row in work::list(conn, CRAWLS, &filter).await? {
        let crawl = crawls::read(row)?;
        // One that still runs was asked to stop; it finds its lease lost.
        debug_assert!(crawl.input.source != source.uid || crawl.status.phase != WorkPhase::Queued);
        if crawl.input.source == source.uid {
            crawls::forget(conn, &crawl.name, now).await?;
        }
    }
    entries::forget(conn, &source.uid).await?;
    sources::forget(conn, &source.uid).await
}

pub(super) async fn removed_after(
    conn: &mut Conn,
    tenant: &TenantId,
    source: Option<&SourceName>,
    after: i64,
    limit: u32,
) -> Result<Vec<RemovedCrawl>, Error> {
    let rows: Vec<(String, i64)> = sql::query_as(
        "SELECT crawl, change FROM removed_crawls WHERE tenant = ?1 AND (?2 IS NULL OR source = ?2) AND change > ?3 \
         ORDER BY change LIMIT ?4",
    )
    .bind(tenant.as_str())
    .bind(source.map(ToString::to_string))
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|(name, change)| RemovedCrawl { name, change }).collect())
}
