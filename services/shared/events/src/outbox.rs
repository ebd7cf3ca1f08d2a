//! Events that commit together with the change that they tell of.

use prost::Message;
use proto::common::v1::EventEnvelope;
use types::Timestamp;

use crate::{Error, Event, event, topology, trace};

/// Takes `events` into the outbox, within the caller's transaction.
///
/// Each gets an id, the next sequence of its key, and the trace context of the current span. The sequence is taken
/// under the key's row lock, which holds until the transaction ends, so sequences commit in order and without a gap.
/// Fails with [`Error::TooLarge`]; the caller's transaction must then roll back.
pub async fn append(conn: &mut sql::Conn, events: &[Event], now: Timestamp) -> Result<(), Error> {
    let traceparent = trace::current();
    for event in events {
        let sequence = next_sequence(conn, event::thing(event.subject), &event.key).await?;
        let envelope = envelope(event, sequence, &traceparent, now);
        check_size(event.subject, envelope.encoded_len())?;
        insert(conn, &envelope, now).await?;
    }
    Ok(())
}

/// An event that no bus takes would hold up all that follow it in the outbox.
fn check_size(subject: &'static str, bytes: usize) -> Result<(), Error> {
    let limit = topology::MAX_ENVELOPE_BYTES;
    if bytes > limit { Err(Error::TooLarge { subject, bytes, limit }) } else { Ok(()) }
}

async fn next_sequence(conn: &mut sql::Conn, thing: &str, key: &str) -> Result<i64, Error> {
    let next = "INSERT INTO event_sequences (thing, key, last) VALUES (?, ?, 1)
        ON CONFLICT (thing, key) DO UPDATE SET last = event_sequences.last + 1 RETURNING last";
    Ok(sql::query_scalar(next).bind(thing).bind(key).fetch_one(conn).await?)
}

fn envelope(event: &Event, sequence: i64, traceparent: &str, now: Timestamp) -> EventEnvelope {
    EventEnvelope {
        id: uuid::Uuid::now_v7().to_string(),
        subject: event.subject.to_owned(),
        time: Some(now.into()),
        resource: event.resource.clone(),
        tenant: event.tenant.to_string(),
        actor: event.actor.clone(),
        key: event.key.clone(),
        sequence,
        traceparent: traceparent.to_owned(),
        payload_type: event.payload_type.to_owned(),
        payload: event.payload.clone(),
    }
}

