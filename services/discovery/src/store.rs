//! The state of discovery: sources, what was announced of them, crawls.
//!
//! Every method is one transaction. Those that change something write the events and the reply to a repeated request in
//! it too. Methods take a name, which holds its tenant, or the scope that loops over all tenants hold. The dialect is
//! the affair of `sql`; each file beside this one holds the statements of one table.

mod crawls;
mod entries;
mod pages;
mod removal;
mod sources;

use prost::Message;
use proto::discovery::v1::{CancelCrawlResponse, CreateSourceResponse, RunSourceResponse, UpdateSourceResponse};
use runtime::SystemScope;
use sql::{Conn, Database, pages::Page as Ids, requests, work};
use types::{CrawlName, Digest, Priority, Revision, SourceName, TenantId, Timestamp, WorkPhase};

use crate::convert;
use crate::error::Error;
use crate::source::{CRAWLS, Changes, Crawl, CrawlInput, Draft, Source};

pub(crate) use crawls::read as read_crawl;
pub use pages::{Ended, Interrupted};
pub use removal::RemovedCrawl;

/// The store of discovery. Clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    db: Database,
    max_attempts: u32,
}

/// Tells a repeated call from a new one.
#[derive(Debug, Clone)]
pub struct RequestKey {
    /// The method.
    pub method: &'static str,
    /// The id that the caller gave; empty when none.
    pub id: String,
    /// What was asked.
    pub fingerprint: Digest,
}

impl RequestKey {
    async fn seen<M: Message + Default>(&self, conn: &mut Conn, tenant: &TenantId) -> Result<Option<M>, Error> {
        let reply = requests::seen(conn, tenant.as_str(), self.method, &self.id, &self.fingerprint).await?;
        let decode = |bytes: Vec<u8>| M::decode(bytes.as_slice()).map_err(|_| Error::Malformed { what: "a reply" });
        reply.map(decode).transpose()
    }

    async fn record<M: Message>(
        &self,
        conn: &mut Conn,
        tenant: &TenantId,
        reply: &M,
        now: Timestamp,
    ) -> Result<(), Error> {
        let bytes = reply.encode_to_vec();
        Ok(requests::record(conn, tenant.as_str(), self.method, &self.id, &self.fingerprint, &bytes, now).await?)
    }
}

impl Store {
    /// The store in `db`, whose crawls are tried `max_attempts` times.
    pub fn new(db: Database, max_attempts: u32) -> Self {
        Self { db, max_attempts }
    }

    /// The database, for queues and outbox.
    pub fn database(&self) -> &Database {
        &self.db
    }

    /// Creates a source and its first crawl.
    pub async fn create(
        &self,
        name: SourceName,
        draft: Draft,
        kind: &'static str,
        actor: String,
        request: RequestKey,
    ) -> Result<CreateSourceResponse, Error> {
        let (now, max_attempts) = (self.db.now(), self.max_attempts);
        let source = Source {
            uid: uuid::Uuid::now_v7().simple().to_string(),
            name,
            draft,
            revision: Revision(1),
            created: now,
            updated: now,
            last_crawl: None,
            next_crawl: None,
            dataset_count: 0,
        };
        let write = self.db.write(move |conn| {
            Box::pin(async move {
                let tenant = source.name.tenant.clone();
                if let Some(reply) = request.seen(conn, &tenant).await? {
                    return Ok(reply);
                }
                sources::insert(conn, &source, kind).await?;
                let crawl =
                    crawls::start(conn, &source, input_of(&source, false, &actor), Priority::Asked, max_attempts, now)
                        .await?;
                let source = sources::get(conn, &source.name).await?;
                let reply = CreateSourceResponse {
                    source: Some(convert::source(&source)),
                    crawl: Some(convert::crawl(&crawl)),
                };
                request.record(conn, &tenant, &reply, now).await?;
                Ok(reply)
            })
        });
        write.await
    }

    /// Gets a source.
    pub async fn get(&self, name: &SourceName) -> Result<Source, Error> {
        let name = name.clone();
        self.db.read(move |conn| Box::pin(async move { sources::get(conn, &name).await })).await
    }

    /// Gets a source that is not deleted, by what a crawl knows of it.
    pub async fn by_uid(&self, _: SystemScope, uid: &str) -> Result<Option<Source>, Error> {
        let uid = uid.to_owned();
        self.db.read(move |conn| Box::pin(async move { sources::by_uid(conn, &uid).await })).await
    }

