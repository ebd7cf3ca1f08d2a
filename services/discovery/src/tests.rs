//! Discovery as a whole, over its calls and loops, on the embedded back ends.

mod calls;
mod folder;
mod http;
mod losses;
mod moves;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::events::topology::PROFILING_DISCOVERY;
use ::events::{EventBus, SqliteLog, Subscription};
use prost::Message;
use proto::common::v1::WorkPhase;
use proto::discovery::v1 as pb;
use proto::discovery::v1::discovery_service_server::DiscoveryService;
use proto::discovery::v1::source::Settings;
use runtime::Tasks;
use testkit::ManualClock;
use tonic::{Request, Status};
use types::{Identity, Role, Subject};

use super::*;
use crate::grpc::Grpc;

pub(super) const TENANT: &str = "tenants/main";
pub(super) const SOURCE: &str = "tenants/main/sources/demo";

/// A discovery with a folder root, and a consumer of what it publishes.
pub(super) struct World {
    pub dir: tempfile::TempDir,
    pub clock: ManualClock,
    pub grpc: Grpc,
    pub tasks: Tasks,
    pub database: sql::Database,
    bus: SqliteLog,
    inbox: Box<dyn Subscription>,
    page_size: usize,
}

/// What was published.
#[derive(Debug, PartialEq)]
pub(super) enum Told {
    Announced { path: String, announcement: i64 },
    Retracted(String),
}

pub(super) fn told(path: &str, announcement: i64) -> Told {
    Told::Announced { path: path.to_owned(), announcement }
}

impl World {
    pub async fn new() -> Self {
        Self::with_pages_of(100).await
    }

    pub async fn with_pages_of(page_size: usize) -> Self {
        let dir = testkit::temp_dir();
        std::fs::create_dir_all(dir.path().join("root/data")).unwrap();
        let clock = ManualClock::default();
        let bus = SqliteLog::open(&url(dir.path(), "events"), clock.shared()).await.unwrap();
        let inbox = bus.subscribe(&PROFILING_DISCOVERY).await.unwrap();
        let database = database(dir.path(), &clock).await;
        let (grpc, tasks) = start(&dir, &database, &bus, page_size).await;
        Self { dir, clock, grpc, tasks, database, bus, inbox, page_size }
    }

    /// A process that takes over after a kill.
    pub async fn restart(&mut self) {
        (self.grpc, self.tasks) = start(&self.dir, &self.database, &self.bus, self.page_size).await;
    }

    /// A process that takes over from one that stopped in order.
    pub async fn stop(&mut self) {
        self.database.close().await;
        self.database = database(self.dir.path(), &self.clock).await;
        self.restart().await;
    }

