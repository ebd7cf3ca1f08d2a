//! How far a consumer is with each key, and what it could not apply.

use prost::Message;
use proto::common::v1::EventEnvelope;
use types::Timestamp;

use crate::{Error, event};

/// How a consumer stands with one key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The last sequence applied.
    pub last: i64,
    /// The sequence of the dead letter that blocks the key.
    pub blocked_at: Option<i64>,
    /// Whether rows of failed tries, or a parked copy, of the event that was asked about lie here.
    pub traces: bool,
}

/// What to do with an event that was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Give it its effect.
    Apply,
    /// It had its effect, or is the dead letter itself: acknowledge.
    Duplicate,
    /// An earlier one is missing: let it come again.
    Gap,
    /// Its key is blocked: keep it as a row behind the dead letter.
    Park,
}

/// Decides by the sequence alone.
pub(crate) fn decide(standing: Standing, sequence: i64) -> Decision {
    match standing.blocked_at {
        Some(blocked) if sequence > blocked => Decision::Park,
        Some(_) => Decision::Duplicate,
        None if sequence <= standing.last => Decision::Duplicate,
        None if sequence == standing.last + 1 => Decision::Apply,
        None => Decision::Gap,
    }
}

/// Reads how `consumer` stands with the key of `event`.
pub(crate) async fn standing(conn: &mut sql::Conn, consumer: &str, event: &EventEnvelope) -> Result<Standing, Error> {
    let query = "SELECT
        COALESCE((SELECT last FROM inbox WHERE consumer = ?1 AND thing = ?2 AND key = ?3), 0),
        (SELECT sequence FROM dead_letters WHERE consumer = ?1 AND thing = ?2 AND key = ?3),
        EXISTS (SELECT 1 FROM event_attempts WHERE consumer = ?1 AND event = ?4)
        OR EXISTS (SELECT 1 FROM parked_events WHERE consumer = ?1 AND thing = ?2 AND key = ?3)";
    let (last, blocked_at, traces) = sql::query_as(query)
        .bind(consumer)
        .bind(event::thing(&event.subject))
        .bind(&event.key)
        .bind(&event.id)
        .fetch_one(conn)
        .await?;
    Ok(Standing { last, blocked_at, traces })
}

/// Records that `event` is applied.
pub(crate) async fn record(conn: &mut sql::Conn, consumer: &str, event: &EventEnvelope) -> Result<(), Error> {
    let thing = event::thing(&event.subject);
    let advance = "INSERT INTO inbox (consumer, thing, key, last) VALUES (?, ?, ?, ?)
        ON CONFLICT (consumer, thing, key) DO UPDATE SET last = excluded.last";
    sql::query(advance).bind(consumer).bind(thing).bind(&event.key).bind(event.sequence).execute(&mut *conn).await?;
    Ok(())
}

/// Forgets what was kept of `event` while it could not be applied.
pub(crate) async fn clear(conn: &mut sql::Conn, consumer: &str, event: &EventEnvelope) -> Result<(), Error> {
    let thing = event::thing(&event.subject);
    for table in [
        "DELETE FROM dead_letters WHERE consumer = ? AND thing = ? AND key = ? AND sequence <= ?",
        "DELETE FROM parked_events WHERE consumer = ? AND thing = ? AND key = ? AND sequence <= ?",
    ] {
        sql::query(table).bind(consumer).bind(thing).bind(&event.key).bind(event.sequence).execute(&mut *conn).await?;
    }
    sql::query("DELETE FROM event_attempts WHERE consumer = ? AND event = ?")
        .bind(consumer)
        .bind(&event.id)
        .execute(conn)
        .await?;
    Ok(())
}

/// Keeps an event of a blocked key.
pub(crate) async fn park(
    conn: &mut sql::Conn,
    consumer: &str,
    event: &EventEnvelope,
    now: Timestamp,
) -> Result<(), Error> {
    let park = "INSERT INTO parked_events (consumer, thing, key, sequence, event, envelope, parked)
        VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
    sql::query(park)
        .bind(consumer)
        .bind(event::thing(&event.subject))
        .bind(&event.key)
        .bind(event.sequence)
        .bind(&event.id)
        .bind(event.encode_to_vec())
        .bind(now.as_micros())
        .execute(conn)
        .await?;
    Ok(())
}

/// Counts a failed try. Gives how many there are now.
pub(crate) async fn count_try(
    conn: &mut sql::Conn,
    consumer: &str,
    event: &str,
    reason: &str,
    message: &str,
) -> Result<u32, Error> {
    let count = "INSERT INTO event_attempts (consumer, event, attempts, next_attempt, reason, message)
        VALUES (?, ?, 1, 0, ?, ?) ON CONFLICT (consumer, event)
        DO UPDATE SET attempts = event_attempts.attempts + 1, reason = excluded.reason, message = excluded.message
        RETURNING attempts";
    Ok(sql::query_scalar(count).bind(consumer).bind(event).bind(reason).bind(message).fetch_one(conn).await?)
}

