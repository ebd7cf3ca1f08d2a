//! What a worker may say of work that it holds.

use std::sync::Arc;

use rand::Rng as _;
use types::{Timestamp, WorkError, WorkPhase};

use super::dropped::Hold;
use super::queue::{Backoff, Queue};
use super::row::WorkRow;
use crate::{Conn, Error, next_change};

/// Work that a worker holds, until its lease ends.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The row as it was claimed.
    pub row: WorkRow,
    /// The fencing number of this claim.
    pub fence: i64,
    pub(super) queue: &'static str,
    pub(super) lease: std::time::Duration,
    pub(super) backoff: Backoff,
    pub(super) hold: Option<Arc<Hold>>,
}

/// What a worker learns when it renews its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewed {
    /// Whether somebody asked it to stop; it then ends with [`Outcome::Cancelled`].
    pub cancel_requested: bool,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// All is done.
    Succeeded {
        /// What was counted, by name.
        counts: Vec<(String, i64)>,
        /// What the service keeps beside the status from now on.
        detail: Vec<u8>,
    },
    /// It failed. A retryable failure is tried again while attempts are left.
    Failed(WorkError),
    /// Something that the work needs is away, and that is no fault of the work: it is tried again, and the attempt does not
    /// count.
    Postponed(WorkError),
    /// The worker stopped because it was asked to.
    Cancelled,
}

impl Claim {
    /// Extends the lease and stores how far the work is, in a transaction of its own.
    ///
    /// `counts` and `detail` replace what was stored. Fails with [`Error::LostLease`] when somebody else holds the
    /// work now; the worker then stops, without effect.
    pub async fn renew(
        &self,
        queue: &Queue,
        progress: Option<f64>,
        counts: Vec<(String, i64)>,
        detail: Vec<u8>,
    ) -> Result<Renewed, Error> {
        let db = queue.database();
        let (claim, now) = (self.clone(), db.now());
        db.write(|conn| Box::pin(async move { claim.advance(conn, now, progress, &counts, &detail).await })).await
    }

    /// Does what [`Claim::renew`] does within the caller's write transaction, so that a checkpoint and the effects
    /// that it stands for are stored together.
    pub async fn advance(
        &self,
        conn: &mut Conn,
        now: Timestamp,
        progress: Option<f64>,
        counts: &[(String, i64)],
        detail: &[u8],
    ) -> Result<Renewed, Error> {
        let change = next_change(conn).await?;
        let cancel_requested: Option<bool> = crate::query_scalar(
            "UPDATE work SET lease_until = ?1, due = ?1, progress = ?2, counts = ?3, detail = ?4, change = ?5 \
             WHERE queue = ?6 AND id = ?7 AND fence = ?8 AND phase = 'running' RETURNING cancel_requested",
        )
        .bind((now + self.lease).as_micros())
        .bind(progress)
        .bind(encode(counts))
        .bind(detail)
        .bind(change)
        .bind(self.queue)
        .bind(&self.row.id)
        .bind(self.fence)
        .fetch_optional(conn)
        .await?;
        cancel_requested.map(|cancel_requested| Renewed { cancel_requested }).ok_or_else(|| self.lost())
    }

    /// Forgets the attempts that were lost before this one, because the next one would begin further on: to be called in
    /// the transaction of such a checkpoint, after [`Claim::advance`].
    pub async fn forget_lost(&self, conn: &mut Conn) -> Result<(), Error> {
        if self.row.lost > 0 {
            let forget = crate::query("UPDATE work SET lost = 0 WHERE queue = ? AND id = ? AND fence = ?");
            forget.bind(self.queue).bind(&self.row.id).bind(self.fence).execute(conn).await?;
        }
        Ok(())
    }

