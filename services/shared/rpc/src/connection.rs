//! Connections, plain or TLS, as they come in and as they go out.

mod places;

use std::future::{Future, pending};
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::future::{Fuse, FutureExt as _};
use futures::stream::FuturesUnordered;
use futures::{Stream, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep, timeout};
use tokio_rustls::{TlsAcceptor, TlsStream};
use tonic::transport::server::{Connected, TcpConnectInfo};
use types::BoxFuture;

use crate::ServerTls;
pub use places::ConnectionLimits;
use places::{Full, Place, Places};

/// A client that takes longer to agree on TLS is given up.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// So many clients may be agreeing on TLS at once; more wait in the queue of the listener.
const HANDSHAKES: usize = 1024;
/// So long after the stop those are waited for who are agreeing on TLS.
const LATE: Duration = Duration::from_secs(1);

/// So many clients beyond the limit may be told so at once; more are closed without a word.
const REFUSALS: usize = 64;
/// So long is read away what a client sends to a connection that is shut down.
const LINGER: Duration = Duration::from_secs(1);
/// What a client of HTTP/2 sends first has this length (RFC 9113, 3.4).
const PREFACE: usize = 24;

/// One connection. TLS is boxed, because most connections within a machine have none.
pub(crate) enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// One connection that came in, which is counted until it is dropped.
///
/// A client that does not say within the time of a handshake that it speaks HTTP/2 is given up: the pings of HTTP/2 find
/// dead peers only from then on.
pub(crate) struct Connection {
    stream: Wire,
    silence: Option<Pin<Box<Sleep>>>,
    preface: usize,
    /// Since all is said.
    lingering: Option<Pin<Box<Sleep>>>,
    _place: Place,
}

impl Connection {
    fn new(stream: Wire, place: Place) -> Self {
        let silence = Some(Box::pin(sleep(HANDSHAKE)));
        Self { stream, silence, preface: PREFACE, lingering: None, _place: place }
    }

    /// Reads away what comes, until the client closes its side too or has had its time.
    ///
    /// A connection that is closed over bytes that nobody read is reset, and a client that writes then may never read what
    /// it was told last: the GOAWAY that says which of its calls were not served, so that it may repeat them elsewhere.
    fn linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let time = self.lingering.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        if time.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut room = [0; 4096];
        loop {
            let mut read = ReadBuf::new(&mut room);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read)) {
                Ok(()) if !read.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
    }

    /// Takes notice of `read` bytes, or of none for now.
    fn heard(&mut self, read: Poll<usize>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(silence) = &mut self.silence else { return read.map(|_| Ok(())) };
        match read {
            Poll::Ready(read) => {
                self.preface = self.preface.saturating_sub(read);
                if self.preface == 0 {
                    self.silence = None;
                }
                Poll::Ready(Ok(()))
            }
            Poll::Pending => silence.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        match &self.stream {
            Wire::Plain(stream) => stream.connect_info(),
            Wire::Tls(stream) => stream.get_ref().0.connect_info(),
        }
    }
}

/// The connections that come in on a listener until it is stopped, once they have agreed on TLS where that is asked
/// for.
///
/// The handshakes run side by side, within this stream; whoever is slow keeps nobody else out. At the stop those that
/// the system has taken already still come in, so that they are told to go elsewhere; a listener that is closed breaks
/// them, and with them calls of which nobody knows whether they were served. A client of TLS 1.3 sends calls before its
/// handshake has ended here, so handshakes that are under way have [`LATE`] to end.
pub(crate) struct Incoming<S> {
    listener: Option<TcpListener>,
    late: Vec<TcpStream>,
    /// Since the stop.
    closing: Option<Pin<Box<Sleep>>>,
    tls: Option<ServerTls>,
    handshakes: FuturesUnordered<BoxFuture<'static, Option<Connection>>>,
    places: Places,
    refusals: FuturesUnordered<BoxFuture<'static, ()>>,
    stop: Fuse<S>,
}

impl<S: Future<Output = ()>> Incoming<S> {
    pub(crate) fn new(listener: TcpListener, tls: Option<ServerTls>, limits: ConnectionLimits, stop: S) -> Self {
        Self {
            listener: Some(listener),
            late: Vec::new(),
            closing: None,
            tls,
            handshakes: FuturesUnordered::new(),
            places: Places::new(limits),
            refusals: FuturesUnordered::new(),
            stop: stop.fuse(),
        }
    }

