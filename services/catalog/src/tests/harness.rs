//! Catalog on its embedded back ends in a temporary folder, with a clock that stands still.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::events::topology::{
    DATASET_ANNOUNCED, DATASET_RETRACTED, JOB_ADVANCED, JOB_FAILED, JOB_SUCCEEDED, PROFILING_UPLOADS, payload_type,
};
use ::events::{SqliteLog, thing};
use ::search::{SearchIndex, TantivyIndex};
use bytes::Bytes;
use fetch::{Fetcher, Policy};
use objects::{Key, ObjectStoreExt, Put};
use prost::Message;
use proto::catalog::v1 as pb;
use proto::catalog::v1::catalog_service_client::CatalogServiceClient;
use proto::common::v1 as common;
use proto::discovery::v1::{DatasetAnnounced, DatasetRetracted};
use proto::profiling::v1::{
    ColumnProfile, JobAdvanced, JobFailed, JobStage, JobSucceeded, StoredProfile, StructuralType, TableProfile,
    ValueCount,
};
use rpc::{IDENTITY_HEADER, KeyPair, Served, ServerOptions, Signer, Transport, Verifier};
use runtime::Tasks;
use sql::Database;
use tempfile::TempDir;
use testkit::ManualClock;
use tonic::body::Body;
use tower::ServiceBuilder;
use tower::util::BoxCloneSyncService;
use types::{Digest, Identity, ProfileId, Role, Subject, TenantId};

use crate::{Catalog, Config, Deps, build, migrations};

pub type Client = CatalogServiceClient<Served>;

/// The bytes of most datasets in these tests.
pub const CSV: &[u8] = b"city,people\nBern,134794\nBasel,173863\n";

pub struct Harness {
    pub folder: TempDir,
    pub clock: ManualClock,
    pub deps: Deps,
    pub catalog: Catalog,
    pub tasks: Tasks,
    pub client: Client,
    /// The service behind its layers, called as an administrator of tenant `main`.
    pub served: Served,
    config: Config,
    sequences: HashMap<(String, String), i64>,
}

