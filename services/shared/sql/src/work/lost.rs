//! What becomes of work whose worker is gone without a word.

use std::sync::Arc;

use rand::Rng as _;
use types::{BoxFuture, Timestamp};

use super::queue::Backoff;
use super::row::WorkRow;
use crate::{Conn, Error, next_change};

/// So many attempts in a row may end without a word from their worker. Whoever kills workers, or takes their store away,
/// kills whatever they are at, so one lost attempt says nothing of the work; that many in a row say that it kills them.
pub const LOST_IN_A_ROW: u32 = 20;
/// From so many lost in a row on, a row waits before it is tried again, so that work that kills its workers leaves them
/// time for other work.
const SUSPECT: u32 = 3;

/// What a service does, in the same transaction, when the queue itself moves a row whose worker is gone: it gets the row
/// as it is then, queued, waiting or failed, and the instant.
pub type SettledHook =
    Arc<dyn for<'c> Fn(&'c mut Conn, &'c WorkRow, Timestamp) -> BoxFuture<'c, Result<(), Error>> + Send + Sync>;

/// The rows of a queue whose workers are gone. What is done with one is told to the service.
#[derive(Clone)]
pub(super) struct Orphans {
    pub queue: &'static str,
    pub backoff: Backoff,
    pub on_settled: Option<SettledHook>,
}

impl Orphans {
    /// Gives up a row of which too many attempts were lost, `lost` of them in a row, and lets one wait that may be what
    /// kills its workers. Tells whether it did either.
    pub async fn settle(&self, conn: &mut Conn, row: &WorkRow, lost: u32, now: Timestamp) -> Result<bool, Error> {
        if row.cancel_requested {
            return Ok(false);
        }
        if lost >= LOST_IN_A_ROW {
            self.give_up(conn, &row.id, now).await?;
            return Ok(true);
        }
        // One that was lost earlier has waited for that.
        let suspect = lost >= SUSPECT && lost > row.lost;
        if suspect {
            self.put_off(conn, &row.id, lost, now).await?;
        }
        Ok(suspect)
    }

    /// Ends all leases: their attempts were lost. Tells how many there were.
    pub async fn release_all(&self, conn: &mut Conn, now: Timestamp) -> Result<u64, Error> {
        let running = crate::query("SELECT * FROM work WHERE queue = ? AND phase = 'running'").bind(self.queue);
        let running: Vec<WorkRow> =
            running.fetch_all(conn).await?.iter().map(WorkRow::read).collect::<Result<_, _>>()?;
        for row in &running {
            let lost = row.lost + 1;
            if !self.settle(conn, row, lost, now).await? {
                self.queue_again(conn, &row.id, lost, now).await?;
            }
        }
        Ok(running.len() as u64)
    }

    /// Queues a running row whose attempt does not count, with `lost` attempts lost in a row.
    pub async fn queue_again(&self, conn: &mut Conn, id: &str, lost: u32, now: Timestamp) -> Result<(), Error> {
        let change = next_change(conn).await?;
        let queued = crate::query(
            "UPDATE work SET phase = 'queued', attempts = attempts - 1, lost = ?, fence = fence + 1, lease_until = NULL, \
             due = 0, change = ? WHERE queue = ? AND id = ?",
        );
        queued.bind(lost).bind(change).bind(self.queue).bind(id).execute(&mut *conn).await?;
        self.tell(conn, id, now).await
    }

    /// Lets a running row wait whose attempts were lost, `lost` of them in a row.
    async fn put_off(&self, conn: &mut Conn, id: &str, lost: u32, now: Timestamp) -> Result<(), Error> {
        let change = next_change(conn).await?;
        let next = now + self.backoff.delay(lost - SUSPECT + 1, rand::rng().random());
        crate::query(
            "UPDATE work SET phase = 'waiting', attempts = attempts - 1, lost = ?1, fence = fence + 1, lease_until = NULL, \
             next_attempt = ?2, due = ?2, change = ?3 WHERE queue = ?4 AND id = ?5",
        )
        .bind(lost)
        .bind(next.as_micros())
        .bind(change)
        .bind(self.queue)
        .bind(id)
        .execute(&mut *conn)
        .await?;
        self.tell(conn, id, now).await
    }

    async fn give_up(&self, conn: &mut Conn, id: &str, now: Timestamp) -> Result<(), Error> {
        let change = next_change(conn).await?;
        crate::query(
            "UPDATE work SET phase = 'failed', error_reason = 'ATTEMPTS_EXHAUSTED', error_message = \
             'attempt after attempt ended without a word from its worker', error_retryable = 0, ended = ?, \
             lease_until = NULL, due = NULL, fence = fence + 1, change = ? WHERE queue = ? AND id = ?",
        )
        .bind(now.as_micros())
        .bind(change)
        .bind(self.queue)
        .bind(id)
        .execute(&mut *conn)
        .await?;
        self.tell(conn, id, now).await
    }

    async fn tell(&self, conn: &mut Conn, id: &str, now: Timestamp) -> Result<(), Error> {
        let Some(hook) = &self.on_settled else { return Ok(()) };
        match super::get(conn, self.queue, id).await? {
            Some(row) => hook(conn, &row, now).await,
            None => Ok(()),
        }
    }
}
