//! Crawls: rows of work of the queue `crawls`, with what discovery keeps in them.

use sql::work::{self, Filter, NewWork, WorkRow};
use sql::{Conn, next_change};
use types::{CrawlId, CrawlName, Priority, SourceName, TenantId, Timestamp, WorkPhase};

use super::{OPEN, sources};
use crate::error::Error;
use crate::source::{CRAWLS, Crawl, CrawlDetail, CrawlInput, Source};

pub(super) async fn start(
    conn: &mut Conn,
    source: &Source,
    input: CrawlInput,
    priority: Priority,
    max_attempts: u32,
    now: Timestamp,
) -> Result<Crawl, Error> {
    let id = CrawlId::random();
    let detail = CrawlDetail { before: source.dataset_count.unsigned_abs(), ..CrawlDetail::default() };
    let new = NewWork {
        id: id.to_string(),
        tenant: source.name.tenant.clone(),
        resource: source.name.to_string(),
        priority: priority.number(),
        input: serde_json::to_vec(&input).expect("the input always encodes"),
        detail: encode(&detail),
        max_attempts,
        not_before: None,
    };
    work::insert(conn, CRAWLS, new, now).await?;
    sources::note_crawl(conn, source, now).await?;
    get(conn, &CrawlName::new(source.name.tenant.clone(), source.name.source.clone(), id)).await
}

pub(super) fn encode(detail: &CrawlDetail) -> Vec<u8> {
    serde_json::to_vec(detail).expect("the detail always encodes")
}

/// Reads what discovery keeps in a row of work.
pub(crate) fn read(row: WorkRow) -> Result<Crawl, Error> {
    let source: SourceName = row.resource.parse().map_err(|_| malformed("the source of a crawl"))?;
    let crawl: CrawlId = row.id.parse().map_err(|_| malformed("the id of a crawl"))?;
    Ok(Crawl {
        name: CrawlName::new(source.tenant, source.source, crawl),
        status: row.status,
        input: serde_json::from_slice(&row.input).map_err(|_| malformed("the input of a crawl"))?,
        detail: serde_json::from_slice(&row.detail).map_err(|_| malformed("the detail of a crawl"))?,
        change: row.change,
    })
}

fn malformed(what: &'static str) -> Error {
    Error::Malformed { what }
}

pub(super) async fn get(conn: &mut Conn, name: &CrawlName) -> Result<Crawl, Error> {
    let row = work::get(conn, CRAWLS, name.crawl.as_str()).await?;
    let crawl = row.map(read).transpose()?.filter(|crawl| crawl.name == *name);
    crawl.ok_or_else(|| Error::CrawlNotFound { name: name.clone() })
}

/// The crawls of this very source that are under way, without those that were asked to stop.
pub(super) async fn open(conn: &mut Conn, source: &Source) -> Result<Vec<Crawl>, Error> {
    let filter = Filter { phases: OPEN.to_vec(), ..of(&source.name) };
    let rows = work::list(conn, CRAWLS, &filter).await?;
    let goes_on = rows.into_iter().filter(|row| !row.cancel_requested);
    let crawls: Vec<Crawl> = goes_on.map(read).collect::<Result<_, _>>()?;
    Ok(crawls.into_iter().filter(|crawl| crawl.input.source == source.uid).collect())
}

/// Lets a crawl that is under way go before those that nobody waits for.
pub(super) async fn hurry(conn: &mut Conn, crawl: &Crawl) -> Result<(), Error> {
    Ok(work::raise(conn, CRAWLS, crawl.name.crawl.as_str(), Priority::Asked.number()).await?)
}

/// The priority that a crawl has now: it may have been raised since it was claimed.
pub(super) async fn priority(conn: &mut Conn, row: &WorkRow) -> Result<i32, Error> {
    Ok(work::get(conn, CRAWLS, &row.id).await?.map_or(row.priority, |now| now.priority))
}

/// Cancels the crawls of a source that read its settings, or may have.
pub(super) async fn cancel_begun(conn: &mut Conn, source: &Source, now: Timestamp) -> Result<(), Error> {
    for crawl in open(conn, source).await? {
        if crawl.status.phase == WorkPhase::Running || crawl.detail.checkpoint.is_some() {
            work::cancel(conn, CRAWLS, crawl.name.crawl.as_str(), now).await?;
        }
    }
    Ok(())
}

fn of(source: &SourceName) -> Filter {
    Filter { tenant: Some(source.tenant.clone()), resource: Some(source.to_string()), phases: Vec::new() }
}

pub(super) async fn ids(conn: &mut Conn, source: &SourceName) -> Result<Vec<String>, sql::Error> {
    work::ids(conn, CRAWLS, &of(source)).await
}

pub(super) async fn by_ids(conn: &mut Conn, ids: &[String]) -> Result<Vec<Crawl>, Error> {
    let mut crawls = Vec::new();
    for id in ids {
        // Forgotten since the list was pinned.
        crawls.extend(work::get(conn, CRAWLS, id).await?.map(read).transpose()?);
    }
    Ok(crawls)
}

pub(super) async fn changed_after(
    conn: &mut Conn,
    tenant: &TenantId,
    source: Option<&SourceName>,
    mut after: i64,
    limit: u32,
) -> Result<Vec<Crawl>, Error> {
    let wanted = source.map(ToString::to_string);
    let mut found = Vec::new();
    loop {
        let rows = work::changed_after(conn, CRAWLS, Some(tenant), after, limit).await?;
        let Some(last) = rows.last() else { return Ok(found) };
        after = last.change;
        let ours = rows.into_iter().filter(|row| wanted.as_ref().is_none_or(|source| row.resource == *source));
        for row in ours {
            found.push(read(row)?);
        }
        if found.len() >= limit as usize {
            found.truncate(limit as usize);
            return Ok(found);
        }
    }
}

/// Forgets a crawl, and leaves word of it for watches.
pub(super) async fn forget(conn: &mut Conn, name: &CrawlName, now: Timestamp) -> Result<(), Error> {
    work::delete(conn, CRAWLS, name.crawl.as_str()).await?;
    let change = next_change(conn).await?;
    let source = SourceName::new(name.tenant.clone(), name.source.clone());
    sql::query("INSERT INTO removed_crawls (change, tenant, source, crawl, removed) VALUES (?, ?, ?, ?, ?)")
        .bind(change)
        .bind(name.tenant.as_str())
        .bind(source.to_string())
        .bind(name.to_string())
        .bind(now.as_micros())
        .execute(conn)
        .await?;
    Ok(())
}
