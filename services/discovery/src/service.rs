//! What discovery decides: who may create which source, and what a crawl of it would find.

use std::sync::Arc;

use fetch::Fetcher;
use futures::Stream;
use proto::discovery::v1::source::Settings;
use proto::discovery::v1::{
    CancelCrawlResponse, CreateSourceResponse, DiscovererKind, RunSourceResponse, UpdateSourceResponse,
};
use rpc::BadRequest;
use types::{CrawlName, Permitted, Revision, SourceId, SourceName, TenantName};

use crate::config::Config;
use crate::discoverer::{self, Discoverer, Found, Glob, WalkOptions};
use crate::error::Error;
use crate::source::{Changes, Crawl, CrawlDetail, Draft, Source};
use crate::store::{Changed, RequestKey, Store};

/// The kinds of discoverer that are built in.
#[derive(Clone)]
pub struct Kinds(Arc<[Arc<dyn Discoverer>]>);

impl Default for Kinds {
    fn default() -> Self {
        Self(discoverer::all().into())
    }
}

impl Kinds {
    /// The kind that these are settings of.
    pub fn of(&self, settings: &Settings) -> Result<&dyn Discoverer, Error> {
        self.0.iter().find(|kind| kind.accepts(settings)).map(AsRef::as_ref).ok_or(Error::UnknownKind)
    }

    /// What each kind tells of itself.
    pub fn describe(&self) -> Vec<DiscovererKind> {
        self.0.iter().map(|kind| discoverer::describe(kind.as_ref())).collect()
    }
}

/// How to walk a source with these globs, which were checked before.
pub fn walk_options(exclude: &[String], config: &Config, page_size: usize, after: Option<String>) -> WalkOptions {
    WalkOptions {
        exclude: exclude.iter().filter_map(|glob| Glob::parse(glob).ok()).collect(),
        extensions: config.extensions.clone(),
        page_size,
        after,
    }
}

/// One message of a preview.
#[derive(Debug)]
pub enum Previewed {
    /// A dataset that would be announced.
    Dataset(Box<Found>),
    /// The end.
    Summary {
        /// What a crawl that came so far would tell.
        detail: Box<CrawlDetail>,
        /// Whether the limit cut the list.
        truncated: bool,
    },
}

/// The domain of discovery. Clones share it.
#[derive(Clone)]
pub struct Discovery {
    store: Store,
    fetcher: Fetcher,
    kinds: Kinds,
    config: Arc<Config>,
}

impl Discovery {
    /// Puts it together.
    pub fn new(store: Store, fetcher: Fetcher, kinds: Kinds, config: Arc<Config>) -> Self {
        Self { store, fetcher, kinds, config }
    }

    /// The kinds of discoverer.
    pub fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    /// Ticks when something may have changed.
    pub fn changed(&self) -> tokio::sync::watch::Receiver<u64> {
        self.store.database().changed()
    }

    /// Creates a source in a tenant, and its first crawl. Without an id it gets one of ours.
    pub async fn create(
        &self,
        parent: Permitted<TenantName>,
        id: Option<SourceId>,
        draft: Draft,
        request: RequestKey,
    ) -> Result<CreateSourceResponse, Error> {
        let kind = self.check(&draft.settings).await?;
        let name = SourceName::new(parent.tenant.clone(), id.unwrap_or_else(SourceId::random));
        self.store.create(name, draft, kind, actor(&parent), request).await
    }

