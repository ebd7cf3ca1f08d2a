//! The dead letters of a service, for its operator.

use prost::Message;
use proto::common::v1::EventEnvelope;
use types::{BoxFuture, DeadLetter, DeadLetters, OperateError, Timestamp};

use crate::{Error, event, inbox};

/// Reads and settles the dead letters of every consumer that keeps its inbox in one database.
///
/// `redrive` marks a letter; the consumer tries it at its next round, and what is parked behind it after that. `purge`
/// counts the event as applied, without effect.
#[derive(Debug, Clone)]
pub struct DeadLetterStore {
    db: sql::Database,
}

struct Row {
    id: String,
    consumer: String,
    event: String,
    envelope: Vec<u8>,
    reason: String,
    message: String,
    attempts: i64,
    created: i64,
    waiting: i64,
}

impl sql::FromRow for Row {
    fn from_row(row: &sql::Row) -> Result<Self, sql::Error> {
        Ok(Self {
            id: row.get("id")?,
            consumer: row.get("consumer")?,
            event: row.get("event")?,
            envelope: row.get("envelope")?,
            reason: row.get("reason")?,
            message: row.get("message")?,
            attempts: row.get("attempts")?,
            created: row.get("created")?,
            waiting: row.get("waiting")?,
        })
    }
}

impl From<Row> for DeadLetter {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            consumer: row.consumer,
            envelope: row.envelope,
            reason: row.reason,
            message: row.message,
            attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
            created: Timestamp::from_micros(row.created),
            waiting: row.waiting.unsigned_abs(),
        }
    }
}

const LIST: &str = "SELECT d.id, d.consumer, d.event, d.envelope, d.reason, d.message, d.attempts, d.created,
        (SELECT COUNT(*) FROM parked_events p
            WHERE p.consumer = d.consumer AND p.thing = d.thing AND p.key = d.key) AS waiting
    FROM dead_letters d WHERE d.id > ? ORDER BY d.id LIMIT ?";
const GET: &str = "SELECT d.id, d.consumer, d.event, d.envelope, d.reason, d.message, d.attempts, d.created,
        (SELECT COUNT(*) FROM parked_events p
            WHERE p.consumer = d.consumer AND p.thing = d.thing AND p.key = d.key) AS waiting
    FROM dead_letters d WHERE d.id = ?";

impl DeadLetterStore {
    /// The dead letters in `db`.
    pub fn new(db: sql::Database) -> Self {
        Self { db }
    }
}

impl DeadLetters for DeadLetterStore {
    fn list(&self, after: Option<String>, limit: u32) -> BoxFuture<'_, Result<Vec<DeadLetter>, OperateError>> {
        Box::pin(async move {
            let read = self.db.read::<_, Error, _>(move |conn| {
                Box::pin(async move {
                    let rows: Vec<Row> =
                        sql::query_as(LIST).bind(after.unwrap_or_default()).bind(limit).fetch_all(conn).await?;
                    Ok(rows)
                })
            });
            Ok(read.await.map_err(of_store)?.into_iter().map(Into::into).collect())
        })
    }

    fn get(&self, id: String) -> BoxFuture<'_, Result<DeadLetter, OperateError>> {
        Box::pin(async move {
            let wanted = id.clone();
            let row = self.db.read(move |conn| Box::pin(async move { get(conn, &wanted).await })).await;
            row.map_err(of_store)?.map(Into::into).ok_or(OperateError::NoSuchDeadLetter(id))
        })
    }

    fn redrive(&self, id: String) -> BoxFuture<'_, Result<(), OperateError>> {
        Box::pin(async move {
            let wanted = id.clone();
            let found = self.db.write(move |conn| Box::pin(async move { redrive(conn, &wanted).await })).await;
            found.map_err(of_store)?.then_some(()).ok_or(OperateError::NoSuchDeadLetter(id))
        })
    }

    fn purge(&self, id: String) -> BoxFuture<'_, Result<(), OperateError>> {
        Box::pin(async move {
            let wanted = id.clone();
            let found = self.db.write(move |conn| Box::pin(async move { purge(conn, &wanted).await })).await;
            found.map_err(of_store)?.then_some(()).ok_or(OperateError::NoSuchDeadLetter(id))
        })
    }
}

fn of_store(error: Error) -> OperateError {
    OperateError::Store(Box::new(error))
}

async fn get(conn: &mut sql::Conn, id: &str) -> Result<Option<Row>, Error> {
    Ok(sql::query_as(GET).bind(id).fetch_optional(conn).await?)
}

async fn redrive(conn: &mut sql::Conn, id: &str) -> Result<bool, Error> {
    let Some(row) = get(conn, id).await? else { return Ok(false) };
    sql::query("UPDATE dead_letters SET redriven = 1 WHERE id = ?").bind(id).execute(&mut *conn).await?;
    sql::query("DELETE FROM event_attempts WHERE consumer = ? AND event = ?")
        .bind(&row.consumer)
        .bind(&row.event)
        .execute(conn)
        .await?;
    Ok(true)
}

async fn purge(conn: &mut sql::Conn, id: &str) -> Result<bool, Error> {
    let Some(row) = get(conn, id).await? else { return Ok(false) };
    let event = EventEnvelope::decode(row.envelope.as_slice()).map_err(|_| Error::Damaged { id: row.event.clone() })?;
    let key = (event::thing(&event.subject).to_owned(), event.key.clone());
    inbox::record_all(conn, &row.consumer, &[(&key, event.sequence)]).await?;
    inbox::clear(conn, &row.consumer, &event).await?;
    tracing::info!(consumer = row.consumer, event.id, event.key, "a dead letter was purged; its event has no effect");
    Ok(true)
}

/// What a consumer gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Letters that wait for somebody.
    pub letters: u64,
    /// When the oldest of them was given up.
    pub oldest: Option<Timestamp>,
    /// Events that wait behind them.
    pub parked: u64,
}

/// Counts what `consumer` gave up.
pub(crate) async fn summary(conn: &mut sql::Conn, consumer: &str) -> Result<Summary, Error> {
    let summary = "SELECT COUNT(*), MIN(created), (SELECT COUNT(*) FROM parked_events WHERE consumer = ?)
        FROM dead_letters WHERE consumer = ?";
    let (letters, oldest, parked): (i64, Option<i64>, i64) =
        sql::query_as(summary).bind(consumer).bind(consumer).fetch_one(conn).await?;
    let oldest = oldest.map(Timestamp::from_micros);
    Ok(Summary { letters: letters.unsigned_abs(), oldest, parked: parked.unsigned_abs() })
}
