//! The table `sources`.

use std::time::Duration;

use prost::Message;
use proto::common::v1::Metadata;
use proto::discovery::v1 as pb;
use sql::Conn;
use types::{Revision, SourceName, TenantId, Timestamp};

use crate::error::Error;
use crate::source::{Draft, Source};

pub(super) async fn insert(conn: &mut Conn, source: &Source, kind: &str) -> Result<(), Error> {
    let draft = &source.draft;
    let inserted = sql::query(
        "INSERT INTO sources (uid, tenant, id, title, kind, settings, interval, exclude, metadata, revision, created, \
         updated) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&source.uid)
    .bind(source.name.tenant.as_str())
    .bind(source.name.source.as_str())
    .bind(&draft.title)
    .bind(kind)
    .bind(encode_settings(draft))
    .bind(draft.interval.map(micros))
    .bind(encode_exclude(&draft.exclude))
    .bind(draft.metadata.encode_to_vec())
    .bind(source.revision.0)
    .bind(source.created.as_micros())
    .bind(source.updated.as_micros())
    .execute(conn)
    .await;
    match inserted {
        Ok(_) => Ok(()),
        Err(error) if error.is_unique_violation() => Err(Error::SourceExists { name: source.name.clone() }),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn update(conn: &mut Conn, source: &Source) -> Result<(), Error> {
    let draft = &source.draft;
    sql::query(
        "UPDATE sources SET title = ?, settings = ?, interval = ?, exclude = ?, metadata = ?, revision = ?, updated = ?, \
         next_crawl = ? WHERE uid = ?",
    )
    .bind(&draft.title)
    .bind(encode_settings(draft))
    .bind(draft.interval.map(micros))
    .bind(encode_exclude(&draft.exclude))
    .bind(draft.metadata.encode_to_vec())
    .bind(source.revision.0)
    .bind(source.updated.as_micros())
    .bind(source.next_crawl.map(Timestamp::as_micros))
    .bind(&source.uid)
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that a crawl was asked for, and when the next one is due.
pub(super) async fn note_crawl(conn: &mut Conn, source: &Source, now: Timestamp) -> Result<(), Error> {
    let next = source.draft.interval.map(|interval| (now + interval).as_micros());
    let note = sql::query("UPDATE sources SET last_crawl = ?, next_crawl = ? WHERE uid = ?");
    note.bind(now.as_micros()).bind(next).bind(&source.uid).execute(conn).await?;
    Ok(())
}

pub(super) async fn mark_deleted(conn: &mut Conn, uid: &str, actor: &str, now: Timestamp) -> Result<(), Error> {
    let mark = sql::query("UPDATE sources SET deleted = ?, deleted_by = ? WHERE uid = ?");
    mark.bind(now.as_micros()).bind(actor).bind(uid).execute(conn).await?;
    Ok(())
}

pub(super) async fn get(conn: &mut Conn, name: &SourceName) -> Result<Source, Error> {
    let row = sql::query(
        "SELECT s.*, (SELECT count(*) FROM entries e WHERE e.source = s.uid AND e.retracted = 0) AS dataset_count \
         FROM sources s WHERE s.tenant = ? AND s.id = ? AND s.deleted IS NULL",
    )
    .bind(name.tenant.as_str())
    .bind(name.source.as_str())
    .fetch_optional(conn)
    .await?;
    read(&row.ok_or_else(|| Error::SourceNotFound { name: name.clone() })?)
}

/// Gets the source when it is at `revision`; 0 means whichever.
pub(super) async fn at(conn: &mut Conn, name: &SourceName, given: Revision) -> Result<Source, Error> {
    let source = get(conn, name).await?;
    if given.0 != 0 && given != source.revision {
        return Err(Error::StaleRevision { name: name.clone(), given, current: source.revision });
    }
    Ok(source)
}

pub(super) async fn by_uid(conn: &mut Conn, uid: &str) -> Result<Option<Source>, Error> {
    let row = sql::query(
        "SELECT s.*, (SELECT count(*) FROM entries e WHERE e.source = s.uid AND e.retracted = 0) AS dataset_count \
         FROM sources s WHERE s.uid = ? AND s.deleted IS NULL",
    );
    row.bind(uid).fetch_optional(conn).await?.as_ref().map(read).transpose()
}

/// The uids of a tenant's sources, by creation time.
pub(super) async fn ids(conn: &mut Conn, tenant: &TenantId) -> Result<Vec<String>, sql::Error> {
    let ids = sql::query_scalar("SELECT uid FROM sources WHERE tenant = ? AND deleted IS NULL ORDER BY created, uid");
    ids.bind(tenant.as_str()).fetch_all(conn).await
}

/// The uids of sources whose next crawl is due, of all tenants.
pub(super) async fn due(conn: &mut Conn, now: Timestamp) -> Result<Vec<String>, Error> {
    let due = sql::query_scalar(
        "SELECT uid FROM sources WHERE next_crawl IS NOT NULL AND deleted IS NULL AND next_crawl <= ? \
         ORDER BY next_crawl LIMIT 100",
    );
    Ok(due.bind(now.as_micros()).fetch_all(conn).await?)
}

/// A source that was deleted, and whose datasets are yet to be retracted.
pub(super) struct Deleted {
    pub uid: String,
    pub name: SourceName,
    pub kind: String,
    pub actor: String,
}

pub(super) async fn next_deleted(conn: &mut Conn) -> Result<Option<Deleted>, Error> {
    let row = sql::query("SELECT * FROM sources WHERE deleted IS NOT NULL ORDER BY deleted LIMIT 1");
    let Some(row) = row.fetch_optional(conn).await? else { return Ok(None) };
    Ok(Some(Deleted {
        uid: row.get("uid")?,
        name: name_of(&row)?,
        kind: row.get("kind")?,
        actor: row.get::<Option<String>>("deleted_by")?.unwrap_or_default(),
    }))
}

pub(super) async fn forget(conn: &mut Conn, uid: &str) -> Result<(), Error> {
    sql::query("DELETE FROM sources WHERE uid = ?").bind(uid).execute(conn).await?;
    Ok(())
}

fn read(row: &sql::Row) -> Result<Source, Error> {
    let time = |column: &str| row.get::<Option<i64>>(column).map(|time| time.map(Timestamp::from_micros));
    let settings = pb::Source::decode(row.get::<&[u8]>("settings")?).ok().and_then(|source| source.settings);
    let metadata = Metadata::decode(row.get::<&[u8]>("metadata")?).map_err(|_| malformed("the metadata"))?;
    let exclude = serde_json::from_str(row.get("exclude")?).map_err(|_| malformed("the globs of a source"))?;
    let interval: Option<i64> = row.get("interval")?;
    Ok(Source {
        name: name_of(row)?,
        uid: row.get("uid")?,
        draft: Draft {
            title: row.get("title")?,
            settings: settings.ok_or_else(|| malformed("the settings of a source"))?,
            interval: interval.map(|micros| Duration::from_micros(u64::try_from(micros).unwrap_or(0))),
            exclude,
            metadata,
        },
        revision: Revision(row.get("revision")?),
        created: Timestamp::from_micros(row.get("created")?),
        updated: Timestamp::from_micros(row.get("updated")?),
        last_crawl: time("last_crawl")?,
        next_crawl: time("next_crawl")?,
        dataset_count: row.get("dataset_count")?,
    })
}

fn name_of(row: &sql::Row) -> Result<SourceName, Error> {
    let tenant = row.get::<String>("tenant")?.parse().map_err(|_| malformed("the tenant of a source"))?;
    let source = row.get::<String>("id")?.parse().map_err(|_| malformed("the id of a source"))?;
    Ok(SourceName::new(tenant, source))
}

fn malformed(what: &'static str) -> Error {
    Error::Malformed { what }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn encode_settings(draft: &Draft) -> Vec<u8> {
    pb::Source { settings: Some(draft.settings.clone()), ..pb::Source::default() }.encode_to_vec()
}

fn encode_exclude(exclude: &[String]) -> String {
    serde_json::to_string(exclude).expect("texts always encode")
}
