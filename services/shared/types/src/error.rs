//! What every error of Millrace can tell its caller.

use std::time::Duration;

/// An error whose type does not matter where it is handled.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What kind of failure an error is: whose turn it is, and whether to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request is wrong; the caller corrects it.
    Invalid,
    /// The caller is not known.
    Unauthenticated,
    /// The caller may not do this.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// There is such a thing already.
    AlreadyExists,
    /// Somebody else changed it in the meantime.
    Conflict,
    /// The system is not in the state that the call needs.
    Precondition,
    /// A limit was hit.
    Exhausted,
    /// Something that is needed cannot be reached.
    Unavailable,
    /// The deadline passed.
    Timeout,
    /// A defect of ours, or of what we stand on.
    Internal,
    /// The call is not known.
    Unsupported,
    /// The caller gave up.
    Cancelled,
}

impl ErrorKind {
    /// Tells whether the same call may succeed later without a change by anybody.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Exhausted | Self::Unavailable | Self::Timeout | Self::Conflict | Self::Internal)
    }
}

/// One bad field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldViolation {
    /// The field, dotted from the request on.
    pub field: String,
    /// What is wrong with it, and what would be right.
    pub description: String,
}

impl FieldViolation {
    /// Names a bad field.
    pub fn new(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self { field: field.into(), description: description.into() }
    }
}

/// A limit that was hit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitHit {
    /// Its name, that of its setting.
    pub name: String,
    /// Its value, with unit.
    pub value: String,
}

/// An error that can answer for itself over gRPC and HTTP.
///
/// `Display` describes its own level; causes are in `source()` and stay in the log.
pub trait Fault: std::error::Error + Send + Sync + 'static {
    /// The kind, which decides the status code.
    fn kind(&self) -> ErrorKind;

    /// The reason in upper snake case, with a paragraph in `docs/errors.md`. Clients match on it.
    fn reason(&self) -> &'static str;

    /// Facts for `ErrorInfo.metadata`.
    fn metadata(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Every bad field of the request.
    fn violations(&self) -> Vec<FieldViolation> {
        Vec::new()
    }

    /// How long the caller should wait before trying again.
    fn retry_after(&self) -> Option<Duration> {
        None
    }

    /// The limit that was hit.
    fn limit(&self) -> Option<LimitHit> {
        None
    }
}
