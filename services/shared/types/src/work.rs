//! The state of long work, and where bytes come from.

use url::Url;

use crate::{Digest, Timestamp};

/// Where long work stands. The text form is what stores keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WorkPhase {
    /// Waits for a worker.
    Queued,
    /// A worker is at it.
    Running,
    /// An attempt failed; another follows.
    Waiting,
    /// Done.
    Succeeded,
    /// Failed for good.
    Failed,
    /// Cancelled by a caller.
    Cancelled,
}

impl WorkPhase {
    /// The form that stores keep.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the form that stores keep.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Queued, Self::Running, Self::Waiting, Self::Succeeded, Self::Failed, Self::Cancelled]
            .into_iter()
            .find(|phase| phase.as_str() == text)
    }

    /// Tells whether nothing more will happen by itself.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// Who waits for work: of what can be begun, the greater goes first, and of equal ones the older.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Nobody in particular: a source is crawled because it is due.
    Scheduled,
    /// Somebody asked for a crawl, and waits for what it finds.
    Asked,
    /// Somebody sent the bytes, and waits for this one dataset.
    Sent,
}

impl Priority {
    /// The number that contracts and stores have. Numbers between are left for what may come.
    pub fn number(self) -> i32 {
        match self {
            Self::Scheduled => 0,
            Self::Asked => 5,
            Self::Sent => 10,
        }
    }
}

/// Why an attempt at work failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkError {
    /// A reason of `docs/errors.md`.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// Whether another attempt may help without a change by somebody.
    pub retryable: bool,
}

impl WorkError {
    /// What `fault` says of itself; retryable by its kind.
    pub fn of(fault: &dyn crate::Fault) -> Self {
        Self { reason: fault.reason().to_owned(), message: fault.to_string(), retryable: fault.kind().is_transient() }
    }
}

/// The state of a piece of long work.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkStatus {
    /// Where it stands.
    pub phase: WorkPhase,
    /// How much is done, 0 to 1, where the whole is known.
    pub progress: Option<f64>,
    /// What was counted so far, by name.
    pub counts: Vec<(String, i64)>,
    /// Attempts begun, without those that a store's outage ended and those that were lost with their workers.
    pub attempts: u32,
    /// Attempts allowed.
    pub max_attempts: u32,
    /// When the next attempt begins at the earliest, while waiting.
    pub next_attempt: Option<Timestamp>,
    /// Why the last attempt failed.
    pub error: Option<WorkError>,
    /// When it was asked for.
    pub created: Timestamp,
    /// When the first attempt began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
}

/// How to get the bytes of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Materialization {
    /// Where the bytes are.
    pub origin: Origin,
    /// What the discoverer saw of their state; empty when it saw nothing.
    pub version_token: String,
}

/// Where bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file beneath a folder root, by absolute path.
    File {
        /// The path.
        path: std::path::PathBuf,
    },
    /// A resource on the web.
    Http {
        /// Its URL.
        url: Url,
    },
    /// An object that Millrace keeps.
    Object {
        /// Its key.
        key: String,
        /// The digest of its bytes.
        digest: Digest,
        /// Its length in bytes.
        size_bytes: u64,
    },
}
