//! One address of a role: its connections, and what is known of its health.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::Shared;
use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use types::BoxFuture;

use super::names::Target;
use super::{CONNECTION_WINDOW, STREAM_WINDOW};
use crate::connection::Wire;
use crate::context::is_streaming;

/// A connection that takes longer has failed, TLS included.
const CONNECT: Duration = Duration::from_secs(3);
/// A peer that takes longer to tell its health, the connection included, is not well.
const PROBE: Duration = Duration::from_secs(4);
/// A peer that serves is asked again after so long, when there are calls.
const CHECK_EVERY: Duration = Duration::from_secs(10);
/// A peer that is reached but does not serve is asked again after so long.
const NOT_SERVING_PAUSE: Duration = Duration::from_millis(250);
/// A peer that cannot be reached is tried again after so long; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What is known of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing yet.
    Unknown,
    /// It takes calls.
    Serving,
    /// It is there, and takes none.
    NotServing,
    /// It cannot be reached: why.
    Lost(String),
}

/// One look at the health of a peer, which any number of calls may wait for.
pub(super) type Probe = Shared<BoxFuture<'static, ()>>;

pub(super) struct Peer {
    pub(super) address: SocketAddr,
    unary: Channel,
    /// Streams have a connection of their own: one whose reader stands still takes part of the connection's window.
    streams: Channel,
    /// One reference per call under way, and this one.
    busy: Arc<()>,
    state: Mutex<State>,
}

struct State {
    standing: Standing,
    failures: u32,
    next_look: Instant,
    probe: Option<Probe>,
}

impl Peer {
    pub(super) fn new(address: SocketAddr, target: &Target) -> Arc<Self> {
        let state = State { standing: Standing::Unknown, failures: 0, next_look: Instant::now(), probe: None };
        let (unary, streams) = (channel(address, target), channel(address, target));
        Arc::new(Self { address, unary, streams, busy: Arc::default(), state: Mutex::new(state) })
    }

    /// The connection for calls of the method at `path`.
    pub(super) fn channel(&self, path: &str) -> Channel {
        if is_streaming(path) { self.streams.clone() } else { self.unary.clone() }
    }

    /// Counts a call as under way for as long as it is held.
    pub(super) fn busy(&self) -> Arc<()> {
        self.busy.clone()
    }

    pub(super) fn calls(&self) -> usize {
        Arc::strong_count(&self.busy)
    }

    pub(super) fn standing(&self) -> Standing {
        self.state().standing.clone()
    }

    /// When it will be looked at again; `None` while it is.
    pub(super) fn next_look(&self) -> Option<Instant> {
        let state = self.state();
        state.probe.is_none().then_some(state.next_look)
    }

    /// Looks whether a look that was begun has ended, or begins one when it is time; gives the one under way.
    pub(super) fn look(self: &Arc<Self>) -> Option<Probe> {
        let probe = {
            let mut state = self.state();
            if state.probe.is_none() && state.next_look <= Instant::now() {
                state.probe = Some(probe(Arc::downgrade(self), self.unary.clone()));
            }
            state.probe.clone()?
        };
        // Not under the lock: the probe takes it as it ends.
        match probe.clone().now_or_never() {
            Some(()) => None,
            None => Some(probe),
        }
    }

    /// Takes note of what was seen of the peer.
    pub(super) fn judge(&self, standing: Standing) {
        let mut state = self.state();
        state.failures = if matches!(standing, Standing::Lost(_)) { state.failures.saturating_add(1) } else { 0 };
        let pause = match &standing {
            Standing::Unknown => Duration::ZERO,
            Standing::Serving => CHECK_EVERY,
            Standing::NotServing => NOT_SERVING_PAUSE,
            Standing::Lost(_) => (FIRST_PAUSE * 2u32.pow(state.failures.min(8) - 1)).min(LONGEST_PAUSE),
        };
        if let Standing::Lost(why) = &standing
            && !matches!(state.standing, Standing::Lost(_))
        {
            tracing::info!(address = %self.address, why, "an address is left out");
        }
        state.next_look = Instant::now() + pause.mul_f64(rand::random_range(0.8..1.2));
        state.standing = standing;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks a peer how it is. tonic's own task makes the connection, so that this goes on though nobody polls it.
fn probe(peer: Weak<Peer>, channel: Channel) -> Probe {
    let look = async move {
        let mut health = HealthClient::new(channel);
        let standing = match timeout(PROBE, health.check(HealthCheckRequest::default())).await {
            Ok(Ok(answer)) if answer.get_ref().status() == ServingStatus::NotServing => Standing::NotServing,
            Ok(Ok(_)) => Standing::Serving,
            // It is there, and has no health to tell.
            Ok(Err(status)) if matches!(status.code(), Code::Unimplemented | Code::NotFound) => Standing::Serving,
            Ok(Err(status)) if crate::reason(&status).is_some() => Standing::NotServing,
            Ok(Err(status)) => Standing::Lost(super::call::chain(&status)),
            Err(_) => Standing::Lost(format!("it did not tell its health within {} s", PROBE.as_secs())),
        };
        if let Some(peer) = peer.upgrade() {
            peer.judge(standing);
            peer.state().probe = None;
        }
    };
    let look: BoxFuture<'static, ()> = Box::pin(look);
    look.shared()
}

fn channel(address: SocketAddr, target: &Target) -> Channel {
    // Ours is the TLS, so tonic is told of none.
    let url = Uri::builder().scheme("http").authority(target.authority.clone()).path_and_query("/").build();
    let connector = Connector { address, tls: target.tls.clone() };
    Endpoint::from(url.expect("an authority makes a URL"))
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(5))
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .connect_with_connector_lazy(connector)
}

/// Connects to one address, with the certificates of the moment.
#[derive(Clone)]
struct Connector {
    address: SocketAddr,
    tls: Option<(crate::ClientTls, tokio_rustls::rustls::pki_types::ServerName<'static>)>,
}

impl Connector {
    async fn connect(self) -> io::Result<TokioIo<Wire>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let connection = match self.tls {
            None => Wire::Plain(stream),
            Some((tls, name)) => {
                let stream = TlsConnector::from(tls.config()).connect(name, stream).await?;
                Wire::Tls(Box::new(stream.into()))
            }
        };
        Ok(TokioIo::new(connection))
    }
}

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<Wire>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let this = self.clone();
        let address = this.address;
        Box::pin(async move {
            let late = || format!("no connection to {address} within {} s", CONNECT.as_secs());
            let connected = timeout(CONNECT, this.connect()).await;
            let connected = connected.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, late())));
            connected.map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")))
        })
    }
}