    /// Lists the sources of a tenant by creation time.
    pub async fn list(&self, tenant: &TenantId, token: &str, size: i32) -> Result<(Vec<Source>, String), Error> {
        let of = tenant.clone();
        let page = sql::pages::page(&self.db, tenant.as_str(), "ListSources", token, size, move |conn| {
            Box::pin(async move { sources::ids(conn, &of).await })
        });
        let Ids { ids, next_page_token } = page.await?;
        let read = self.db.read(move |conn| {
            Box::pin(async move {
                let mut found = Vec::new();
                for uid in ids {
                    // Deleted since the list was pinned.
                    found.extend(sources::by_uid(conn, &uid).await?);
                }
                Ok::<_, Error>(found)
            })
        });
        Ok((read.await?, next_page_token))
    }

    /// Changes a source that is at `revision`. Crawls that have begun at another place are cancelled: a checkpoint there
    /// means nothing here.
    pub async fn update(
        &self,
        name: SourceName,
        revision: Revision,
        changes: Changes,
        request: RequestKey,
    ) -> Result<UpdateSourceResponse, Error> {
        let now = self.db.now();
        let write = self.db.write(move |conn| {
            Box::pin(async move {
                if let Some(reply) = request.seen(conn, &name.tenant).await? {
                    return Ok(reply);
                }
                let mut source = sources::at(conn, &name, revision).await?;
                let before = source.draft.clone();
                changes.apply(&mut source.draft);
                if source.draft.settings != before.settings {
                    crawls::cancel_begun(conn, &source, now).await?;
                }
                if source.draft.interval != before.interval {
                    source.next_crawl = source.draft.interval.map(|every| source.last_crawl.unwrap_or(now) + every);
                }
                source.revision = Revision(revision.0 + 1);
                source.updated = now;
                sources::update(conn, &source).await?;
                let reply = UpdateSourceResponse { source: Some(convert::source(&source)) };
                request.record(conn, &name.tenant, &reply, now).await?;
                Ok(reply)
            })
        });
        write.await
    }

    /// Marks a source deleted and cancels its crawls; a loop retracts its datasets. Revision 0 means the current one.
    pub async fn delete(
        &self,
        name: SourceName,
        revision: Revision,
        actor: String,
        request: RequestKey,
    ) -> Result<(), Error> {
        let now = self.db.now();
        let write = self.db.write(move |conn| {
            Box::pin(async move {
                if request.seen::<()>(conn, &name.tenant).await?.is_some() {
                    return Ok(());
                }
                let source = sources::at(conn, &name, revision).await?;
                for crawl in crawls::open(conn, &source).await? {
                    work::cancel(conn, CRAWLS, crawl.name.crawl.as_str(), now).await?;
                }
                sources::mark_deleted(conn, &source.uid, &actor, now).await?;
                request.record(conn, &name.tenant, &(), now).await
            })
        });
        write.await
    }

    /// Starts a crawl, or gives the one that is under way, which is hurried: somebody waits for it now.
    pub async fn run(
        &self,
        name: SourceName,
        accept_losses: bool,
        actor: String,
        request: RequestKey,
    ) -> Result<RunSourceResponse, Error> {
        let (now, max_attempts) = (self.db.now(), self.max_attempts);
        let write = self.db.write(move |conn| {
            Box::pin(async move {
                if let Some(reply) = request.seen(conn, &name.tenant).await? {
                    return Ok(reply);
                }
                let source = sources::get(conn, &name).await?;
                let crawl = match crawls::open(conn, &source).await?.into_iter().next() {
                    // What was asked for would not come about, and nobody would know.
                    Some(crawl) if accept_losses && !crawl.input.accept_losses => {
                        return Err(Error::CrawlUnderWay { name: crawl.name });
                    }
                    Some(crawl) => {
                        crawls::hurry(conn, &crawl).await?;
                        crawls::get(conn, &crawl.name).await?
                    }
                    None => {
                        let input = input_of(&source, accept_losses, &actor);
                        crawls::start(conn, &source, input, Priority::Asked, max_attempts, now).await?
                    }
                };
                let reply = RunSourceResponse { crawl: Some(convert::crawl(&crawl)) };
                request.record(conn, &name.tenant, &reply, now).await?;
                Ok(reply)
            })
        });
        write.await
    }

