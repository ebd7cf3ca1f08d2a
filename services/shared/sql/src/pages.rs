//! Lists pinned at their first page: later pages are read from the order that the first one saw.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use types::{BoxFuture, Digest, Timestamp};

use crate::{Conn, Database, Error};

/// How long a list is kept after its first page.
pub const KEPT: Duration = Duration::from_secs(600);
/// The page size when the caller asks for 0.
pub const DEFAULT_SIZE: i32 = 50;
/// The greatest page size.
pub const MAX_SIZE: i32 = 1000;

/// Why a page cannot be given: one of the page variants of [`Error`], or a failure of the store.
pub type PageError = Error;

const CHUNK: usize = 1000;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The ids, in the order of the list.
    pub ids: Vec<String>,
    /// Gets the next page; empty at the end.
    pub next_page_token: String,
}

/// Gives the page that `token` asks for; with an empty token the first one, of the list that `ids` reads.
///
/// `owner` is the tenant, or another word where there is none; `query` tells method and filter: a token serves only
/// the owner and the query that it was given for. Ids may hold anything but line feeds. Fails with
/// [`Error::PageSize`], [`Error::PageTokenInvalid`] or [`Error::PageTokenExpired`].
///
/// ```
/// # use millrace_sql as sql;
/// # async fn example(db: sql::Database, tenant: types::TenantId) -> Result<(), sql::Error> {
/// let owner = tenant.clone();
/// let page = sql::pages::page(&db, owner.as_str(), "ListSources", "", 50, move |conn| {
///     Box::pin(async move {
///         let ids = sql::query_scalar("SELECT resource FROM work WHERE tenant = ? ORDER BY resource");
///         ids.bind(tenant.as_str()).fetch_all(conn).await
///     })
/// })
/// .await?;
/// # assert!(page.next_page_token.is_empty()); Ok(()) }
/// ```
pub async fn page<F>(
    db: &Database,
    owner: &str,
    query: &str,
    token: &str,
    page_size: i32,
    ids: F,
) -> Result<Page, PageError>
where
    F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<Vec<String>, Error>> + Send,
{
    let size = size(page_size)?;
    let now = db.now();
    let (owner, query) = (owner.to_owned(), query.to_owned());
    if !token.is_empty() {
        let token = token.to_owned();
        return db.read(|conn| Box::pin(async move { next(conn, &owner, &query, &token, size, now).await })).await;
    }
    let ids = db.read(ids).await?;
    if ids.len() <= size {
        return Ok(Page { ids, next_page_token: String::new() });
    }
    db.write(|conn| Box::pin(async move { first(conn, &owner, &query, ids, size, now).await })).await
}

/// Checks a page size from a request: 0 to 1000, where 0 means 50.
pub fn size(page_size: i32) -> Result<usize, PageError> {
    match page_size {
        0 => Ok(DEFAULT_SIZE as usize),
        1..=MAX_SIZE => Ok(page_size as usize),
        given => Err(Error::PageSize { given }),
    }
}

/// Gives the first page of `ids`, and pins the whole list when there is more. Takes a write transaction.
pub async fn first(
    conn: &mut Conn,
    owner: &str,
    query: &str,
    mut ids: Vec<String>,
    page_size: usize,
    now: Timestamp,
) -> Result<Page, PageError> {
    if ids.len() <= page_size {
        return Ok(Page { ids, next_page_token: String::new() });
    }
    crate::query("DELETE FROM page_pins WHERE created <= ?").bind((now - KEPT).as_micros()).execute(&mut *conn).await?;
    let token = Token { pin: uuid::Uuid::new_v4().into_bytes(), created: now, offset: page_size as u64 };
    let pin = token.pin_id();
    crate::query("INSERT INTO page_pins (id, owner, query, length, created) VALUES (?, ?, ?, ?, ?)")
        .bind(&pin)
        .bind(owner)
        .bind(fingerprint(query))
        .bind(ids.len() as i64)
        .bind(now.as_micros())
        .execute(&mut *conn)
        .await?;
    for (number, chunk) in ids.chunks(CHUNK).enumerate() {
        crate::query("INSERT INTO page_pin_chunks (pin, chunk, ids) VALUES (?, ?, ?)")
            .bind(&pin)
            .bind(number as i64)
            .bind(chunk.join("\n"))
            .execute(&mut *conn)
            .await?;
    }
    ids.truncate(page_size);
    Ok(Page { ids, next_page_token: token.encode() })
}

/// Gives the page that `token` asks for.
pub async fn next(
    conn: &mut Conn,
    owner: &str,
    query: &str,
    token: &str,
    page_size: usize,
    now: Timestamp,
) -> Result<Page, PageError> {
    let token = Token::decode(token).ok_or(Error::PageTokenInvalid)?;
    if now.since(token.created) >= KEPT {
        return Err(Error::PageTokenExpired);
    }
    let length: Option<i64> =
        crate::query_scalar("SELECT length FROM page_pins WHERE id = ? AND owner = ? AND query = ?")
            .bind(token.pin_id())
            .bind(owner)
            .bind(fingerprint(query))
            .fetch_optional(&mut *conn)
            .await?;
    let length = length.ok_or(Error::PageTokenInvalid)? as usize;
    let start = usize::try_from(token.offset).unwrap_or(usize::MAX).min(length);
    let end = start.saturating_add(page_size).min(length);
    let ids = read(conn, &token.pin_id(), start, end).await?;
    let next = Token { offset: end as u64, ..token };
    Ok(Page { ids, next_page_token: if end < length { next.encode() } else { String::new() } })
}

/// Reads the ids from `start` up to `end` of a pinned list.
async fn read(conn: &mut Conn, pin: &str, start: usize, end: usize) -> Result<Vec<String>, Error> {
    if start == end {
        return Ok(Vec::new());
    }
    let (from, to) = (start / CHUNK, (end - 1) / CHUNK);
    let chunks: Vec<String> =
        crate::query_scalar("SELECT ids FROM page_pin_chunks WHERE pin = ? AND chunk BETWEEN ? AND ? ORDER BY chunk")
            .bind(pin)
            .bind(from as i64)
            .bind(to as i64)
            .fetch_all(conn)
            .await?;
    let ids = chunks.iter().flat_map(|chunk| chunk.split('\n'));
    Ok(ids.skip(start - from * CHUNK).take(end - start).map(str::to_owned).collect())
}

/// A pin stores a digest of the query, because filters may be long.
fn fingerprint(query: &str) -> String {
    Digest::of(query.as_bytes()).to_hex()
}

/// What a page token says. The time in it tells a token that is too old from one that never was.
struct Token {
    pin: [u8; 16],
    created: Timestamp,
    offset: u64,
}

impl Token {
    fn pin_id(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.pin)
    }

    fn encode(&self) -> String {
        let mut bytes = self.pin.to_vec();
        bytes.extend(self.created.as_micros().to_be_bytes());
        bytes.extend(self.offset.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn decode(text: &str) -> Option<Self> {
        let bytes: [u8; 32] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (pin, rest) = bytes.split_first_chunk::<16>()?;
        let (created, rest) = rest.split_first_chunk::<8>()?;
        let (offset, _) = rest.split_first_chunk::<8>()?;
        Some(Self {
            pin: *pin,
            created: Timestamp::from_micros(i64::from_be_bytes(*created)),
            offset: u64::from_be_bytes(*offset),
        })
    }
}