impl Harness {
    pub async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub async fn with(mut config: Config) -> Self {
        config.consumers.wait = "0s".parse().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::default();
        let at = |name: &str| folder.path().join(name);
        for name in ["spool", "source"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        let url = |scheme: &str, name: &str| format!("{scheme}:{}", at(name).display());
        let opened = TantivyIndex::open(at("index")).await.unwrap();
        let deps = Deps {
            database: Database::open(&url("sqlite", "catalog.db"), &migrations(), clock.shared()).await.unwrap(),
            sole_owner: true,
            lease: None,
            bus: Arc::new(SqliteLog::open(&url("sqlite", "events.db"), clock.shared()).await.unwrap()),
            objects: objects::open(&url("file", "objects")).await.unwrap(),
            index: Arc::new(opened.index),
            index_state: opened.state,
            fetcher: Fetcher::new(Policy { folder_roots: vec![at("source")], ..Policy::default() }).unwrap(),
            spool: at("spool"),
        };
        Self::start(folder, clock, config, deps, HashMap::new()).await
    }

    async fn start(
        folder: TempDir,
        clock: ManualClock,
        config: Config,
        deps: Deps,
        sequences: HashMap<(String, String), i64>,
    ) -> Self {
        let service = build(config.clone(), deps.clone()).await.unwrap();
        service.ready.set_ready();
        let (catalog, _) = crate::wire(config.clone(), deps.clone());
        let served = served(service.routes, &clock);
        let client = CatalogServiceClient::new(served.clone());
        Self { folder, clock, deps, catalog, tasks: service.tasks, client, served, config, sequences }
    }

    /// Builds the service anew over the same back ends, with this index, as a restart does.
    pub async fn restart(self, index: Arc<dyn SearchIndex>, state: ::search::State) -> Self {
        let Self { folder, clock, deps, config, sequences, .. } = self;
        let deps = Deps { index, index_state: state, ..deps };
        Self::start(folder, clock, config, deps, sequences).await
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs every loop until nothing is left to do.
    pub async fn settle(&mut self) {
        for _ in 0..6 {
            self.consume().await;
            self.round("indexer").await;
            self.round("relay").await;
            self.round("rebuilds").await;
            self.clock.advance(Duration::from_secs(10));
        }
    }

    /// Runs the consumers alone.
    pub async fn consume(&mut self) {
        self.round("discovery").await;
        self.round("profiling").await;
    }

    pub async fn round(&mut self, name: &str) {
        while self.tasks.round(&format!("catalog.{name}")).await.unwrap().again {}
    }

    pub fn dataset(id: &str) -> String {
        format!("tenants/main/datasets/{id}")
    }

    /// Publishes an event with the next sequence of its key, and gives the envelope.
    pub async fn publish(&mut self, subject: &'static str, id: &str, message: &impl Message) -> common::EventEnvelope {
        let key = Self::dataset(id);
        let sequence = self.sequences.entry((thing(subject).to_owned(), key.clone())).or_default();
        *sequence += 1;
        let envelope = common::EventEnvelope {
            id: uuid::Uuid::now_v7().to_string(),
            subject: subject.to_owned(),
            resource: key.clone(),
            tenant: "main".to_owned(),
            key,
            sequence: *sequence,
            payload_type: payload_type(subject).unwrap().to_owned(),
            payload: message.encode_to_vec(),
            ..common::EventEnvelope::default()
        };
        self.deps.bus.publish(std::slice::from_ref(&envelope)).await.unwrap();
        envelope
    }

    pub async fn announce(&mut self, id: &str, token: &str) -> common::EventEnvelope {
        let metadata = common::Metadata { title: format!("Title of {id}"), ..common::Metadata::default() };
        self.announce_with(id, token, metadata).await
    }

    pub async fn announce_with(&mut self, id: &str, token: &str, metadata: common::Metadata) -> common::EventEnvelope {
        let message = DatasetAnnounced {
            dataset: Self::dataset(id),
            source: "tenants/main/sources/demo".to_owned(),
            source_kind: "folder".to_owned(),
            path: format!("{id}.csv"),
            materialization: Some(self.materialization(id, token)),
            metadata: Some(metadata),
            ..DatasetAnnounced::default()
        };
        self.publish(DATASET_ANNOUNCED, id, &message).await
    }

    pub async fn retract(&mut self, id: &str) {
        let dataset = Self::dataset(id);
        let message = DatasetRetracted { dataset, reason: "MISSING".to_owned(), ..DatasetRetracted::default() };
        self.publish(DATASET_RETRACTED, id, &message).await;
    }

    pub async fn advance(&mut self, id: &str, token: &str, phase: common::WorkPhase, stage: JobStage) {
        let message = JobAdvanced {
            job: format!("tenants/main/jobs/j-{id}"),
            dataset: Self::dataset(id),
            phase: phase.into(),
            stage: stage.into(),
            attempts: 1,
            version_token: token.to_owned(),
            ..JobAdvanced::default()
        };
        self.publish(JOB_ADVANCED, id, &message).await;
    }

    pub async fn fail(&mut self, id: &str, token: &str) {
        let message = JobFailed {
            job: format!("tenants/main/jobs/j-{id}"),
            dataset: Self::dataset(id),
            error: Some(common::WorkError {
                reason: "EMPTY".into(),
                message: "the file is empty".into(),
                retryable: false,
            }),
            attempts: 1,
            version_token: token.to_owned(),
            cancelled: false,
        };
        self.publish(JOB_FAILED, id, &message).await;
    }

    /// Publishes the success of a job; its bytes are kept.
    pub async fn succeed(&mut self, id: &str, token: &str, content: &[u8]) -> common::EventEnvelope {
        let key = Key::content(&main(), &Digest::of(content));
        self.deps.objects.put_bytes(&key, Bytes::copy_from_slice(content), Put::IfAbsent).await.unwrap();
        self.succeed_with(id, token, content, Some(key)).await
    }

    pub async fn succeed_with(
        &mut self,
        id: &str,
        token: &str,
        content: &[u8],
        kept: Option<Key>,
    ) -> common::EventEnvelope {
        let digest = Digest::of(content);
        let object = |key: &Key, digest: Digest, size: usize| common::ObjectOrigin {
            key: key.to_string(),
            digest: Some(digest.into()),
            size_bytes: i64::try_from(size).unwrap(),
        };
        let profile = ProfileId::derive(&digest, &Digest::of(b"recipe"), "1");
        let stored = profile_of(content).encode_to_vec();
        let profile_key = Key::profile(&main(), &profile);
        let profile_object = object(&profile_key, Digest::of(&stored), stored.len());
        self.deps.objects.put_bytes(&profile_key, stored.into(), Put::Always).await.unwrap();
        let message = JobSucceeded {
            job: format!("tenants/main/jobs/j-{id}"),
            dataset: Self::dataset(id),
            profile: format!("tenants/main/profiles/{profile}"),
            profile_object: Some(profile_object),
            digest: Some(digest.into()),
            size_bytes: i64::try_from(content.len()).unwrap(),
            content_object: kept.map(|key| object(&key, digest, content.len())),
            materialization: Some(self.materialization(id, token)),
            attempts: 1,
        };
        self.publish(JOB_SUCCEEDED, id, &message).await
    }

    /// Announces a dataset, has it profiled and indexed.
    pub async fn index(&mut self, id: &str, metadata: common::Metadata) {
        self.announce_with(id, "t1", metadata).await;
        self.succeed(id, "t1", CSV).await;
        self.settle().await;
    }

    /// The subjects that catalog published and that nobody took so far.
    pub async fn published(&mut self) -> Vec<String> {
        let mut subscription = self.deps.bus.subscribe(&PROFILING_UPLOADS).await.unwrap();
        let deliveries = subscription.fetch(100, Duration::ZERO).await.unwrap();
        subscription.ack(&deliveries).await.unwrap();
        deliveries.into_iter().map(|delivery| delivery.event.subject).collect()
    }

    pub async fn get(&mut self, id: &str) -> pb::Dataset {
        let request = pb::GetDatasetRequest { name: Self::dataset(id) };
        self.client.get_dataset(request).await.unwrap().into_inner().dataset.unwrap()
    }

    pub async fn state(&mut self, id: &str) -> pb::DatasetState {
        self.get(id).await.state()
    }

    pub async fn find(&mut self, query: &str) -> Vec<String> {
        let request = pb::SearchDatasetsRequest {
            parent: "tenants/main".to_owned(),
            query: query.to_owned(),
            ..pb::SearchDatasetsRequest::default()
        };
        let found = self.client.search_datasets(request).await.unwrap().into_inner();
        found.results.into_iter().map(|result| result.dataset.unwrap().name).collect()
    }

    pub fn origin_path(&self, id: &str) -> PathBuf {
        self.path("source").join(format!("{id}.csv"))
    }

    fn materialization(&self, id: &str, token: &str) -> common::Materialization {
        let path = self.origin_path(id).display().to_string();
        common::Materialization {
            version_token: token.to_owned(),
            origin: Some(common::materialization::Origin::File(common::FileOrigin { path })),
        }
    }
}

pub fn main() -> TenantId {
    "main".parse().unwrap()
}

pub fn titled(title: &str) -> common::Metadata {
    common::Metadata { title: title.to_owned(), ..common::Metadata::default() }
}

/// The profile of [`CSV`], or of bytes that are taken for it.
fn profile_of(content: &[u8]) -> StoredProfile {
    let format = if content.starts_with(b"[") { "json" } else { "csv" };
    let text = ColumnProfile {
        column: "city".to_owned(),
        structural_type: StructuralType::Text.into(),
        top_values: vec![ValueCount { value: "Bern".to_owned(), count: 1, count_error: 0 }],
        ..ColumnProfile::default()
    };
    let number = ColumnProfile {
        column: "people".to_owned(),
        structural_type: StructuralType::Integer.into(),
        ..ColumnProfile::default()
    };
    StoredProfile {
        table: Some(TableProfile {
            recipe: Some(common::Recipe { format: format.to_owned(), header: true, ..common::Recipe::default() }),
            row_count: 2,
            column_count: 2,
            ..TableProfile::default()
        }),
        columns: vec![text, number],
        ..StoredProfile::default()
    }
}

fn served(routes: tonic::service::Routes, clock: &ManualClock) -> Served {
    let key = KeyPair::generate().unwrap();
    let verifier = Verifier::new("millrace", clock.shared()).trust("gateway", key.public());
    let signer = Arc::new(Signer::new(key, "gateway", "millrace", clock.shared()));
    let identity = Identity {
        subject: Subject::User("ada".parse().unwrap()),
        tenant: Some(main()),
        roles: vec![Role::Admin, Role::Operator],
        credential_expires: None,
    };
    let options = ServerOptions::new(Arc::new(|| Ok(())), Arc::new(verifier), clock.shared());
    let (transport, plug): (Transport, _) = rpc::in_process();
    plug.connect(rpc::server_stack("catalog", routes, options));
    let signed = ServiceBuilder::new().map_request(move |mut request: http::Request<Body>| {
        request.headers_mut().insert(IDENTITY_HEADER, signer.sign(&identity));
        request
    });
    BoxCloneSyncService::new(signed.service(transport))
}
