//! A gateway before one role, `catalog`, which tells what reached it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::Body as AxumBody;
use bytes::Bytes;
use http::{HeaderMap, Request as HttpRequest, Response as HttpResponse};
use http_body_util::{BodyExt as _, StreamBody};
use prost::Message;
use proto::catalog::v1 as catalog;
use proto::catalog::v1::catalog_service_client::CatalogServiceClient;
use proto::common::v1::operator_service_client::OperatorServiceClient;
use proto::identity::v1 as identity;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use rpc::{KeyPair, Served, ServerOptions, Signer, Transport, Verifier};
use testkit::ManualClock;
use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic::{Code, Request, Status};
use tonic_types::{ErrorInfo, StatusExt as _};
use types::{BoxFuture, DatasetName, DeadLetter, DeadLetters, Identity, OperateError, Queue, Queues, Secret};

use crate::{Config, Deps};

#[derive(Clone, Copy, PartialEq)]
pub enum Over {
    Process,
    Tcp,
    Tls,
}

/// A gateway, a role behind it, and the first administrator's key.
pub struct Mesh {
    pub transport: Transport,
    pub clock: ManualClock,
    pub db: sql::Database,
    pub admin: String,
    pub seen: Seen,
    pub ready: runtime::Readiness,
    pub role_ready: runtime::Readiness,
    _dir: tempfile::TempDir,
}

/// What reached the role: identities, and headers.
pub type Seen = Arc<Mutex<Vec<(Identity, HeaderMap)>>>;

pub const HASH_KEY: [u8; 32] = [7; 32];

pub fn config() -> Config {
    runtime::config::load(crate::DEFAULTS, None, "GATEWAY_TEST_NOTHING", &[]).unwrap()
}

pub async fn database(dir: &tempfile::TempDir, clock: &ManualClock) -> sql::Database {
    let url = testkit::database_url(&dir.path().join("gateway.db"));
    let settings =
        sql::Settings { schema: "gateway".into(), user: "postgres".into(), server_clock: false, ..Default::default() };
    sql::Database::open_with(&url, &settings, &crate::migrations(), clock.shared()).await.unwrap()
}

impl Mesh {
    pub async fn start(over: Over) -> Self {
        Self::start_with(over, |_| ()).await
    }

    pub async fn start_with(over: Over, adjust: impl FnOnce(&mut Config)) -> Self {
        let (dir, clock) = (testkit::temp_dir(), ManualClock::default());
        let db = database(&dir, &clock).await;
        let hash_key = Secret::new(HASH_KEY);
        let admin = crate::bootstrap(&db, &hash_key, |_| Ok(())).await.unwrap().unwrap().expose().clone();

        let key = KeyPair::generate().unwrap();
        let verifier = Arc::new(Verifier::new("test", clock.shared()).trust("gateway", key.public()));
        let signer = Arc::new(Signer::new(key, "gateway", "test", clock.shared()));
        let (seen, role_ready) = (Seen::default(), runtime::Readiness::new());
        role_ready.set_ready();
        let role = role(&seen, &role_ready, &verifier, &clock);
        let mut config = config();
        adjust(&mut config);
        let deps = Deps {
            database: db.clone(),
            sole_owner: false,
            transports: BTreeMap::from([("catalog".to_owned(), place(over, role).await)]),
            signer,
            verifier,
            clock: clock.shared(),
            hash_key,
        };
        let service = crate::build(config, deps).await.unwrap();
        let ready = service.ready.clone();
        ready.set_ready();
        let transport = place(over, service.routes).await;
        Self { transport, clock, db, admin, seen, ready, role_ready, _dir: dir }
    }

    pub fn catalog(&self) -> CatalogServiceClient<Transport> {
        CatalogServiceClient::new(self.transport.clone())
    }

    pub fn identity(&self) -> IdentityServiceClient<Transport> {
        IdentityServiceClient::new(self.transport.clone())
    }

    pub fn operator(&self) -> OperatorServiceClient<Transport> {
        OperatorServiceClient::new(self.transport.clone())
    }

    /// A request of the first administrator.
    pub fn asks<M>(&self, message: M) -> Request<M> {
        with(&self.admin, message)
    }

    /// Reads a dataset of the tenant main with this credential.
    pub async fn reads(&self, token: &str) -> Result<(), Status> {
        let name = "tenants/main/datasets/d".to_owned();
        self.catalog().get_dataset(with(token, catalog::GetDatasetRequest { name })).await.map(drop)
    }

