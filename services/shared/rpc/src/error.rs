//! What can go wrong in a call before or around its handler.

use std::path::PathBuf;
use std::time::Duration;

use types::{ErrorKind, Fault, LimitHit};

/// What can go wrong in a call before or around its handler.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is no endpoint.
    #[error("`{given}` is no endpoint: write `host:port`, `http://host:port` or `https://host:port`")]
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
    /// No address of the role can be reached, or the connection to it broke.
    #[error("the role `{role}` cannot be reached: {why}")]
    PeerUnreachable {
        /// The role.
        role: String,
        /// What the last attempt met.
        why: String,
    },
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
    /// The identity was signed too long ago, or in the future, by the clock of this machine.
    #[error(
        "the identity was signed {} s in the {} by the clock here: the clocks of the two machines differ, or it is used again",
        off_seconds.unsigned_abs(), if *off_seconds > 0 { "future" } else { "past" }
    )]
    ClockSkew {
        /// When it was signed, as seconds from now.
        off_seconds: i64,
    },
    /// The caller's tenant is not that of the resource.
    #[error(transparent)]
    TenantForbidden(#[from] types::Forbidden),
    /// There is no such method.
    #[error("there is no method `{0}`")]
    UnknownMethod(String),
    /// The role has no such service.
    #[error("there is no service `{0}` here")]
    ServiceUnknown(String),
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
    /// The file of a key cannot be used.
    #[error("the key file {} cannot be used: {problem}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A file of certificates or keys cannot be used.
    #[error("the TLS file {} cannot be used: {problem}", path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// An endpoint asks for TLS, and there are no authorities to believe.
    #[error("the endpoint `{endpoint}` needs TLS: set the `ca` that signed its certificate")]
    NoAuthorities {
        /// The endpoint.
        endpoint: String,
    },
    /// The socket failed.
    #[error("cannot serve")]
    Serve(#[source] tonic::transport::Error),
}

impl Fault for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::BadEndpoint { .. } | Self::MessageMalformed(_) | Self::MessageTooLarge(_) => ErrorKind::Invalid,
            Self::NotPluggedIn | Self::NotReady(_) | Self::PeerUnreachable { .. } => ErrorKind::Unavailable,
            Self::KeyFile { .. } | Self::Tls { .. } | Self::NoAuthorities { .. } => ErrorKind::Precondition,
            Self::Overloaded { .. } => ErrorKind::Exhausted,
            Self::DeadlineExceeded | Self::StreamIdle { .. } => ErrorKind::Timeout,
            Self::CredentialExpired | Self::IdentityMissing | Self::IdentityRefused(_) | Self::ClockSkew { .. } => {
                ErrorKind::Unauthenticated
            }
            Self::TenantForbidden(_) => ErrorKind::Forbidden,
            Self::UnknownMethod(_) => ErrorKind::Unsupported,
            Self::ServiceUnknown(_) => ErrorKind::NotFound,
            Self::Panicked | Self::BadKey(_) | Self::Serve(_) => ErrorKind::Internal,
            Self::RequestBrokenOff => ErrorKind::Conflict,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::BadEndpoint { .. } => "ENDPOINT_INVALID",
            Self::NotPluggedIn => "NOT_PLUGGED_IN",
            Self::NotReady(_) => "NOT_READY",
            Self::PeerUnreachable { .. } => "PEER_UNREACHABLE",
            Self::Overloaded { .. } => "OVERLOADED",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::StreamIdle { .. } => "STREAM_IDLE",
            Self::CredentialExpired => "CREDENTIAL_EXPIRED",
            Self::IdentityMissing => "IDENTITY_MISSING",
            Self::IdentityRefused(_) => "IDENTITY_REFUSED",
            Self::ClockSkew { .. } => "IDENTITY_CLOCK_SKEW",
            Self::TenantForbidden(_) => "TENANT_FORBIDDEN",
            Self::UnknownMethod(_) => "METHOD_UNKNOWN",
            Self::ServiceUnknown(_) => "SERVICE_UNKNOWN",
            Self::MessageMalformed(_) => "MESSAGE_MALFORMED",
            Self::MessageTooLarge(_) => "MESSAGE_TOO_LARGE",
            Self::Panicked => "PANICKED",
            Self::RequestBrokenOff => "REQUEST_BROKEN_OFF",
            Self::BadKey(_) | Self::KeyFile { .. } => "KEY_INVALID",
            Self::Tls { .. } | Self::NoAuthorities { .. } => "TLS_UNUSABLE",
            Self::Serve(_) => "SERVE_FAILED",
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::PeerUnreachable { role, .. } => vec![("role", role.clone())],
            Self::ClockSkew { off_seconds } => vec![("clock_off_seconds", off_seconds.to_string())],
            Self::KeyFile { path, .. } | Self::Tls { path, .. } => vec![("path", path.display().to_string())],
            _ => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::NotPluggedIn | Self::NotReady(_) | Self::PeerUnreachable { .. } => Some(Duration::from_millis(500)),
            Self::Overloaded { .. } => Some(Duration::from_millis(200)),
            Self::BadEndpoint { .. }
            | Self::DeadlineExceeded
            | Self::StreamIdle { .. }
            | Self::CredentialExpired
            | Self::IdentityMissing
            | Self::IdentityRefused(_)
            | Self::ClockSkew { .. }
            | Self::TenantForbidden(_)
            | Self::UnknownMethod(_)
            | Self::ServiceUnknown(_)
            | Self::MessageMalformed(_)
            | Self::MessageTooLarge(_)
            | Self::Panicked
            | Self::RequestBrokenOff
            | Self::BadKey(_)
            | Self::KeyFile { .. }
            | Self::Tls { .. }
            | Self::NoAuthorities { .. }
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
