//! Which rows of the outbox were sent, and where they stand in the stream: the table `outbox_sent`.
//!
//! It holds runs of rows that follow each other in the outbox and in the stream, so that a batch is noted, and a tail
//! that the stream lost is taken back, without touching the rows themselves. Runs share no row and no position.

use std::time::Duration;

use prost::Message;
use proto::common::v1::EventEnvelope;
use types::Timestamp;

use crate::Error;
use crate::relay::machine::{Read, Sent};

/// How many pruned rows are remembered, one of each time that rows were pruned.
const ANCHORS: i64 = 2000;
/// A run goes on for so long, since its rows are kept until its last is old enough.
const LONGEST: Duration = Duration::from_secs(60);
/// A run takes so many rows or a batch more, since its rows are pruned in one transaction.
const MOST: i64 = 10_000;
/// How many runs are pruned in one transaction.
const RUNS: i64 = 64;

/// How many rows are read in one statement; as each may be large, this bounds what is held.
const PAGE: usize = 1000;
/// What is read at once holds so many bytes, or a page more.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// One row that waits to be published.
pub(crate) struct Unsent {
    pub position: i64,
    pub envelope: EventEnvelope,
}

/// Rows that wait.
#[derive(Default)]
pub(crate) struct Waiting {
    pub rows: Vec<Unsent>,
    /// Whether these are all.
    pub all: bool,
}

/// The oldest rows that wait, as `read` says, in the order in which they were written: at most `limit`, and no more once
/// they hold [`MOST_BYTES`].
pub(crate) async fn unsent(conn: &mut sql::Conn, read: Read, limit: usize) -> Result<Waiting, Error> {
    let end = end(conn).await?;
    let mut spaces = if read.gaps { gaps(conn, read.after).await? } else { Vec::new() };
    spaces.push((end, i64::MAX));
    let (mut waiting, mut bytes) = (Waiting::default(), 0);
    for (low, high) in spaces {
        let mut low = low.max(read.after);
        loop {
            let wanted = PAGE.min(limit - waiting.rows.len());
            let page = between(conn, low, high, wanted).await?;
            let found = page.len();
            for (position, envelope) in page {
                (low, bytes) = (position, bytes + envelope.len());
                let Ok(envelope) = EventEnvelope::decode(envelope.as_slice()) else {
                    return Err(damaged(conn, position).await);
                };
                waiting.rows.push(Unsent { position, envelope });
            }
            if waiting.rows.len() >= limit || bytes >= MOST_BYTES {
                return Ok(waiting);
            }
            if found < wanted {
                break;
            }
        }
    }
    waiting.all = true;
    Ok(waiting)
}

async fn damaged(conn: &mut sql::Conn, position: i64) -> Error {
    let id = sql::query_scalar("SELECT id FROM outbox WHERE position = ?").bind(position).fetch_one(conn).await;
    id.map_or_else(Error::from, |id| Error::Damaged { id })
}

async fn between(conn: &mut sql::Conn, low: i64, high: i64, limit: usize) -> Result<Vec<(i64, Vec<u8>)>, Error> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let between = "SELECT position, envelope FROM outbox WHERE position > ? AND position < ?
        ORDER BY position LIMIT ?";
    Ok(sql::query_as(between).bind(low).bind(high).bind(limit).fetch_all(conn).await?)
}

/// The last row of the last run. What follows it waits.
async fn end(conn: &mut sql::Conn) -> Result<i64, Error> {
    let end = sql::query_scalar("SELECT last FROM outbox_sent ORDER BY first DESC LIMIT 1");
    Ok(end.fetch_optional(conn).await?.unwrap_or(0))
}

/// What lies between runs, and before the first: the rows next to each gap. It reaches beyond `after`.
async fn gaps(conn: &mut sql::Conn, after: i64) -> Result<Vec<(i64, i64)>, Error> {
    let gaps = "SELECT low, high FROM
            (SELECT LAG(last, 1, CAST(0 AS BIGINT)) OVER (ORDER BY first) AS low, first AS high FROM outbox_sent) AS gaps
        WHERE low + 1 < high AND high > ? ORDER BY low";
    Ok(sql::query_as(gaps).bind(after).fetch_all(conn).await?)
}

