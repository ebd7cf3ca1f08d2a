//! One catalog behind two doors: the gateway's, and its own on a socket, as in a mesh of several processes.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use events::SqliteLog;
use fetch::Fetcher;
use http::HeaderName;
use objects::Folder;
use proto::catalog::v1::create_dataset_request::Item;
use proto::catalog::v1::{CreateDatasetFinish, CreateDatasetRequest, CreateDatasetStart};
use rpc::{IDENTITY_HEADER, KeyPair, Served, ServerOptions, Signer, Verifier};
use runtime::telemetry::{self, LogFormat, Logging};
use runtime::{Supervisor, SystemClock};
use search::TantivyIndex;
use sql::Database;
use tokio::net::TcpListener;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use types::{Clock, Digest, Identity, Role, Secret, Subject};

use crate::client::{Client, Header, TENANT};

const MESH: &str = "bench";

/// A catalog with one record, and a connection to each of its doors.
pub struct Doors {
    pub gateway: Client,
    pub direct: Client,
    /// The name of the record.
    pub dataset: String,
    supervisor: Supervisor,
    _telemetry: telemetry::Guard,
}

/// What both doors stand on.
struct Ground<'a> {
    folder: &'a Path,
    clock: Arc<dyn Clock>,
    signer: Arc<Signer>,
    verifier: Arc<Verifier>,
}

impl Doors {
    /// Wires catalog and gateway as the binary does, and serves both on loopback ports.
    pub async fn open(folder: &Path) -> Result<Self> {
        // Logs and metrics are part of what a call costs.
        let telemetry = log_to(&folder.join("log"))?;
        telemetry::metrics()?;
        let ground = Ground::new(folder)?;
        let mut supervisor = Supervisor::new(ground.clock.clone());

        let catalog = catalog(&ground).await?;
        let ready = catalog.ready.clone();
        let options = ServerOptions::new(Arc::new(move || ready.get()), ground.verifier.clone(), ground.clock.clone());
        let routes = rpc::server_stack("catalog", catalog.routes, options);
        supervisor.supervise(catalog.tasks);
        let direct = serve(&mut supervisor, "catalog", routes.clone()).await?;

        let (gateway, token) = gateway(&ground, routes).await?;
        supervisor.supervise(gateway.tasks);
        let public = serve(&mut supervisor, "gateway", gateway.routes).await?;
        supervisor.ready();

        let gateway = Client::connect(public, &token).await?;
        let direct = Client::connect_with(direct, identity(ground.signer)?).await?;
        let dataset = record(&gateway).await?;
        Ok(Self { gateway, direct, dataset, supervisor, _telemetry: telemetry })
    }

    /// Stops what was started.
    pub async fn close(self) -> Result<()> {
        drop((self.gateway, self.direct));
        Ok(self.supervisor.run(async { "the bench is done" }).await?)
    }
}

impl<'a> Ground<'a> {
    fn new(folder: &'a Path) -> Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let key = KeyPair::generate()?;
        let verifier = Arc::new(Verifier::new(MESH, clock.clone()).trust("gateway", key.public()));
        let signer = Arc::new(Signer::new(key, "gateway", MESH, clock.clone()));
        Ok(Self { folder, clock, signer, verifier })
    }

    fn sqlite(&self, name: &str) -> String {
        format!("sqlite:{}", self.folder.join(name).display())
    }
}

async fn catalog(ground: &Ground<'_>) -> Result<runtime::Service<tonic::service::Routes>> {
    let clock = ground.clock.clone();
    let database = Database::open(&ground.sqlite("catalog.db"), &catalog::migrations(), clock.clone()).await?;
    let opened = TantivyIndex::open(ground.folder.join("index")).await?;
    let deps = catalog::Deps {
        database,
        sole_owner: true,
        lease: None,
        bus: Arc::new(SqliteLog::open(&ground.sqlite("events.db"), clock).await?),
        objects: Arc::new(Folder::open(&format!("file:{}", ground.folder.join("objects").display())).await?),
        index: Arc::new(opened.index),
        index_state: opened.state,
        fetcher: Fetcher::new(fetch::Policy::default())?,
        spool: ground.folder.join("spool"),
    };
    std::fs::create_dir_all(&deps.spool)?;
    Ok(catalog::build(catalog::Config::default(), deps).await?)
}

