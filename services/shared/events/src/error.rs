//! What can go wrong with events.

use std::time::Duration;

use types::{BoxError, ErrorKind, Fault};

/// Why the outbox, relay or consumer could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The service's own store failed.
    #[error("cannot read or change the store of events")]
    Store(#[from] sql::Error),
    /// The broker failed.
    #[error("the event bus failed")]
    Bus(#[from] BusError),
    /// An event is larger than a bus takes. What is large travels as an object.
    #[error("an event `{subject}` takes {bytes} bytes, at most {limit} are allowed")]
    TooLarge {
        /// Its subject.
        subject: &'static str,
        /// Its size.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
    /// A row does not hold what this version wrote.
    #[error("the stored event `{id}` cannot be decoded")]
    Damaged {
        /// The event's id.
        id: String,
    },
}

impl Fault for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Bus(error) => error.kind(),
            Self::TooLarge { .. } => ErrorKind::Precondition,
            Self::Damaged { .. } => ErrorKind::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Store(error) => error.reason(),
            Self::Bus(error) => error.reason(),
            Self::TooLarge { .. } => "EVENT_TOO_LARGE",
            Self::Damaged { .. } => "EVENT_DAMAGED",
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Store(error) => error.retry_after(),
            Self::Bus(error) => error.retry_after(),
            Self::TooLarge { .. } | Self::Damaged { .. } => None,
        }
    }
}

/// Why a broker did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// It cannot be reached, or does not answer.
    #[error("the event bus cannot be reached")]
    Unavailable(#[source] BoxError),
    /// Its store failed.
    #[error("cannot read or change the event log")]
    Store(#[from] sql::Error),
    /// An event is larger than events may be.
    #[error("event `{id}` takes {bytes} bytes, at most {limit} are allowed")]
    TooLarge {
        /// The event's id.
        id: String,
        /// Its size.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
    /// No stream is declared for the subject.
    #[error("no stream takes the subject `{subject}`")]
    UnknownSubject {
        /// The subject.
        subject: String,
    },
    /// The server is older than this version needs.
    #[error("the event bus `{server}` is NATS {version}; it must be {least} or later")]
    TooOld {
        /// Its name.
        server: String,
        /// Its version.
        version: String,
        /// The oldest that will do.
        least: String,
    },
    /// The server, or the account on it, has no JetStream.
    #[error(
        "the event bus {server} has no JetStream for this account; start the server with `-js`, or enable the account"
    )]
    WithoutJetStream {
        /// Its name and version.
        server: String,
    },
    /// The server takes smaller messages than events may be.
    #[error(
        "the event bus `{server}` takes messages of {bytes} bytes at most; its setting `max_payload` must be {least} or more"
    )]
    PayloadLimit {
        /// Its name.
        server: String,
        /// What it takes.
        bytes: usize,
        /// What it must take.
        least: usize,
    },
    /// The server does not let us in.
    #[error("the event bus refused the credentials")]
    Credentials(#[source] BoxError),
    /// A setting of the bus cannot be used.
    #[error("{message}")]
    Setting {
        /// The first setting that cannot be used.
        setting: &'static str,
        /// What is wrong, with each setting.
        message: String,
    },
    /// Somebody changed a stream in a way that cannot be put right without losing events.
    #[error("the stream `{stream}` was changed by hand, and cannot be put right: `{setting}`: {message}")]
    Declaration {
        /// The stream's name on the server.
        stream: String,
        /// What was changed.
        setting: &'static str,
        /// Why that will not do.
        message: String,
    },
    /// The stream or consumer belongs to another database of the same role.
    #[error(
        "`{what}` on the event bus belongs to another database of {role}, {theirs}; this one is {ours}. Give this process the \
         store of the other (`store.url`, or its data directory), or stop the other for good and restore its database from a copy"
    )]
    OtherDatabase {
        /// The stream's or consumer's name on the server.
        what: String,
        /// The role.
        role: String,
        /// The id of the database that it belongs to.
        theirs: String,
        /// The id of the database that wanted it.
        ours: String,
    },
    /// The stream was gone, and was made anew; what it lost is to be published again.
    #[error("the stream of `{service}` was gone, and was made anew")]
    StreamGone {
        /// The service whose events it holds.
        service: &'static str,
    },
    /// The server has no room for more.
    #[error("the event bus is full: {message}")]
    Full {
        /// The server's word.
        message: String,
    },
    /// The server refused a call for a reason that is not foreseen.
    #[error("the event bus refused a call: {message}")]
    Refused {
        /// JetStream's error code.
        code: u64,
        /// The server's word.
        message: String,
    },
    /// Something stored cannot be decoded.
    #[error("the event log holds an event that cannot be decoded, at position {position}")]
    Damaged {
        /// Where it stands.
        position: i64,
    },
}

