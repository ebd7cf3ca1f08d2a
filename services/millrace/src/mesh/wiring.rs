//! The wiring: each role gets its back ends, its routes go behind a transport, and the gateway gets the transports.
//!
//! A role of this process and one of another are reached by the same client type through the same layers; what runs where
//! shows in [`Wiring::gateway`] and nowhere else.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use events::EventBus;
use fetch::Fetcher;
use futures::future::join_all;
use objects::ObjectStore;
use rpc::{Served, ServerOptions};
use runtime::{Service, Tasks};
use search::TantivyIndex;
use sql::{Database, Lease};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use types::{BoxError, BoxFuture};

use super::keys::{self, Keys, Missing};
use super::role::{Role, Shape};
use super::stores::{Migrations, Stores};
use super::tls::Certificates;
use super::{failed, peers, single, unusable};
use crate::failure::Failure;

/// How long until a connection that was lost is tried again.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(1);

/// The roles of a process, wired; nothing of it runs yet.
pub struct Mesh {
    /// What answers for each role.
    pub served: BTreeMap<Role, Served>,
    /// The loops of every role.
    pub tasks: Vec<Tasks>,
    /// What runs beside them until the process stops, each with its name.
    pub beside: Vec<(String, Beside)>,
}

/// Runs until it is told to stop; when it fails, the process ends.
pub type Beside = Box<dyn FnOnce(CancellationToken) -> BoxFuture<'static, Result<(), BoxError>> + Send>;

/// Wires the roles of `shape` on `stores`. The future closes the stores, once nothing uses them any more.
pub async fn build(
    stores: &Stores<'_>,
    shape: &Shape,
    certificates: &Certificates,
) -> Result<(Mesh, impl Future<Output = ()> + Send + use<>), Failure> {
    let bus = if shape.uses_events() { Some(stores.bus().await?) } else { None };
    let objects = if shape.uses_objects() { Some(stores.objects().await?) } else { None };
    let fetcher = Fetcher::new(stores.settings.policy(stores.dir.path().to_owned())).map_err(failed)?;
    let sweep = objects.as_ref().and_then(|objects| stores.sweep(objects));
    let tasks = certificates.reloading().into_iter().chain(sweep).collect();
    let beside = match &bus {
        Some(bus) if !stores.settings.events.url.is_empty() => vec![hearing(bus.clone())],
        Some(_) | None => Vec::new(),
    };
    let mesh = Mesh { served: BTreeMap::new(), tasks, beside };
    let keys = Keys::open(&stores.settings.identity, shape, &stores.clock)?;
    let mut wiring = Wiring { stores, certificates, keys, fetcher, databases: Vec::new(), lease: None, mesh };
    let door = match shape.has(Role::Gateway) {
        true => Some(wiring.identities().await?),
        false => None,
    };
    for role in shape.roles() {
        match (role, &bus, &objects) {
            (Role::Discovery, Some(bus), _) => wiring.discovery(bus.clone()).await?,
            (Role::Profiling, Some(bus), Some(objects)) => wiring.profiling(bus.clone(), objects.clone()).await?,
            (Role::Catalog, Some(bus), Some(objects)) => wiring.catalog(bus.clone(), objects.clone()).await?,
            (Role::Discovery | Role::Profiling | Role::Catalog, ..) => unreachable!("what a role uses was opened"),
            (Role::Gateway, ..) => {}
        }
    }
    if let Some(door) = door {
        wiring.gateway(door).await?;
    }
    let Wiring { databases, lease, mesh, .. } = wiring;
    let closing = async move {
        if let Some((lease, database)) = lease
            && let Err(error) = lease.release(&database).await
        {
            tracing::warn!(%error, "the lease of catalog was not given back; it ends by itself");
        }
        join_all(databases.iter().map(Database::close)).await;
        if let Some(bus) = bus {
            bus.close().await;
        }
    };
    Ok((mesh, closing))
}

struct Wiring<'a> {
    stores: &'a Stores<'a>,
    certificates: &'a Certificates,
    keys: Keys,
    fetcher: Fetcher,
    databases: Vec<Database>,
    /// That of catalog, and the store that it lies in.
    lease: Option<(Lease, Database)>,
    mesh: Mesh,
}

/// The gateway's store, and the key of what it holds.
struct Identities {
    database: Database,
    hash_key: types::Secret<[u8; 32]>,
}

