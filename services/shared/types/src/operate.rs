//! What a role shows its operator. `events` and `runtime` answer; `rpc` serves the answers.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::{ErrorKind, Fault, Timestamp};

/// A boxed future, so that the traits here stay object-safe.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An event that a consumer could not apply.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// Its id within the service.
    pub id: String,
    /// The consumer.
    pub consumer: String,
    /// The event, an encoded `millrace.common.v1.EventEnvelope`.
    pub envelope: Vec<u8>,
    /// Why: a reason of `docs/errors.md`.
    pub reason: String,
    /// The cause, for people.
    pub message: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was given up.
    pub created: Timestamp,
    /// How many later events of its key wait behind it.
    pub waiting: u64,
}

/// Why an operator's call failed.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    /// There is no such dead letter.
    #[error("there is no dead letter `{0}`")]
    NoSuchDeadLetter(String),
    /// The page token is unknown or too old.
    #[error("the page token is not valid here; ask for the first page again")]
    PageToken,
    /// The store failed.
    #[error("cannot read or change the store")]
    Store(#[source] crate::BoxError),
}

impl Fault for OperateError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoSuchDeadLetter(_) => ErrorKind::NotFound,
            Self::PageToken => ErrorKind::Invalid,
            Self::Store(_) => ErrorKind::Unavailable,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::NoSuchDeadLetter(_) => "DEAD_LETTER_NOT_FOUND",
            Self::PageToken => "PAGE_TOKEN_INVALID",
            Self::Store(_) => "STORE_UNAVAILABLE",
        }
    }
}

/// The dead letters of one role.
pub trait DeadLetters: Send + Sync + 'static {
    /// Lists up to `limit` dead letters whose id is greater than `after`, by id; ids rise with age.
    fn list(&self, after: Option<String>, limit: u32) -> BoxFuture<'_, Result<Vec<DeadLetter>, OperateError>>;
    /// Gets one.
    fn get(&self, id: String) -> BoxFuture<'_, Result<DeadLetter, OperateError>>;
    /// Gives one back to its consumer, and with it what waits behind its key.
    fn redrive(&self, id: String) -> BoxFuture<'_, Result<(), OperateError>>;
    /// Counts its event as applied, without effect, and lets its key go on.
    fn purge(&self, id: String) -> BoxFuture<'_, Result<(), OperateError>>;
}

/// The last result of one background loop.
#[derive(Debug, Clone, PartialEq)]
pub struct Loop {
    /// Its name, `catalog.indexer`.
    pub name: String,
    /// What is known of its rounds.
    pub state: LoopState,
}

/// What is known of the rounds of a loop.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoopState {
    /// When the last round ended.
    pub last_run: Option<Timestamp>,
    /// How long it took.
    pub last_duration: Option<Duration>,
    /// What it did, for people.
    pub last_report: String,
    /// Why it failed; empty when it did not.
    pub last_error: String,
    /// Rounds that failed one after the other, up to now.
    pub consecutive_failures: u32,
}

/// The loops of one role.
pub trait Loops: Send + Sync + 'static {
    /// All of them, by name.
    fn loops(&self) -> Vec<Loop>;
    /// Whether the role takes calls; if not, why.
    fn readiness(&self) -> Result<(), String>;
}

/// The state of one queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queue {
    /// Its name, `profiling.jobs`.
    pub name: String,
    /// How many items wait.
    pub waiting: u64,
    /// How many are being worked on.
    pub running: u64,
    /// How many were given up.
    pub dead: u64,
    /// The age of the oldest that waits.
    pub oldest_age: Option<Duration>,
}

/// The queues of one role.
pub trait Queues: Send + Sync + 'static {
    /// All of them, by name.
    fn queues(&self) -> BoxFuture<'_, Result<Vec<Queue>, OperateError>>;
}