impl BusError {
    /// The broker cannot be reached, or does not answer.
    pub(crate) fn unavailable(cause: impl Into<BoxError>) -> Self {
        Self::Unavailable(cause.into())
    }
}

impl Fault for BusError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unavailable(_) | Self::StreamGone { .. } | Self::Refused { .. } => ErrorKind::Unavailable,
            Self::Full { .. } => ErrorKind::Exhausted,
            Self::Setting { .. } => ErrorKind::Invalid,
            Self::TooOld { .. }
            | Self::WithoutJetStream { .. }
            | Self::PayloadLimit { .. }
            | Self::Credentials(_)
            | Self::Declaration { .. }
            | Self::OtherDatabase { .. } => ErrorKind::Precondition,
            Self::Store(error) => error.kind(),
            Self::TooLarge { .. } => ErrorKind::Precondition,
            Self::UnknownSubject { .. } | Self::Damaged { .. } => ErrorKind::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "BUS_UNAVAILABLE",
            Self::TooOld { .. } => "BUS_TOO_OLD",
            Self::WithoutJetStream { .. } => "BUS_WITHOUT_JETSTREAM",
            Self::PayloadLimit { .. } => "BUS_PAYLOAD_LIMIT",
            Self::Credentials(_) => "BUS_CREDENTIALS_REFUSED",
            Self::Setting { .. } => "BUS_SETTING_INVALID",
            Self::Declaration { .. } => "BUS_STREAM_CHANGED",
            Self::OtherDatabase { .. } => "BUS_OTHER_DATABASE",
            Self::StreamGone { .. } => "BUS_STREAM_GONE",
            Self::Full { .. } => "BUS_FULL",
            Self::Refused { .. } => "BUS_REFUSED",
            Self::Store(error) => error.reason(),
            Self::TooLarge { .. } => "EVENT_TOO_LARGE",
            Self::UnknownSubject { .. } => "SUBJECT_UNKNOWN",
            Self::Damaged { .. } => "EVENT_DAMAGED",
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Store(error) => error.retry_after(),
            _ => None,
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::TooOld { server, version, least } => {
                vec![("server", server.clone()), ("version", version.clone()), ("least", least.clone())]
            }
            Self::WithoutJetStream { server } => vec![("server", server.clone())],
            Self::PayloadLimit { server, bytes, least } => vec![
                ("server", server.clone()),
                ("setting", "max_payload".to_owned()),
                ("bytes", bytes.to_string()),
                ("least", least.to_string()),
            ],
            Self::Setting { setting, .. } => vec![("setting", (*setting).to_owned())],
            Self::Declaration { stream, setting, .. } => {
                vec![("stream", stream.clone()), ("setting", (*setting).to_owned())]
            }
            Self::OtherDatabase { what, role, theirs, ours } => {
                vec![("what", what.clone()), ("role", role.clone()), ("theirs", theirs.clone()), ("ours", ours.clone())]
            }
            Self::StreamGone { service } => vec![("service", (*service).to_owned())],
            Self::Refused { code, .. } => vec![("code", code.to_string())],
            Self::Unavailable(_)
            | Self::Store(_)
            | Self::TooLarge { .. }
            | Self::UnknownSubject { .. }
            | Self::Credentials(_)
            | Self::Full { .. }
            | Self::Damaged { .. } => Vec::new(),
        }
    }
}

/// Why a handler did not apply an event.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// What the event rests on has not come yet, such as a fact of another stream. It comes back; nothing is counted.
    #[error("not yet: {0}")]
    NotYet(String),
    /// It may go well at another try. The try is counted.
    #[error("`{reason}`: {source}")]
    Retry {
        /// A reason of `docs/errors.md`.
        reason: String,
        /// The cause.
        source: BoxError,
    },
    /// It will never go well without a change by somebody.
    #[error("`{reason}`: {message}")]
    Poison {
        /// A reason of `docs/errors.md`.
        reason: String,
        /// The cause, for people.
        message: String,
    },
}

impl HandlerError {
    /// A fault that may pass counts as a try, another is poison.
    pub fn of<F: Fault>(fault: F) -> Self {
        let reason = fault.reason().to_owned();
        if fault.kind().is_transient() {
            Self::Retry { reason, source: Box::new(fault) }
        } else {
            Self::Poison { reason, message: chain(&fault) }
        }
    }

    /// The payload does not hold what its contract says.
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::Poison { reason: "EVENT_MALFORMED".to_owned(), message: message.into() }
    }
}

impl From<sql::Error> for HandlerError {
    fn from(error: sql::Error) -> Self {
        Self::Retry { reason: error.reason().to_owned(), source: Box::new(error) }
    }
}

impl From<Error> for HandlerError {
    fn from(error: Error) -> Self {
        Self::of(error)
    }
}

impl From<prost::DecodeError> for HandlerError {
    fn from(error: prost::DecodeError) -> Self {
        Self::malformed(error.to_string())
    }
}

/// An error and its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