    /// Starts the crawls that are due, and tells how many. A source whose crawl is under way waits for its end.
    pub async fn run_due(&self, _: SystemScope) -> Result<u64, Error> {
        let (now, max_attempts) = (self.db.now(), self.max_attempts);
        let due = self.db.read(move |conn| Box::pin(async move { sources::due(conn, now).await })).await?;
        let mut started = 0;
        for uid in due {
            let write = self.db.write(move |conn| {
                Box::pin(async move {
                    let Some(source) = sources::by_uid(conn, &uid).await? else { return Ok(0) };
                    let is_due = source.next_crawl.is_some_and(|next| next <= now);
                    if !is_due || !crawls::open(conn, &source).await?.is_empty() {
                        return Ok(0);
                    }
                    let input = input_of(&source, false, "services/discovery");
                    crawls::start(conn, &source, input, Priority::Scheduled, max_attempts, now).await?;
                    Ok::<_, Error>(1)
                })
            });
            started += write.await?;
        }
        Ok(started)
    }

    /// Gets a crawl.
    pub async fn crawl(&self, name: &CrawlName) -> Result<Crawl, Error> {
        let name = name.clone();
        self.db.read(move |conn| Box::pin(async move { crawls::get(conn, &name).await })).await
    }

    /// Lists the crawls of a source, newest first.
    pub async fn list_crawls(&self, name: &SourceName, token: &str, size: i32) -> Result<(Vec<Crawl>, String), Error> {
        self.get(name).await?;
        let of = name.clone();
        let query = format!("ListCrawls {name}");
        let page = sql::pages::page(&self.db, name.tenant.as_str(), &query, token, size, move |conn| {
            Box::pin(async move { crawls::ids(conn, &of).await })
        });
        let Ids { ids, next_page_token } = page.await?;
        let read = self.db.read(move |conn| Box::pin(async move { crawls::by_ids(conn, &ids).await }));
        Ok((read.await?, next_page_token))
    }

    /// Cancels a crawl.
    pub async fn cancel(&self, name: &CrawlName) -> Result<CancelCrawlResponse, Error> {
        let (name, now) = (name.clone(), self.db.now());
        let write = self.db.write(move |conn| {
            Box::pin(async move {
                crawls::get(conn, &name).await?;
                work::cancel(conn, CRAWLS, name.crawl.as_str(), now).await?;
                let crawl = crawls::get(conn, &name).await?;
                Ok::<_, Error>(CancelCrawlResponse { crawl: Some(convert::crawl(&crawl)) })
            })
        });
        write.await
    }

    /// The crawls of a tenant, or of one source, that changed or went after `after`, by change number.
    pub async fn crawls_after(
        &self,
        tenant: &TenantId,
        source: Option<&SourceName>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Changed>, Error> {
        let (tenant, source) = (tenant.clone(), source.cloned());
        let read = self.db.read(move |conn| {
            Box::pin(async move {
                let present = crawls::changed_after(conn, &tenant, source.as_ref(), after, limit).await?;
                let gone = removal::removed_after(conn, &tenant, source.as_ref(), after, limit).await?;
                let mut all: Vec<Changed> = present.into_iter().map(Box::new).map(Changed::Present).collect();
                all.extend(gone.into_iter().map(Changed::Gone));
                all.sort_by_key(Changed::change);
                all.truncate(limit as usize);
                Ok::<_, Error>(all)
            })
        });
        read.await
    }
}

/// What a watch of crawls shows.
#[derive(Debug, Clone)]
pub enum Changed {
    /// A crawl as it is.
    Present(Box<Crawl>),
    /// A crawl that is gone.
    Gone(RemovedCrawl),
}

impl Changed {
    /// The number of the change.
    pub fn change(&self) -> i64 {
        match self {
            Self::Present(crawl) => crawl.change,
            Self::Gone(removed) => removed.change,
        }
    }
}

/// The phases of a crawl that is under way.
const OPEN: [WorkPhase; 3] = [WorkPhase::Queued, WorkPhase::Running, WorkPhase::Waiting];

fn input_of(source: &Source, accept_losses: bool, actor: &str) -> CrawlInput {
    let traceparent = events::trace::current();
    CrawlInput { source: source.uid.clone(), accept_losses, actor: actor.to_owned(), traceparent }
}
