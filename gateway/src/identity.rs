//! Users, tenants, roles, API keys and sessions: the facts that the gateway owns.
//!
//! [`Identities`] is the domain; `grpc` decodes and encodes around it, `store` keeps it. Whatever takes something away
//! from somebody (disabling, revoking, other roles, another password) is told to [`Revocations`], which ends cached
//! credentials and open streams at once.

mod bootstrap;
mod convert;
mod grpc;
mod keys;
pub(crate) mod password;
mod sessions;
mod store;
mod tenants;
mod throttle;
pub(crate) mod token;
mod users;

use std::sync::Arc;

use proto::identity::v1::identity_service_server::IdentityServiceServer;
use tokio::sync::watch;
use types::{Identity, Role, TenantId};

pub use bootstrap::{bootstrap, reset_admin_key};
pub(crate) use grpc::Peer;
pub(crate) use store::credentials;

use crate::config::Config;
use crate::fleet::Share;
use crate::{Error, permission};

/// Who may act here, and the calls that change it. Clones share all.
#[derive(Clone)]
pub struct Identities {
    db: sql::Database,
    hash_key: token::HashKey,
    passwords: password::Passwords,
    throttle: throttle::Throttle,
    revocations: Revocations,
    access_life: std::time::Duration,
    refresh_life: std::time::Duration,
}

impl Identities {
    pub(crate) async fn new(
        db: sql::Database,
        hash_key: token::HashKey,
        clock: Arc<dyn types::Clock>,
        config: &Config,
        share: Share,
    ) -> Result<Self, Error> {
        Ok(Self {
            db,
            hash_key,
            passwords: password::Passwords::new(config.login.concurrent_checks).await?,
            throttle: throttle::Throttle::new(config.login.clone(), share, clock),
            revocations: Revocations::default(),
            access_life: config.access_token_life.as_duration(),
            refresh_life: config.refresh_token_life.as_duration(),
        })
    }

    pub(crate) fn revocations(&self) -> Revocations {
        self.revocations.clone()
    }

    pub(crate) fn server(&self) -> IdentityServiceServer<grpc::Grpc> {
        IdentityServiceServer::new(grpc::Grpc::new(self.clone()))
    }

    /// Forgets sessions and tokens that ended long ago; tells how many sessions.
    pub(crate) async fn sweep(&self) -> Result<u64, Error> {
        let now = self.db.now();
        self.db.write(move |conn| Box::pin(async move { store::sessions::sweep(conn, now).await })).await
    }
}

/// Counts what was taken away from somebody. Whoever holds a credential looks again when the count changes.
#[derive(Clone, Default)]
pub struct Revocations(Arc<watch::Sender<u64>>);

impl Revocations {
    /// The present count; what was looked up under another one may be out of date.
    pub fn count(&self) -> u64 {
        *self.0.borrow()
    }

    /// Tells of every change.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }

    /// Counts when it is dropped, so that a caller who goes away in the middle of a change does not hide it.
    fn when_done(&self) -> CountOnDrop {
        CountOnDrop(self.clone())
    }
}

struct CountOnDrop(Revocations);

impl Drop for CountOnDrop {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count += 1);
    }
}

/// Whether an operator may make a call in tenants that are not theirs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operators {
    /// In any tenant.
    Everywhere,
    /// As any other caller.
    AtHome,
}

/// Sees that `caller` may administer the users of `tenant`. What the tenant holds does not matter.
fn may_administer(caller: &Identity, tenant: &TenantId, operators: Operators) -> Result<(), Error> {
    let own = caller.tenant.as_ref() == Some(tenant);
    if own && caller.roles.contains(&Role::Admin) {
        return Ok(());
    }
    if operators == Operators::Everywhere && caller.roles.contains(&Role::Operator) {
        return Ok(());
    }
    if own {
        return Err(Error::PermissionMissing { permission: "users.administer".into() });
    }
    Err(Error::TenantForbidden { tenant: tenant.to_string() })
}

/// Sees that an operator is acted on by operators alone: else an administrator could take over their powers.
fn may_act_on(caller: &Identity, roles: &[Role]) -> Result<(), Error> {
    if roles.contains(&Role::Operator) && !permission::grants(&caller.roles, "platform.operate") {
        return Err(Error::OperatorRequired);
    }
    Ok(())
}
