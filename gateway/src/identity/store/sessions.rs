//! The tables `sessions`, `access_tokens` and `refresh_tokens`.

use std::time::Duration;

use sql::Conn;
use types::{Timestamp, UserName};

use crate::Error;
use crate::identity::token::Hash;

/// How long what has ended is kept, so that its holder learns that it expired instead of that it never was.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// A refresh token, with its session.
#[derive(Debug)]
pub struct Refresh {
    pub session: String,
    pub user: UserName,
    pub expires: Timestamp,
    pub used: bool,
    pub ended: bool,
}

pub async fn begin(conn: &mut Conn, id: &str, user: &UserName, now: Timestamp) -> Result<(), Error> {
    sql::query("INSERT INTO sessions (id, tenant, \"user\", created, expires) VALUES (?, ?, ?, ?, ?)")
        .bind(id)
        .bind(user.tenant.as_str())
        .bind(user.user.as_str())
        .bind(now.as_micros())
        .bind(now.as_micros())
        .execute(conn)
        .await?;
    Ok(())
}

/// Adds a pair of tokens to a session, which lasts as long as they do.
pub async fn add_tokens(
    conn: &mut Conn,
    session: &str,
    access: (&Hash, Timestamp),
    refresh: (&Hash, Timestamp),
) -> Result<(), Error> {
    sql::query("INSERT INTO access_tokens (hash, session, expires) VALUES (?, ?, ?)")
        .bind(access.0.as_bytes().as_slice())
        .bind(session)
        .bind(access.1.as_micros())
        .execute(&mut *conn)
        .await?;
    sql::query("INSERT INTO refresh_tokens (hash, session, expires) VALUES (?, ?, ?)")
        .bind(refresh.0.as_bytes().as_slice())
        .bind(session)
        .bind(refresh.1.as_micros())
        .execute(&mut *conn)
        .await?;
    sql::query("UPDATE sessions SET expires = ? WHERE id = ?")
        .bind(refresh.1.max(access.1).as_micros())
        .bind(session)
        .execute(conn)
        .await?;
    Ok(())
}

pub async fn find_refresh(conn: &mut Conn, hash: &Hash) -> Result<Option<Refresh>, Error> {
    type Row = (String, String, String, i64, Option<i64>, Option<i64>);
    let row: Option<Row> = sql::query_as(
        "SELECT s.id, s.tenant, s.\"user\", r.expires, r.used, s.ended FROM refresh_tokens r \
         JOIN sessions s ON s.id = r.session WHERE r.hash = ?",
    )
    .bind(hash.as_bytes().as_slice())
    .fetch_optional(conn)
    .await?;
    let Some((session, tenant, user, expires, used, ended)) = row else { return Ok(None) };
    let malformed = |_| Error::Malformed { column: "sessions.user" };
    Ok(Some(Refresh {
        session,
        user: UserName::new(tenant.parse().map_err(malformed)?, user.parse().map_err(malformed)?),
        expires: Timestamp::from_micros(expires),
        used: used.is_some(),
        ended: ended.is_some(),
    }))
}

pub async fn use_up(conn: &mut Conn, hash: &Hash, now: Timestamp) -> Result<(), Error> {
    let update = sql::query("UPDATE refresh_tokens SET used = ? WHERE hash = ?");
    update.bind(now.as_micros()).bind(hash.as_bytes().as_slice()).execute(conn).await?;
    Ok(())
}

pub async fn end(conn: &mut Conn, session: &str, now: Timestamp) -> Result<(), Error> {
    let update = sql::query("UPDATE sessions SET ended = coalesce(ended, ?) WHERE id = ?");
    update.bind(now.as_micros()).bind(session).execute(conn).await?;
    Ok(())
}

/// Ends all sessions of a user.
pub async fn end_all(conn: &mut Conn, user: &UserName, now: Timestamp) -> Result<(), Error> {
    sql::query("UPDATE sessions SET ended = coalesce(ended, ?) WHERE tenant = ? AND \"user\" = ?")
        .bind(now.as_micros())
        .bind(user.tenant.as_str())
        .bind(user.user.as_str())
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets what ended long ago; tells how many sessions.
pub async fn sweep(conn: &mut Conn, now: Timestamp) -> Result<u64, Error> {
    let before = (now - KEPT).as_micros();
    sql::query("DELETE FROM access_tokens WHERE expires <= ?").bind(before).execute(&mut *conn).await?;
    let done = sql::query("DELETE FROM sessions WHERE expires <= ?").bind(before).execute(conn).await?;
    Ok(done)
}
