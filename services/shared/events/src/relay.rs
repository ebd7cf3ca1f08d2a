//! Publishes what waits in the outbox.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use types::Timestamp;

use crate::{Error, EventBus, StreamState, outbox, topology};

/// How many batches one round publishes at most.
const BATCHES_PER_ROUND: usize = 16;
/// How often sent rows are pruned.
const PRUNE_EVERY: Duration = Duration::from_secs(60);
/// How many keys an alarm names.
const NAMED_KEYS: i64 = 20;

/// Publishes the outbox of one service, in the order in which its rows were written.
///
/// An event may be published twice when the relay dies between publishing and noting it; consumers drop the double by
/// its sequence. Sent rows are kept for a while, because a broker may lose its tail: at its first round, and at the
/// first after a failure, the relay compares the stream with what it remembers, and sends again what is missing.
#[derive(Debug)]
pub struct Relay {
    db: sql::Database,
    bus: Arc<dyn EventBus>,
    service: &'static str,
    retention: Duration,
    compared: bool,
    pruned: Option<Timestamp>,
}

/// What one round of a relay did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Relayed {
    /// Events published.
    pub published: usize,
    /// Events that the stream had lost and that wait to be published again.
    pub again: u64,
    /// What was lost beyond repair, for people. Empty when nothing was.
    pub lost: String,
    /// Whether more waits.
    pub more: bool,
}

impl fmt::Display for Relayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} published", self.published)?;
        if self.again > 0 {
            write!(f, ", {} sent again", self.again)?;
        }
        if !self.lost.is_empty() {
            write!(f, ", lost: {}", self.lost)?;
        }
        Ok(())
    }
}

impl Relay {
    /// A relay of the outbox in `db`, which belongs to `service`. Sent rows are kept for `retention`.
    pub fn new(db: sql::Database, bus: Arc<dyn EventBus>, service: &'static str, retention: Duration) -> Self {
        Self { db, bus, service, retention, compared: false, pruned: None }
    }

    /// Publishes what waits. Call it again at once when `more` is set; else when the database changed.
    pub async fn reconcile(&mut self) -> Result<Relayed, Error> {
        let mut round = Relayed::default();
        if !self.compared {
            (round.again, round.lost) = self.compare().await?;
            self.compared = true;
        }
        for _ in 0..BATCHES_PER_ROUND {
            let published = self.publish_batch().await.inspect_err(|_| self.compared = false)?;
            round.published += published;
            round.more = published == topology::MAX_BATCH;
            if !round.more {
                break;
            }
        }
        self.prune().await?;
        Ok(round)
    }

    async fn publish_batch(&mut self) -> Result<usize, Error> {
        let rows = self.db.read(|conn| Box::pin(outbox::unsent(conn, topology::MAX_BATCH))).await?;
        let Some(last) = rows.last() else { return Ok(0) };
        let last_id = last.envelope.id.clone();
        let (positions, envelopes): (Vec<_>, Vec<_>) = rows.into_iter().map(|row| (row.position, row.envelope)).unzip();
        let published = self.bus.publish(&envelopes).await?;
        let sent: Vec<_> = positions.into_iter().zip(published.into_iter().map(signed)).collect();
        let identity = self.bus.stream_state(self.service, 0).await?.identity;
        metrics::counter!("events_published_total", "service" => self.service).increment(sent.len() as u64);
        self.note(sent, identity, last_id).await
    }

    async fn note(&self, sent: Vec<(i64, i64)>, identity: String, last_id: String) -> Result<usize, Error> {
        let (now, service, count) = (self.db.now(), self.service, sent.len());
        let last_position = sent.last().map_or(0, |(_, stream)| *stream);
        self.db
            .write(move |conn| {
                Box::pin(async move {
                    outbox::mark_sent(conn, &sent, now).await?;
                    state::remember(conn, service, &Remembered { identity, last_position, last_id }).await
                })
            })
            .await?;
        Ok(count)
    }

