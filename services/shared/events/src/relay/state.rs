//! What a relay remembers: the tables `relay_state`, `relay_leases`, `outbox_pruned` and `outbox_anchors`.

use types::Timestamp;

use super::machine::{Claim, Lost, Note, Remembered};
use crate::Error;
use crate::outbox::sent;

/// How many keys an alarm names.
const NAMED_KEYS: i64 = 20;

/// Who claims.
#[derive(Debug, Clone)]
pub(super) struct Claimant {
    pub service: &'static str,
    pub holder: String,
    /// The fencing number of the lease that it holds, or held.
    pub fence: i64,
    /// When a lease that is claimed or renewed now ends.
    pub until: Timestamp,
}

/// Claims the lease where it is free since `free_at`, or held by the claimant.
pub(super) async fn claim(conn: &mut sql::Conn, claimant: &Claimant, free_at: Timestamp) -> Result<Claim, Error> {
    let claim = "INSERT INTO relay_leases (service, holder, fence, expires) VALUES (?, ?, 1, ?)
        ON CONFLICT (service) DO UPDATE SET holder = excluded.holder, expires = excluded.expires,
            fence = relay_leases.fence + CASE WHEN relay_leases.holder = excluded.holder THEN 0 ELSE 1 END
        WHERE relay_leases.holder = excluded.holder OR relay_leases.expires <= ?
        RETURNING fence";
    let fence: Option<i64> = sql::query_scalar(claim)
        .bind(claimant.service)
        .bind(&claimant.holder)
        .bind(claimant.until.as_micros())
        .bind(free_at.as_micros())
        .fetch_optional(&mut *conn)
        .await?;
    if let Some(fence) = fence {
        return Ok(Claim::Held { fence, until: claimant.until });
    }
    let until: i64 = sql::query_scalar("SELECT expires FROM relay_leases WHERE service = ?")
        .bind(claimant.service)
        .fetch_one(conn)
        .await?;
    Ok(Claim::Other { until: Timestamp::from_micros(until) })
}

/// Tells whether the claimant still holds the lease, and keeps it from changing hands until the transaction ends.
pub(super) async fn holds(conn: &mut sql::Conn, claimant: &Claimant) -> Result<bool, Error> {
    let hold = "UPDATE relay_leases SET holder = holder WHERE service = ? AND holder = ? AND fence = ?";
    let done =
        sql::query(hold).bind(claimant.service).bind(&claimant.holder).bind(claimant.fence).execute(conn).await?;
    Ok(done == 1)
}

/// Gives the lease back.
pub(super) async fn release(conn: &mut sql::Conn, service: &str, holder: &str) -> Result<(), Error> {
    sql::query("UPDATE relay_leases SET expires = 0 WHERE service = ? AND holder = ?")
        .bind(service)
        .bind(holder)
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn remembered(conn: &mut sql::Conn, service: &str) -> Result<Option<Remembered>, Error> {
    let row: Option<(String, i64, String)> =
        sql::query_as("SELECT stream, last_position, last_id FROM relay_state WHERE service = ?")
            .bind(service)
            .fetch_optional(conn)
            .await?;
    Ok(row.map(|(identity, last_position, last_id)| Remembered { identity, last_position, last_id }))
}

/// Marks rows sent, and remembers the stream by the last of them, if no later event is remembered.
pub(super) async fn note(conn: &mut sql::Conn, service: &str, note: &Note, now: Timestamp) -> Result<(), Error> {
    sent::note(conn, &note.sent, now).await?;
    sql::query(
        "INSERT INTO relay_state (service, stream, last_position, last_id, pruned_position) VALUES (?, ?, ?, ?, 0)
         ON CONFLICT (service) DO UPDATE
         SET stream = excluded.stream, last_position = excluded.last_position, last_id = excluded.last_id
         WHERE relay_state.stream <> excluded.stream OR relay_state.last_position < excluded.last_position",
    )
    .bind(service)
    .bind(&note.last.identity)
    .bind(note.last.last_position)
    .bind(&note.last.last_id)
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets what the stream lost, and remembers what it still holds.
pub(super) async fn remember_anew(
    conn: &mut sql::Conn,
    service: &str,
    intact: Option<&Remembered>,
    now: Timestamp,
) -> Result<(), Error> {
    sql::query("DELETE FROM relay_state WHERE service = ?").bind(service).execute(&mut *conn).await?;
    match intact {
        Some(last) => note(conn, service, &Note { sent: Vec::new(), last: last.clone() }, now).await,
        None => Ok(()),
    }
}

/// What was pruned and stood after a position of the stream: its keys, some of them, and how many they are. They are
/// told once.
pub(super) async fn take_lost(conn: &mut sql::Conn, after: i64) -> Result<(Vec<Lost>, u64), Error> {
    let lost = "SELECT thing, key, last_sequence FROM outbox_pruned WHERE stream_position > ?
        ORDER BY thing, key LIMIT ?";
    let rows: Vec<(String, String, i64)> =
        sql::query_as(lost).bind(after).bind(NAMED_KEYS).fetch_all(&mut *conn).await?;
    sql::query("DELETE FROM outbox_anchors WHERE stream_position > ?").bind(after).execute(&mut *conn).await?;
    let all = sql::query("DELETE FROM outbox_pruned WHERE stream_position > ?").bind(after).execute(conn).await?;
    let named = rows.into_iter().map(|(thing, key, up_to)| Lost { thing, key, up_to }).collect();
    Ok((named, all))
}
