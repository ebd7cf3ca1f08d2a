//! Connections, plain or TLS, as they come in and as they go out.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{Stream, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsStream};
use tonic::transport::server::{Connected, TcpConnectInfo, TcpIncoming};
use types::BoxFuture;

use crate::ServerTls;

/// A client that takes longer to agree on TLS is given up.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// So many clients may be agreeing on TLS at once; more wait in the queue of the listener.
const HANDSHAKES: usize = 1024;

/// One connection. TLS is boxed, because most connections within a machine have none.
pub(crate) enum Connection {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        match self {
            Self::Plain(stream) => stream.connect_info(),
            Self::Tls(stream) => stream.get_ref().0.connect_info(),
        }
    }
}

/// The connections that come in on a listener, once they have agreed on TLS where that is asked for.
///
/// The handshakes run side by side, within this stream; whoever is slow keeps nobody else out.
pub(crate) struct Incoming {
    tcp: TcpIncoming,
    tls: Option<ServerTls>,
    handshakes: FuturesUnordered<BoxFuture<'static, Option<Connection>>>,
}

impl Incoming {
    pub(crate) fn new(listener: TcpListener, tls: Option<ServerTls>) -> Self {
        // The server's own `tcp_nodelay` holds only where it binds by itself.
        let tcp = TcpIncoming::from(listener).with_nodelay(Some(true));
        Self { tcp, tls, handshakes: FuturesUnordered::new() }
    }
}

impl Stream for Incoming {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Connection>>> {
        let this = &mut *self;
        loop {
            match this.handshakes.poll_next_unpin(cx) {
                Poll::Ready(Some(Some(connection))) => return Poll::Ready(Some(Ok(connection))),
                Poll::Ready(Some(None)) => continue,
                Poll::Pending if this.handshakes.len() >= HANDSHAKES => return Poll::Pending,
                Poll::Ready(None) | Poll::Pending => {}
            }
            let Some(stream) = ready!(Pin::new(&mut this.tcp).poll_next(cx)) else { return Poll::Ready(None) };
            match (&this.tls, stream) {
                (_, Err(error)) => return Poll::Ready(Some(Err(error))),
                (None, Ok(stream)) => return Poll::Ready(Some(Ok(Connection::Plain(stream)))),
                (Some(tls), Ok(stream)) => this.handshakes.push(Box::pin(accept(tls.clone(), stream))),
            }
        }
    }
}

/// The connections that come in on a listener which serves something else than calls, within TLS where there is `tls`
/// ([`ServerTls::load_web`]). An error is of one connection, or of the process, and others follow it.
pub fn connections(
    listener: TcpListener,
    tls: Option<ServerTls>,
) -> impl Stream<Item = io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static>> + Send + Unpin + 'static {
    Incoming::new(listener, tls)
}

async fn accept(tls: ServerTls, stream: TcpStream) -> Option<Connection> {
    let peer = stream.peer_addr().map(|peer| peer.to_string()).unwrap_or_default();
    let why = match timeout(HANDSHAKE, TlsAcceptor::from(tls.config()).accept(stream)).await {
        Ok(Ok(stream)) => return Some(Connection::Tls(Box::new(stream.into()))),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("it took longer than {} s", HANDSHAKE.as_secs()),
    };
    metrics::counter!("rpc_tls_refused_total").increment(1);
    tracing::debug!(peer, why, "a client was refused at the TLS handshake");
    None
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Connection {
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