    /// Creates a user of the tenant main with a password, and a key for them.
    pub async fn user(&self, id: &str, roles: &[identity::Role]) -> String {
        self.user_in("main", id, roles).await;
        self.key(id, &[]).await.unwrap().secret
    }

    pub async fn user_in(&self, tenant: &str, id: &str, roles: &[identity::Role]) -> identity::User {
        let request = identity::CreateUserRequest {
            parent: format!("tenants/{tenant}"),
            user_id: id.into(),
            user: Some(identity::User {
                roles: roles.iter().map(|role| (*role).into()).collect(),
                ..identity::User::default()
            }),
            password: PASSWORD.into(),
            request_id: String::new(),
        };
        self.identity().create_user(self.asks(request)).await.unwrap().into_inner().user.unwrap()
    }

    pub async fn key(&self, user: &str, roles: &[identity::Role]) -> Result<identity::CreateApiKeyResponse, Status> {
        let request = identity::CreateApiKeyRequest {
            parent: format!("tenants/main/users/{user}"),
            title: "a key".into(),
            roles: roles.iter().map(|role| (*role).into()).collect(),
            lifetime: None,
        };
        Ok(self.identity().create_api_key(self.asks(request)).await?.into_inner())
    }

    pub async fn login(&self, user: &str, password: &str) -> Result<identity::Tokens, Status> {
        let (tenant, user, password) = ("main".into(), user.into(), password.into());
        let answer = self.identity().login(identity::LoginRequest { tenant, user, password }).await?;
        Ok(answer.into_inner().tokens.unwrap())
    }

    pub fn last_seen(&self) -> (Identity, HeaderMap) {
        self.seen.lock().unwrap().last().cloned().expect("something reached the role")
    }
}

pub const PASSWORD: &str = "correct horse battery";

