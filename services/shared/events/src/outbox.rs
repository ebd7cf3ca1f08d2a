//! Events that commit together with the change that they tell of.

use std::collections::{BTreeMap, HashMap};

use prost::Message;
use proto::common::v1::EventEnvelope;
use sql::Bind;
use types::Timestamp;

use crate::relay::machine::Sent;
use crate::{Error, Event, event, rows, topology, trace};

/// How many pruned rows are remembered, one of each time that rows were pruned.
const ANCHORS: i64 = 2000;

/// Takes `events` into the outbox, within the caller's transaction.
///
/// Each gets an id, the next sequence of its key, and the trace context of the current span. Sequences are taken
/// under their key's row lock, which holds until the transaction ends, so they commit in order and without a gap.
/// Fails with [`Error::TooLarge`]; the caller's transaction must then roll back.
pub async fn append(conn: &mut sql::Conn, events: &[Event], now: Timestamp) -> Result<(), Error> {
    let traceparent = trace::current();
    let mut last = take_sequences(conn, events).await?;
    let mut envelopes = Vec::with_capacity(events.len());
    // From the end, since what was taken is the last sequence of each key.
    for event in events.iter().rev() {
        let next = last.get_mut(&(event::thing(event.subject), event.key.as_str())).expect("each key took a sequence");
        let envelope = envelope(event, *next, &traceparent, now);
        *next -= 1;
        check_size(event.subject, envelope.encoded_len())?;
        envelopes.push(envelope);
    }
    // Ids rise in the order in which events are written, which keeps their index compact.
    envelopes.reverse();
    for envelope in &mut envelopes {
        envelope.id = uuid::Uuid::now_v7().to_string();
    }
    for part in rows::parts(&envelopes) {
        insert(conn, part, now).await?;
    }
    Ok(())
}

/// An event that no bus takes would hold up all that follow it in the outbox.
fn check_size(subject: &'static str, bytes: usize) -> Result<(), Error> {
    let limit = topology::MAX_ENVELOPE_BYTES;
    if bytes > limit { Err(Error::TooLarge { subject, bytes, limit }) } else { Ok(()) }
}

/// Takes as many sequences of each key as there are events of it. Gives the last.
async fn take_sequences<'e>(
    conn: &mut sql::Conn,
    events: &'e [Event],
) -> Result<HashMap<(&'e str, &'e str), i64>, Error> {
    // In the order of the keys: two transactions that lock the same rows must not wait for each other.
    let mut counts: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for event in events {
        *counts.entry((event::thing(event.subject), event.key.as_str())).or_default() += 1;
    }
    let counts: Vec<_> = counts.into_iter().collect();
    let mut last = HashMap::with_capacity(counts.len());
    for part in rows::parts(&counts) {
        let mut take = sql::Builder::new("INSERT INTO event_sequences (thing, key, last) VALUES ");
        take.push_rows(part, |&((thing, key), count)| vec![thing.value(), key.value(), count.value()])
            .push(" ON CONFLICT (thing, key) DO UPDATE SET last = event_sequences.last + excluded.last")
            .push(" RETURNING thing, key, last");
        let mut taken: Vec<(String, String, i64)> = take.build_as().fetch_all(&mut *conn).await?;
        // Rows come back in any order, and `part` is sorted like them.
        taken.sort();
        last.extend(part.iter().zip(taken).map(|((key, _), row)| (*key, row.2)));
    }
    Ok(last)
}