/// The gateway before `routes`, and the token of its administrator.
async fn gateway(ground: &Ground<'_>, routes: Served) -> Result<(runtime::Service<Served>, String)> {
    let clock = ground.clock.clone();
    let database = Database::open(&ground.sqlite("gateway.db"), &gateway::migrations(), clock.clone()).await?;
    let hash_key = Secret::new([7; 32]);
    let token = gateway::bootstrap(&database, &hash_key, |_| Ok(())).await?.context("the store is not new")?;
    let (transport, plug) = rpc::in_process();
    plug.connect(routes);
    let deps = gateway::Deps {
        database,
        sole_owner: true,
        transports: BTreeMap::from([("catalog".to_owned(), transport)]),
        signer: ground.signer.clone(),
        verifier: ground.verifier.clone(),
        clock,
        hash_key,
    };
    Ok((gateway::build(settings()?, deps).await?, token.expose().clone()))
}

/// The defaults, with limits of rate that the bench does not reach.
fn settings() -> Result<gateway::Config> {
    let mut config: gateway::Config = runtime::config::Loader::new().defaults("", gateway::DEFAULTS).load()?;
    for limit in [&mut config.limits.tenant, &mut config.limits.principal] {
        (limit.calls_per_second, limit.burst) = (1_000_000, 1_000_000);
    }
    Ok(config)
}

async fn serve(supervisor: &mut Supervisor, name: &str, served: Served) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    supervisor.serve(name, |stop| async move {
        Ok(rpc::serve(listener, served, None, async move { stop.cancelled().await }).await?)
    });
    Ok(address)
}

/// What the gateway asserts of the administrator, as it would towards a catalog in another process.
fn identity(signer: Arc<Signer>) -> Result<Header> {
    let administrator = Identity {
        subject: Subject::User("admin".parse()?),
        tenant: Some("main".parse()?),
        roles: vec![Role::Admin, Role::Operator],
        credential_expires: None,
    };
    Ok(Arc::new(move || (HeaderName::from_static(IDENTITY_HEADER), signer.sign(&administrator))))
}

/// Uploads a small file, so that there is a record; profiling is not part of this mesh, and none is needed.
async fn record(gateway: &Client) -> Result<String> {
    let bytes = b"day,visitors\n2026-01-01,17\n2026-01-02,23\n".to_vec();
    let start = CreateDatasetStart {
        parent: TENANT.to_owned(),
        dataset_id: "visitors".to_owned(),
        file_name: "visitors.csv".to_owned(),
        ..Default::default()
    };
    let finish =
        CreateDatasetFinish { size_bytes: i64::try_from(bytes.len())?, digest: Some(Digest::of(&bytes).into()) };
    let items = [Item::Start(start), Item::Chunk(bytes), Item::Finish(finish)];
    let upload = tokio_stream::iter(items.map(|item| CreateDatasetRequest { item: Some(item) }));
    let created = gateway.catalog().create_dataset(upload).await?.into_inner();
    Ok(created.dataset.context("the answer holds no dataset")?.name)
}

fn log_to(path: &Path) -> Result<telemetry::Guard> {
    let logging = Logging { format: LogFormat::Text, filter: "info,millrace::access=warn".to_owned() };
    let writer = BoxMakeWriter::new(Mutex::new(File::create(path)?));
    Ok(telemetry::init_to(
        &logging,
        telemetry::Outlets::default(),
        &telemetry::Process::new(["gateway"], "bench", "bench"),
        writer,
    )?)
}