async fn insert(conn: &mut sql::Conn, envelope: &EventEnvelope, now: Timestamp) -> Result<(), Error> {
    sql::query("INSERT INTO outbox (id, thing, key, sequence, envelope, created) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(&envelope.id)
        .bind(event::thing(&envelope.subject))
        .bind(&envelope.key)
        .bind(envelope.sequence)
        .bind(envelope.encode_to_vec())
        .bind(now.as_micros())
        .execute(conn)
        .await?;
    Ok(())
}

/// One row that waits to be published.
pub(crate) struct Unsent {
    pub position: i64,
    pub envelope: EventEnvelope,
}

/// The oldest rows that wait, at most `limit`, in the order in which they were written.
pub(crate) async fn unsent(conn: &mut sql::Conn, limit: usize) -> Result<Vec<Unsent>, Error> {
    let rows: Vec<(i64, String, Vec<u8>)> =
        sql::query_as("SELECT position, id, envelope FROM outbox WHERE sent IS NULL ORDER BY position LIMIT ?")
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(conn)
            .await?;
    rows.into_iter()
        .map(|(position, id, bytes)| {
            let envelope = EventEnvelope::decode(bytes.as_slice()).map_err(|_| Error::Damaged { id })?;
            Ok(Unsent { position, envelope })
        })
        .collect()
}

/// Notes where in the stream each row was published.
pub(crate) async fn mark_sent(conn: &mut sql::Conn, sent: &[(i64, i64)], now: Timestamp) -> Result<(), Error> {
    for (position, stream_position) in sent {
        sql::query("UPDATE outbox SET sent = ?, stream_position = ? WHERE position = ?")
            .bind(now.as_micros())
            .bind(stream_position)
            .bind(position)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// Lets rows that the stream lost wait again: those sent after `stream_position`. Tells how many.
pub(crate) async fn send_again(conn: &mut sql::Conn, after: i64) -> Result<u64, Error> {
    let done = sql::query(
        "UPDATE outbox SET sent = NULL, stream_position = NULL WHERE sent IS NOT NULL AND stream_position > ?",
    )
    .bind(after)
    .execute(conn)
    .await?;
    Ok(done)
}

/// A row that was published.
pub(crate) struct Sent {
    pub position: i64,
    pub stream_position: i64,
    pub id: String,
}

/// The first and the last row that was published. None when none is kept.
pub(crate) async fn sent_span(conn: &mut sql::Conn) -> Result<Option<(i64, i64)>, Error> {
    let (first, last): (Option<i64>, Option<i64>) =
        sql::query_as("SELECT MIN(position), MAX(position) FROM outbox WHERE sent IS NOT NULL").fetch_one(conn).await?;
    Ok(first.zip(last))
}

/// The first row at `position` or after it that was published.
pub(crate) async fn sent_from(conn: &mut sql::Conn, position: i64) -> Result<Option<Sent>, Error> {
    let row: Option<(i64, i64, String)> = sql::query_as(
        "SELECT position, stream_position, id FROM outbox
         WHERE position >= ? AND sent IS NOT NULL ORDER BY position LIMIT 1",
    )
    .bind(position)
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|(position, stream_position, id)| Sent { position, stream_position, id }))
}

/// Drops rows sent before `horizon`. Gives the highest stream position among them.
pub(crate) async fn prune(conn: &mut sql::Conn, horizon: Timestamp) -> Result<Option<i64>, Error> {
    let highest: Option<i64> = sql::query_scalar("SELECT MAX(stream_position) FROM outbox WHERE sent < ?")
        .bind(horizon.as_micros())
        .fetch_one(&mut *conn)
        .await?;
    if highest.is_some() {
        sql::query("DELETE FROM outbox WHERE sent < ?").bind(horizon.as_micros()).execute(conn).await?;
    }
    Ok(highest)
}

/// How many rows wait, and since when the oldest does.
pub(crate) async fn waiting(conn: &mut sql::Conn) -> Result<(u64, Option<Timestamp>), Error> {
    let (count, oldest): (i64, Option<i64>) =
        sql::query_as("SELECT COUNT(*), MIN(created) FROM outbox WHERE sent IS NULL").fetch_one(conn).await?;
    Ok((count.unsigned_abs(), oldest.map(Timestamp::from_micros)))
}

/// The keys of which earlier events than those kept were published: thing, key, and the last such sequence.
pub(crate) async fn forgotten(conn: &mut sql::Conn, limit: i64) -> Result<Vec<(String, String, i64)>, Error> {
    let forgotten = "SELECT s.thing, s.key, COALESCE(MIN(o.sequence) - 1, s.last) AS forgotten
        FROM event_sequences s LEFT JOIN outbox o ON o.thing = s.thing AND o.key = s.key
        GROUP BY s.thing, s.key HAVING COALESCE(MIN(o.sequence) - 1, s.last) > 0 ORDER BY s.thing, s.key LIMIT ?";
    Ok(sql::query_as(forgotten).bind(limit).fetch_all(conn).await?)
}

/// Whether a row was sent before `horizon`.
pub(crate) async fn has_sent_before(conn: &mut sql::Conn, horizon: Timestamp) -> Result<bool, Error> {
    let oldest: Option<i64> =
        sql::query_scalar("SELECT MIN(sent) FROM outbox WHERE sent IS NOT NULL").fetch_one(conn).await?;
    Ok(oldest.is_some_and(|sent| sent < horizon.as_micros()))
}