/// Sets when an event that lies here as a row is tried next; for one that was never counted too.
pub(crate) async fn postpone(conn: &mut sql::Conn, consumer: &str, event: &str, until: Timestamp) -> Result<(), Error> {
    let postpone = "INSERT INTO event_attempts (consumer, event, attempts, next_attempt, reason, message)
        VALUES (?, ?, 0, ?, '', '') ON CONFLICT (consumer, event) DO UPDATE SET next_attempt = excluded.next_attempt";
    sql::query(postpone).bind(consumer).bind(event).bind(until.as_micros()).execute(conn).await?;
    Ok(())
}

/// Gives an event up: it becomes the dead letter of its key, or remains it under its old id.
pub(crate) async fn bury(
    conn: &mut sql::Conn,
    consumer: &str,
    event: &EventEnvelope,
    grave: &Grave,
    now: Timestamp,
) -> Result<(), Error> {
    let thing = event::thing(&event.subject);
    let known: Option<String> =
        sql::query_scalar("SELECT id FROM dead_letters WHERE consumer = ? AND thing = ? AND key = ?")
            .bind(consumer)
            .bind(thing)
            .bind(&event.key)
            .fetch_optional(&mut *conn)
            .await?;
    clear(conn, consumer, event).await?;
    let bury = "INSERT INTO dead_letters
        (id, consumer, thing, key, sequence, event, envelope, reason, message, attempts, created, redriven)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)";
    sql::query(bury)
        .bind(known.as_ref().unwrap_or(&grave.id))
        .bind(consumer)
        .bind(thing)
        .bind(&event.key)
        .bind(event.sequence)
        .bind(&event.id)
        .bind(event.encode_to_vec())
        .bind(&grave.reason)
        .bind(&grave.message)
        .bind(grave.attempts)
        .bind(now.as_micros())
        .execute(conn)
        .await?;
    Ok(())
}

/// What is told of an event that was given up.
#[derive(Debug, Clone)]
pub(crate) struct Grave {
    pub id: String,
    pub reason: String,
    pub message: String,
    pub attempts: u32,
}

/// The next events that lie here as rows and may be applied now: redriven dead letters, and the first parked event of
/// each key that is no longer blocked.
pub(crate) async fn due_here(
    conn: &mut sql::Conn,
    consumer: &str,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<EventEnvelope>, Error> {
    let due = "SELECT d.event, d.envelope FROM dead_letters d
            LEFT JOIN event_attempts a ON a.consumer = d.consumer AND a.event = d.event
            WHERE d.consumer = ?1 AND d.redriven = 1 AND COALESCE(a.next_attempt, 0) <= ?2
        UNION ALL
        SELECT p.event, p.envelope FROM parked_events p
            LEFT JOIN inbox i ON i.consumer = p.consumer AND i.thing = p.thing AND i.key = p.key
            LEFT JOIN event_attempts a ON a.consumer = p.consumer AND a.event = p.event
            WHERE p.consumer = ?1 AND p.sequence = COALESCE(i.last, 0) + 1 AND COALESCE(a.next_attempt, 0) <= ?2
            AND NOT EXISTS (SELECT 1 FROM dead_letters d
                WHERE d.consumer = p.consumer AND d.thing = p.thing AND d.key = p.key)
        LIMIT ?3";
    let rows: Vec<(String, Vec<u8>)> =
        sql::query_as(due).bind(consumer).bind(now.as_micros()).bind(limit).fetch_all(conn).await?;
    rows.into_iter()
        .map(|(id, bytes)| EventEnvelope::decode(bytes.as_slice()).map_err(|_| Error::Damaged { id }))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_sequence_alone_decides() {
        let free = Standing { last: 3, ..Standing::default() };
        assert_eq!(decide(free, 2), Decision::Duplicate);
        assert_eq!(decide(free, 3), Decision::Duplicate);
        assert_eq!(decide(free, 4), Decision::Apply);
        assert_eq!(decide(free, 5), Decision::Gap);
        let blocked = Standing { last: 3, blocked_at: Some(4), traces: true };
        assert_eq!(decide(blocked, 3), Decision::Duplicate);
        assert_eq!(decide(blocked, 4), Decision::Duplicate);
        assert_eq!(decide(blocked, 5), Decision::Park);
    }

    proptest! {
        /// However a broker doubles and reorders, what is not applied comes back, and each has one effect, in order.
        #[test]
        fn any_delivery_order_gives_each_effect_once_and_in_order(
            deliveries in prop::collection::vec(1i64..20, 0..400)
        ) {
            let mut standing = Standing::default();
            let mut applied = Vec::new();
            let mut waiting: Vec<i64> = deliveries.into_iter().chain(1..20).collect();
            while !waiting.is_empty() {
                waiting.retain(|&sequence| match decide(standing, sequence) {
                    Decision::Apply => {
                        applied.push(sequence);
                        standing.last = sequence;
                        false
                    }
                    Decision::Duplicate => false,
                    Decision::Gap => true,
                    Decision::Park => unreachable!("nothing is blocked"),
                });
            }
            prop_assert_eq!(applied, (1..20).collect::<Vec<_>>());
        }
    }
}
