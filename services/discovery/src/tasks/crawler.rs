//! Crawls sources: claims one crawl at a time, commits it page by page, then decides about what is missing.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use fetch::Fetcher;
use futures::{StreamExt, stream};
use runtime::{Reconcile, Report, SystemScope};
use sql::work::{Claim, Queue};
use tracing::Instrument;
use types::{BoxError, BoxFuture, WorkError, WorkPhase};

use crate::config::Config;
use crate::discoverer::{Discoverer, Glob, Walk, Warning};
use crate::error::Error;
use crate::metrics;
use crate::service::{Kinds, walk_options};
use crate::source::{Crawl, CrawlDetail, Retraction, Source, is_plausible};
use crate::store::{Ended, Interrupted, Store, read_crawl};

/// How often a crawler looks whether it was cancelled while a page takes its time.
const LOOK: Duration = Duration::from_millis(500);
const BATCH: u32 = 200;
/// So many proofs are asked for at once.
const PROOFS_AT_ONCE: usize = 4;

/// The loops `discovery.crawler-…`. A round that is lost leaves its crawl at the last checkpoint; whoever claims it
/// after the lease goes on from there.
pub struct Crawler {
    /// The store.
    pub store: Store,
    /// The crawls.
    pub queue: Queue,
    /// Reaches the sources.
    pub fetcher: Fetcher,
    /// What sources may be.
    pub kinds: Kinds,
    /// The settings.
    pub config: Arc<Config>,
    /// The right to look across tenants.
    pub scope: SystemScope,
}

#[async_trait]
impl Reconcile for Crawler {
    async fn reconcile(&mut self) -> Result<Report, BoxError> {
        let Some(claim) = self.queue.claim().await? else { return Ok(Report::idle()) };
        let id = claim.row.id.clone();
        match self.attempt(claim).await {
            Ok(phase) => Ok(Report::more(format!("crawl {id}: {}", phase.as_str()))),
            Err(Error::Store(sql::Error::LostLease { .. })) => Ok(Report::more(format!("crawl {id}: lost its lease"))),
            Err(error) => Err(error.into()),
        }
    }
}

impl Crawler {
    /// Works on a claimed crawl until it ends, and tells the phase that it is in then.
    async fn attempt(&self, claim: Claim) -> Result<WorkPhase, Error> {
        let begun = Instant::now();
        let crawl = read_crawl(claim.row.clone())?;
        let Some(source) = self.store.by_uid(self.scope, &crawl.input.source).await? else {
            return self.store.end(claim, Ended::Cancelled).await;
        };
        let kind = match self.kinds.of(&source.draft.settings) {
            Ok(kind) => kind,
            Err(error) => return self.store.end(claim, Ended::Failed(WorkError::of(&error))).await,
        };
        let span =
            tracing::info_span!("crawl", crawl.name = %crawl.name, source.kind = kind.kind(), role = crate::ROLE);
        events::trace::adopt(&span, &crawl.input.traceparent);
        let work = Work { crawler: self, claim: &claim, crawl: &crawl, source: &source, kind };
        let ended = match work.run().instrument(span).await {
            Ok(detail) => Ended::Succeeded(detail),
            Err(Interrupted::Cancelled) => Ended::Cancelled,
            Err(Interrupted::Failed(error @ Error::Store(sql::Error::LostLease { .. }))) => return Err(error),
            Err(Interrupted::Failed(error)) => {
                tracing::warn!(crawl.name = %crawl.name, error = %chain(&error), "a crawl failed");
                Ended::Failed(WorkError::of(&error))
            }
        };
        let phase = self.store.end(claim, ended).await?;
        metrics::crawl_ended(kind.kind(), phase.as_str(), begun.elapsed());
        tracing::info!(crawl.name = %crawl.name, phase = phase.as_str(), "a crawl ended an attempt");
        Ok(phase)
    }
}

fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

struct Work<'a> {
    crawler: &'a Crawler,
    claim: &'a Claim,
    crawl: &'a Crawl,
    source: &'a Source,
    kind: &'a dyn Discoverer,
}

