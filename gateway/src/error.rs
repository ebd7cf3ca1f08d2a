//! Why the gateway refuses a call, or fails at one of its own.

use std::time::Duration;

use types::{ErrorKind, Fault, FieldViolation, LimitHit};

/// An error of the gateway.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No method has this path.
    #[error("there is no method `{path}`; reflection lists those that there are")]
    MethodUnknown {
        /// What was called.
        path: String,
    },
    /// The call brought no credential.
    #[error("this call needs a credential: send `authorization: Bearer <API key or access token>`")]
    CredentialMissing,
    /// The credential does not have the form of one.
    #[error("the credential has the form of neither an API key nor an access token")]
    CredentialMalformed,
    /// Nobody was given this credential, or it is long gone.
    #[error("the credential is not known here")]
    CredentialInvalid,
    /// The credential's time is over.
    #[error("the credential has expired")]
    CredentialExpired,
    /// The credential was taken back, or its session has ended.
    #[error("the credential was revoked")]
    CredentialRevoked,
    /// The credential's user is disabled.
    #[error("the user is disabled")]
    UserDisabled,
    /// The credential's tenant is disabled.
    #[error("the tenant is disabled")]
    TenantDisabled,
    /// Tenant, user and password do not belong together.
    #[error("tenant, user or password is wrong")]
    LoginFailed,
    /// There were too many failed logins.
    #[error("too many failed logins; wait before the next one")]
    LoginThrottled {
        /// The setting.
        limit: &'static str,
        /// Its value, with unit.
        value: String,
        /// When to come back.
        retry_after: Duration,
    },
    /// The refresh token is not known, or its time is over.
    #[error("the refresh token is not good (any more); log in again")]
    RefreshTokenInvalid,
    /// The refresh token was used before: its session ended.
    #[error("the refresh token was used before, so its session was ended; log in again")]
    RefreshTokenReused,
    /// None of the caller's roles grants the permission.
    #[error("none of the caller's roles grants `{permission}`")]
    PermissionMissing {
        /// The permission.
        permission: String,
    },
    /// The resource is another tenant's.
    #[error("the caller may not act in tenant `{tenant}`")]
    TenantForbidden {
        /// The tenant.
        tenant: String,
    },
    /// Only an operator may do this to an operator, or hand out that role.
    #[error("only an operator may grant or take the role operator, or act on a user who has it")]
    OperatorRequired,
    /// A key cannot have a role that its user, or its maker, does not have.
    #[error("the role `{role}` is not held, so it cannot be passed on")]
    RoleNotHeld {
        /// The role.
        role: &'static str,
    },
    /// The tenant would be left without an administrator.
    #[error("tenant `{tenant}` would be left without an enabled administrator")]
    LastAdmin {
        /// The tenant.
        tenant: String,
    },
    /// The platform would be left without an operator.
    #[error("the platform would be left without an enabled operator")]
    LastOperator,
    /// There is no such thing.
    #[error("there is no `{name}`")]
    NotFound {
        /// Its resource name.
        name: String,
    },
    /// There is such a thing already.
    #[error("there is a `{name}` already")]
    AlreadyExists {
        /// Its resource name.
        name: String,
    },
    /// The request has bad fields.
    #[error("the request is wrong")]
    Bad(#[from] rpc::BadRequest),
    /// A limit was hit.
    #[error(
        "the limit `{name}` of {value} was hit{}",
        if *gateways > 1 { format!("; this gateway has one share of {gateways} of it") } else { String::new() }
    )]
    Limit {
        /// The setting.
        name: &'static str,
        /// Its value, with unit: that of the whole mesh.
        value: String,
        /// How many gateways share it.
        gateways: u32,
        /// When to come back.
        retry_after: Duration,
    },
    /// The client took nothing of the answer for too long.
    #[error("nothing of the answer was taken for {} s, so the call was ended", limit.as_secs())]
    ReaderStalled {
        /// How long it may take nothing.
        limit: Duration,
    },
    /// The role that serves this method is not part of this mesh.
    #[error("the role `{role}` is not part of this mesh")]
    RoleAbsent {
        /// The role.
        role: String,
    },
    /// No role of this name runs here.
    #[error("there is no role `{role}` here")]
    RoleUnknown {
        /// The role.
        role: String,
    },
    /// A page token over several roles is not one that was given out.
    #[error("the page token is not valid here; ask for the first page again")]
    PageTokenInvalid,
    /// A password could not be hashed.
    #[error("the password could not be hashed")]
    PasswordHash,
    /// The key could not be put where its owner finds it.
    #[error("the administrator's key could not be kept")]
    KeepKey(#[source] types::BoxError),
    /// A stored value does not read back.
    #[error("the identity store holds a value of `{column}` that cannot be read")]
    Malformed {
        /// Table and column.
        column: &'static str,
    },
    /// The store failed.
    #[error("{}", .0.words("cannot read or change the identity store"))]
    Store(#[from] sql::Error),
}

impl Fault for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::MethodUnknown { .. } => ErrorKind::Unsupported,
            Self::CredentialMissing
            | Self::CredentialMalformed
            | Self::CredentialInvalid
            | Self::CredentialExpired
            | Self::CredentialRevoked
            | Self::UserDisabled
            | Self::TenantDisabled
            | Self::LoginFailed
            | Self::RefreshTokenInvalid
            | Self::RefreshTokenReused => ErrorKind::Unauthenticated,
            Self::PermissionMissing { .. }
            | Self::TenantForbidden { .. }
            | Self::OperatorRequired
            | Self::RoleNotHeld { .. } => ErrorKind::Forbidden,
            Self::LastAdmin { .. } | Self::LastOperator => ErrorKind::Precondition,
            Self::NotFound { .. } | Self::RoleUnknown { .. } => ErrorKind::NotFound,
            Self::AlreadyExists { .. } => ErrorKind::AlreadyExists,
            Self::Bad(error) => error.kind(),
            Self::PageTokenInvalid => ErrorKind::Invalid,
            Self::LoginThrottled { .. } | Self::Limit { .. } => ErrorKind::Exhausted,
            Self::ReaderStalled { .. } => ErrorKind::Timeout,
            Self::RoleAbsent { .. } => ErrorKind::Unavailable,
            Self::PasswordHash | Self::KeepKey(_) | Self::Malformed { .. } => ErrorKind::Internal,
            Self::Store(error) => error.kind(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::MethodUnknown { .. } => "METHOD_UNKNOWN",
            Self::CredentialMissing => "CREDENTIAL_MISSING",
            Self::CredentialMalformed => "CREDENTIAL_MALFORMED",
            Self::CredentialInvalid => "CREDENTIAL_INVALID",
            Self::CredentialExpired => "CREDENTIAL_EXPIRED",
            Self::CredentialRevoked => "CREDENTIAL_REVOKED",
            Self::UserDisabled => "USER_DISABLED",
            Self::TenantDisabled => "TENANT_DISABLED",
            Self::LoginFailed => "LOGIN_FAILED",
            Self::LoginThrottled { .. } => "LOGIN_THROTTLED",
            Self::RefreshTokenInvalid => "REFRESH_TOKEN_INVALID",
            Self::RefreshTokenReused => "REFRESH_TOKEN_REUSED",
            Self::PermissionMissing { .. } => "PERMISSION_MISSING",
            Self::TenantForbidden { .. } => "TENANT_FORBIDDEN",
            Self::OperatorRequired => "OPERATOR_REQUIRED",
            Self::RoleNotHeld { .. } => "ROLE_NOT_HELD",
            Self::LastAdmin { .. } => "LAST_ADMIN",
            Self::LastOperator => "LAST_OPERATOR",
            Self::NotFound { .. } => "NOT_FOUND",
            Self::AlreadyExists { .. } => "ALREADY_EXISTS",
            Self::Bad(error) => error.reason(),
            Self::Limit { .. } => "LIMIT_EXCEEDED",
            Self::ReaderStalled { .. } => "READER_STALLED",
            Self::RoleUnknown { .. } => "ROLE_UNKNOWN",
            Self::RoleAbsent { .. } => "ROLE_ABSENT",
            Self::PageTokenInvalid => "PAGE_TOKEN_INVALID",
            Self::PasswordHash => "PASSWORD_HASH_FAILED",
            Self::KeepKey(_) => "ADMIN_KEY_NOT_KEPT",
            Self::Malformed { .. } => "STORE_CORRUPT",
            Self::Store(error) => error.reason(),
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::MethodUnknown { path } => vec![("method", path.clone())],
            Self::PermissionMissing { permission } => vec![("permission", permission.clone())],
            Self::TenantForbidden { tenant } | Self::LastAdmin { tenant } => vec![("tenant", tenant.clone())],
            Self::RoleNotHeld { role } => vec![("role", (*role).to_owned())],
            Self::NotFound { name } | Self::AlreadyExists { name } => vec![("name", name.clone())],
            Self::RoleUnknown { role } | Self::RoleAbsent { role } => vec![("role", role.clone())],
            Self::Limit { gateways, .. } => vec![("gateways", gateways.to_string())],
            Self::Store(error) => error.metadata(),
            _ => Vec::new(),
        }
    }

    fn violations(&self) -> Vec<FieldViolation> {
        match self {
            Self::Bad(error) => error.violations(),
            Self::Store(error) => error.violations(),
            Self::PageTokenInvalid => vec![FieldViolation::new("page_token", self.to_string())],
            _ => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::LoginThrottled { retry_after, .. } | Self::Limit { retry_after, .. } => Some(*retry_after),
            Self::Store(error) => error.retry_after(),
            _ => None,
        }
    }

    fn limit(&self) -> Option<LimitHit> {
        match self {
            Self::LoginThrottled { limit: name, value, .. } | Self::Limit { name, value, .. } => {
                Some(LimitHit { name: (*name).to_owned(), value: value.clone() })
            }
            Self::ReaderStalled { limit } => {
                Some(LimitHit { name: "gateway.stream_idle".to_owned(), value: format!("{}s", limit.as_secs()) })
            }
            _ => None,
        }
    }
}

impl From<Error> for tonic::Status {
    fn from(error: Error) -> Self {
        rpc::to_status(&error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_page_token_speaks_for_itself_and_a_failing_store_does_not() {
        assert!(Error::from(sql::Error::PageTokenInvalid).to_string().contains("page"));
        let broken = Error::from(sql::Error::Malformed { column: "secret" });
        assert_eq!(broken.to_string(), "cannot read or change the identity store");
    }
}
