//! The table `entries`: what was announced of each source.

use sql::Conn;
use types::{DatasetId, Digest};

use crate::error::Error;

/// What was last announced of a path.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub version_token: String,
    /// Of the metadata and the place together.
    pub metadata_digest: Vec<u8>,
    pub announcement: i64,
    pub retracted: bool,
}

impl Entry {
    /// Tells whether a dataset in this state has to be announced again. Where a place tells no state, only a look at
    /// the bytes can tell, so it is announced each time and profiling compares digests.
    pub(super) fn differs(&self, version_token: &str, metadata_digest: &Digest) -> bool {
        self.retracted
            || version_token.is_empty()
            || self.version_token != version_token
            || self.metadata_digest != metadata_digest.as_bytes()
    }
}

pub(super) async fn get(conn: &mut Conn, source: &str, path: &str) -> Result<Option<Entry>, Error> {
    let row: Option<(String, Vec<u8>, i64, bool)> = sql::query_as(
        "SELECT version_token, metadata_digest, announcement, retracted FROM entries WHERE source = ? AND path = ?",
    )
    .bind(source)
    .bind(path)
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|(version_token, metadata_digest, announcement, retracted)| Entry {
        version_token,
        metadata_digest,
        announcement,
        retracted,
    }))
}

/// Stores what is announced now, and gives the number of the announcement.
pub(super) async fn announce(
    conn: &mut Conn,
    source: &str,
    path: &str,
    dataset: &DatasetId,
    version_token: &str,
    metadata_digest: &Digest,
    crawl: &str,
) -> Result<i64, Error> {
    let number = sql::query_scalar(
        "INSERT INTO entries (source, path, dataset, version_token, metadata_digest, announcement, seen) \
         VALUES (?, ?, ?, ?, ?, 1, ?) ON CONFLICT (source, path) DO UPDATE SET version_token = excluded.version_token, \
         metadata_digest = excluded.metadata_digest, announcement = entries.announcement + 1, retracted = 0, \
         seen = excluded.seen RETURNING announcement",
    )
    .bind(source)
    .bind(path)
    .bind(dataset.as_str())
    .bind(version_token)
    .bind(metadata_digest.as_bytes().as_slice())
    .bind(crawl)
    .fetch_one(conn)
    .await?;
    Ok(number)
}

/// Notes that a crawl saw what is announced; tells whether anything is.
pub(super) async fn touch(conn: &mut Conn, source: &str, path: &str, crawl: &str) -> Result<bool, Error> {
    let done = sql::query("UPDATE entries SET seen = ? WHERE source = ? AND path = ? AND retracted = 0")
        .bind(crawl)
        .bind(source)
        .bind(path)
        .execute(conn)
        .await?;
    Ok(done > 0)
}

/// The paths that are announced and that `crawl` did not see, in order, after `after`.
pub(super) async fn missing(
    conn: &mut Conn,
    source: &str,
    crawl: &str,
    after: &str,
    limit: u32,
) -> Result<Vec<String>, Error> {
    let paths = sql::query_scalar(
        "SELECT path FROM entries WHERE source = ? AND retracted = 0 AND seen <> ? AND path > ? ORDER BY path LIMIT ?",
    );
    Ok(paths.bind(source).bind(crawl).bind(after).bind(limit).fetch_all(conn).await?)
}

/// The first announced entries of a source: path and dataset.
pub(super) async fn announced(conn: &mut Conn, source: &str, limit: u32) -> Result<Vec<(String, String)>, Error> {
    let rows =
        sql::query_as("SELECT path, dataset FROM entries WHERE source = ? AND retracted = 0 ORDER BY path LIMIT ?");
    Ok(rows.bind(source).bind(limit).fetch_all(conn).await?)
}

/// Retracts one entry, unless it is retracted; gives its dataset.
pub(super) async fn retract(conn: &mut Conn, source: &str, path: &str) -> Result<Option<DatasetId>, Error> {
    let dataset: Option<String> = sql::query_scalar(
        "UPDATE entries SET retracted = 1 WHERE source = ? AND path = ? AND retracted = 0 RETURNING dataset",
    )
    .bind(source)
    .bind(path)
    .fetch_optional(conn)
    .await?;
    dataset.map(|id| id.parse().map_err(|_| Error::Malformed { what: "the id of a dataset" })).transpose()
}

pub(super) async fn forget(conn: &mut Conn, source: &str) -> Result<(), Error> {
    sql::query("DELETE FROM entries WHERE source = ?").bind(source).execute(conn).await?;
    Ok(())
}
