//! A row of work, and what it is made from.

use types::{TenantId, Timestamp, WorkError, WorkPhase, WorkStatus};

use crate::{Error, Row};

/// Work to be done.
#[derive(Debug, Clone)]
pub struct NewWork {
    /// Its id, unique within its queue.
    pub id: String,
    /// Whose work it is.
    pub tenant: TenantId,
    /// The resource that it is about, to find it by.
    pub resource: String,
    /// Greater is sooner, among the rows of its tenant.
    pub priority: i32,
    /// What to do, in the service's own encoding.
    pub input: Vec<u8>,
    /// What the service keeps beside the status, in its own encoding.
    pub detail: Vec<u8>,
    /// How many attempts it gets, at least 1.
    pub max_attempts: u32,
    /// Not to be begun before. None: now.
    pub not_before: Option<Timestamp>,
}

/// A row of work.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkRow {
    /// Its id, unique within its queue.
    pub id: String,
    /// Whose work it is.
    pub tenant: TenantId,
    /// The resource that it is about.
    pub resource: String,
    /// Greater is sooner, among the rows of its tenant.
    pub priority: i32,
    /// Where it stands.
    pub status: WorkStatus,
    /// What to do.
    pub input: Vec<u8>,
    /// What the service keeps beside the status.
    pub detail: Vec<u8>,
    /// The number of its last change.
    pub change: i64,
    /// Whether somebody asked the worker to stop. A worker that claims such a row finishes it as cancelled.
    pub cancel_requested: bool,
    /// How many attempts in a row ended without a word from their worker, the last ones.
    pub lost: u32,
}

/// Which rows to list; what is `None` or empty does not filter.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this tenant.
    pub tenant: Option<TenantId>,
    /// About this resource.
    pub resource: Option<String>,
    /// In one of these phases.
    pub phases: Vec<WorkPhase>,
}

impl WorkRow {
    pub(super) fn read(row: &Row) -> Result<Self, Error> {
        Ok(Self {
            id: row.get("id")?,
            tenant: row.get::<String>("tenant")?.parse().map_err(|_| malformed("work.tenant"))?,
            resource: row.get("resource")?,
            priority: row.get("priority")?,
            status: read_status(row)?,
            input: row.get("input")?,
            detail: row.get("detail")?,
            change: row.get("change")?,
            cancel_requested: row.get("cancel_requested")?,
            lost: row.get("lost")?,
        })
    }
}

fn read_status(row: &Row) -> Result<WorkStatus, Error> {
    let time = |column: &str| row.get::<Option<i64>>(column).map(|t| t.map(Timestamp::from_micros));
    Ok(WorkStatus {
        phase: WorkPhase::parse(row.get("phase")?).ok_or_else(|| malformed("work.phase"))?,
        progress: row.get("progress")?,
        counts: serde_json::from_str(row.get("counts")?).map_err(|_| malformed("work.counts"))?,
        attempts: row.get("attempts")?,
        max_attempts: row.get("max_attempts")?,
        next_attempt: time("next_attempt")?,
        error: read_error(row)?,
        created: Timestamp::from_micros(row.get("created")?),
        started: time("started")?,
        ended: time("ended")?,
    })
}

fn read_error(row: &Row) -> Result<Option<WorkError>, Error> {
    let Some(reason) = row.get::<Option<String>>("error_reason")? else { return Ok(None) };
    Ok(Some(WorkError {
        reason,
        message: row.get::<Option<String>>("error_message")?.unwrap_or_default(),
        retryable: row.get::<Option<bool>>("error_retryable")?.unwrap_or(false),
    }))
}

fn malformed(column: &'static str) -> Error {
    Error::Malformed { column }
}
