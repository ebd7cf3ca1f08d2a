//! Who acts, and the proof that the tenant of a resource is theirs.

use std::fmt;

use crate::{TenantId, Timestamp, UserId};

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Everything within the tenant, its users included.
    Admin,
    /// Reads, and changes sources and datasets.
    Publisher,
    /// Reads.
    Reader,
    /// The platform's own calls.
    Operator,
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A user.
    User(UserId),
    /// A role of the mesh, such as `catalog`.
    Service(String),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "users/{user}"),
            Self::Service(role) => write!(f, "services/{role}"),
        }
    }
}

/// The caller of one call, as asserted by the gateway or by a role. `rpc` puts it among the request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who acts.
    pub subject: Subject,
    /// In which tenant. None for a role that acts for none.
    pub tenant: Option<TenantId>,
    /// With which roles.
    pub roles: Vec<Role>,
    /// When the credential ends, and streams with it. None: never.
    pub credential_expires: Option<Timestamp>,
}

/// What belongs to a tenant.
pub trait Scoped {
    /// The tenant that it belongs to.
    fn tenant(&self) -> &TenantId;
}

/// The caller's tenant is not that of the resource. Says the same whether the resource exists or not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the caller may not act in tenant `{tenant}`")]
pub struct Forbidden {
    /// The tenant of the resource.
    pub tenant: TenantId,
}

/// On whose behalf something is done, for events and logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub subject: Subject,
    /// When the caller's credential ends. None: never.
    pub credential_expires: Option<Timestamp>,
}

/// A resource name whose tenant was seen to be the caller's.
///
/// Domain functions take this instead of the bare name, so that a call whose tenant nobody compared does not compile.
/// The only ways to one are [`Permitted::check`], for callers, and [`Permitted::by_event`], for work without a user.
#[derive(Debug, Clone)]
pub struct Permitted<T> {
    target: T,
    caller: Caller,
}

impl<T: Scoped> Permitted<T> {
    /// Compares the tenant of `target` with that of `identity`, before anything is looked up.
    pub fn check(identity: &Identity, target: T) -> Result<Self, Forbidden> {
        if identity.tenant.as_ref() != Some(target.tenant()) {
            return Err(Forbidden { tenant: target.tenant().clone() });
        }
        let caller = Caller { subject: identity.subject.clone(), credential_expires: identity.credential_expires };
        Ok(Self { target, caller })
    }

    /// Permits `service` to act on `target` because an event of `tenant` asks for it.
    pub fn by_event(service: &str, tenant: &TenantId, target: T) -> Result<Self, Forbidden> {
        if tenant != target.tenant() {
            return Err(Forbidden { tenant: target.tenant().clone() });
        }
        let caller = Caller { subject: Subject::Service(service.to_owned()), credential_expires: None };
        Ok(Self { target, caller })
    }
}

impl<T> Permitted<T> {
    /// Who asked.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The resource.
    pub fn into_inner(self) -> T {
        self.target
    }
}

impl<T> std::ops::Deref for Permitted<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.target
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DatasetName;

    #[test]
    fn only_the_own_tenant_is_permitted() {
        let identity = Identity {
            subject: Subject::User("ada".parse().unwrap()),
            tenant: Some("main".parse().unwrap()),
            roles: vec![Role::Admin],
            credential_expires: None,
        };
        let own: DatasetName = "tenants/main/datasets/d".parse().unwrap();
        let other: DatasetName = "tenants/other/datasets/d".parse().unwrap();
        assert!(Permitted::check(&identity, own).is_ok());
        assert!(Permitted::check(&identity, other).is_err());
    }
}
