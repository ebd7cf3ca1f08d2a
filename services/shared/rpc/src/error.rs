//! What can go wrong in a call before or around its handler.

use std::time::Duration;

use types::{ErrorKind, Fault, LimitHit};

/// What can go wrong in a call before or around its handler.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is no endpoint.
    #[error("`{given}` is no endpoint: write `host:port` or `http://host:port`")]
    BadEndpoint {
        /// The text.
        given: String,
    },
    /// The role that would answer has not been plugged in yet.
    #[error("the service is starting")]
    NotPluggedIn,
    /// The role does not take calls.
    #[error("the service does not take calls: {0}")]
    NotReady(String),
    /// The peer cannot be reached, or the connection to it broke.
    #[error("the peer cannot be reached: {0}")]
    PeerUnreachable(String),
    /// More calls are under way than the role takes.
    #[error("the service has {limit} calls under way, and takes no more")]
    Overloaded {
        /// The setting.
        name: &'static str,
        /// Its value.
        limit: usize,
    },
    /// The deadline passed.
    #[error("the deadline passed")]
    DeadlineExceeded,
    /// Nothing was sent on a stream for too long.
    #[error("nothing was sent for {} s", limit.as_secs())]
    StreamIdle {
        /// The limit.
        limit: Duration,
    },
    /// The credential behind the call ended, and its stream with it.
    #[error("the credential of the caller has expired")]
    CredentialExpired,
    /// The call needs an identity and has none.
    #[error("the call carries no identity; sign in")]
    IdentityMissing,
    /// The identity is forged, expired or not for here.
    #[error("the identity of the call is not accepted: {0}")]
    IdentityRefused(&'static str),
    /// The caller's tenant is not that of the resource.
    #[error(transparent)]
    TenantForbidden(#[from] types::Forbidden),
    /// There is no such method.
    #[error("there is no method `{0}`")]
    UnknownMethod(String),
    /// The bytes of the request are no message of the method.
    #[error("the request's message cannot be read: {0}")]
    MessageMalformed(String),
    /// The request's message is longer than the method takes.
    #[error("the request's message is too large: {0}")]
    MessageTooLarge(String),
    /// A handler panicked.
    #[error("the call failed by a defect of the service")]
    Panicked,
    /// The client broke off what it was sending.
    #[error("the client broke off the request")]
    RequestBrokenOff,
    /// The key is no Ed25519 key.
    #[error("the key cannot be read: {0}")]
    BadKey(&'static str),
    /// The socket failed.
    #[error("cannot serve")]
    Serve(#[source] tonic::transport::Error),
}

impl Fault for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::BadEndpoint { .. } | Self::MessageMalformed(_) | Self::MessageTooLarge(_) => ErrorKind::Invalid,
            Self::NotPluggedIn | Self::NotReady(_) | Self::PeerUnreachable(_) => ErrorKind::Unavailable,
            Self::Overloaded { .. } => ErrorKind::Exhausted,
            Self::DeadlineExceeded | Self::StreamIdle { .. } => ErrorKind::Timeout,
            Self::CredentialExpired | Self::IdentityMissing | Self::IdentityRefused(_) => ErrorKind::Unauthenticated,
            Self::TenantForbidden(_) => ErrorKind::Forbidden,
            Self::UnknownMethod(_) => ErrorKind::Unsupported,
            Self::Panicked | Self::BadKey(_) | Self::Serve(_) => ErrorKind::Internal,
            Self::RequestBrokenOff => ErrorKind::Conflict,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::BadEndpoint { .. } => "ENDPOINT_INVALID",
            Self::NotPluggedIn => "NOT_PLUGGED_IN",
            Self::NotReady(_) => "NOT_READY",
            Self::PeerUnreachable(_) => "PEER_UNREACHABLE",
            Self::Overloaded { .. } => "OVERLOADED",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::StreamIdle { .. } => "STREAM_IDLE",
            Self::CredentialExpired => "CREDENTIAL_EXPIRED",
            Self::IdentityMissing => "IDENTITY_MISSING",
            Self::IdentityRefused(_) => "IDENTITY_REFUSED",
            Self::TenantForbidden(_) => "TENANT_FORBIDDEN",
            Self::UnknownMethod(_) => "METHOD_UNKNOWN",
            Self::MessageMalformed(_) => "MESSAGE_MALFORMED",
            Self::MessageTooLarge(_) => "MESSAGE_TOO_LARGE",
            Self::Panicked => "PANICKED",
            Self::RequestBrokenOff => "REQUEST_BROKEN_OFF",
            Self::BadKey(_) => "KEY_INVALID",
            Self::Serve(_) => "SERVE_FAILED",
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::NotPluggedIn | Self::NotReady(_) | Self::PeerUnreachable(_) => Some(Duration::from_millis(500)),
            Self::Overloaded { .. } => Some(Duration::from_millis(200)),
            Self::BadEndpoint { .. }
            | Self::DeadlineExceeded
            | Self::StreamIdle { .. }
            | Self::CredentialExpired
            | Self::IdentityMissing
            | Self::IdentityRefused(_)
            | Self::TenantForbidden(_)
            | Self::UnknownMethod(_)
            | Self::MessageMalformed(_)
            | Self::MessageTooLarge(_)
            | Self::Panicked
            | Self::RequestBrokenOff
            | Self::BadKey(_)
            | Self::Serve(_) => None,
        }
    }

    fn limit(&self) -> Option<LimitHit> {
        match self {
            Self::Overloaded { name, limit } => Some(LimitHit { name: (*name).to_owned(), value: limit.to_string() }),
            Self::StreamIdle { limit } => {
                Some(LimitHit { name: "stream_idle".to_owned(), value: format!("{}s", limit.as_secs()) })
            }
            _ => None,
        }
    }
}