impl Work<'_> {
    async fn run(&self) -> Result<CrawlDetail, Interrupted> {
        if self.claim.row.cancel_requested {
            return Err(Interrupted::Cancelled);
        }
        let mut detail = self.crawl.detail.clone();
        let config = &self.crawler.config;
        let options = walk_options(&self.source.draft.exclude, config, config.page_size, detail.checkpoint.clone());
        let mut walk = self.kind.walk(&self.source.draft.settings, &self.crawler.fetcher, options)?;
        while let Some(page) = self.hold(&detail, walk.next_page()).await?? {
            let before = detail.counts.announced;
            let (store, input) = (&self.crawler.store, &self.crawl.input);
            detail = store.commit_page(self.claim, self.source, self.kind.kind(), input, page, detail).await?;
            metrics::announced(self.kind.kind(), detail.counts.announced - before);
        }
        self.decide(walk.as_ref(), detail).await
    }

    /// Decides about the datasets that the listing no longer holds.
    async fn decide(&self, walk: &dyn Walk, mut detail: CrawlDetail) -> Result<CrawlDetail, Interrupted> {
        let missing = self.missing().await?;
        detail.counts.missing = detail.counts.retracted + missing.len() as u64;
        detail.retraction = if detail.counts.missing == 0 {
            Retraction::NothingMissing
        } else if detail.incomplete {
            Retraction::Incomplete
        } else if self.is_believed(walk, &missing, &detail).await? {
            detail.retraction = Retraction::Retracted;
            return self.retract(missing, detail).await;
        } else {
            detail.warn(self.implausible(missing.len() as u64, &detail));
            Retraction::Implausible
        };
        Ok(detail)
    }

    async fn missing(&self) -> Result<Vec<String>, Error> {
        let mut all: Vec<String> = Vec::new();
        loop {
            let after = all.last().cloned().unwrap_or_default();
            let batch = self.crawler.store.missing(self.claim, self.source, &after, BATCH).await?;
            let is_last = batch.len() < BATCH as usize;
            all.extend(batch);
            if is_last {
                return Ok(all);
            }
        }
    }

    /// A loss is believed when the caller says so, when it is plausible, or when each missing dataset is proved gone.
    /// What is left out on purpose is no loss.
    async fn is_believed(
        &self,
        walk: &dyn Walk,
        missing: &[String],
        detail: &CrawlDetail,
    ) -> Result<bool, Interrupted> {
        let exclude: Vec<Glob> = globs(&self.source.draft.exclude);
        let lost: Vec<&String> = missing.iter().filter(|path| !exclude.iter().any(|glob| glob.covers(path))).collect();
        let known = detail.known + detail.counts.retracted + lost.len() as u64;
        let config = &self.crawler.config;
        if self.crawl.input.accept_losses
            || is_plausible(lost.len() as u64, known, config.loss_share, config.loss_count)
        {
            return Ok(true);
        }
        // Futures of a named type: a stream that makes them itself would not be `Send` for every lifetime.
        let asked: Vec<BoxFuture<'_, bool>> = lost.into_iter().map(|path| walk.is_gone(path)).collect();
        let proofs = async {
            let mut proofs = stream::iter(asked).buffered(PROOFS_AT_ONCE);
            while let Some(gone) = proofs.next().await {
                if !gone {
                    return false;
                }
            }
            true
        };
        self.hold(detail, proofs).await
    }

    async fn retract(&self, missing: Vec<String>, mut detail: CrawlDetail) -> Result<CrawlDetail, Interrupted> {
        for batch in missing.chunks(BATCH as usize) {
            let (store, input) = (&self.crawler.store, &self.crawl.input);
            detail = store.retract(self.claim, self.source, input, batch.to_vec(), detail).await?;
            metrics::retracted(self.kind.kind(), batch.len() as u64);
        }
        Ok(detail)
    }

    fn implausible(&self, missing: u64, detail: &CrawlDetail) -> Warning {
        let known = detail.known + detail.counts.retracted + missing;
        let message = format!(
            "{missing} of {known} datasets are missing, more than is plausible, and not each is proved gone: nothing \
             was retracted; run the source with losses accepted to retract them all the same"
        );
        Warning::new("", "LOSS_IMPLAUSIBLE", message)
    }

    /// Waits for `work`, renewing the lease meanwhile; ends early when the crawl is cancelled.
    async fn hold<T>(&self, detail: &CrawlDetail, work: impl Future<Output = T>) -> Result<T, Interrupted> {
        let mut work = pin!(work);
        let store = &self.crawler.store;
        let mut renewed = Instant::now();
        loop {
            match tokio::time::timeout(LOOK, &mut work).await {
                Ok(value) => return Ok(value),
                Err(_) if store.is_cancelled(self.claim).await? => return Err(Interrupted::Cancelled),
                Err(_) if renewed.elapsed() > self.crawler.queue.lease() / 3 => {
                    store.commit_detail(self.claim, detail).await?;
                    renewed = Instant::now();
                }
                Err(_) => {}
            }
        }
    }
}

/// The globs of a source. They were checked when the source was stored.
fn globs(exclude: &[String]) -> Vec<Glob> {
    exclude.iter().filter_map(|glob| Glob::parse(glob).ok()).collect()
}
