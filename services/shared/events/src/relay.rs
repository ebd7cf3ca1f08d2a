//! Publishes what waits in the outbox.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use types::Timestamp;

use crate::{BusError, Error, EventBus, StreamState, outbox, topology};

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
/// first after a failure or a new connection, the relay compares the stream with what it remembers, and sends again what
/// is missing.
#[derive(Debug)]
pub struct Relay {
    db: sql::Database,
    bus: Arc<dyn EventBus>,
    service: &'static str,
    retention: Duration,
    /// The connection over which the stream was compared.
    compared: Option<u64>,
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
    /// A relay of the outbox in `db`, which belongs to `service`. Sent rows are kept for `retention`, or longer where the bus
    /// needs that.
    pub fn new(db: sql::Database, bus: Arc<dyn EventBus>, service: &'static str, retention: Duration) -> Self {
        Self { db, bus, service, retention, compared: None, pruned: None }
    }

    /// Publishes what waits. Call it again at once when `more` is set; else when the database changed.
    pub async fn reconcile(&mut self) -> Result<Relayed, Error> {
        let mut round = Relayed::default();
        let connection = self.bus.connection();
        if self.compared != Some(connection) {
            (round.again, round.lost) = self.compare().await?;
            self.compared = Some(connection);
        }
        for _ in 0..BATCHES_PER_ROUND {
            let published = self.publish_batch(connection).await.inspect_err(|_| self.compared = None)?;
            round.published += published;
            round.more = published == topology::MAX_BATCH;
            if !round.more {
                break;
            }
        }
        self.prune().await?;
        Ok(round)
    }

    async fn publish_batch(&mut self, connection: u64) -> Result<usize, Error> {
        let rows = self.db.read(|conn| Box::pin(outbox::unsent(conn, topology::MAX_BATCH))).await?;
        let Some(last) = rows.last() else { return Ok(0) };
        let last_id = last.envelope.id.clone();
        let (positions, envelopes): (Vec<_>, Vec<_>) = rows.into_iter().map(|row| (row.position, row.envelope)).unzip();
        self.same_connection(connection)?;
        let published = self.bus.publish(&envelopes).await?;
        self.same_connection(connection)?;
        let sent: Vec<_> = positions.into_iter().zip(published.into_iter().map(signed)).collect();
        let identity = self.bus.stream_state(self.service, 0).await?.identity;
        metrics::counter!("events_published_total", "service" => self.service).increment(sent.len() as u64);
        self.note(sent, identity, last_id).await
    }

    /// What is published over a new connection may follow a loss, so it is not noted before the stream was compared.
    fn same_connection(&self, connection: u64) -> Result<(), Error> {
        match self.bus.connection() == connection {
            true => Ok(()),
            false => Err(BusError::unavailable("the connection was made anew; the stream is compared first").into()),
        }
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
        let after = match loss(&remembered, &seen) {
            Loss::None => return Ok((0, String::new())),
            Loss::All => 0,
            Loss::Tail => self.intact_up_to(signed(seen.last_position)).await?,
        };
        self.bus.rewind(service, after.unsigned_abs()).await?;
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

    /// The position up to which the stream holds what was published. `last` is its last position.
    ///
    /// Positions alone do not tell: others may have published over the gap. So kept rows are looked for in the stream,
    /// by halves, since what was lost is a tail.
    async fn intact_up_to(&self, last: i64) -> Result<i64, Error> {
        let Some((first, end)) = self.db.read(|conn| Box::pin(outbox::sent_span(conn))).await? else { return Ok(last) };
        let (mut low, mut high, mut intact, mut oldest) = (first, end + 1, None, i64::MAX);
        while low < high {
            let middle = low + (high - low) / 2;
            let row = self.db.read(move |conn| Box::pin(outbox::sent_from(conn, middle))).await?;
            let Some(row) = row.filter(|row| row.position < high) else {
                high = middle;
                continue;
            };
            let seen = self.bus.stream_state(self.service, row.stream_position.unsigned_abs()).await?;
            if seen.id_at.as_deref() == Some(&row.id) {
                intact = Some(row.stream_position);
                low = row.position + 1;
            } else {
                oldest = oldest.min(row.stream_position);
                high = middle;
            }
        }
        Ok(intact.unwrap_or_else(|| before_all_kept(oldest, last)))
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
        let horizon = now - self.retention.max(self.bus.least_outbox_retention().await?);
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

/// What a stream lost of what is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// Nothing.
    None,
    /// It is another stream.
    All,
    /// It is the same, and what was published last is not where it was.
    Tail,
}

fn loss(remembered: &Remembered, seen: &StreamState) -> Loss {
    if seen.identity != remembered.identity {
        Loss::All
    } else if seen.id_at.as_deref() == Some(&remembered.last_id) {
        Loss::None
    } else {
        Loss::Tail
    }
}

/// The position up to which a stream is intact that holds none of the kept rows, of which the oldest stood at `oldest`.
/// When it ends before that, it is an old copy; else others published over the gap, and where it begins is not known.
fn before_all_kept(oldest: i64, last: i64) -> i64 {
    if last < oldest { last } else { 0 }
}

/// The table `relay_state`.
mod state {
    use super::Remembered;
    use crate::Error;

    pub async fn remembered(conn: &mut sql::Conn, service: &str) -> Result<Option<(Remembered, i64)>, Error> {
        let row: Option<(String, i64, String, i64)> =
            sql::query_as("SELECT stream, last_position, last_id, pruned_position FROM relay_state WHERE service = ?")
                .bind(service)
                .fetch_optional(conn)
                .await?;
        Ok(row.map(|(identity, last_position, last_id, pruned)| {
            (Remembered { identity, last_position, last_id }, pruned)
        }))
    }

    pub async fn remember(conn: &mut sql::Conn, service: &str, seen: &Remembered) -> Result<(), Error> {
        sql::query(
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
        sql::query("UPDATE relay_state SET pruned_position = ?1 WHERE service = ?2 AND pruned_position < ?1")
            .bind(position)
            .bind(service)
            .execute(conn)
            .await?;
        Ok(())
    }

    pub async fn forget(conn: &mut sql::Conn, service: &str) -> Result<(), Error> {
        sql::query("DELETE FROM relay_state WHERE service = ?").bind(service).execute(conn).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
