use std::net::SocketAddr;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use futures::TryStreamExt;
use types::{Fault, Origin};

use super::*;

/// A web site on the loopback; it ends with the test's runtime.
#[allow(clippy::disallowed_methods)] // A foreign site is no task of ours.
async fn site() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let port = address.port();
    let router = Router::new()
        .route("/a.csv", get(a_csv))
        .route("/dated.csv", get(|| async { ([(LAST_MODIFIED, "Sat, 21 Nov 2026 10:00:00 GMT")], "x\n") }))
        .route("/long-etag.csv", get(|| async { ([(ETAG, format!("\"{}\"", "x".repeat(5000)))], "x\n") }))
        .route("/endless", get(endless))
        .route("/silent", get(|| async { std::future::pending::<&str>().await }))
        .route(
            "/encoding",
            get(|headers: HeaderMap| async move { headers[ACCEPT_ENCODING].to_str().unwrap().to_owned() }),
        )
        .route("/status/{code}", get(|Path(code): Path<u16>| async move { StatusCode::from_u16(code).unwrap() }))
        .route("/busy", get(|| async { (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "7")]) }))
        .route("/to-a", get(|| async { (StatusCode::FOUND, [(LOCATION, "/a.csv")]) }))
        .route("/loop", get(|| async { (StatusCode::FOUND, [(LOCATION, "/loop")]) }))
        .route(
            "/to-private",
            get(move || async move { (StatusCode::FOUND, [(LOCATION, format!("http://127.0.0.2:{port}/a.csv"))]) }),
        )
        .route("/to-file", get(|| async { (StatusCode::FOUND, [(LOCATION, "file:///etc/passwd")]) }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn a_csv(headers: HeaderMap) -> impl IntoResponse {
    if headers.get(IF_NONE_MATCH).is_some_and(|etag| etag == "\"v1\"") {
        return (StatusCode::NOT_MODIFIED, [(ETAG, "\"v1\"")], "");
    }
    (StatusCode::OK, [(ETAG, "\"v1\"")], "x\n1\n")
}

async fn endless() -> impl IntoResponse {
    axum::body::Body::from_stream(stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 1024]))))
}

fn fetcher(change: impl FnOnce(&mut Policy)) -> Fetcher {
    let mut policy = Policy { allow_private: vec!["127.0.0.1/32".parse().unwrap()], ..Policy::default() };
    change(&mut policy);
    Fetcher::new(policy).unwrap()
}

fn url(site: SocketAddr, path: &str) -> Url {
    format!("http://{site}{path}").parse().unwrap()
}

fn bound(bytes: u64) -> Bound {
    Bound { name: "text_bytes", bytes: ByteSize::bytes(bytes) }
}

async fn reason(fetcher: &Fetcher, url: Url) -> &'static str {
    match fetcher.open(&Origin::Http { url }, None).await {
        Err(error) => error.reason(),
        Ok(opened) => match opened.fetched().unwrap().body.try_collect::<Vec<_>>().await {
            Err(error) => error.reason(),
            Ok(_) => "OK",
        },
    }
}

#[tokio::test]
async fn bytes_come_with_version_token_and_name_even_through_a_redirect() {
    let site = site().await;
    let opened = fetcher(|_| {}).open(&Origin::Http { url: url(site, "/to-a") }, None).await.unwrap();
    let fetched = opened.fetched().unwrap();
    assert_eq!((fetched.version_token.as_str(), fetched.size_bytes), ("\"v1\"", Some(4)));
    let bytes: Vec<Bytes> = fetched.body.try_collect().await.unwrap();
    assert_eq!(bytes.concat(), b"x\n1\n");
}

#[tokio::test]
async fn a_known_version_is_not_sent_again() {
    let site = site().await;
    let origin = Origin::Http { url: url(site, "/a.csv") };
    assert!(matches!(fetcher(|_| {}).open(&origin, Some("\"v1\"")).await.unwrap(), Opened::Unchanged));
    assert!(matches!(fetcher(|_| {}).open(&origin, Some("\"v0\"")).await.unwrap(), Opened::Fetched(_)));
}