impl Wiring<'_> {
    async fn discovery(&mut self, bus: Arc<dyn EventBus>) -> Result<(), Failure> {
        let database = self.database(Role::Discovery, &discovery::migrations()).await?;
        self.claim(Role::Discovery, &database, &bus).await?;
        let (sole_owner, fetcher) = (self.sole_owner(), self.fetcher.clone());
        let deps = discovery::Deps { database, sole_owner, bus, fetcher };
        let service = discovery::build(self.stores.settings.discovery.clone(), deps).await.map_err(failed)?;
        self.add(Role::Discovery, service);
        Ok(())
    }

    async fn profiling(&mut self, bus: Arc<dyn EventBus>, objects: Arc<dyn ObjectStore>) -> Result<(), Failure> {
        let database = self.database(Role::Profiling, &profiling::migrations()).await?;
        self.claim(Role::Profiling, &database, &bus).await?;
        let (sole_owner, fetcher, spool) = (self.sole_owner(), self.fetcher.clone(), self.spool()?);
        let profiler = Some(profile::this_program().map_err(failed)?);
        let deps = profiling::Deps { database, sole_owner, bus, objects, fetcher, spool, profiler };
        let service = profiling::build(self.stores.settings.profiling.clone(), deps).await.map_err(failed)?;
        self.add(Role::Profiling, service);
        Ok(())
    }

    async fn catalog(&mut self, bus: Arc<dyn EventBus>, objects: Arc<dyn ObjectStore>) -> Result<(), Failure> {
        let database = self.database(Role::Catalog, &catalog::migrations()).await?;
        let index = TantivyIndex::open(self.stores.dir.join("index")).await.map_err(failed)?;
        let lease = match self.sole_owner() {
            true => None,
            false => Some(self.hold_catalog(&database).await?),
        };
        self.claim(Role::Catalog, &database, &bus).await?;
        let deps = catalog::Deps {
            database,
            lease,
            sole_owner: self.sole_owner(),
            bus,
            objects,
            index: Arc::new(index.index),
            index_state: index.state,
            fetcher: self.fetcher.clone(),
            spool: self.spool()?,
        };
        let service = catalog::build(self.stores.settings.catalog.clone(), deps).await.map_err(failed)?;
        self.add(Role::Catalog, service);
        Ok(())
    }

    /// Opens the gateway's store, and gives an empty one its first administrator. Of several gateways one does it, and
    /// the others find the tenant there.
    async fn identities(&mut self) -> Result<Identities, Failure> {
        let (settings, dir) = (self.stores.settings, self.stores.dir);
        let known = settings.store.is_shared() || dir.join("gateway.db").exists();
        let missing = if known { Missing::Refuse } else { Missing::Make };
        let hash_key = keys::hash_key(&settings.hash_key_file(dir.path()), missing)?;
        let database = self.database(Role::Gateway, &gateway::migrations()).await?;
        let token_file = settings.token_file(dir.path());
        let made = gateway::bootstrap(&database, &hash_key, keys::keeper(&token_file)).await.map_err(failed)?;
        if made.is_some() {
            tracing::info!(file = %token_file.display(), "wrote the first administrator's key");
        }
        Ok(Identities { database, hash_key })
    }

    async fn gateway(&mut self, identities: Identities) -> Result<(), Failure> {
        let mut transports = BTreeMap::new();
        for role in Role::SERVICES {
            let transport = match self.mesh.served.get(&role) {
                Some(served) => {
                    let (transport, plug) = rpc::in_process();
                    plug.connect(served.clone());
                    transport
                }
                None => peers::connect(self.stores.settings, self.certificates, role)?,
            };
            transports.insert(role.name().to_owned(), transport);
        }
        let deps = gateway::Deps {
            database: identities.database,
            sole_owner: self.sole_owner(),
            transports,
            signer: self.keys.signers[&Role::Gateway].clone(),
            verifier: self.keys.verifier.clone(),
            clock: self.stores.clock.clone(),
            hash_key: identities.hash_key,
        };
        let service = gateway::build(self.stores.settings.gateway.clone(), deps).await.map_err(failed)?;
        self.mesh.served.insert(Role::Gateway, service.routes);
        self.mesh.tasks.push(service.tasks);
        Ok(())
    }

    /// Takes the lease by which this process alone is catalog, and sees to it that it is kept.
    async fn hold_catalog(&mut self, database: &Database) -> Result<Lease, Failure> {
        let when_held = self.stores.settings.catalog.when_held;
        let lease = single::hold(database, self.stores.dir, when_held, &self.stores.waiting).await?;
        let (kept, store) = (lease.clone(), database.clone());
        self.mesh.beside.push((
            "lease of catalog".to_owned(),
            Box::new(|stop| Box::pin(single::keep(store, kept, single::RENEW, stop))),
        ));
        self.lease = Some((lease.clone(), database.clone()));
        Ok(lease)
    }

    /// Opens the store of a role, which is closed at the end.
    async fn database(&mut self, role: Role, migrations: &[&'static Migrations]) -> Result<Database, Failure> {
        let database = self.stores.database(role, migrations).await?;
        if self.stores.settings.store.is_shared() {
            let heard = database.clone();
            self.mesh
                .beside
                .push((format!("listening to the store of {role}"), Box::new(|stop| Box::pin(listen(heard, stop)))));
        }
        self.databases.push(database.clone());
        Ok(database)
    }

    /// Marks what the role has on the event bus as its database's. With a second database of the role, the start fails.
    async fn claim(&self, role: Role, database: &Database, bus: &Arc<dyn EventBus>) -> Result<(), Failure> {
        let (url, store) = (&self.stores.settings.events.url, format!("store of {role}"));
        let id = self.stores.waiting.until(&store, &self.stores.settings.store.url, || database.id()).await?;
        self.stores
            .waiting
            .until(&format!("mark of {role} on the event bus"), url, || bus.claim(role.name(), &id))
            .await
    }

    /// Whether stores belong to this process alone, so that leases in them are of a process that is gone.
    fn sole_owner(&self) -> bool {
        !self.stores.settings.store.is_shared()
    }

    fn spool(&self) -> Result<std::path::PathBuf, Failure> {
        self.stores.dir.folder("spool").map_err(|error| unusable(self.stores.dir, error))
    }

    /// Puts the layers around a role's routes, whoever calls them and from where.
    fn add(&mut self, role: Role, service: Service<Routes>) {
        let ready = service.ready;
        let admitting = ready.clone();
        let readiness = Arc::new(move || ready.get());
        let mut options = ServerOptions::new(readiness, self.keys.verifier.clone(), self.stores.clock.clone());
        options.admission = Arc::new(move || admitting.admits());
        self.mesh.served.insert(role, rpc::server_stack(service.name, service.routes, options));
        self.mesh.tasks.push(service.tasks);
    }
}

