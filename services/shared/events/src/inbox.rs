//! How far a consumer is with each key, and what it could not apply.

use std::time::Duration;

use prost::Message;
use proto::common::v1::EventEnvelope;
use sql::{Bind as _, Kind};
use types::Timestamp;

use crate::{Error, event};

mod stand;

pub(crate) use stand::{stand, stand_once};

/// How a consumer stands with one key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The last sequence applied.
    pub last: i64,
    /// The sequence of the dead letter that blocks the key.
    pub blocked_at: Option<i64>,
    /// Whether failed tries, or parked copies, may lie here.
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

/// What the transaction does with one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Applied {
    /// It has its effect now.
    Yes,
    /// It had it before.
    Before,
    /// It is parked behind the dead letter of its key.
    Parked,
    /// An earlier one is missing, or it was not prepared.
    TooEarly,
}

/// Decides again, as the only writer, and notes in `standing` what follows for the next event of the key.
///
/// `from_row` says that the event lies here as a dead letter or a parked row, so that its own letter does not block it.
pub(crate) fn settle(standing: &mut Standing, sequence: i64, from_row: bool, prepared: bool) -> Applied {
    match decide(free(*standing, sequence, from_row), sequence) {
        Decision::Duplicate => Applied::Before,
        Decision::Gap => Applied::TooEarly,
        Decision::Park => Applied::Parked,
        // It was to be parked, and its key was set free since: it comes again, and is prepared then.
        Decision::Apply if !prepared => Applied::TooEarly,
        Decision::Apply => {
            *standing = Standing { last: sequence, ..free(*standing, sequence, from_row) };
            Applied::Yes
        }
    }
}

fn free(standing: Standing, sequence: i64, from_row: bool) -> Standing {
    let own = from_row && standing.blocked_at == Some(sequence);
    Standing { blocked_at: if own { None } else { standing.blocked_at }, ..standing }
}

/// How a handler failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The event waits for something else.
    NotYet,
    /// It may go well at another try.
    Retry,
    /// It never will.
    Poison,
}

/// What becomes of an event that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It had its effect meanwhile.
    Before,
    /// An earlier one is missing, or it waits for something else; nothing is counted.
    TooEarly,
    /// Its key was blocked meanwhile: park it.
    Park,
    /// It is tried again, after so many tries and so long a wait.
    Again {
        /// Failed tries, this one included.
        attempts: u32,
        /// The wait.
        wait: Duration,
    },
    /// It becomes the dead letter of its key.
    Bury {
        /// Failed tries, this one included.
        attempts: u32,
    },
}

/// Judges a failure as the only writer, since another worker may have changed since the event was tried.
/// `tried` counts the failed tries before; `after` tells the wait after so many, or none to give up.
pub(crate) fn judge(
    standing: Standing,
    sequence: i64,
    from_row: bool,
    trouble: Trouble,
    tried: u32,
    after: impl Fn(u32) -> Option<Duration>,
) -> Verdict {
    let attempts = tried.saturating_add(1);
    match decide(free(standing, sequence, from_row), sequence) {
        Decision::Duplicate => Verdict::Before,
        Decision::Gap => Verdict::TooEarly,
        Decision::Park => Verdict::Park,
        Decision::Apply => match trouble {
            Trouble::NotYet => Verdict::TooEarly,
            Trouble::Poison => Verdict::Bury { attempts },
            Trouble::Retry => {
                after(attempts).map_or(Verdict::Bury { attempts }, |wait| Verdict::Again { attempts, wait })
            }
        },
    }
}

/// A thing and a key.
pub(crate) type Key = (String, String);

/// Records the last sequence applied of each key.
pub(crate) async fn record_all(conn: &mut sql::Conn, consumer: &str, last: &[(&Key, i64)]) -> Result<(), Error> {
    if last.is_empty() {
        return Ok(());
    }
    let mut record = sql::Builder::new("INSERT INTO inbox (consumer, thing, key, last) ");
    let kinds = [Kind::Text, Kind::Text, Kind::Text, Kind::Int];
    record.push_table(conn.dialect(), kinds, last, |((thing, key), last)| {
        [consumer.value(), thing.value(), key.value(), last.value()]
    });
    record.push(
        " ON CONFLICT (consumer, thing, key) DO UPDATE SET last = excluded.last WHERE inbox.last < excluded.last",
    );
    record.build().execute(conn).await?;
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

/// How many tries of an event failed so far.
pub(crate) async fn tries(conn: &mut sql::Conn, consumer: &str, event: &str) -> Result<u32, Error> {
    let tries = "SELECT attempts FROM event_attempts WHERE consumer = ? AND event = ?";
    let tries: Option<i64> = sql::query_scalar(tries).bind(consumer).bind(event).fetch_optional(conn).await?;
    Ok(u32::try_from(tries.unwrap_or(0)).unwrap_or(u32::MAX))
}

/// Keeps how many tries of an event failed, and why the last did.
pub(crate) async fn note_tries(
    conn: &mut sql::Conn,
    consumer: &str,
    event: &str,
    attempts: u32,
    why: (&str, &str),
) -> Result<(), Error> {
    let note = "INSERT INTO event_attempts (consumer, event, attempts, next_attempt, reason, message)
        VALUES (?, ?, ?, 0, ?, ?) ON CONFLICT (consumer, event)
        DO UPDATE SET attempts = excluded.attempts, reason = excluded.reason, message = excluded.message";
    sql::query(note).bind(consumer).bind(event).bind(i64::from(attempts)).bind(why.0).bind(why.1).execute(conn).await?;
    Ok(())
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
        .bind(i64::from(grave.attempts))
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
    db: &sql::Database,
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
    let due = sql::query_as(due).bind(consumer).bind(now.as_micros()).bind(limit);
    let rows: Vec<(String, Vec<u8>)> = db.read_once(due).await?;
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
