//! The gateway: the one public door of the mesh, and the source of truth for identities.
//!
//! It authenticates callers (API keys, and passwords traded for short-lived tokens), checks that a role of theirs
//! grants the method's permission, applies limits of rate and concurrency, attaches a signed identity, and passes the
//! call on by its path without decoding it. It serves `IdentityService` itself, answers `OperatorService`, health and
//! reflection for the whole mesh, and writes the access log.
//!
//! State: tenants, users, API keys and sessions, in its own database; of secrets it keeps keyed hashes alone. It
//! publishes no events.
//!
//! Promises: no call without a rule passes; a client's own identity header never does; what is revoked or disabled
//! through this gateway ends at once, streams included; a limit that is hit is named with its value and when to come
//! back. It does not know which resources there are: the tenant in a name is compared by the service that owns it.

#![cfg_attr(test, allow(clippy::disallowed_methods))]

mod authenticate;
mod bucket;
mod config;
mod edge;
mod error;
mod fleet;
mod forward;
mod health;
mod identity;
mod operator;
mod permission;
mod sweep;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proto::common::v1::operator_service_server::OperatorServiceServer;
use rpc::{Served, ServerOptions, Signer, Transport, Verifier};
use runtime::{Period, Tasks};
use tonic::service::Routes;
use tower::service_fn;
use tower::util::BoxCloneSyncService;
use types::{BoxFuture, Clock, DeadLetter, DeadLetters, OperateError, Queue, Queues, Secret};

pub use config::{Config, DEFAULTS, Limit, Limits, Login};
pub use error::Error;
pub use identity::{bootstrap, reset_admin_key};
pub use rpc::TlsSettings as Tls;

/// The name of this role.
pub const ROLE: &str = "gateway";

/// The tables of the identity store, from version 1000 on.
static MIGRATIONS: sql::Migrations = sql::migrations!();

/// The migrations of the gateway's database.
pub fn migrations() -> Vec<&'static sql::Migrations> {
    vec![&sql::MIGRATIONS, &MIGRATIONS]
}

/// What the gateway stands on.
pub struct Deps {
    /// Its own database, opened with [`migrations`].
    pub database: sql::Database,
    /// Whether no other gateway uses the database: then there is nobody to share limits with, and nothing is written
    /// to find out.
    pub sole_owner: bool,
    /// The other roles of the mesh by name, `catalog` and so on, and how to reach them.
    pub transports: BTreeMap<String, Transport>,
    /// Asserts identities as `gateway`.
    pub signer: Arc<Signer>,
    /// Believes what `signer` asserts.
    pub verifier: Arc<Verifier>,
    /// Tells when credentials end.
    pub clock: Arc<dyn Clock>,
    /// The key of the hashes of tokens and API keys. Without it, every credential is lost.
    pub hash_key: Secret<[u8; 32]>,
}

/// Wires the gateway. Its routes answer everything that comes in from outside, and are not to be wrapped again.
pub async fn build(config: Config, deps: Deps) -> Result<runtime::Service<Served>, BuildError> {
    runtime::config::ConfigError::check(config.validate())?;
    let hash_key = identity::token::HashKey::new(&deps.hash_key);
    let share = fleet::Share::whole();
    let identities =
        identity::Identities::new(deps.database.clone(), hash_key.clone(), deps.clock.clone(), &config, share.clone())
            .await?;
    let mut tasks = Tasks::new(ROLE);
    if !deps.sole_owner {
        let fleet = fleet::Fleet::new(deps.database.clone(), share.clone());
        tasks.add("fleet", Period::every(fleet::PERIOD), Box::new(fleet));
    }
    tasks.add("sweep", Period::every(Duration::from_secs(3600)), Box::new(sweep::Sweep(identities.clone())));

    let asked = asked(&deps, &tasks);
    let mesh = forward::Mesh::new(deps.transports.clone());
    let forward = service_fn(move |request| {
        let mesh = mesh.clone();
        async move { Ok::<_, std::convert::Infallible>(mesh.forward(request).await) }
    });
    let router = Routes::new(identities.server())
        .add_service(OperatorServiceServer::new(operator::Operator::new(asked.clone())))
        .add_service(tonic_health::pb::health_server::HealthServer::new(health::MeshHealth::new(asked)))
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .into_axum_router()
        .fallback_service(forward);

    let inner = rpc::server_stack(ROLE, Routes::from(router), options(&config, &deps, &tasks));
    let remember = config.credential_cache.as_duration();
    let authenticator =
        authenticate::Authenticator::new(deps.database.clone(), hash_key, identities.revocations(), remember);
    let limiter = edge::Limiter::new(&config.limits, &share, deps.clock.clone());
    let readers = edge::Readers::new(config.stream_idle.as_duration());
    tasks.add("readers", readers.period(), Box::new(edge::Cut(readers.clone())));
    let edge = edge::Edge::new(Arc::new(authenticator), limiter, deps.signer.clone(), readers, inner);
    Ok(runtime::Service::new(BoxCloneSyncService::new(edge), tasks))
}