    pub fn root(&self) -> PathBuf {
        self.dir.path().join("root/data")
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn remove(&self, path: &str) {
        std::fs::remove_file(self.root().join(path)).unwrap();
    }

    pub fn folder(&self) -> pb::Source {
        let path = self.root().to_string_lossy().into_owned();
        pb::Source { settings: Some(Settings::Folder(pb::FolderSettings { path })), ..pb::Source::default() }
    }

    pub async fn create(&self, source: pb::Source) -> Result<pb::CreateSourceResponse, Status> {
        let request = pb::CreateSourceRequest {
            parent: TENANT.into(),
            source_id: "demo".into(),
            source: Some(source),
            request_id: String::new(),
        };
        self.grpc.create_source(by_ada(request)).await.map(tonic::Response::into_inner)
    }

    /// Gives the source another place.
    pub async fn move_to(&self, settings: Settings, mask: &[&str]) -> Result<pb::Source, Status> {
        let revision = self.source().await.revision;
        let source = pb::Source { name: SOURCE.into(), revision, settings: Some(settings), ..pb::Source::default() };
        let update_mask = Some(prost_types::FieldMask { paths: mask.iter().map(ToString::to_string).collect() });
        let request = pb::UpdateSourceRequest { source: Some(source), update_mask, request_id: String::new() };
        Ok(self.grpc.update_source(by_ada(request)).await?.into_inner().source.unwrap())
    }

    pub async fn run(&self, accept_losses: bool) -> pb::Crawl {
        let request = pb::RunSourceRequest { name: SOURCE.into(), accept_losses, request_id: String::new() };
        self.grpc.run_source(by_ada(request)).await.unwrap().into_inner().crawl.unwrap()
    }

    pub async fn source(&self) -> pb::Source {
        let request = pb::GetSourceRequest { name: SOURCE.into() };
        self.grpc.get_source(by_ada(request)).await.unwrap().into_inner().source.unwrap()
    }

    /// Runs rounds of one crawler until nothing is to be crawled now, and gives the newest crawl.
    pub async fn crawl(&mut self) -> pb::Crawl {
        while self.tasks.round("discovery.crawler-1").await.unwrap().again {}
        self.newest().await
    }

    pub async fn newest(&self) -> pb::Crawl {
        let request = pb::ListCrawlsRequest { parent: SOURCE.into(), page_size: 1, page_token: String::new() };
        self.grpc.list_crawls(by_ada(request)).await.unwrap().into_inner().crawls.remove(0)
    }

    /// Starts a crawl and runs it.
    pub async fn crawl_again(&mut self, accept_losses: bool) -> pb::Crawl {
        self.clock.advance(std::time::Duration::from_secs(1));
        self.run(accept_losses).await;
        self.crawl().await
    }

    /// What was published since the last call.
    pub async fn told(&mut self) -> Vec<Told> {
        self.announcements().await.into_iter().map(|(told, _)| told).collect()
    }

    pub async fn announcements(&mut self) -> Vec<(Told, pb::DatasetAnnounced)> {
        while self.tasks.round("discovery.relay").await.unwrap().again {}
        let mut all = Vec::new();
        loop {
            let batch = self.inbox.fetch(500, std::time::Duration::ZERO).await.unwrap();
            if batch.is_empty() {
                return all;
            }
            self.inbox.ack(&batch).await.unwrap();
            all.extend(batch.iter().map(|delivery| read(&delivery.event)));
        }
    }
}

async fn start(dir: &tempfile::TempDir, database: &sql::Database, bus: &SqliteLog, page_size: usize) -> (Grpc, Tasks) {
    let policy = fetch::Policy {
        folder_roots: vec![dir.path().join("root")],
        forbidden: vec![dir.path().join("root/own")],
        allow_private: vec!["127.0.0.1/32".parse().unwrap()],
        ..fetch::Policy::default()
    };
    let deps = Deps {
        database: database.clone(),
        sole_owner: true,
        bus: Arc::new(bus.clone()) as Arc<dyn EventBus>,
        fetcher: Fetcher::new(policy).unwrap(),
    };
    let mut config: Config = toml::from_str(config::DEFAULTS).unwrap();
    config.page_size = page_size;
    let (discovery, _, tasks) = assemble(config, deps).await.unwrap();
    (Grpc(discovery), tasks)
}

fn read(event: &proto::common::v1::EventEnvelope) -> (Told, pb::DatasetAnnounced) {
    if event.subject == ::events::topology::DATASET_RETRACTED {
        let message = pb::DatasetRetracted::decode(event.payload.as_slice()).unwrap();
        return (Told::Retracted(message.reason), pb::DatasetAnnounced::default());
    }
    let message = pb::DatasetAnnounced::decode(event.payload.as_slice()).unwrap();
    assert_eq!((event.key.as_str(), event.tenant.as_str()), (message.dataset.as_str(), "main"));
    (told(&message.path, message.announcement), message)
}

async fn database(dir: &Path, clock: &ManualClock) -> sql::Database {
    let settings = sql::Settings {
        schema: "discovery".into(),
        user: "postgres".into(),
        server_clock: false,
        ..Default::default()
    };
    let url = testkit::database_url(&dir.join("discovery.db"));
    sql::Database::open_with(&url, &settings, &migrations(), clock.shared()).await.unwrap()
}

fn url(dir: &Path, name: &str) -> String {
    format!("sqlite:{}/{name}.db", dir.display())
}

pub(super) fn by_ada<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(Identity {
        subject: Subject::User("ada".parse().unwrap()),
        tenant: Some("main".parse().unwrap()),
        roles: vec![Role::Admin],
        credential_expires: None,
    });
    request
}

pub(super) fn phase(crawl: &pb::Crawl) -> WorkPhase {
    crawl.status.as_ref().unwrap().phase()
}

pub(super) fn count(crawl: &pb::Crawl, name: &str) -> i64 {
    let counts = &crawl.status.as_ref().unwrap().counts;
    counts.iter().find(|count| count.name == name).map_or(0, |count| count.value)
}

pub(super) fn reason(status: &Status) -> String {
    rpc::reason(status).unwrap_or_default()
}
