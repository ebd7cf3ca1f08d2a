//! What a crawl commits: page by page, each with its events and its checkpoint.

use events::outbox;
use proto::common::v1::Metadata;
use proto::discovery::v1::DatasetAnnounced;
use sql::Conn;
use sql::work::{Claim, Outcome};
use tracing::Instrument;
use types::{DatasetId, DatasetName, Materialization, Timestamp, WorkError, WorkPhase};

use super::{Store, crawls, entries};
use crate::discoverer::{Found, Page};
use crate::error::Error;
use crate::events::{RetractionReason, announced, retracted};
use crate::metadata;
use crate::source::{CRAWLS, CrawlDetail, CrawlInput, Source};

/// Why a commit of a crawl did not take place.
#[derive(Debug)]
pub enum Interrupted {
    /// Somebody cancelled the crawl, or deleted its source.
    Cancelled,
    /// Somebody else has the crawl now, or the store failed.
    Failed(Error),
}

impl From<Error> for Interrupted {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<sql::Error> for Interrupted {
    fn from(error: sql::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<events::Error> for Interrupted {
    fn from(error: events::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// How an attempt at a crawl ended.
#[derive(Debug)]
pub enum Ended {
    /// All was listed, and what is missing decided.
    Succeeded(CrawlDetail),
    /// It failed, after this.
    Failed(WorkError),
    /// It was cancelled.
    Cancelled,
}

impl Store {
    /// Commits one page with its announcements and the detail that holds its checkpoint; gives the detail as stored. Where
    /// the checkpoint moved, attempts that were lost before count no longer: the next one begins further on.
    pub async fn commit_page(
        &self,
        claim: &Claim,
        source: &Source,
        kind: &'static str,
        input: &CrawlInput,
        page: Page,
        detail: CrawlDetail,
    ) -> Result<CrawlDetail, Interrupted> {
        let now = self.db.now();
        let (claim, source, actor) = (claim.clone(), source.clone(), input.actor.clone());
        let span = tracing::Span::current();
        let write = self.db.write(move |conn| {
            let commit = async move {
                let priority = crawls::priority(conn, &claim.row).await?;
                let crawl = &claim.row.id;
                let moved = detail.checkpoint.as_ref() != Some(&page.checkpoint);
                let mut applied = Applied { source: &source, kind, crawl, actor: &actor, priority, now, detail };
                applied.page(conn, page).await?;
                let detail = applied.detail;
                advance(conn, &claim, &detail, now).await?;
                if moved {
                    claim.forget_lost(conn).await?;
                }
                Ok(detail)
            };
            Box::pin(commit.instrument(span))
        });
        write.await
    }

    /// Stores how far a crawl is when nothing else changed.
    pub async fn commit_detail(&self, claim: &Claim, detail: &CrawlDetail) -> Result<(), Interrupted> {
        let (claim, detail, now) = (claim.clone(), detail.clone(), self.db.now());
        self.db.write(move |conn| Box::pin(async move { advance(conn, &claim, &detail, now).await })).await
    }

    /// The announced paths that a crawl did not see, in order, after `after`.
    pub async fn missing(&self, claim: &Claim, source: &Source, after: &str, limit: u32) -> Result<Vec<String>, Error> {
        let (crawl, uid, after) = (claim.row.id.clone(), source.uid.clone(), after.to_owned());
        let read = self
            .db
            .read(move |conn| Box::pin(async move { entries::missing(conn, &uid, &crawl, &after, limit).await }));
        read.await
    }

    /// Retracts `paths` because they are missing.
    pub async fn retract(
        &self,
        claim: &Claim,
        source: &Source,
        input: &CrawlInput,
        paths: Vec<String>,
        mut detail: CrawlDetail,
    ) -> Result<CrawlDetail, Interrupted> {
        let now = self.db.now();
        let (claim, source, actor) = (claim.clone(), source.clone(), input.actor.clone());
        let write = self.db.write(move |conn| {
            Box::pin(async move {
                for path in paths {
                    let Some(dataset) = entries::retract(conn, &source.uid, &path).await? else { continue };
                    let dataset = DatasetName::new(source.name.tenant.clone(), dataset);
                    let event = retracted(&dataset, &source.name, &actor, RetractionReason::Missing);
                    outbox::append(conn, &[event], now).await?;
                    detail.counts.retracted += 1;
                }
                advance(conn, &claim, &detail, now).await?;
                Ok(detail)
            })
        });
        write.await
    }

    /// Tells whether a crawl was asked to stop, or is gone.
    pub async fn is_cancelled(&self, claim: &Claim) -> Result<bool, Error> {
        let id = claim.row.id.clone();
        let read =
            self.db.read(move |conn| Box::pin(async move { Ok::<_, Error>(sql::work::get(conn, CRAWLS, &id).await?) }));
        Ok(read.await?.is_none_or(|row| row.cancel_requested))
    }

    /// Ends an attempt, and tells the phase that the crawl is in then.
    pub async fn end(&self, claim: Claim, ended: Ended) -> Result<WorkPhase, Error> {
        let now = self.db.now();
        let outcome = match ended {
            Ended::Succeeded(detail) => {
                Outcome::Succeeded { counts: detail.counts.named(), detail: crawls::encode(&detail) }
            }
            Ended::Failed(error) => Outcome::Failed(error),
            Ended::Cancelled => Outcome::Cancelled,
        };
        let write =
            self.db.write(move |conn| Box::pin(async move { Ok::<_, Error>(claim.finish(conn, now, outcome).await?) }));
        write.await
    }
}

async fn advance(conn: &mut Conn, claim: &Claim, detail: &CrawlDetail, now: Timestamp) -> Result<(), Interrupted> {
    let renewed = claim.advance(conn, now, detail.progress(), &detail.counts.named(), &crawls::encode(detail)).await?;
    // An error, so that the transaction leaves nothing of what it did.
    if renewed.cancel_requested { Err(Interrupted::Cancelled) } else { Ok(()) }
}

struct Applied<'a> {
    source: &'a Source,
    kind: &'static str,
    crawl: &'a str,
    actor: &'a str,
    priority: i32,
    now: Timestamp,
    detail: CrawlDetail,
}

impl Applied<'_> {
    async fn page(&mut self, conn: &mut Conn, mut page: Page) -> Result<(), Error> {
        self.detail.note(&mut page);
        for found in page.found {
            self.found(conn, found).await?;
        }
        for path in page.unread {
            self.detail.known += u64::from(entries::touch(conn, &self.source.uid, &path, self.crawl).await?);
        }
        self.detail.checkpoint = Some(page.checkpoint);
        Ok(())
    }

    async fn found(&mut self, conn: &mut Conn, found: Found) -> Result<(), Error> {
        let entry = entries::get(conn, &self.source.uid, &found.path).await?;
        let metadata = metadata::merge(found.metadata.clone(), &self.source.draft.metadata, &found.path);
        let digest = metadata::digest(&metadata, &found.origin);
        self.detail.counts.listed += 1;
        self.detail.known += u64::from(entry.as_ref().is_some_and(|entry| !entry.retracted));
        if entry.is_some_and(|entry| !entry.differs(&found.version_token, &digest)) {
            entries::touch(conn, &self.source.uid, &found.path, self.crawl).await?;
            self.detail.counts.unchanged += 1;
            return Ok(());
        }
        let id = DatasetId::derive(&self.source.uid, &found.path);
        let (uid, token) = (&self.source.uid, &found.version_token);
        let number = entries::announce(conn, uid, &found.path, &id, token, &digest, self.crawl).await?;
        self.detail.counts.announced += 1;
        self.announce(conn, id, found, metadata, number).await
    }

    /// Each announcement begins a trace of its own, linked to that of the crawl.
    async fn announce(
        &self,
        conn: &mut Conn,
        id: DatasetId,
        found: Found,
        metadata: Metadata,
        announcement: i64,
    ) -> Result<(), Error> {
        let dataset = DatasetName::new(self.source.name.tenant.clone(), id);
        let span = tracing::info_span!(
            parent: None,
            "announce",
            dataset.name = %dataset,
            dataset.path = found.path,
            role = crate::ROLE
        );
        span.follows_from(tracing::Span::current());
        let message = DatasetAnnounced {
            dataset: dataset.to_string(),
            source: self.source.name.to_string(),
            source_kind: self.kind.to_owned(),
            path: found.path,
            materialization: Some(Materialization { origin: found.origin, version_token: found.version_token }.into()),
            metadata: Some(metadata),
            size_bytes: found.size_bytes.map(|size| i64::try_from(size).unwrap_or(i64::MAX)),
            priority: self.priority,
            announcement,
        };
        let event = announced(&dataset, self.actor, &message);
        Ok(outbox::append(conn, &[event], self.now).instrument(span).await?)
    }
}
