//! The tables of the log.

use std::collections::{BTreeSet, HashMap};

use prost::Message;
use proto::common::v1::EventEnvelope;
use sql::Bind;
use types::Timestamp;

use super::Row;
use super::delivery::{Deliveries, Stored};
use super::subscription::Shared;
use crate::{BusError, StreamState, event, rows, topology};

/// Makes what the topology declares and is not there yet.
pub(super) async fn declare(conn: &mut sql::Conn, now: Timestamp) -> Result<(), BusError> {
    for stream in topology::STREAMS {
        sql::query("INSERT INTO streams (service, uid, created) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
            .bind(stream.service)
            .bind(uuid::Uuid::new_v4().simple().to_string())
            .bind(now.as_micros())
            .execute(&mut *conn)
            .await?;
    }
    for consumer in topology::CONSUMERS {
        sql::query("INSERT INTO consumers (name, position) VALUES (?, 0) ON CONFLICT DO NOTHING")
            .bind(consumer.name)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// Appends; what is there already keeps its position.
pub(super) async fn insert(conn: &mut sql::Conn, events: Vec<Row>, now: Timestamp) -> Result<Vec<u64>, BusError> {
    let mut positions = HashMap::with_capacity(events.len());
    for part in rows::parts(conn.dialect(), &events) {
        // Setting the id to itself makes the statement return the row that is there.
        let mut insert = sql::Builder::new("INSERT INTO log (id, service, thing, envelope, published) VALUES ");
        insert
            .push_rows(part, |row| {
                let (id, service, thing) = ((&row.id).value(), (&row.service).value(), (&row.thing).value());
                vec![id, service, thing, (&row.bytes).value(), now.as_micros().value()]
            })
            .push(" ON CONFLICT (id) DO UPDATE SET id = excluded.id RETURNING id, position");
        let appended: Vec<(String, i64)> = insert.build_as().fetch_all(&mut *conn).await?;
        positions.extend(appended);
    }
    Ok(events.iter().map(|row| positions[&row.id].unsigned_abs()).collect())
}

/// Reads the events at the positions `again`, then up to `room` events of `things` after `cursor`.
pub(super) async fn fetch(
    conn: &mut sql::Conn,
    again: Vec<i64>,
    things: Vec<&'static str>,
    cursor: i64,
    room: usize,
) -> Result<Vec<(i64, EventEnvelope)>, BusError> {
    let mut rows: Vec<(i64, Vec<u8>)> = Vec::new();
    for position in again {
        let row = sql::query_as("SELECT position, envelope FROM log WHERE position = ?").bind(position);
        rows.extend(row.fetch_optional(&mut *conn).await?);
    }
    if room > 0 {
        let mut query = of_things("SELECT position, envelope FROM log WHERE position > ", cursor, &things);
        query.push(" ORDER BY position LIMIT ").push_bind(i64::try_from(room).unwrap_or(i64::MAX));
        rows.extend(query.build_as::<(i64, Vec<u8>)>().fetch_all(conn).await?);
    }
    rows.into_iter()
        .map(|(position, bytes)| match EventEnvelope::decode(bytes.as_slice()) {
            Ok(event) => Ok((position, event)),
            Err(_) => Err(BusError::Damaged { position }),
        })
        .collect()
}

fn of_things(select: &'static str, cursor: i64, things: &[&'static str]) -> sql::Builder<'static> {
    let mut query = sql::Builder::new(select);
    query.push_bind(cursor).push(" AND thing IN ").push_list(things.iter().copied());
    query
}

/// Counts what is after `cursor`, and tells when the oldest of that and of the position `oldest_out` was published.
pub(super) async fn lag(
    conn: &mut sql::Conn,
    things: Vec<&'static str>,
    cursor: i64,
    oldest_out: Option<i64>,
) -> Result<(u64, Option<Timestamp>), BusError> {
    let query = of_things("SELECT COUNT(*), MIN(published) FROM log WHERE position > ", cursor, &things);
    let (waiting, mut oldest): (i64, Option<i64>) = query.build_as().fetch_one(&mut *conn).await?;
    if let Some(position) = oldest_out {
        let published = sql::query_scalar("SELECT published FROM log WHERE position = ?").bind(position);
        oldest = published.fetch_optional(conn).await?.or(oldest);
    }
    Ok((waiting.unsigned_abs(), oldest.map(Timestamp::from_micros)))
}

pub(super) async fn stream_state(
    conn: &mut sql::Conn,
    service: String,
    position: u64,
) -> Result<StreamState, BusError> {
    let identity: Option<String> = sql::query_scalar("SELECT uid FROM streams WHERE service = ?")
        .bind(&service)
        .fetch_optional(&mut *conn)
        .await?;
    let Some(identity) = identity else { return Err(BusError::UnknownSubject { subject: service }) };
    let last: Option<i64> = sql::query_scalar("SELECT MAX(position) FROM log WHERE service = ?")
        .bind(&service)
        .fetch_one(&mut *conn)
        .await?;
    let id_at = sql::query_scalar("SELECT id FROM log WHERE service = ? AND position = ?")
        .bind(&service)
        .bind(i64::try_from(position).unwrap_or(i64::MAX))
        .fetch_optional(conn)
        .await?;
    Ok(StreamState { identity, last_position: last.unwrap_or(0).unsigned_abs(), id_at })
}

/// Reads how far a consumer is; one that is not there is at the start.
pub(super) async fn consumer(conn: &mut sql::Conn, name: &str, now: Timestamp) -> Result<Shared, BusError> {
    let cursor: Option<i64> = sql::query_scalar("SELECT position FROM consumers WHERE name = ?")
        .bind(name)
        .fetch_optional(&mut *conn)
        .await?;
    let pending: Vec<i64> =
        sql::query_scalar("SELECT position FROM pending WHERE consumer = ?").bind(name).fetch_all(conn).await?;
    let stored = Stored { cursor: cursor.unwrap_or(0), pending: pending.into_iter().collect() };
    Ok(Shared { out: Deliveries::restore(stored, now) })
}

pub(super) async fn store_consumer(
    conn: &mut sql::Conn,
    name: &'static str,
    old: Stored,
    new: Stored,
) -> Result<(), BusError> {
    let advance = "INSERT INTO consumers (name, position) VALUES (?, ?)
        ON CONFLICT (name) DO UPDATE SET position = excluded.position";
    sql::query(advance).bind(name).bind(new.cursor).execute(&mut *conn).await?;
    change_pending(conn, "DELETE FROM pending WHERE consumer = ? AND position = ?", name, &old.pending, &new.pending)
        .await?;
    change_pending(conn, "INSERT INTO pending (consumer, position) VALUES (?, ?)", name, &new.pending, &old.pending)
        .await
}

async fn change_pending(
    conn: &mut sql::Conn,
    statement: &'static str,
    name: &str,
    of: &BTreeSet<i64>,
    without: &BTreeSet<i64>,
) -> Result<(), BusError> {
    for position in of.difference(without) {
        sql::query(statement).bind(name).bind(position).execute(&mut *conn).await?;
    }
    Ok(())
}

/// Drops what is too old and was acknowledged by every declared consumer.
pub(super) async fn sweep(conn: &mut sql::Conn, now: Timestamp) -> Result<u64, BusError> {
    let mut dropped = 0;
    let things: BTreeSet<_> = topology::SUBJECTS.iter().map(|(subject, _)| event::thing(subject)).collect();
    for thing in things {
        let service = event::service(thing);
        let Some(stream) = topology::STREAMS.iter().find(|stream| stream.service == service) else { continue };
        let mut floor = i64::MAX;
        for consumer in topology::CONSUMERS.iter().filter(|consumer| consumer.things().any(|taken| taken == thing)) {
            floor = floor.min(acknowledged(conn, consumer.name).await?);
        }
        let drop = "DELETE FROM log WHERE thing = ? AND published < ? AND position <= ?
            AND position < (SELECT MAX(position) FROM log WHERE service = ?)";
        let done = sql::query(drop)
            .bind(thing)
            .bind((now - stream.retention).as_micros())
            .bind(floor)
            .bind(service)
            .execute(&mut *conn)
            .await?;
        dropped += done;
    }
    Ok(dropped)
}

/// The position up to which a consumer has acknowledged all.
async fn acknowledged(conn: &mut sql::Conn, consumer: &str) -> Result<i64, BusError> {
    let floor = "SELECT COALESCE((SELECT MIN(position) - 1 FROM pending WHERE consumer = ?1),
        (SELECT position FROM consumers WHERE name = ?1), 0)";
    Ok(sql::query_scalar(floor).bind(consumer).fetch_one(conn).await?)
}
