//! The wiring: each role gets its back ends, its routes go behind a transport, and the gateway gets the transports.

use std::collections::BTreeMap;
use std::sync::Arc;

use fetch::Fetcher;
use futures::future::join_all;
use rpc::{Served, ServerOptions, Verifier};
use runtime::lock::DataDir;
use runtime::{Service, Tasks};
use search::TantivyIndex;
use sql::Database;
use sqlx::migrate::Migrator;
use tonic::service::Routes;
use types::Clock;

use super::failed;
use super::keys::{self, Keys, Missing};
use super::settings::Settings;
use super::stores::Stores;
use crate::failure::Failure;

const CATALOG: &str = "catalog";

/// The whole mesh, wired; nothing of it runs yet.
pub struct Mesh {
    /// What answers everything that comes in from outside.
    pub gateway: Served,
    /// The loops of every role.
    pub tasks: Vec<Tasks>,
}

/// Wires the mesh on `stores` and on the back ends in `dir`. The future closes its stores, once nothing uses them any more.
pub async fn build(
    settings: &Settings,
    dir: &DataDir,
    stores: Stores,
    clock: Arc<dyn Clock>,
) -> Result<(Mesh, impl Future<Output = ()> + Send + use<>), Failure> {
    let Stores { bus, objects, sweep } = stores;
    let spool = dir.folder("spool").map_err(|error| unusable(dir, error))?;
    let index = TantivyIndex::open(dir.join("index")).await.map_err(failed)?;
    let fetcher = Fetcher::new(settings.policy(dir.path().to_owned())).map_err(failed)?;

    let known = dir.join("gateway.db").exists();
    let hash_key = keys::hash_key(dir, if known { Missing::Refuse } else { Missing::Make })?;
    let identities = database(dir, gateway::ROLE, &gateway::migrations(), clock.clone()).await?;
    gateway::bootstrap(&identities, &hash_key, keys::keeper(dir)).await.map_err(failed)?;

    let found = database(dir, discovery::ROLE, &discovery::migrations(), clock.clone()).await?;
    let deps = discovery::Deps { database: found.clone(), bus: bus.clone(), fetcher: fetcher.clone() };
    let discovery = discovery::build(settings.discovery.clone(), deps).await.map_err(failed)?;

    let profiled = database(dir, profiling::ROLE, &profiling::migrations(), clock.clone()).await?;
    let deps = profiling::Deps {
        database: profiled.clone(),
        sole_owner: true,
        bus: bus.clone(),
        objects: objects.clone(),
        fetcher: fetcher.clone(),
        spool: spool.clone(),
    };
    let profiling = profiling::build(settings.profiling.clone(), deps).await.map_err(failed)?;

    let records = database(dir, CATALOG, &catalog::migrations(), clock.clone()).await?;
    let deps = catalog::Deps {
        database: records.clone(),
        bus: bus.clone(),
        objects,
        index: Arc::new(index.index),
        index_state: index.state,
        fetcher,
        spool,
    };
    let catalog = catalog::build(settings.catalog.clone(), deps).await.map_err(failed)?;

    let services = [discovery, profiling, catalog];
    let roles: Vec<&'static str> = services.iter().map(|service| service.name).chain([gateway::ROLE]).collect();
    let keys = Keys::generate(&roles, &clock)?;
    let (mut transports, mut tasks) = (BTreeMap::new(), Vec::from_iter(sweep));
    for service in services {
        let (transport, plug) = rpc::in_process();
        transports.insert(service.name.to_owned(), transport);
        let (served, loops) = stack(service, &keys.verifier, &clock);
        plug.connect(served);
        tasks.push(loops);
    }
    let deps = gateway::Deps {
        database: identities.clone(),
        transports,
        signer: keys.signers[gateway::ROLE].clone(),
        verifier: keys.verifier,
        clock,
        hash_key,
    };
    let gateway = gateway::build(settings.gateway.clone(), deps).await.map_err(failed)?;
    tasks.push(gateway.tasks);
    let closing = async move {
        let stores = [found, profiled, records, identities];
        join_all(stores.iter().map(Database::close)).await;
        bus.close().await;
    };
    Ok((Mesh { gateway: gateway.routes, tasks }, closing))
}

/// Puts the layers around a role's routes, as they stand around it in a process of its own.
fn stack(service: Service<Routes>, verifier: &Arc<Verifier>, clock: &Arc<dyn Clock>) -> (Served, Tasks) {
    let ready = service.ready;
    let options = ServerOptions::new(Arc::new(move || ready.get()), verifier.clone(), clock.clone());
    (rpc::server_stack(service.name, service.routes, options), service.tasks)
}

/// Opens the database of one role.
pub async fn database(
    dir: &DataDir,
    role: &str,
    migrations: &[&'static Migrator],
    clock: Arc<dyn Clock>,
) -> Result<Database, Failure> {
    Database::open(&url(dir, role), migrations, clock).await.map_err(failed)
}

/// The URL of a database in the data directory.
pub fn url(dir: &DataDir, name: &str) -> String {
    format!("sqlite:{}", dir.join(&format!("{name}.db")).display())
}

/// The data directory cannot be used.
pub fn unusable(dir: &DataDir, error: std::io::Error) -> Failure {
    Failure::other(format!("cannot use the data directory {}: {error}", dir.path().display()))
}

#[cfg(test)]
mod tests {
    use proto::identity::v1::GetCallerRequest;
    use runtime::{Supervisor, SystemClock};

    use super::*;
    use crate::client::{Client, Credential};
    use crate::up::settings::Settings;

    #[tokio::test]
    async fn the_mesh_takes_the_token_that_it_left_for_its_owner_and_keeps_it_over_a_restart() {
        let folder = testkit::temp_dir();
        let settings = Settings::of_defaults();
        for _ in 0..2 {
            let dir = DataDir::acquire(folder.path()).unwrap();
            let clock = Arc::new(SystemClock);
            let stores = crate::up::stores::open(&settings, &dir, clock.clone()).await.ok().unwrap();
            let (mesh, closing) = build(&settings, &dir, stores, clock).await.ok().unwrap();
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let mut supervisor = Supervisor::new(Arc::new(SystemClock));
            mesh.tasks.into_iter().for_each(|tasks| supervisor.supervise(tasks));
            supervisor.serve("gateway", |stop| async move {
                Ok(rpc::serve(listener, mesh.gateway, stop.cancelled_owned()).await?)
            });
            supervisor.at_end("stores", closing);
            supervisor.ready();
            let token = std::fs::read_to_string(dir.join("admin.token")).unwrap();
            let client = Client::to(address, Credential::Token(token.trim().to_owned())).await.ok().unwrap();
            let reply = client.identity().get_caller(GetCallerRequest {}).await.unwrap().into_inner();
            assert_eq!(reply.caller.unwrap().user, "tenants/main/users/admin");
            drop(client);
            supervisor.run(async { "test" }).await.unwrap();
        }
    }
}