/// Serves `served` and gives the way to it.
async fn place(over: Over, served: Served) -> Transport {
    if over == Over::Process {
        let (transport, plug) = rpc::in_process();
        plug.connect(served);
        return transport;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut settings = rpc::ConnectSettings::new("catalog", [address.to_string()]).impatient();
    let mut server = None;
    if over == Over::Tls {
        let dir = testkit::temp_dir();
        let tls = certificate(dir.path());
        server = Some(rpc::ServerTls::load(&tls).unwrap());
        settings.endpoints = vec![format!("https://{address}")];
        settings.tls = Some(rpc::ClientTls::load(&tls).unwrap());
        settings.server_name = Some("mesh.test".into());
    }
    tokio::spawn(rpc::serve(listener, served, server, std::future::pending()));
    rpc::connect(&settings).unwrap()
}

/// A certificate that is its own authority.
fn certificate(folder: &std::path::Path) -> crate::Tls {
    let key = rcgen::KeyPair::generate().unwrap();
    let own = rcgen::CertificateParams::new(["mesh.test".to_owned()]).unwrap().self_signed(&key).unwrap();
    let (certificate, private) = (folder.join("certificate.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, own.pem()).unwrap();
    std::fs::write(&private, key.serialize_pem()).unwrap();
    crate::Tls { certificate: certificate.clone(), key: private, ca: certificate, ..crate::Tls::default() }
}

pub fn with<M>(token: &str, message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

/// The status's code and reason.
pub fn told<T: std::fmt::Debug>(result: Result<T, Status>) -> (Code, String) {
    let status = result.unwrap_err();
    (status.code(), info(&status).reason)
}

pub fn info(status: &Status) -> ErrorInfo {
    status.get_details_error_info().unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"))
}

/// A role with the layers of a role, whose calls are answered by their path.
fn role(seen: &Seen, ready: &runtime::Readiness, verifier: &Arc<Verifier>, clock: &ManualClock) -> Served {
    let seen = seen.clone();
    let answer = tower::service_fn(move |request| {
        let seen = seen.clone();
        async move { Ok::<_, std::convert::Infallible>(answer(seen, request).await) }
    });
    let loops = Arc::new(Board(ready.clone()));
    let operator = rpc::operator_service("catalog", "1", Arc::new(Letters), loops, Arc::new(Letters));
    let router = Routes::new(operator).into_axum_router().fallback_service(answer);
    let ready = ready.clone();
    let options = ServerOptions::new(Arc::new(move || ready.get()), verifier.clone(), clock.shared());
    rpc::server_stack("catalog", Routes::from(router), options)
}

async fn answer(seen: Seen, request: HttpRequest<AxumBody>) -> HttpResponse<AxumBody> {
    let (parts, body) = request.into_parts();
    let caller = rpc::identity(&parts.extensions).unwrap().clone();
    seen.lock().unwrap().push((caller, parts.headers.clone()));
    match parts.uri.path().rsplit('/').next().unwrap() {
        "GetDataset" => {
            let message = body.collect().await.unwrap().to_bytes();
            let request = catalog::GetDatasetRequest::decode(&message[5..]).unwrap();
            match rpc::permit::<DatasetName>(&parts.extensions, "name", &request.name) {
                Ok(name) => {
                    let dataset = catalog::Dataset { name: name.to_string(), ..catalog::Dataset::default() };
                    stream(vec![frame(&catalog::GetDatasetResponse { dataset: Some(dataset) }), trailers()], false)
                }
                Err(status) => status.into_http(),
            }
        }
        "WatchDatasets" => stream(vec![frame(&catalog::WatchDatasetsResponse::default())], true),
        "CreateDataset" => {
            let sent = body.collect().await.map(|body| body.to_bytes().len());
            let name = format!("{:?}", sent.map_err(|_| "broken off"));
            let dataset = catalog::Dataset { name, ..catalog::Dataset::default() };
            stream(vec![frame(&catalog::CreateDatasetResponse { dataset: Some(dataset) }), trailers()], false)
        }
        "ListDatasets" => std::future::pending().await,
        other => panic!("the test's role does not know {other}"),
    }
}

type Frame = http_body::Frame<Bytes>;

fn frame(message: &impl Message) -> Frame {
    let encoded = message.encode_to_vec();
    let mut bytes = vec![0];
    bytes.extend(u32::try_from(encoded.len()).unwrap().to_be_bytes());
    bytes.extend(encoded);
    Frame::data(bytes.into())
}

fn trailers() -> Frame {
    Frame::trailers(HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]))
}

fn stream(frames: Vec<Frame>, endless: bool) -> HttpResponse<AxumBody> {
    use futures::StreamExt as _;
    let first = futures::stream::iter(frames.into_iter().map(Ok::<_, Status>));
    let rest = if endless { futures::stream::pending().left_stream() } else { futures::stream::empty().right_stream() };
    let body = AxumBody::new(StreamBody::new(first.chain(rest)));
    HttpResponse::builder().header("content-type", "application/grpc").body(body).unwrap()
}

struct Board(runtime::Readiness);

impl types::Loops for Board {
    fn loops(&self) -> Vec<types::Loop> {
        vec![types::Loop { name: "catalog.indexer".into(), state: types::LoopState::default() }]
    }

    fn readiness(&self) -> Result<(), String> {
        self.0.get()
    }
}

/// Five dead letters, `l0` to `l4`.
struct Letters;

impl DeadLetters for Letters {
    fn list(&self, after: Option<String>, limit: u32) -> BoxFuture<'_, Result<Vec<DeadLetter>, OperateError>> {
        let ids = (0..5).map(|n| format!("l{n}")).filter(|id| after.as_ref().is_none_or(|after| id > after));
        let letters = ids.take(limit as usize).map(letter).collect();
        Box::pin(async move { Ok(letters) })
    }

    fn get(&self, id: String) -> BoxFuture<'_, Result<DeadLetter, OperateError>> {
        Box::pin(async move { Ok(letter(id)) })
    }

    fn redrive(&self, _: String) -> BoxFuture<'_, Result<(), OperateError>> {
        Box::pin(async { Ok(()) })
    }

    fn purge(&self, id: String) -> BoxFuture<'_, Result<(), OperateError>> {
        Box::pin(async move { Err(OperateError::NoSuchDeadLetter(id)) })
    }
}

impl Queues for Letters {
    fn queues(&self) -> BoxFuture<'_, Result<Vec<Queue>, OperateError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

fn letter(id: String) -> DeadLetter {
    DeadLetter {
        id,
        consumer: "catalog.discovery".into(),
        envelope: Vec::new(),
        reason: "POISON".into(),
        message: "bad".into(),
        attempts: 5,
        created: types::Timestamp::from_micros(0),
        waiting: 0,
    }
}