    /// Takes what the system has taken, whether or not Tokio knows of it yet, and closes the listener.
    fn close(&mut self) {
        self.closing = Some(Box::pin(sleep(LATE)));
        let Some(listener) = self.listener.take().and_then(|listener| listener.into_std().ok()) else { return };
        while let Ok((stream, _)) = listener.accept() {
            let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
            self.late.extend(stream.ok());
        }
    }

    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<TcpStream>>> {
        if let Some(stream) = self.late.pop() {
            return Poll::Ready(Some(Ok(stream)));
        }
        match &self.listener {
            Some(listener) => listener.poll_accept(cx).map(|accepted| Some(accepted.map(|(stream, _)| stream))),
            None => self.poll_end(cx).map(|()| None),
        }
    }

    /// Waits for the handshakes after the stop. They were polled before, and wake this when they end.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.closing {
            Some(closing) if !self.handshakes.is_empty() => closing.as_mut().poll(cx),
            _ => Poll::Ready(()),
        }
    }

    fn refuse(&self, full: Full, stream: TcpStream) {
        full.count();
        if self.refusals.len() < REFUSALS {
            let tls = self.tls.clone();
            self.refusals.push(Box::pin(async move {
                let stream = match tls {
                    None => Some(Wire::Plain(stream)),
                    Some(tls) => accept(tls, stream).await,
                };
                if let Some(stream) = stream {
                    full.tell(stream).await;
                }
            }));
        }
    }
}

impl<S: Future<Output = ()> + Unpin> Stream for Incoming<S> {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Connection>>> {
        let this = &mut *self;
        if Pin::new(&mut this.stop).poll(cx).is_ready() {
            this.close();
        }
        loop {
            while let Poll::Ready(Some(())) = this.refusals.poll_next_unpin(cx) {}
            match this.handshakes.poll_next_unpin(cx) {
                Poll::Ready(Some(Some(connection))) => return Poll::Ready(Some(Ok(connection))),
                Poll::Ready(Some(None)) => continue,
                Poll::Pending if this.handshakes.len() >= HANDSHAKES && this.listener.is_some() => {
                    return Poll::Pending;
                }
                Poll::Ready(None) | Poll::Pending => {}
            }
            let Some(stream) = ready!(this.next(cx)) else { return Poll::Ready(None) };
            let stream = match stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream)) {
                Ok(stream) => stream,
                Err(error) => return Poll::Ready(Some(Err(error))),
            };
            // One that is gone already has no address any more, and is found to be gone soon.
            let address = stream.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
            let place = match this.places.take(address) {
                Ok(place) => place,
                Err(full) => {
                    this.refuse(full, stream);
                    continue;
                }
            };
            match this.tls.clone() {
                None => return Poll::Ready(Some(Ok(Connection::new(Wire::Plain(stream), place)))),
                Some(tls) => this
                    .handshakes
                    .push(Box::pin(async move { Some(Connection::new(accept(tls, stream).await?, place)) })),
            }
        }
    }
}

/// The connections that come in on a listener which serves something else than calls, any number of them, within TLS
/// where there is `tls` ([`ServerTls::load_web`]). An error is of one connection, or of the process, and others follow it.
pub fn connections(
    listener: TcpListener,
    tls: Option<ServerTls>,
) -> impl Stream<Item = io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static>> + Send + Unpin + 'static {
    Incoming::new(listener, tls, ConnectionLimits::NONE, pending())
}

async fn accept(tls: ServerTls, stream: TcpStream) -> Option<Wire> {
    let peer = stream.peer_addr().map(|peer| peer.to_string()).unwrap_or_default();
    let why = match timeout(HANDSHAKE, TlsAcceptor::from(tls.config()).accept(stream)).await {
        Ok(Ok(stream)) => return Some(Wire::Tls(Box::new(stream.into()))),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("it took longer than {} s", HANDSHAKE.as_secs()),
    };
    metrics::counter!("rpc_tls_refused_total").increment(1);
    tracing::debug!(peer, why, "a client was refused at the TLS handshake");
    None
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => Poll::Ready(buf.filled().len() - before),
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        };
        self.heard(read, cx)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        }
        self.linger(cx).map(Ok)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