    /// Checks the place of a source against the operator's policy, and gives its kind.
    async fn check(&self, settings: &Settings) -> Result<&'static str, Error> {
        let kind = self.kinds.of(settings)?;
        kind.check(settings, &self.fetcher).await?;
        Ok(kind.kind())
    }

    /// Gets a source.
    pub async fn get(&self, name: Permitted<SourceName>) -> Result<Source, Error> {
        self.store.get(&name).await
    }

    /// Lists the sources of a tenant, by creation time.
    pub async fn list(
        &self,
        parent: Permitted<TenantName>,
        token: &str,
        size: i32,
    ) -> Result<(Vec<Source>, String), Error> {
        self.store.list(&parent.tenant, token, size).await
    }

    /// Changes a source. The place that it has afterwards is checked, be it new or not.
    pub async fn update(
        &self,
        name: Permitted<SourceName>,
        revision: Revision,
        changes: Changes,
        request: RequestKey,
    ) -> Result<UpdateSourceResponse, Error> {
        let stored = self.store.get(&name).await?.draft.settings;
        let place = changes.settings.as_ref().unwrap_or(&stored);
        if self.kinds.of(place)?.kind() != self.kinds.of(&stored)?.kind() {
            let rule = "the kind of a source stays as it is; create another source";
            return Err(BadRequest::field("source.settings", rule).into());
        }
        self.check(place).await?;
        self.store.update(name.into_inner(), revision, changes, request).await
    }

    /// Deletes a source; its datasets are retracted in the background.
    pub async fn delete(
        &self,
        name: Permitted<SourceName>,
        revision: Revision,
        request: RequestKey,
    ) -> Result<(), Error> {
        let actor = actor(&name);
        self.store.delete(name.into_inner(), revision, actor, request).await
    }

    /// Starts a crawl, or gives the one that is under way.
    pub async fn run(
        &self,
        name: Permitted<SourceName>,
        accept_losses: bool,
        request: RequestKey,
    ) -> Result<RunSourceResponse, Error> {
        let actor = actor(&name);
        self.store.run(name.into_inner(), accept_losses, actor, request).await
    }

    /// Lists what a source like `draft` would announce, up to `limit` datasets, and stores nothing.
    pub async fn preview(
        &self,
        _parent: Permitted<TenantName>,
        draft: Draft,
        limit: u64,
    ) -> Result<impl Stream<Item = Result<Previewed, Error>> + Send + use<>, Error> {
        self.check(&draft.settings).await?;
        let kind = self.kinds.of(&draft.settings)?;
        let page_size = self.config.page_size.min(usize::try_from(limit).unwrap_or(usize::MAX));
        let options = walk_options(&draft.exclude, &self.config, page_size, None);
        let mut walk = kind.walk(&draft.settings, &self.fetcher, options)?;
        Ok(async_stream::try_stream! {
            let mut detail = Box::new(CrawlDetail::default());
            let mut truncated = false;
            while let Some(mut page) = walk.next_page().await? {
                detail.note(&mut page);
                for found in page.found {
                    if detail.counts.listed == limit {
                        truncated = true;
                        break;
                    }
                    detail.counts.listed += 1;
                    yield Previewed::Dataset(Box::new(found));
                }
                if truncated {
                    break;
                }
            }
            yield Previewed::Summary { detail, truncated };
        })
    }

    /// Gets a crawl.
    pub async fn crawl(&self, name: Permitted<CrawlName>) -> Result<Crawl, Error> {
        self.store.crawl(&name).await
    }

    /// Lists the crawls of a source, newest first.
    pub async fn list_crawls(
        &self,
        parent: Permitted<SourceName>,
        token: &str,
        size: i32,
    ) -> Result<(Vec<Crawl>, String), Error> {
        self.store.list_crawls(&parent, token, size).await
    }

    /// The crawls of a source, or of all of a tenant's, that changed after `after`.
    pub async fn crawls_after(
        &self,
        parent: &Permitted<TenantName>,
        source: Option<&SourceName>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Changed>, Error> {
        self.store.crawls_after(&parent.tenant, source, after, limit).await
    }

    /// Cancels a crawl. What it announced stays announced.
    pub async fn cancel(&self, name: Permitted<CrawlName>) -> Result<CancelCrawlResponse, Error> {
        self.store.cancel(&name).await
    }
}

fn actor<T>(permitted: &Permitted<T>) -> String {
    permitted.caller().subject.to_string()
}
