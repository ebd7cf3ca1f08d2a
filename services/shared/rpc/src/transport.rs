//! The one transport for sockets and for one process.

use std::convert::Infallible;
use std::error::Error as _;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body as _;
use tokio::sync::oneshot;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt as _, service_fn};

use crate::body::{Step, around};
use crate::{Error, to_status};

/// Routes with their layers: answers every request, with a status if need be.
pub type Served = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// What a generated client stands on, whether the role that answers is in this process or behind a socket.
///
/// A failure to reach the role is an answer too: `UNAVAILABLE`.
#[derive(Clone, Debug)]
pub struct Transport(Served);

impl Transport {
    /// A transport that leads to anything that answers.
    pub fn new(served: Served) -> Self {
        Self(served)
    }

    /// What answers.
    pub(crate) fn into_inner(self) -> Served {
        self.0
    }
}

impl Service<Request<Body>> for Transport {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.0.call(request)
    }
}

/// Takes the routes that an in-process [`Transport`] leads to.
#[derive(Debug)]
pub struct Plug(Arc<OnceLock<Served>>);

impl Plug {
    /// Leads the transport to `served` from now on.
    pub fn connect(self, served: Served) {
        // A plug is used up by this call, so nothing else can have set it.
        let _ = self.0.set(served);
    }
}

/// Makes a transport that leads to routes in this process, and the plug that takes them later.
///
/// A call before that answers `UNAVAILABLE`, reason `NOT_PLUGGED_IN`. Extensions do not pass in either direction: over
/// a socket there are none.
pub fn in_process() -> (Transport, Plug) {
    let socket = Arc::new(OnceLock::<Served>::new());
    let plug = Plug(Arc::clone(&socket));
    let service = service_fn(move |mut request: Request<Body>| {
        let served = socket.get().cloned();
        async move {
            let Some(served) = served else { return Ok(to_status(&Error::NotPluggedIn).into_http()) };
            request.extensions_mut().clear();
            let mut response = served.oneshot(request).await?;
            response.extensions_mut().clear();
            Ok(response)
        }
    });
    (Transport(BoxCloneSyncService::new(service)), plug)
}

/// Makes a transport to the role at `endpoint`, `host:port` or a URL, over TCP.
///
/// Connects when first used, and again whenever the connection was lost. Must be called within Tokio.
pub async fn connect(endpoint: &str) -> Result<Transport, Error> {
    let url = if endpoint.contains("://") { endpoint.to_owned() } else { format!("http://{endpoint}") };
    let bad = || Error::BadEndpoint { given: endpoint.to_owned() };
    let endpoint = Endpoint::from_shared(url).map_err(|_| bad())?;
    if endpoint.uri().host().is_none() {
        return Err(bad());
    }
    let channel = endpoint
        .connect_timeout(Duration::from_secs(5))
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .connect_lazy();
    Ok(Transport(BoxCloneSyncService::new(service_fn(move |request| over_tcp(channel.clone(), request)))))
}

/// What one stream may send ahead of its reader: HTTP/2 would else hold about 2 MB per stream and hop.
pub(crate) const STREAM_WINDOW: u32 = 512 << 10;
/// What all streams of a connection may.
pub(crate) const CONNECTION_WINDOW: u32 = 4 << 20;

async fn over_tcp(channel: Channel, request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let (alive, dropped) = oneshot::channel::<()>();
    let request = request.map(|body| tie(body, dropped));
    match channel.oneshot(request).await {
        Ok(response) => Ok(repaired(response).map(|body| tied(body, alive))),
        Err(error) => Ok(unreached(Status::from_error(error.into())).into_http()),
    }
}

/// Breaks off the request when the answer is dropped. Otherwise the handler of a bidirectional call lives on until
/// the source of the requests ends.
fn tie(body: Body, mut dropped: oneshot::Receiver<()>) -> Body {
    around(body, move |inner, cx| {
        if Pin::new(&mut dropped).poll(cx).is_ready() {
            return Step::Pass(Poll::Ready(Some(Err(Status::cancelled("the answer was dropped")))));
        }
        Step::Pass(inner.poll_frame(cx))
    })
}

fn tied(body: Body, alive: oneshot::Sender<()>) -> Body {
    around(body, move |inner, cx| {
        let _held = &alive;
        match inner.poll_frame(cx) {
            Poll::Ready(Some(Err(status))) => Step::End(unreached(status)),
            polled => Step::Pass(polled),
        }
    })
}

/// tonic's own time-outs may arrive as `Cancelled "Timeout expired"`.
fn repaired(response: Response<Body>) -> Response<Body> {
    match Status::from_header_map(response.headers()) {
        Some(status) if is_timeout(&status) => to_status(&Error::DeadlineExceeded).into_http(),
        _ => response,
    }
}

fn is_timeout(status: &Status) -> bool {
    status.code() == Code::Cancelled && status.message() == "Timeout expired"
}

/// The status of a call that failed beneath gRPC.
fn unreached(status: Status) -> Status {
    if is_timeout(&status) {
        return to_status(&Error::DeadlineExceeded);
    }
    match status.code() {
        Code::ResourceExhausted | Code::DeadlineExceeded | Code::PermissionDenied => status,
        _ => to_status(&Error::PeerUnreachable(chain(&status))),
    }
}

fn chain(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut cause = status.source();
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.contains(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        cause = error.source();
    }
    text
}