    /// Compares the stream with what is remembered of it. Gives how many rows wait again, and what is lost for good.
    async fn compare(&mut self) -> Result<(u64, String), Error> {
        let service = self.service;
        let remembered = self.db.read(move |conn| Box::pin(state::remembered(conn, service))).await?;
        let Some((remembered, pruned)) = remembered else { return Ok((0, String::new())) };
        let seen = self.bus.stream_state(service, remembered.last_position.unsigned_abs()).await?;
        let Some(after) = lost_after(&remembered, &seen) else { return Ok((0, String::new())) };
        let (again, lost) = self
            .db
            .write(move |conn| {
                Box::pin(async move {
                    let lost = if pruned > after { outbox::forgotten(conn, NAMED_KEYS).await? } else { Vec::new() };
                    let again = outbox::send_again(conn, after).await?;
                    state::forget(conn, service).await?;
                    Ok::<_, Error>((again, lost))
                })
            })
            .await?;
        tracing::warn!(service, again, "the event stream lost its tail; events are sent again");
        Ok((again, self.alarm(&lost)))
    }

    fn alarm(&self, lost: &[(String, String, i64)]) -> String {
        if lost.is_empty() {
            return String::new();
        }
        let named: Vec<_> = lost.iter().map(|(thing, key, last)| format!("{thing} {key} up to {last}")).collect();
        let named = named.join("; ");
        metrics::counter!("events_lost_alarms_total", "service" => self.service).increment(1);
        tracing::error!(
            service = self.service,
            lost = named,
            "the event stream lost events that the outbox no longer holds: consumers that had not applied them wait for them; \
             restore the stream from a copy, or raise the setting `outbox_retention` for next time"
        );
        named
    }

    async fn prune(&mut self) -> Result<(), Error> {
        let (now, service) = (self.db.now(), self.service);
        if self.pruned.is_some_and(|last| now.since(last) < PRUNE_EVERY) {
            return Ok(());
        }
        let horizon = now - self.retention;
        let old = self.db.read(move |conn| Box::pin(outbox::has_sent_before(conn, horizon))).await?;
        if old {
            self.db
                .write(move |conn| {
                    Box::pin(async move {
                        match outbox::prune(conn, horizon).await? {
                            Some(position) => state::note_pruned(conn, service, position).await,
                            None => Ok(()),
                        }
                    })
                })
                .await?;
        }
        self.pruned = Some(now);
        Ok(())
    }
}

fn signed(position: u64) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}

/// The last acknowledged event of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Remembered {
    identity: String,
    last_position: i64,
    last_id: String,
}

/// The position after which the stream lost events, or nothing when it is the one that is remembered.
fn lost_after(remembered: &Remembered, seen: &StreamState) -> Option<i64> {
    let last = signed(seen.last_position);
    if seen.identity != remembered.identity {
        return Some(0);
    }
    if seen.id_at.as_deref() == Some(&remembered.last_id) {
        return None;
    }
    // An old copy: what it holds is intact. When others published past its end, positions tell nothing any more.
    Some(if last < remembered.last_position { last } else { 0 })
}

/// The table `relay_state`.
mod state {
    use super::Remembered;
    use crate::Error;

    pub async fn remembered(conn: &mut sql::Conn, service: &str) -> Result<Option<(Remembered, i64)>, Error> {
        let row: Option<(String, i64, String, i64)> =
            sqlx::query_as("SELECT stream, last_position, last_id, pruned_position FROM relay_state WHERE service = ?")
                .bind(service)
                .fetch_optional(conn)
                .await?;
        Ok(row.map(|(identity, last_position, last_id, pruned)| {
            (Remembered { identity, last_position, last_id }, pruned)
        }))
    }

    pub async fn remember(conn: &mut sql::Conn, service: &str, seen: &Remembered) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO relay_state (service, stream, last_position, last_id, pruned_position) VALUES (?, ?, ?, ?, 0)
             ON CONFLICT (service) DO UPDATE
             SET stream = excluded.stream, last_position = excluded.last_position, last_id = excluded.last_id",
        )
        .bind(service)
        .bind(&seen.identity)
        .bind(seen.last_position)
        .bind(&seen.last_id)
        .execute(conn)
        .await?;
        Ok(())
    }

    pub async fn note_pruned(conn: &mut sql::Conn, service: &str, position: i64) -> Result<(), Error> {
        sqlx::query("UPDATE relay_state SET pruned_position = MAX(pruned_position, ?) WHERE service = ?")
            .bind(position)
            .bind(service)
            .execute(conn)
            .await?;
        Ok(())
    }

    pub async fn forget(conn: &mut sql::Conn, service: &str) -> Result<(), Error> {
        sqlx::query("DELETE FROM relay_state WHERE service = ?").bind(service).execute(conn).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
