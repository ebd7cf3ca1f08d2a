//! The promises of `lib.rs`, each over both transports.

mod addresses;
mod calls;
mod certificates;
mod crowds;
mod deadlines;
mod identities;
mod operating;
mod refused;
mod seeing;
mod service;
mod stopping;
mod wellbeing;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderValue, Request};
use proto::profiling::v1::profiling_service_client::ProfilingServiceClient;
use proto::profiling::v1::profiling_service_server::ProfilingServiceServer;
use testkit::ManualClock;
use tonic::body::Body;
use tonic::service::Routes;
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;
use types::{Clock as _, Identity, Role, Subject};

use crate::{
    ConnectSettings, IDENTITY_HEADER, KeyPair, ServerOptions, Signer, Transport, Verifier, client_stack, connect,
    in_process, serve, server_stack,
};
use service::{Probe, Service};

/// Runs each test over a socket and within the process.
macro_rules! over_both_transports {
    ($($test:ident),+ $(,)?) => {
        mod in_process {
            $(#[tokio::test]
            async fn $test() {
                super::$test(crate::tests::Mesh::start(crate::tests::Over::Process).await).await;
            })+
        }
        mod over_tcp {
            $(#[tokio::test]
            async fn $test() {
                super::$test(crate::tests::Mesh::start(crate::tests::Over::Tcp).await).await;
            })+
        }
    };
}
pub(crate) use over_both_transports;

/// How a test's client reaches its service.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Over {
    Process,
    Tcp,
}

/// One role, served, with what its tests turn and look at.
pub(crate) struct Mesh {
    /// The way to the role, without the client's layers and without an identity.
    pub(crate) bare: Transport,
    pub(crate) probe: Arc<Probe>,
    pub(crate) clock: ManualClock,
    pub(crate) ready: Arc<AtomicBool>,
    pub(crate) signer: Arc<Signer>,
    pub(crate) gateway_key: KeyPair,
}

impl Mesh {
    pub(crate) async fn start(over: Over) -> Self {
        Self::start_with(over, |_| ()).await
    }

    pub(crate) async fn start_with(over: Over, adjust: impl FnOnce(&mut ServerOptions)) -> Self {
        let clock = ManualClock::default();
        let (gateway, role) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let verifier =
            Verifier::new("test", clock.shared()).trust("gateway", gateway.public()).trust("catalog", role.public());
        let ready = Arc::new(AtomicBool::new(true));
        let shown = Arc::clone(&ready);
        let readiness =
            Arc::new(
                move || {
                    if shown.load(Ordering::SeqCst) { Ok(()) } else { Err("it waits for the test".to_owned()) }
                },
            );
        let mut options = ServerOptions::new(readiness, Arc::new(verifier), clock.shared());
        adjust(&mut options);
        let probe = Arc::new(Probe::default());
        let routes = Routes::new(ProfilingServiceServer::new(Service(Arc::clone(&probe))));
        let served = server_stack("profiling", routes, options);
        let bare = match over {
            Over::Process => {
                let (transport, plug) = in_process();
                plug.connect(served);
                transport
            }
            Over::Tcp => {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                tokio::spawn(serve(listener, served, None, std::future::pending()));
                connect(&ConnectSettings::new("profiling", [address.to_string()]).impatient()).unwrap()
            }
        };
        let signer = Arc::new(Signer::new(gateway.clone(), "gateway", "test", clock.shared()));
        *probe.role_signer.lock().unwrap() = Some(Arc::new(Signer::new(role, "catalog", "test", clock.shared())));
        Self { bare, probe, clock, ready, signer, gateway_key: gateway }
    }

    /// A client that calls as Ada.
    pub(crate) fn client(&self) -> ProfilingServiceClient<Transport> {
        let header = self.signer.sign(&self.ada());
        ProfilingServiceClient::new(client_stack(with_identity(self.bare.clone(), header), None))
    }

    pub(crate) fn ada(&self) -> Identity {
        Identity {
            subject: Subject::User("ada".parse().unwrap()),
            tenant: Some("main".parse().unwrap()),
            roles: vec![Role::Publisher],
            credential_expires: Some(self.clock.now() + Duration::from_secs(30)),
        }
    }
}

/// A transport whose calls carry `header`, as the gateway's do.
pub(crate) fn with_identity(transport: Transport, header: HeaderValue) -> Transport {
    Transport::new(BoxCloneSyncService::new(transport.map_request(move |mut request: Request<Body>| {
        request.headers_mut().insert(IDENTITY_HEADER, header.clone());
        request
    })))
}

/// A list that handlers write and tests read.
pub(crate) type Noted<T> = Mutex<Vec<T>>;
