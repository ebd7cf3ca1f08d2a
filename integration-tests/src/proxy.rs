//! A wire that can be cut: a TCP proxy between two processes.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the wire does with what is sent over it, either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// It carries all at once.
    Whole,
    /// It carries each piece so much later.
    Slow(Duration),
    /// It carries so many bytes a second on each connection.
    Narrow(u32),
    /// It carries nothing, and tells nobody: connections stay, and what was sent arrives when it is whole again.
    Silent,
    /// Its connections break, and new ones are refused.
    Cut,
}

/// The most bytes carried at once.
const PIECE: usize = 16 * 1024;

/// A TCP proxy on a free port; it ends with the value.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    wire: watch::Sender<Wire>,
    carrying: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port, and carries what comes there to `target`, a port of the loopback.
    pub async fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the loopback has free ports");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (wire, seen) = watch::channel(Wire::Whole);
        Self { address, wire, carrying: tokio::spawn(listen(listener, target, seen)) }
    }

    /// Makes the wire so from now on, for what is connected too.
    pub fn set(&self, wire: Wire) {
        self.wire.send_replace(wire);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.wire.send_replace(Wire::Cut);
        self.carrying.abort();
    }
}

async fn listen(listener: TcpListener, target: u16, wire: watch::Receiver<Wire>) {
    while let Ok((near, _)) = listener.accept().await {
        // A dropped socket tells its peer so.
        if *wire.borrow() != Wire::Cut {
            tokio::spawn(connect(near, target, wire.clone()));
        }
    }
}

async fn connect(near: TcpStream, target: u16, wire: watch::Receiver<Wire>) {
    let Ok(far) = TcpStream::connect(("127.0.0.1", target)).await else { return };
    let (_, _) = (near.set_nodelay(true), far.set_nodelay(true));
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    let mut cut = wire.clone();
    tokio::select! {
        _ = cut.wait_for(|wire| *wire == Wire::Cut) => {}
        _ = async { tokio::join!(carry(near_in, far_out, wire.clone()), carry(far_in, near_out, wire)) } => {}
    }
}

/// Carries one direction to its end.
async fn carry(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut wire: watch::Receiver<Wire>,
) {
    let mut piece = vec![0; PIECE];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        if wire.wait_for(|wire| *wire != Wire::Silent).await.is_err() {
            return;
        }
        let wait = match *wire.borrow() {
            Wire::Slow(wait) => wait,
            Wire::Narrow(rate) => Duration::from_secs_f64(length as f64 / f64::from(rate)),
            Wire::Whole | Wire::Silent | Wire::Cut => Duration::ZERO,
        };
        tokio::time::sleep(wait).await;
        if to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
    let _gone = to.shutdown().await;
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// A server that sends back what it gets.
    async fn echo() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        port
    }

    async fn there_and_back(stream: &mut TcpStream) -> std::io::Result<Duration> {
        let begun = Instant::now();
        stream.write_all(b"hello").await?;
        let mut back = [0; 5];
        stream.read_exact(&mut back).await?;
        assert_eq!(&back, b"hello");
        Ok(begun.elapsed())
    }

    #[tokio::test]
    async fn a_wire_carries_delays_holds_and_breaks() {
        let proxy = Proxy::to(echo().await).await;
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        there_and_back(&mut stream).await.unwrap();
        proxy.set(Wire::Slow(Duration::from_millis(30)));
        assert!(there_and_back(&mut stream).await.unwrap() >= Duration::from_millis(60));
        proxy.set(Wire::Narrow(100));
        assert!(there_and_back(&mut stream).await.unwrap() >= Duration::from_millis(100));

        proxy.set(Wire::Silent);
        let mut held = Box::pin(there_and_back(&mut stream));
        assert!(tokio::time::timeout(Duration::from_millis(50), &mut held).await.is_err());
        proxy.set(Wire::Whole);
        held.await.unwrap();

        proxy.set(Wire::Cut);
        assert!(there_and_back(&mut stream).await.is_err());
        if let Ok(mut stream) = TcpStream::connect(proxy.address).await {
            assert!(there_and_back(&mut stream).await.is_err());
        }
        proxy.set(Wire::Whole);
        there_and_back(&mut TcpStream::connect(proxy.address).await.unwrap()).await.unwrap();
    }
}