/// Hears of what other processes commit, so that loops look at once. Without it they look by themselves.
async fn listen(database: Database, stop: CancellationToken) -> Result<(), BoxError> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            Err(error) = database.listen() => tracing::warn!(%error, "commits of other processes are not heard"),
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

/// Hears of what other processes publish, so that consumers look at once. Without it they look by themselves.
fn hearing(bus: Arc<dyn EventBus>) -> (String, Beside) {
    ("listening to the event bus".to_owned(), Box::new(|stop| Box::pin(tend(bus, stop))))
}

async fn tend(bus: Arc<dyn EventBus>, stop: CancellationToken) -> Result<(), BoxError> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            tended = bus.tend() => if let Err(error) = tended {
                tracing::warn!(%error, "publications of other processes are not heard");
            },
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::identity::v1::GetCallerRequest;
    use runtime::lock::DataDir;
    use runtime::{Readiness, Supervisor, SystemClock};

    use super::*;
    use crate::client::{Client, Credential};
    use crate::mesh::settings::Settings;
    use crate::mesh::waiting::Waiting;

    #[tokio::test]
    async fn the_mesh_takes_the_token_that_it_left_for_its_owner_and_keeps_it_over_a_restart() {
        let folder = testkit::temp_dir();
        let settings = Settings::of_defaults();
        let certificates = Certificates::load(&settings, &Shape::alone()).ok().unwrap();
        for _ in 0..2 {
            let dir = DataDir::acquire(folder.path()).unwrap();
            let waiting = Waiting::new(Readiness::new(), settings.patience());
            let stores = Stores { settings: &settings, dir: &dir, clock: Arc::new(SystemClock), waiting };
            let (mut mesh, closing) = build(&stores, &Shape::alone(), &certificates).await.ok().unwrap();
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let mut supervisor = Supervisor::new(Arc::new(SystemClock));
            mesh.tasks.into_iter().for_each(|tasks| supervisor.supervise(tasks));
            let served = mesh.served.remove(&Role::Gateway).unwrap();
            supervisor.serve("gateway", |stop| async move {
                Ok(rpc::serve(listener, served, None, stop.cancelled_owned()).await?)
            });
            supervisor.at_end("stores", closing);
            supervisor.ready();
            let token = std::fs::read_to_string(dir.join("admin.token")).unwrap();
            let client = Client::to(address, None, Credential::Token(token.trim().to_owned())).await.ok().unwrap();
            let reply = client.identity().get_caller(GetCallerRequest {}).await.unwrap().into_inner();
            assert_eq!(reply.caller.unwrap().user, "tenants/main/users/admin");
            drop(client);
            supervisor.run(async { "test" }).await.unwrap();
        }
    }
}