fn options(config: &Config, deps: &Deps, tasks: &Tasks) -> ServerOptions {
    let (ready, admitting) = (tasks.readiness(), tasks.readiness());
    let readiness = Arc::new(move || ready.get());
    ServerOptions {
        admission: Arc::new(move || admitting.admits()),
        max_in_flight: config.concurrent_calls,
        max_streams: config.concurrent_streams,
        stream_idle: config.stream_idle.as_duration(),
        infrastructure: false,
        ..ServerOptions::new(readiness, deps.verifier.clone(), deps.clock.clone())
    }
}

/// All roles as the gateway itself asks them, signing as `service:gateway` where no caller's identity is passed on.
/// The gateway is one of them, behind a transport of its own, so that it needs no path of its own.
fn asked(deps: &Deps, tasks: &Tasks) -> forward::Mesh {
    let own =
        rpc::operator_service(ROLE, env!("CARGO_PKG_VERSION"), Arc::new(Nothing), tasks.states(), Arc::new(Nothing));
    let ready = tasks.readiness();
    let options = ServerOptions::new(Arc::new(move || ready.get()), deps.verifier.clone(), deps.clock.clone());
    let (transport, plug) = rpc::in_process();
    plug.connect(rpc::server_stack(ROLE, Routes::new(own), options));
    let mut all = deps.transports.clone();
    all.insert(ROLE.to_owned(), transport);
    let signed = all.into_iter().map(|(role, transport)| {
        let transport = rpc::client_stack(transport, Some(deps.signer.clone()));
        (role, transport)
    });
    forward::Mesh::new(signed.collect())
}

/// All contracts, and those of the details that statuses carry.
fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

/// The gateway consumes no events and has no queues.
struct Nothing;

impl DeadLetters for Nothing {
    fn list(&self, _: Option<String>, _: u32) -> BoxFuture<'_, Result<Vec<DeadLetter>, OperateError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn get(&self, id: String) -> BoxFuture<'_, Result<DeadLetter, OperateError>> {
        Box::pin(async { Err(OperateError::NoSuchDeadLetter(id)) })
    }

    fn redrive(&self, id: String) -> BoxFuture<'_, Result<(), OperateError>> {
        Box::pin(async { Err(OperateError::NoSuchDeadLetter(id)) })
    }

    fn purge(&self, id: String) -> BoxFuture<'_, Result<(), OperateError>> {
        Box::pin(async { Err(OperateError::NoSuchDeadLetter(id)) })
    }
}

impl Queues for Nothing {
    fn queues(&self) -> BoxFuture<'_, Result<Vec<Queue>, OperateError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// Why the gateway cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The settings are wrong.
    #[error(transparent)]
    Config(#[from] runtime::config::ConfigError),
    /// The descriptors cannot be read.
    #[error("cannot serve reflection")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The identity store failed.
    #[error(transparent)]
    Gateway(#[from] Error),
}
