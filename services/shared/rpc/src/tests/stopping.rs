//! Clients that are agreeing on TLS as a server stops.

use std::future::{Ready, ready};
use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;

use futures::StreamExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_rustls::rustls;

use super::certificates::Authority;
use crate::connection::Incoming;
use crate::{ConnectionLimits, ServerTls, TlsSettings};

/// What comes in on a listener that is stopped when it is first looked at.
async fn stopped(authority: &Authority) -> (SocketAddr, Incoming<Ready<()>>) {
    let settings = TlsSettings { client_ca: PathBuf::new(), ..authority.settings("server") };
    let tls = ServerTls::load(&settings).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (address, Incoming::new(listener, Some(tls), ConnectionLimits::NONE, ready(())))
}

/// Time stands still while the client is at work, however slow it is.
#[tokio::test(start_paused = true)]
async fn who_agrees_on_tls_as_the_server_stops_still_comes_in() {
    let authority = Authority::new();
    let (address, mut incoming) = stopped(&authority).await;
    let mut stream = TcpStream::connect(address).unwrap();
    let client = tokio::task::spawn_blocking(move || {
        let name = "mesh.test".try_into().unwrap();
        let mut tls = rustls::ClientConnection::new(authority.believer("h2"), name).unwrap();
        let mut told = Vec::new();
        rustls::Stream::new(&mut tls, &mut stream).read_to_end(&mut told).map(|_| told)
    });
    let mut connection = incoming.next().await.expect("it comes in").unwrap();
    connection.write_all(b"bye").await.unwrap();
    connection.shutdown().await.unwrap();
    assert_eq!(client.await.unwrap().unwrap(), b"bye");
    assert!(incoming.next().await.is_none());
}

/// The time is that of the runtime, which passes when nothing else happens.
#[tokio::test(start_paused = true)]
async fn who_never_ends_the_handshake_holds_a_stop_up_for_a_second() {
    let authority = Authority::new();
    let (address, mut incoming) = stopped(&authority).await;
    let _silent = TcpStream::connect(address).unwrap();
    let begun = Instant::now();
    assert!(incoming.next().await.is_none());
    assert_eq!(begun.elapsed().as_secs(), 1);
}
