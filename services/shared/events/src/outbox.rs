//! Events that commit together with the change that they tell of.

use std::collections::{BTreeMap, HashMap};

use prost::Message;
use proto::common::v1::EventEnvelope;
use sql::{Bind, Kind};
use types::Timestamp;

use crate::{Error, Event, event, rows, topology, trace};

pub(crate) mod sent;

/// The last random bits of an id: 62, behind those that tell its variant.
const RANDOM: u128 = (1 << 62) - 1;

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
    for (envelope, id) in envelopes.iter_mut().zip(ids()) {
        envelope.id = id.to_string();
    }
    for part in rows::parts(conn.dialect(), &envelopes) {
        insert(conn, part, now).await?;
    }
    Ok(())
}

/// Ids that rise from one that is drawn at random: to draw each is a call of the system.
fn ids() -> impl Iterator<Item = uuid::Uuid> {
    let first = uuid::Uuid::now_v7().as_u128();
    // From the lower half of the range on, so that counting does not leave it.
    let (fixed, random) = (first & !RANDOM, (first & RANDOM) >> 1);
    (random..).map(move |random| uuid::Uuid::from_u128(fixed | random))
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
    let mut take = sql::Builder::new("INSERT INTO event_sequences (thing, key, last) ");
    take.push_table(conn.dialect(), [Kind::Text, Kind::Text, Kind::Int], &counts, |&((thing, key), count)| {
        [thing.value(), key.value(), count.value()]
    });
    take.push(" ON CONFLICT (thing, key) DO UPDATE SET last = event_sequences.last + excluded.last")
        .push(" RETURNING thing, key, last");
    let mut taken: Vec<(String, String, i64)> = take.build_as().fetch_all(conn).await?;
    // Rows come back in any order, and `counts` is sorted like them.
    taken.sort();
    Ok(counts.iter().zip(taken).map(|((key, _), row)| (*key, row.2)).collect())
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
    let mut insert = sql::Builder::new("INSERT INTO outbox (id, thing, key, sequence, envelope, created) ");
    let kinds = [Kind::Text, Kind::Text, Kind::Text, Kind::Int, Kind::Bytes, Kind::Int];
    insert.push_table(conn.dialect(), kinds, envelopes, |envelope| {
        [
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
