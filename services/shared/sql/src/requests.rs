//! Request ids: a call that is repeated with its id is answered like the first, without a second effect.

use std::time::Duration;

use types::{Digest, Timestamp};

use crate::{Conn, Error};

/// How long an answer is kept.
pub const KEPT: Duration = Duration::from_secs(24 * 3600);

/// Gives the reply that was recorded for this id, when there is one.
///
/// `owner` is the tenant, or another word where there is none. `fingerprint` digests the whole request. Fails with
/// [`Error::RequestIdReused`] when the id came with another request before. An empty id was never seen. Call it in
/// the transaction of the effect, before the effect.
pub async fn seen(
    conn: &mut Conn,
    owner: &str,
    method: &str,
    request_id: &str,
    fingerprint: &Digest,
) -> Result<Option<Vec<u8>>, Error> {
    if request_id.is_empty() {
        return Ok(None);
    }
    let row: Option<(Vec<u8>, Vec<u8>)> =
        crate::query_as("SELECT fingerprint, reply FROM requests WHERE tenant = ? AND method = ? AND request_id = ?")
            .bind(owner)
            .bind(method)
            .bind(request_id)
            .fetch_optional(conn)
            .await?;
    match row {
        None => Ok(None),
        Some((stored, reply)) if stored == fingerprint.as_bytes() => Ok(Some(reply)),
        Some(_) => Err(Error::RequestIdReused { request_id: request_id.to_owned() }),
    }
}

/// Records the reply to a request, in the transaction of its effect, and forgets what is older than [`KEPT`].
/// An empty id is not recorded.
pub async fn record(
    conn: &mut Conn,
    owner: &str,
    method: &str,
    request_id: &str,
    fingerprint: &Digest,
    reply: &[u8],
    now: Timestamp,
) -> Result<(), Error> {
    if request_id.is_empty() {
        return Ok(());
    }
    crate::query("DELETE FROM requests WHERE created <= ?").bind((now - KEPT).as_micros()).execute(&mut *conn).await?;
    crate::query(
        "INSERT INTO requests (tenant, method, request_id, fingerprint, reply, created) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(owner)
    .bind(method)
    .bind(request_id)
    .bind(fingerprint.as_bytes().as_slice())
    .bind(reply)
    .bind(now.as_micros())
    .execute(conn)
    .await?;
    Ok(())
}
