//! Objects that rows name: who is about to name one, and which are given up. All of it happens in the caller's
//! transaction.
//!
//! An object store deletes without a condition, so nobody can be sure that an object that no row names is not taken up in
//! the moment of its deletion. Hence a key that is given up is never used again:
//!
//! 1. Whoever is about to put an object, or to take up one that is there, first commits a [`hold`] on its key.
//! 2. The transaction that writes the row that names the key ends the hold, and fails where it had run out: [`end_hold`].
//! 3. A sweep looks at the rows and calls [`give_up`] in one transaction, and deletes after its commit.
//!
//! Transactions of one database have an order. A hold that comes first keeps the object; one that comes later is a hold on
//! the key's next generation, which is another object. So a delete that comes late, of a process that stood still or of
//! the sweep after one that was killed, finds nothing that anybody uses, and several may sweep at once.

use types::Timestamp;

use crate::{Conn, Error, query, query_scalar};

/// Holds an object for `holder`, and gives the key that it has at present: `first`, or a later generation of it.
///
/// `first` is the key as it would be had nothing been swept. A holder that holds it already does so longer.
pub async fn hold(conn: &mut Conn, first: &str, holder: &str, until: Timestamp) -> Result<String, Error> {
    let key = key_of(first, generation(conn, first).await?);
    let hold = query(
        "INSERT INTO object_holds (key, holder, until) VALUES (?, ?, ?) \
         ON CONFLICT (key, holder) DO UPDATE SET until = excluded.until",
    );
    hold.bind(&key).bind(holder).bind(until.as_micros()).execute(conn).await?;
    Ok(key)
}

/// Ends a hold, in the transaction that writes a row that names `key`.
///
/// Tells whether it still held. If not, the object may be gone: the caller undoes the transaction.
pub async fn end_hold(conn: &mut Conn, key: &str, holder: &str, now: Timestamp) -> Result<bool, Error> {
    let end = query("DELETE FROM object_holds WHERE key = ? AND holder = ? AND until > ?");
    Ok(end.bind(key).bind(holder).bind(now.as_micros()).execute(conn).await? == 1)
}

/// Gives up an object that no row names, unless somebody holds it. Tells whether it may be deleted once this committed.
pub async fn give_up(conn: &mut Conn, key: &str, now: Timestamp) -> Result<bool, Error> {
    let holds = query_scalar::<i64>("SELECT count(*) FROM object_holds WHERE key = ? AND until > ?");
    if holds.bind(key).bind(now.as_micros()).fetch_one(&mut *conn).await? > 0 {
        return Ok(false);
    }
    if !is_given_up(conn, key).await? {
        let (first, generation) = generation_of(key);
        let next = query(
            "INSERT INTO object_generations (key, generation) VALUES (?, ?) \
             ON CONFLICT (key) DO UPDATE SET generation = excluded.generation",
        );
        next.bind(first).bind(generation + 1).execute(conn).await?;
    }
    Ok(true)
}

/// Tells whether an object was given up before, so that it is to be deleted whatever rows say of later generations.
pub async fn is_given_up(conn: &mut Conn, key: &str) -> Result<bool, Error> {
    let (first, given) = generation_of(key);
    Ok(given < generation(conn, first).await?)
}

/// Forgets holds that ran out.
pub async fn forget_holds(conn: &mut Conn, now: Timestamp) -> Result<u64, Error> {
    query("DELETE FROM object_holds WHERE until <= ?").bind(now.as_micros()).execute(conn).await
}

/// Who this database is among those that share an object store or an event bus; made at the first call.
pub async fn owner(conn: &mut Conn) -> Result<String, Error> {
    let new = uuid::Uuid::now_v7().to_string();
    query("INSERT INTO object_owner (one, id) VALUES (1, ?) ON CONFLICT (one) DO NOTHING")
        .bind(new)
        .execute(conn)
        .await?;
    query_scalar("SELECT id FROM object_owner WHERE one = 1").fetch_one(conn).await
}

/// The first generation's key of a key, and how many generations came before it.
pub fn generation_of(key: &str) -> (&str, i64) {
    let parts = key.rsplit_once(".g").filter(|(_, digits)| digits.bytes().all(|digit| digit.is_ascii_digit()));
    let parsed = parts.and_then(|(first, digits)| Some((first, digits.parse().ok()?)));
    parsed.unwrap_or((key, 0))
}

fn key_of(first: &str, generation: i64) -> String {
    if generation == 0 { first.to_owned() } else { format!("{first}.g{generation}") }
}

async fn generation(conn: &mut Conn, first: &str) -> Result<i64, Error> {
    let generation = query_scalar("SELECT generation FROM object_generations WHERE key = ?");
    Ok(generation.bind(first).fetch_optional(conn).await?.unwrap_or(0))
}
