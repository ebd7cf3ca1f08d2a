//! What can be wrong with a store at the other end of a network.

use std::fmt;

use types::ErrorKind;

/// Why a remote store did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// There is no such bucket.
    BucketMissing,
    /// The server does not know the credentials, or the secret is not theirs.
    CredentialsRefused,
    /// The credentials are known, and may not do this.
    Denied,
    /// The clocks of the two sides are too far apart for signatures.
    ClockSkewed,
    /// The server could not be reached, or did not answer in time.
    Unreachable,
    /// The server asks for fewer requests.
    Busy,
    /// The server has no room left.
    Full,
    /// Anything else.
    Failed,
}

impl Problem {
    /// Tells whose turn it is.
    pub fn kind(self) -> ErrorKind {
        match self {
            Self::BucketMissing | Self::CredentialsRefused | Self::Denied | Self::ClockSkewed => {
                ErrorKind::Precondition
            }
            Self::Full => ErrorKind::Exhausted,
            Self::Unreachable | Self::Busy | Self::Failed => ErrorKind::Unavailable,
        }
    }

    /// The reason in upper snake case.
    pub fn reason(self) -> &'static str {
        match self {
            Self::BucketMissing => "OBJECT_BUCKET_MISSING",
            Self::CredentialsRefused => "OBJECT_STORE_CREDENTIALS_REFUSED",
            Self::Denied => "OBJECT_STORE_DENIED",
            Self::ClockSkewed => "OBJECT_STORE_CLOCK_SKEWED",
            Self::Unreachable => "OBJECT_STORE_UNREACHABLE",
            Self::Busy => "OBJECT_STORE_BUSY",
            Self::Full => "DISK_FULL",
            Self::Failed => "OBJECT_STORE_UNAVAILABLE",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BucketMissing => "there is no such bucket",
            Self::CredentialsRefused => "the credentials were refused",
            Self::Denied => "the credentials do not permit it",
            Self::ClockSkewed => "the clocks of this machine and of the server differ too much",
            Self::Unreachable => "the server does not answer",
            Self::Busy => "the server asks for fewer requests",
            Self::Full => "the server has no room left",
            Self::Failed => "the server failed",
        })
    }
}