fn envelope(event: &Event, sequence: i64, traceparent: &str, now: Timestamp) -> EventEnvelope {
    EventEnvelope {
        id: uuid::Uuid::nil().to_string(),
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

async fn insert(conn: &mut sql::Conn, envelopes: &[EventEnvelope], now: Timestamp) -> Result<(), Error> {
    let mut insert = sql::Builder::new("INSERT INTO outbox (id, thing, key, sequence, envelope, created) VALUES ");
    insert.push_rows(envelopes, |envelope| {
        vec![
            (&envelope.id).value(),
            event::thing(&envelope.subject).value(),
            (&envelope.key).value(),
            envelope.sequence.value(),
            envelope.encode_to_vec().value(),
            now.as_micros().value(),
        ]
    });
    insert.build().execute(conn).await?;
    Ok(())
}

/// One row that waits to be published.
pub(crate) struct Unsent {
    pub position: i64,
    pub envelope: EventEnvelope,
}

/// The oldest rows after a position that wait, at most `limit`, in the order in which they were written.
pub(crate) async fn unsent(conn: &mut sql::Conn, after: i64, limit: usize) -> Result<Vec<Unsent>, Error> {
    let unsent =
        "SELECT position, id, envelope FROM outbox WHERE sent IS NULL AND position > ? ORDER BY position LIMIT ?";
    let rows: Vec<(i64, String, Vec<u8>)> =
        sql::query_as(unsent).bind(after).bind(i64::try_from(limit).unwrap_or(i64::MAX)).fetch_all(conn).await?;
    rows.into_iter()
        .map(|(position, id, bytes)| {
            let envelope = EventEnvelope::decode(bytes.as_slice()).map_err(|_| Error::Damaged { id })?;
            Ok(Unsent { position, envelope })
        })
        .collect()
}

/// Notes where in the stream each row was published.
pub(crate) async fn mark_sent(conn: &mut sql::Conn, sent: &[(i64, i64)], now: Timestamp) -> Result<(), Error> {
    // A batch has one position after the other on both sides, so one statement marks it. No other row can lie between.
    for run in sent.chunk_by(|one, next| next.0 == one.0 + 1 && next.1 == one.1 + 1) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        sql::query("UPDATE outbox SET sent = ?, stream_position = position + ? WHERE position BETWEEN ? AND ?")
            .bind(now.as_micros())
            .bind(first.1 - first.0)
            .bind(first.0)
            .bind(last.0)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// Lets rows that the stream lost wait again: those sent after `stream_position`, at most `limit`. Tells how many.
pub(crate) async fn send_again(conn: &mut sql::Conn, after: i64, limit: i64) -> Result<u64, Error> {
    let again = "UPDATE outbox SET sent = NULL, stream_position = NULL WHERE position IN
        (SELECT position FROM outbox WHERE stream_position > ? ORDER BY stream_position LIMIT ?)";
    Ok(sql::query(again).bind(after).bind(limit).execute(conn).await?)
}

/// The row with the least stream position in a range, of those kept and of the anchors.
pub(crate) async fn sent_from(conn: &mut sql::Conn, from: i64, before: i64) -> Result<Option<Sent>, Error> {
    let mut least: Option<(i64, String)> = None;
    for find in [
        "SELECT stream_position, id FROM outbox
            WHERE stream_position >= ? AND stream_position < ? ORDER BY stream_position LIMIT 1",
        "SELECT stream_position, id FROM outbox_anchors
            WHERE stream_position >= ? AND stream_position < ? ORDER BY stream_position LIMIT 1",
    ] {
        let row: Option<(i64, String)> = sql::query_as(find).bind(from).bind(before).fetch_optional(&mut *conn).await?;
        least = [least, row].into_iter().flatten().min();
    }
    Ok(least.map(|(stream_position, id)| Sent { stream_position, id }))
}

/// Drops rows sent before `horizon`, about `limit` of them, and keeps how far each key was published. Tells how many.
pub(crate) async fn prune(conn: &mut sql::Conn, horizon: Timestamp, limit: i64) -> Result<u64, Error> {
    let end = "SELECT MAX(stream_position) FROM
        (SELECT stream_position FROM outbox WHERE stream_position IS NOT NULL ORDER BY stream_position LIMIT ?) AS oldest";
    let end: Option<i64> = sql::query_scalar(end).bind(limit).fetch_one(&mut *conn).await?;
    let Some(end) = end else { return Ok(0) };
    let keep = "INSERT INTO outbox_pruned (thing, key, last_sequence, stream_position)
        SELECT thing, key, MAX(sequence), MAX(stream_position) FROM outbox
            WHERE stream_position <= ? AND sent < ? GROUP BY thing, key
        ON CONFLICT (thing, key) DO UPDATE
        SET last_sequence = excluded.last_sequence, stream_position = excluded.stream_position";
    sql::query(keep).bind(end).bind(horizon.as_micros()).execute(&mut *conn).await?;
    let anchor = "INSERT INTO outbox_anchors (stream_position, id)
        SELECT stream_position, id FROM outbox WHERE stream_position =
            (SELECT MAX(stream_position) FROM outbox WHERE stream_position <= ? AND sent < ?)
        ON CONFLICT (stream_position) DO NOTHING";
    sql::query(anchor).bind(end).bind(horizon.as_micros()).execute(&mut *conn).await?;
    let newest = "DELETE FROM outbox_anchors WHERE stream_position NOT IN
        (SELECT stream_position FROM outbox_anchors ORDER BY stream_position DESC LIMIT ?)";
    sql::query(newest).bind(ANCHORS).execute(&mut *conn).await?;
    let drop = "DELETE FROM outbox WHERE stream_position <= ? AND sent < ?";
    Ok(sql::query(drop).bind(end).bind(horizon.as_micros()).execute(conn).await?)
}

/// How many rows wait, and since when the oldest does.
pub(crate) async fn waiting(conn: &mut sql::Conn) -> Result<(u64, Option<Timestamp>), Error> {
    let (count, oldest): (i64, Option<i64>) =
        sql::query_as("SELECT COUNT(*), MIN(created) FROM outbox WHERE sent IS NULL").fetch_one(conn).await?;
    Ok((count.unsigned_abs(), oldest.map(Timestamp::from_micros)))
}

/// Whether the first row of those kept was sent before `horizon`.
pub(crate) async fn has_sent_before(conn: &mut sql::Conn, horizon: Timestamp) -> Result<bool, Error> {
    let oldest: Option<i64> =
        sql::query_scalar("SELECT sent FROM outbox WHERE stream_position IS NOT NULL ORDER BY stream_position LIMIT 1")
            .fetch_optional(conn)
            .await?;
    Ok(oldest.is_some_and(|sent| sent < horizon.as_micros()))
}
