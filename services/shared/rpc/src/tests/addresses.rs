//! Several addresses of one role: how calls are shared among them, and what becomes of those that fail.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::Request as HttpRequest;
use proto::profiling::v1::RetryJobRequest;
use proto::profiling::v1::profiling_service_client::ProfilingServiceClient;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::body::Body;
use tonic::{Code, Request};
use tower::util::BoxCloneSyncService;
use tower::{ServiceExt as _, service_fn};

use super::calls::{get, watching};
use super::{Mesh, Over, with_identity};
use crate::{ConnectSettings, Error, ServerTls, Transport, connect, reason, serve};

/// One process of a role.
pub(super) struct Node {
    pub(super) address: SocketAddr,
    pub(super) calls: Arc<AtomicUsize>,
    pub(super) stop: oneshot::Sender<()>,
    pub(super) task: JoinHandle<Result<(), Error>>,
}

impl Node {
    pub(super) async fn start(mesh: &Mesh, tls: Option<ServerTls>) -> Self {
        Self::start_at(mesh, "127.0.0.1:0".parse().unwrap(), tls).await
    }

    pub(super) async fn start_at(mesh: &Mesh, address: SocketAddr, tls: Option<ServerTls>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::new(AtomicUsize::new(0));
        let (counted, served) = (calls.clone(), mesh.bare.clone());
        let served = service_fn(move |request: HttpRequest<Body>| {
            counted.fetch_add(usize::from(!request.uri().path().starts_with("/grpc.")), Ordering::SeqCst);
            served.clone().oneshot(request)
        });
        let (stop, stopped) = oneshot::channel();
        let stopped = async move { drop(stopped.await) };
        let task = tokio::spawn(serve(listener, BoxCloneSyncService::new(served), tls, stopped));
        Self { address, calls, stop, task }
    }

    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

pub(super) fn client(mesh: &Mesh, transport: Transport) -> ProfilingServiceClient<Transport> {
    ProfilingServiceClient::new(with_identity(transport, mesh.signer.sign(&mesh.ada())))
}

fn to(addresses: &[SocketAddr]) -> ConnectSettings {
    ConnectSettings::new("profiling", addresses.iter().map(ToString::to_string))
}

/// An address where nobody listens.
async fn nowhere() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn write() -> RetryJobRequest {
    RetryJobRequest { name: "tenants/main/jobs/j1".into() }
}

#[tokio::test]
async fn calls_are_shared_among_addresses_and_a_dead_one_gets_none() {
    let mesh = Mesh::start(Over::Process).await;
    let (one, two) = (Node::start(&mesh, None).await, Node::start(&mesh, None).await);
    let mut client = client(&mesh, connect(&to(&[one.address, nowhere().await, two.address])).unwrap());
    // Until each was seen to be well, the first that was takes the calls.
    testkit::eventually!({
        client.retry_job(write()).await.unwrap();
        one.calls() > 0 && two.calls() > 0
    });
    let (of_one, of_two) = (one.calls(), two.calls());
    for _ in 0..20 {
        client.retry_job(write()).await.unwrap();
    }
    let (of_one, of_two) = (one.calls() - of_one, two.calls() - of_two);
    assert!(of_one + of_two == 20 && of_one.min(of_two) >= 5, "{of_one} and {of_two}");
}

#[tokio::test]
async fn a_process_that_stops_fails_no_call_and_gets_calls_again_when_it_is_back() {
    let mesh = Mesh::start(Over::Process).await;
    let (one, two) = (Node::start(&mesh, None).await, Node::start(&mesh, None).await);
    let (address, mut one) = (one.address, Some(one));
    let transport = connect(&to(&[address, two.address])).unwrap();
    let failed = Arc::new(Mutex::new(Vec::new()));
    let made = Arc::new(AtomicUsize::new(0));
    let load: Vec<_> = (0..8)
        .map(|_| {
            let (mut client, failed, made) = (client(&mesh, transport.clone()), failed.clone(), made.clone());
            tokio::spawn(async move {
                loop {
                    // A write, which nobody may send twice.
                    if let Err(status) = client.retry_job(write()).await {
                        failed.lock().unwrap().push(status);
                    }
                    made.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for _ in 0..5 {
        let node = one.take().unwrap();
        let before = node.calls();
        testkit::eventually!(node.calls() > before + 20);
        node.stop.send(()).unwrap();
        node.task.await.unwrap().unwrap();
        let before = made.load(Ordering::SeqCst);
        testkit::eventually!(made.load(Ordering::SeqCst) > before + 20);
        one = Some(Node::start_at(&mesh, address, None).await);
    }
    load.iter().for_each(JoinHandle::abort);
    let failed = failed.lock().unwrap();
    assert!(failed.is_empty(), "{} of {made:?} calls failed, first {:?}", failed.len(), failed[0]);
}

#[tokio::test]
async fn a_call_waits_for_an_address_that_was_lost_and_no_longer_than_its_deadline() {
    let mesh = Mesh::start(Over::Process).await;
    let address = nowhere().await;
    let transport = connect(&to(&[address])).unwrap();
    let mut waiting = client(&mesh, transport.clone());
    let call = tokio::spawn(async move { waiting.retry_job(write()).await });
    let mut hasty = client(&mesh, transport);
    let mut request = Request::new(write());
    request.set_timeout(Duration::from_millis(300));
    let begun = Instant::now();
    let status = hasty.retry_job(request).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!((status.code(), reason(&status).as_deref()), (Code::Unavailable, Some("PEER_UNREACHABLE")));
    let _node = Node::start_at(&mesh, address, None).await;
    call.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_address_that_is_not_ready_is_passed_over() {
    let one = Mesh::start(Over::Process).await;
    let verifier = crate::Verifier::new("test", one.clock.shared()).trust("gateway", one.gateway_key.public());
    let two = Mesh::start_with(Over::Process, |options| options.verifier = Arc::new(verifier)).await;
    let nodes = [Node::start(&one, None).await, Node::start(&two, None).await];
    let mut client = client(&one, connect(&to(&[nodes[0].address, nodes[1].address])).unwrap());
    testkit::eventually!({
        client.retry_job(write()).await.unwrap();
        nodes.iter().all(|node| node.calls() > 0)
    });
    one.ready.store(false, Ordering::SeqCst);
    let before = nodes[1].calls();
    for _ in 0..10 {
        client.retry_job(write()).await.unwrap();
    }
    assert_eq!(nodes[1].calls() - before, 10);
    // When none is, the call goes to one of them to learn why.
    two.ready.store(false, Ordering::SeqCst);
    let mut request = Request::new(write());
    request.set_timeout(Duration::from_millis(300));
    let status = client.retry_job(request).await.unwrap_err();
    assert!(matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded), "{status:?}");
    one.ready.store(true, Ordering::SeqCst);
    client.retry_job(write()).await.unwrap();
}

#[tokio::test]
async fn a_name_is_resolved_again() {
    let mesh = Mesh::start(Over::Process).await;
    let (old, new) = (Node::start(&mesh, None).await, Node::start(&mesh, None).await);
    let addresses = Arc::new(Mutex::new(vec![old.address]));
    let known = addresses.clone();
    let mut settings = ConnectSettings::new("profiling", ["profiling.mesh:7072"]);
    settings.resolve_every = Duration::from_millis(20);
    settings.lookup = Arc::new(move |host, port| {
        assert_eq!((host.as_str(), port), ("profiling.mesh", 7072));
        let known = known.lock().unwrap().clone();
        Box::pin(async move { Ok(known) })
    });
    let mut client = client(&mesh, connect(&settings).unwrap());
    let mut watch = client.watch_jobs(watching("hang")).await.unwrap().into_inner();
    watch.message().await.unwrap();
    *addresses.lock().unwrap() = vec![new.address];
    testkit::eventually!({
        client.get_job(get("j1")).await.unwrap();
        new.calls() > 0
    });
    let before = old.calls();
    for _ in 0..10 {
        client.get_job(get("j1")).await.unwrap();
    }
    assert_eq!(old.calls(), before);
    // What was under way there goes on.
    assert_eq!(mesh.probe.alive.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_name_that_cannot_be_resolved_is_told() {
    let mut settings = ConnectSettings::new("profiling", ["profiling.mesh:7072"]).impatient();
    settings.lookup = Arc::new(|_, _| Box::pin(async { Err(std::io::Error::other("no such name")) }));
    let mesh = Mesh::start(Over::Process).await;
    let status = client(&mesh, connect(&settings).unwrap()).retry_job(write()).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_deref()), (Code::Unavailable, Some("PEER_UNREACHABLE")));
    assert!(status.message().contains("profiling.mesh"), "{status:?}");
}

#[tokio::test]
async fn a_connection_that_came_in_as_the_server_stops_is_told_so_and_not_broken() {
    let mesh = Mesh::start(Over::Process).await;
    for _ in 0..20 {
        let node = Node::start(&mesh, None).await;
        // The system has taken the connection, and the server has not seen it yet.
        let stream = std::net::TcpStream::connect(node.address).unwrap();
        stream.set_nonblocking(true).unwrap();
        node.stop.send(()).unwrap();
        let stream = tokio::net::TcpStream::from_std(stream).unwrap();
        let (sender, connection) = h2::client::handshake(stream).await.unwrap();
        let connection = tokio::spawn(connection);
        let answer = async {
            let request = HttpRequest::post("http://mesh/grpc.health.v1.Health/Check").body(()).unwrap();
            sender.ready().await?.send_request(request, true)?.0.await
        };
        if let Err(error) = answer.await {
            assert!(error.is_go_away() && error.is_remote(), "{error:?}");
        }
        connection.abort();
        node.task.await.unwrap().unwrap();
    }
}