/// Notes where in the stream each row was published; rows in their order, with positions in the stream.
pub(crate) async fn note(conn: &mut sql::Conn, sent: &[(i64, i64)], now: Timestamp) -> Result<(), Error> {
    // No other row can lie between two that are next to each other.
    for run in sent.chunk_by(|one, next| next.0 == one.0 + 1 && next.1 == one.1 + 1) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        if extend(conn, *first, last.0, now).await? {
            continue;
        }
        sql::query("INSERT INTO outbox_sent (first, last, stream_first, began, ended) VALUES (?, ?, ?, ?, ?)")
            .bind(first.0)
            .bind(last.0)
            .bind(first.1)
            .bind(now.as_micros())
            .bind(now.as_micros())
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// Adds rows to the run that they follow on both sides. False where there is none, or it is long enough.
async fn extend(conn: &mut sql::Conn, first: (i64, i64), last: i64, now: Timestamp) -> Result<bool, Error> {
    let extend = "UPDATE outbox_sent SET last = ?, ended = ?
        WHERE first = (SELECT MAX(earlier.first) FROM outbox_sent AS earlier WHERE earlier.first < ?)
        AND last = ? AND stream_first + last - first = ? AND began > ? AND last - first < ?";
    let extended = sql::query(extend)
        .bind(last)
        .bind(now.as_micros())
        .bind(first.0)
        .bind(first.0 - 1)
        .bind(first.1 - 1)
        .bind((now - LONGEST).as_micros())
        .bind(MOST)
        .execute(conn)
        .await?;
    Ok(extended == 1)
}

/// Lets rows that the stream lost wait again: those sent after `stream_position`. Tells how many.
pub(crate) async fn take_back(conn: &mut sql::Conn, after: i64) -> Result<u64, Error> {
    let count = "SELECT CAST(COALESCE(SUM(stream_first + last - first
            - CASE WHEN stream_first > ?1 THEN stream_first - 1 ELSE ?1 END), 0) AS BIGINT)
        FROM outbox_sent WHERE stream_first + last - first > ?1";
    let again: i64 = sql::query_scalar(count).bind(after).fetch_one(&mut *conn).await?;
    let cut = "UPDATE outbox_sent SET last = first + ?1 - stream_first
        WHERE stream_first <= ?1 AND stream_first + last - first > ?1";
    sql::query(cut).bind(after).execute(&mut *conn).await?;
    sql::query("DELETE FROM outbox_sent WHERE stream_first > ?").bind(after).execute(conn).await?;
    Ok(again.unsigned_abs())
}

/// The row with the least stream position in a range, of those kept and of the anchors.
pub(crate) async fn find(conn: &mut sql::Conn, from: i64, before: i64) -> Result<Option<Sent>, Error> {
    let anchor = "SELECT stream_position, id FROM outbox_anchors
        WHERE stream_position >= ? AND stream_position < ? ORDER BY stream_position LIMIT 1";
    let anchor: Option<(i64, String)> =
        sql::query_as(anchor).bind(from).bind(before).fetch_optional(&mut *conn).await?;
    let run = "SELECT first, stream_first FROM outbox_sent
        WHERE stream_first + last - first >= ? AND stream_first < ? ORDER BY stream_first LIMIT 1";
    let run: Option<(i64, i64)> = sql::query_as(run).bind(from).bind(before).fetch_optional(&mut *conn).await?;
    let mut kept = None;
    if let Some((first, stream_first)) = run {
        let stream_position = stream_first.max(from);
        let id: Option<String> = sql::query_scalar("SELECT id FROM outbox WHERE position = ?")
            .bind(first + stream_position - stream_first)
            .fetch_optional(conn)
            .await?;
        kept = id.map(|id| (stream_position, id));
    }
    let least = [anchor, kept].into_iter().flatten().min();
    Ok(least.map(|(stream_position, id)| Sent { stream_position, id }))
}