#[tokio::test]
async fn without_an_etag_time_and_length_tell_versions_apart() {
    let site = site().await;
    let head = fetcher(|_| {}).head(&url(site, "/dated.csv")).await.unwrap();
    assert_eq!(head.version_token, "Sat, 21 Nov 2026 10:00:00 GMT;2");
    assert_eq!(head.size_bytes, Some(2));
    let head = fetcher(|_| {}).head(&url(site, "/long-etag.csv")).await.unwrap();
    assert_eq!(head.version_token, "", "an ETag of any length is none");
}

#[tokio::test]
async fn a_private_address_is_refused_by_name_by_literal_and_by_redirect() {
    let site = site().await;
    let closed = fetcher(|policy| policy.allow_private.clear());
    let port = site.port();
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0"] {
        let url: Url = format!("http://{host}:{port}/a.csv").parse().unwrap();
        assert_eq!(closed.check_url(&url).await.unwrap_err().reason(), "ADDRESS_FORBIDDEN", "{host}");
        assert_eq!(reason(&closed, url).await, "ADDRESS_FORBIDDEN", "{host}");
    }
    assert_eq!(reason(&fetcher(|_| {}), url(site, "/to-private")).await, "ADDRESS_FORBIDDEN");
}

#[tokio::test]
async fn other_schemes_and_credentials_are_refused() {
    let site = site().await;
    let fetcher = fetcher(|_| {});
    for text in ["ftp://example.org/", "file:///etc/passwd", "http://me:secret@example.org/"] {
        let error = fetcher.check_url(&text.parse().unwrap()).await.unwrap_err();
        assert_eq!(error.reason(), "URL_REFUSED", "{text}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    assert_eq!(reason(&fetcher, url(site, "/to-file")).await, "URL_REFUSED");
}

#[tokio::test]
async fn every_exchange_ends() {
    let site = site().await;
    let small = fetcher(|policy| policy.max_bytes = ByteSize::bytes(3));
    assert_eq!(reason(&small, url(site, "/a.csv")).await, "TOO_LARGE");
    assert_eq!(reason(&small, url(site, "/endless")).await, "TOO_LARGE");
    let endless = small.get_text(&url(site, "/endless"), bound(2000)).await.unwrap_err();
    assert_eq!((endless.reason(), endless.limit().unwrap().name.as_str()), ("TOO_LARGE", "text_bytes"));
    assert_eq!(reason(&fetcher(|_| {}), url(site, "/loop")).await, "TOO_MANY_REDIRECTS");
    let hasty = fetcher(|policy| policy.timeout = Duration::from_millis(50));
    assert_eq!(reason(&hasty, url(site, "/silent")).await, "TIMEOUT");
    assert_eq!(reason(&hasty, url(site, "/endless")).await, "TIMEOUT");
}

#[tokio::test]
async fn a_status_that_is_no_success_fails_with_it() {
    let site = site().await;
    let fetcher = fetcher(|_| {});
    let gone = fetcher.head(&url(site, "/status/410")).await.unwrap_err();
    assert!(gone.is_gone());
    assert!(gone.metadata().contains(&("status", "410".to_owned())));
    let busy = fetcher.get_text(&url(site, "/busy"), bound(10)).await.unwrap_err();
    assert_eq!((busy.reason(), busy.retry_after()), ("HTTP_STATUS", Some(Duration::from_secs(7))));
    assert!(busy.kind().is_transient() && !busy.is_gone());
}

#[tokio::test]
async fn bytes_are_asked_for_as_they_lie() {
    let site = site().await;
    assert_eq!(fetcher(|_| {}).get_text(&url(site, "/encoding"), bound(100)).await.unwrap().text, "identity");
}

#[tokio::test]
async fn a_host_that_is_not_there_is_told() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let free = listener.local_addr().unwrap();
    drop(listener);
    assert_eq!(reason(&fetcher(|_| {}), url(free, "/")).await, "CONNECT");
    assert_eq!(reason(&fetcher(|_| {}), "http://no-such-host.invalid/".parse().unwrap()).await, "HOST_NOT_FOUND");
}