    /// Ends the attempt, within the caller's write transaction, and tells the phase that the work is in then.
    ///
    /// A retryable failure with attempts left, or work that is postponed, gives [`WorkPhase::Waiting`], or [`WorkPhase::Cancelled`] when somebody
    /// asked for that meanwhile. Fails with [`Error::LostLease`] when somebody else holds the work now: the caller
    /// must then roll back what it did in this transaction.
    pub async fn finish(self, conn: &mut Conn, now: Timestamp, outcome: Outcome) -> Result<WorkPhase, Error> {
        let change = next_change(conn).await?;
        let Some((attempts, max_attempts, cancel_requested)) = self.held(conn).await? else { return Err(self.lost()) };
        let phase = match &outcome {
            Outcome::Succeeded { .. } => WorkPhase::Succeeded,
            Outcome::Cancelled => WorkPhase::Cancelled,
            Outcome::Failed(error) if error.retryable && cancel_requested => WorkPhase::Cancelled,
            Outcome::Failed(error) if error.retryable && attempts < max_attempts => WorkPhase::Waiting,
            Outcome::Failed(_) => WorkPhase::Failed,
            Outcome::Postponed(_) if cancel_requested => WorkPhase::Cancelled,
            Outcome::Postponed(_) => WorkPhase::Waiting,
        };
        let next = (phase == WorkPhase::Waiting).then(|| now + self.backoff.delay(attempts, rand::rng().random()));
        self.store(conn, phase, next, now, outcome, change).await?;
        Ok(phase)
    }

    /// Attempts begun, attempts allowed and whether to stop, when the lease is still this claim's.
    async fn held(&self, conn: &mut Conn) -> Result<Option<(u32, u32, bool)>, Error> {
        let row = crate::query_as(
            "SELECT attempts, max_attempts, cancel_requested FROM work \
             WHERE queue = ? AND id = ? AND fence = ? AND phase = 'running'",
        );
        row.bind(self.queue).bind(&self.row.id).bind(self.fence).fetch_optional(conn).await
    }

    async fn store(
        &self,
        conn: &mut Conn,
        phase: WorkPhase,
        next: Option<Timestamp>,
        now: Timestamp,
        outcome: Outcome,
        change: i64,
    ) -> Result<(), Error> {
        let query = match outcome {
            Outcome::Succeeded { counts, detail } => crate::query(
                "UPDATE work SET progress = 1, counts = ?, detail = ?, error_reason = NULL, error_message = NULL, \
                 error_retryable = NULL, phase = ?, next_attempt = ?, ended = ?, lease_until = NULL, due = ?, \
                 change = ? WHERE queue = ? AND id = ?",
            )
            .bind(encode(&counts))
            .bind(detail),
            Outcome::Failed(error) => crate::query(
                "UPDATE work SET error_reason = ?, error_message = ?, error_retryable = ?, lost = 0, phase = ?, \
                 next_attempt = ?, ended = ?, lease_until = NULL, due = ?, change = ? WHERE queue = ? AND id = ?",
            )
            .bind(error.reason)
            .bind(error.message)
            .bind(error.retryable),
            Outcome::Postponed(error) => crate::query(
                "UPDATE work SET error_reason = ?, error_message = ?, error_retryable = ?, attempts = attempts - 1, \
                 lost = 0, phase = ?, next_attempt = ?, ended = ?, lease_until = NULL, due = ?, change = ? WHERE queue = ? AND id = ?",
            )
            .bind(error.reason)
            .bind(error.message)
            .bind(error.retryable),
            Outcome::Cancelled => crate::query(
                "UPDATE work SET phase = ?, next_attempt = ?, ended = ?, lease_until = NULL, due = ?, \
                 change = ? WHERE queue = ? AND id = ?",
            ),
        };
        let query = query
            .bind(phase.as_str())
            .bind(next.map(Timestamp::as_micros))
            .bind(phase.is_final().then(|| now.as_micros()))
            .bind(next.map(Timestamp::as_micros))
            .bind(change);
        query.bind(self.queue).bind(&self.row.id).execute(conn).await?;
        Ok(())
    }

    fn lost(&self) -> Error {
        Error::LostLease { id: self.row.id.clone() }
    }
}

fn encode(counts: &[(String, i64)]) -> String {
    serde_json::to_string(counts).expect("texts and numbers always encode")
}