/// Drops rows sent before `horizon`, about `limit` of them, and keeps how far each key was published. Tells whether
/// there may be more.
pub(crate) async fn prune(conn: &mut sql::Conn, horizon: Timestamp, limit: i64) -> Result<bool, Error> {
    let oldest = "SELECT first, last, stream_first FROM outbox_sent WHERE ended < ? ORDER BY stream_first LIMIT ?";
    let runs: Vec<(i64, i64, i64)> =
        sql::query_as(oldest).bind(horizon.as_micros()).bind(RUNS).fetch_all(&mut *conn).await?;
    let (mut rows, mut pruned) = (0, 0);
    for &(first, last, stream_first) in &runs {
        if rows >= limit {
            break;
        }
        keep_keys(conn, first, last, stream_first).await?;
        rows += last - first + 1;
        pruned += 1;
    }
    let Some(&(first, last, stream_first)) = runs[..pruned].last() else { return Ok(false) };
    keep_anchor(conn, last, stream_first + last - first).await?;
    for &(first, last, _) in &runs[..pruned] {
        let drop = "DELETE FROM outbox WHERE position BETWEEN ? AND ?";
        sql::query(drop).bind(first).bind(last).execute(&mut *conn).await?;
        sql::query("DELETE FROM outbox_sent WHERE first = ?").bind(first).execute(&mut *conn).await?;
    }
    Ok(pruned < runs.len() || RUNS.unsigned_abs() == runs.len() as u64)
}

/// Keeps how far the keys of a run were published.
async fn keep_keys(conn: &mut sql::Conn, first: i64, last: i64, stream_first: i64) -> Result<(), Error> {
    let keep = "INSERT INTO outbox_pruned (thing, key, last_sequence, stream_position)
        SELECT thing, key, MAX(sequence), MAX(position) + ? FROM outbox
            WHERE position BETWEEN ? AND ? GROUP BY thing, key
        ON CONFLICT (thing, key) DO UPDATE
        SET last_sequence = excluded.last_sequence, stream_position = excluded.stream_position";
    sql::query(keep).bind(stream_first - first).bind(first).bind(last).execute(conn).await?;
    Ok(())
}

/// Keeps the id of a row, by which a stream is compared.
async fn keep_anchor(conn: &mut sql::Conn, position: i64, stream_position: i64) -> Result<(), Error> {
    let anchor = "INSERT INTO outbox_anchors (stream_position, id) SELECT ?, id FROM outbox WHERE position = ?
        ON CONFLICT (stream_position) DO NOTHING";
    sql::query(anchor).bind(stream_position).bind(position).execute(&mut *conn).await?;
    let newest = "DELETE FROM outbox_anchors WHERE stream_position NOT IN
        (SELECT stream_position FROM outbox_anchors ORDER BY stream_position DESC LIMIT ?)";
    sql::query(newest).bind(ANCHORS).execute(conn).await?;
    Ok(())
}

/// How many rows wait, and since when the oldest does.
pub(crate) async fn waiting(conn: &mut sql::Conn) -> Result<(u64, Option<Timestamp>), Error> {
    let end = end(conn).await?;
    let mut spaces = gaps(conn, 0).await?;
    spaces.push((end, i64::MAX));
    let (mut waiting, mut oldest) = (0, None);
    for (low, high) in spaces {
        let count = "SELECT COUNT(*), MIN(created) FROM outbox WHERE position > ? AND position < ?";
        let (count, first): (i64, Option<i64>) =
            sql::query_as(count).bind(low).bind(high).fetch_one(&mut *conn).await?;
        waiting += count.unsigned_abs();
        oldest = [oldest, first].into_iter().flatten().min();
    }
    Ok((waiting, oldest.map(Timestamp::from_micros)))
}

