//! What stands around a role's routes, and the socket they are served on.

use std::future::{Future, pending};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tonic::service::Routes;
use tower::ServiceBuilder;
use tower::util::BoxCloneSyncService;
use types::Clock;

use crate::connect::{CONNECTION_WINDOW, STREAM_WINDOW};
use crate::connection::{ConnectionLimits, Incoming};
use crate::infrastructure;
use crate::layers::{
    CatchPanicLayer, DeadlineLayer, ExplainLayer, IdentityLayer, LoadShedLayer, MetricsLayer, ReadinessLayer,
    TraceLayer,
};
use crate::{Error, Served, ServerTls, Verifier};

/// Tells whether a role takes calls; if not, why.
pub(crate) type Ready = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// How a role's routes are served.
#[derive(Clone)]
pub struct ServerOptions {
    /// Tells whether the role takes calls; if not, why.
    pub readiness: Ready,
    /// Tells whether a call that came is served; if not, why. As a role stops it is not ready, and serves all the same.
    pub admission: Ready,
    /// Whose identities are believed.
    pub verifier: Arc<Verifier>,
    /// Tells when credentials end.
    pub clock: Arc<dyn Clock>,
    /// Unary calls under way at once; more are refused.
    pub max_in_flight: usize,
    /// Streams open at once; more are refused.
    pub max_streams: usize,
    /// A stream on which nothing is sent for so long, either way, ends.
    pub stream_idle: Duration,
    /// Whether health and reflection of the role are answered too; the gateway answers those of the whole mesh itself.
    pub infrastructure: bool,
}

impl ServerOptions {
    /// The usual limits: 1024 unary calls, 1024 streams, 10 minutes idle.
    pub fn new(readiness: Ready, verifier: Arc<Verifier>, clock: Arc<dyn Clock>) -> Self {
        let stream_idle = Duration::from_secs(600);
        Self {
            admission: readiness.clone(),
            readiness,
            verifier,
            clock,
            max_in_flight: 1024,
            max_streams: 1024,
            stream_idle,
            infrastructure: true,
        }
    }
}

/// Puts the server's layers around the routes of `role`, outermost first:
///
/// - `Trace` opens the span that all the others log in, and says which role serves;
/// - `Metrics` counts whatever comes of a call, refusals and panics included;
/// - `CatchPanic` stands inside both, so that a panic is traced and counted as `INTERNAL`;
/// - `Readiness` refuses before anything is spent on the call;
/// - `LoadShed` refuses before a deadline is set or a signature checked, because both cost;
/// - `Deadline` bounds all that follows;
/// - `Identity` is the last to refuse: whoever gets through is a caller that the handler may believe;
/// - `Explain` stands at the routes, so that what tonic's decoder refuses there is the caller's fault in all others' eyes;
/// - health and reflection of the role are answered beside the routes, unless the options say otherwise.
pub fn server_stack(role: &'static str, routes: Routes, options: ServerOptions) -> Served {
    let routes = routes.prepare();
    let routes = if options.infrastructure {
        infrastructure::beside(role, &options.readiness, BoxCloneSyncService::new(routes))
    } else {
        BoxCloneSyncService::new(routes)
    };
    let stack = ServiceBuilder::new()
        .layer(TraceLayer { role })
        .layer(MetricsLayer::server())
        .layer(CatchPanicLayer {})
        .layer(ReadinessLayer { ready: options.admission })
        .layer(LoadShedLayer::new(options.max_in_flight, options.max_streams))
        .layer(DeadlineLayer { stream_idle: options.stream_idle })
        .layer(IdentityLayer { verifier: options.verifier, clock: options.clock })
        .layer(ExplainLayer {});
    BoxCloneSyncService::new(stack.service(routes))
}

/// Serves over HTTP/2 on `listener`, within TLS where there is `tls`, until `shutdown` comes, then until the calls under
/// way have ended. It takes any number of connections.
pub async fn serve(
    listener: TcpListener,
    served: Served,
    tls: Option<ServerTls>,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    serve_within(ConnectionLimits::NONE, listener, served, tls, shutdown).await
}

/// Does what [`serve`] does for so many connections at once. Whoever comes beyond is told by a GOAWAY, and counted in
/// `rpc_connections_refused_total`. Peers that answer no ping for 20 s, asked after 30 s of silence, are held to be gone.
pub async fn serve_within(
    limits: ConnectionLimits,
    listener: TcpListener,
    served: Served,
    tls: Option<ServerTls>,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    tonic::transport::Server::builder()
        .accept_http1(false)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(20)))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        // The end of what comes in is the stop; then the connections drain.
        .serve_with_incoming_shutdown(served, Incoming::new(listener, tls, limits, Box::pin(shutdown)), pending())
        .await
        .map_err(Error::Serve)
}
