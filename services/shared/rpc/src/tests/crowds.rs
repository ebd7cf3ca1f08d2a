//! More clients than a listener takes, and clients that say nothing.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tower::service_fn;

use super::calls::get;
use super::{Mesh, Over};
use crate::connection::Incoming;
use crate::{ConnectSettings, ConnectionLimits, Served, connect, reason, serve_within};

/// A listener of the mesh that takes so many connections.
async fn listen(mesh: &Mesh, limits: ConnectionLimits) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let bare = mesh.bare.clone();
    let served = Served::new(service_fn(move |request| {
        let bare = bare.clone();
        async move { Ok(tower::ServiceExt::oneshot(bare, request).await.unwrap()) }
    }));
    tokio::spawn(serve_within(limits, listener, served, None, std::future::pending()));
    address
}

/// All that a listener says to somebody who only listens.
async fn hear(address: std::net::SocketAddr) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.unwrap();
    heard
}

#[tokio::test]
async fn who_comes_beyond_the_limit_is_told_and_let_in_once_there_is_room() {
    let mesh = Mesh::start(Over::Process).await;
    for (limits, scope) in [
        (ConnectionLimits { most: 1, ..ConnectionLimits::NONE }, "listener"),
        (ConnectionLimits { most_per_address: 1, ..ConnectionLimits::NONE }, "address"),
    ] {
        let address = listen(&mesh, limits).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        // It is counted once it is answered.
        first.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        first.read_u8().await.unwrap();

        let told = hear(address).await;
        assert_eq!(&told[..9], b"\0\0\0\x04\0\0\0\0\0", "SETTINGS");
        assert_eq!((told[12], told[25]), (7, 0xb), "GOAWAY, ENHANCE_YOUR_CALM");
        let why = String::from_utf8_lossy(&told[26..]);
        assert!(why.contains(scope), "{why}");
        assert_eq!(usize::from(told[11]), 8 + why.len());

        let transport = || connect(&ConnectSettings::new("profiling", [address.to_string()]).impatient()).unwrap();
        let status = super::addresses::client(&mesh, transport()).get_job(get("j1")).await.unwrap_err();
        assert!(reason(&status).is_some(), "{status:?}");
        drop(first);
        testkit::eventually!(super::addresses::client(&mesh, transport()).get_job(get("j1")).await.is_ok());
    }
}

#[tokio::test]
async fn who_says_nothing_is_given_up() {
    let mesh = Mesh::start(Over::Process).await;
    let address = listen(&mesh, ConnectionLimits::NONE).await;
    let begun = Instant::now();
    // The server says its SETTINGS at once, and gives up after the time of a handshake.
    let heard = tokio::time::timeout(Duration::from_secs(30), hear(address)).await;
    assert!(heard.is_ok() && begun.elapsed() >= Duration::from_secs(9), "{heard:?} {:?}", begun.elapsed());
}

/// Time stands still while the client is at work, however slow it is.
#[tokio::test(start_paused = true)]
async fn who_still_writes_to_a_connection_that_is_shut_reads_what_it_was_told_last() {
    use std::io::{Read as _, Write as _};

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = tokio::task::spawn_blocking(move || {
        let mut client = std::net::TcpStream::connect(address).unwrap();
        client.write_all(&[0; 50_000]).unwrap();
        let mut told = Vec::new();
        client.read_to_end(&mut told).unwrap();
        for _ in 0..10 {
            client.write_all(&[0; 50_000]).expect("a connection that is shut is not reset");
        }
        told
    });
    let mut incoming = Incoming::new(listener, None, ConnectionLimits::NONE, std::future::pending());
    let mut connection = incoming.next().await.unwrap().unwrap();
    connection.write_all(b"bye").await.unwrap();
    connection.shutdown().await.unwrap();
    drop(connection);
    assert_eq!(client.await.unwrap(), b"bye");
}