/// Whether there is something to prune.
pub(crate) async fn has_sent_before(conn: &mut sql::Conn, horizon: Timestamp) -> Result<bool, Error> {
    let old = "SELECT EXISTS (SELECT 1 FROM outbox_sent WHERE ended < ?)";
    Ok(sql::query_scalar(old).bind(horizon.as_micros()).fetch_one(conn).await?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sqlx::migrate::Migrator;
    use testkit::ManualClock;

    use super::*;
    use crate::simulation::chance::Chance;

    testkit::on_every_store! {
        runs_tell_of_each_row_whether_and_where_it_was_sent,
        what_was_sent_before_there_were_runs_is_known_by_them,
    }

    /// An outbox beside a list of all its rows.
    struct Checked {
        db: sql::Database,
        clock: ManualClock,
        rows: BTreeMap<i64, Option<i64>>,
        /// The last position of the stream.
        end: i64,
    }

    impl Checked {
        async fn step(&mut self, dice: &mut Chance) {
            self.clock.advance(Duration::from_secs(dice.below(40)));
            match dice.below(6) {
                0 | 1 => self.append(1 + dice.index(5)).await,
                2 | 3 => self.send(1 + dice.index(7), dice).await,
                4 => self.lose(up_to(self.end, dice)).await,
                _ => self.prune().await,
            }
        }

        async fn append(&mut self, count: usize) {
            let append = "INSERT INTO outbox (id, thing, key, sequence, envelope, created)
                VALUES ('x', 't', 'k', 1, ?, 0) RETURNING position";
            for _ in 0..count {
                let given = self.db.write(move |conn| {
                    Box::pin(async move {
                        let bytes = EventEnvelope::default().encode_to_vec();
                        Ok::<i64, Error>(sql::query_scalar(append).bind(bytes).fetch_one(conn).await?)
                    })
                });
                self.rows.insert(given.await.unwrap(), None);
            }
        }

        /// Sends some of what waits; now and then others publish in between, and some row is passed over.
        async fn send(&mut self, count: usize, dice: &mut Chance) {
            let waiting: Vec<_> =
                self.rows.iter().filter(|(_, at)| at.is_none()).map(|(row, _)| *row).take(count).collect();
            let mut sent = Vec::new();
            for row in waiting {
                if dice.percent(10) {
                    continue;
                }
                self.end += if dice.percent(90) { 1 } else { 3 };
                sent.push((row, self.end));
            }
            let (now, noted) = (self.db.now(), sent.clone());
            self.db.write(move |conn| Box::pin(async move { note(conn, &noted, now).await })).await.unwrap();
            self.rows.extend(sent.into_iter().map(|(row, at)| (row, Some(at))));
        }

        async fn lose(&mut self, after: i64) {
            let again = self.db.write(move |conn| Box::pin(take_back(conn, after))).await.unwrap();
            let lost = |at: &Option<i64>| at.is_some_and(|at| at > after);
            assert_eq!(again, self.rows.values().filter(|at| lost(at)).count() as u64);
            self.rows.values_mut().filter(|at| lost(at)).for_each(|at| *at = None);
            self.end = after;
        }

        async fn prune(&mut self) {
            let horizon = self.db.now() - Duration::from_secs(200);
            self.db.write(move |conn| Box::pin(prune(conn, horizon, 100))).await.unwrap();
            let all = "SELECT position FROM outbox ORDER BY position";
            let query = self.db.read(|conn| {
                Box::pin(async move { Ok::<Vec<i64>, Error>(sql::query_scalar(all).fetch_all(conn).await?) })
            });
            let kept = query.await.unwrap();
            assert!(self.rows.iter().all(|(row, at)| at.is_some() || kept.contains(row)), "a row that waits is gone");
            self.rows.retain(|row, _| kept.contains(row));
        }

        async fn check(&self, dice: &mut Chance) {
            let after = up_to(self.rows.keys().last().copied().unwrap_or(0), dice);
            let read = Read { after, gaps: true };
            let waiting: Vec<_> = self.rows.iter().filter(|(_, at)| at.is_none()).map(|(row, _)| *row).collect();
            let got = self.db.read(move |conn| Box::pin(unsent(conn, read, 5))).await.unwrap();
            let wanted: Vec<_> = waiting.iter().copied().filter(|row| *row > after).take(5).collect();
            assert_eq!(got.rows.iter().map(|row| row.position).collect::<Vec<_>>(), wanted);
            assert!(!got.all || waiting.iter().filter(|row| **row > after).count() == wanted.len());
            let (count, _) = self.db.read(|conn| Box::pin(super::waiting(conn))).await.unwrap();
            assert_eq!(count, waiting.len() as u64);
            let (from, before) = (up_to(self.end + 1, dice), self.end + 1);
            let found = self.db.read(move |conn| Box::pin(find(conn, from, before))).await.unwrap();
            let kept = self.rows.values().flatten().copied().filter(|at| (from..before).contains(at)).min();
            // What was pruned leaves anchors, which lie before what is kept.
            assert!(found.map(|sent| sent.stream_position) <= kept || kept.is_none());
        }
    }

    fn up_to(most: i64, dice: &mut Chance) -> i64 {
        i64::try_from(dice.below(most.unsigned_abs() + 1)).unwrap()
    }

    async fn runs_tell_of_each_row_whether_and_where_it_was_sent() {
        let (dir, clock) = (testkit::temp_dir(), ManualClock::default());
        let db = crate::test_database(dir.path(), &clock).await;
        let mut checked = Checked { db, clock, rows: BTreeMap::new(), end: 0 };
        let mut dice = Chance::new(7);
        for _ in 0..250 {
            checked.step(&mut dice).await;
            checked.check(&mut dice).await;
        }
    }

    /// The migrations before the runs.
    fn older(all: &Migrator) -> &'static Migrator {
        let older = all.iter().filter(|migration| migration.version < 102).cloned().collect();
        Box::leak(Box::new(Migrator::with_migrations(older)))
    }

    async fn what_was_sent_before_there_were_runs_is_known_by_them() {
        let (dir, clock) = (testkit::temp_dir(), ManualClock::default());
        let all = &crate::MIGRATIONS;
        let older = Box::leak(Box::new(sql::Migrations { sqlite: older(all.sqlite), postgres: older(all.postgres) }));
        let db = crate::test_database_of(older, dir.path(), &clock).await;
        let insert = "INSERT INTO outbox (id, thing, key, sequence, envelope, created, sent, stream_position)
            VALUES ('x' || CAST(? AS TEXT), 't', 'k', 1, ?, 0, ?, ?)";
        let rows = [(Some(5), Some(11)), (Some(5), Some(12)), (None, None), (Some(6), Some(13)), (Some(6), Some(14))];
        let inserted = db.write(move |conn| {
            Box::pin(async move {
                for (place, (sent, at)) in (1i64..).zip(rows) {
                    let row = sql::query(insert).bind(place).bind(EventEnvelope::default().encode_to_vec());
                    row.bind(sent.map(i64::from)).bind(at.map(i64::from)).execute(&mut *conn).await?;
                }
                Ok::<_, Error>(())
            })
        });
        inserted.await.unwrap();
        db.close().await;

        let db = crate::test_database(dir.path(), &clock).await;
        let runs = "SELECT first, last, stream_first, began, ended FROM outbox_sent ORDER BY first";
        let runs = db.read(move |conn| {
            Box::pin(
                async move { Ok::<Vec<(i64, i64, i64, i64, i64)>, Error>(sql::query_as(runs).fetch_all(conn).await?) },
            )
        });
        assert_eq!(runs.await.unwrap(), [(1, 2, 11, 5, 5), (4, 5, 13, 6, 6)]);
        let read = Read { after: 0, gaps: true };
        let waits = db.read(move |conn| Box::pin(unsent(conn, read, 10))).await.unwrap();
        assert_eq!(waits.rows.iter().map(|row| row.position).collect::<Vec<_>>(), [3]);
    }
}
