//! The admin page: metrics for Prometheus, health for supervisors, the loops for people.

mod profile;

use std::fmt::Write;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use axum::serve::Listener;
use futures::{Stream, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use types::{BoxError, Loops};

pub use profile::BUILT as PROFILES;

use crate::telemetry::Metrics;
use crate::{Readiness, Tasks};

/// What the admin page shows. Clones share it: roles join while it is served.
#[derive(Clone)]
pub struct Page(Arc<Shown>);

struct Shown {
    version: &'static str,
    metrics: Option<Metrics>,
    start: Readiness,
    roles: Mutex<Vec<Role>>,
    /// Whether CPU profiles may be taken.
    profiles: bool,
    /// Held while one is.
    profiling: tokio::sync::Mutex<()>,
}

/// A role with its loops.
type Role = (&'static str, Arc<dyn Loops>);

impl Page {
    /// A page without roles, of this version of the binary. `start` tells what the process waits for before it has any;
    /// `profiles` whether CPU profiles may be taken, which needs [`PROFILES`].
    pub fn new(version: &'static str, metrics: Option<Metrics>, start: Readiness, profiles: bool) -> Self {
        let (roles, profiling) = (Mutex::default(), tokio::sync::Mutex::default());
        Self(Arc::new(Shown { version, metrics, start, roles, profiles, profiling }))
    }

    /// Shows the loops of a role from now on.
    pub fn show(&self, tasks: &Tasks) {
        self.0.roles.lock().unwrap_or_else(PoisonError::into_inner).push((tasks.role(), tasks.states()));
    }

    fn roles(&self) -> Vec<Role> {
        self.0.roles.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Serves `/metrics`, `/healthz` (the process lives), `/readyz` (all roles take calls), `/debug/pprof/profile` (a CPU
/// profile, where that is allowed) and `/`, a page of the loops.
///
/// Ends when `stop` says so. There is no access check besides that of `connections`: plain ones belong on the loopback or
/// a network of operators.
pub async fn serve<S, I>(connections: S, page: Page, stop: CancellationToken) -> Result<(), BoxError>
where
    S: Stream<Item = io::Result<I>> + Send + Unpin + 'static,
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let served = axum::serve(Connections(connections), routes(page)).with_graceful_shutdown(stop.cancelled_owned());
    Ok(served.await?)
}

/// Connections that were accepted elsewhere, within TLS maybe.
struct Connections<S>(S);

impl<S, I> Listener for Connections<S>
where
    S: Stream<Item = io::Result<I>> + Send + Unpin + 'static,
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    type Io = I;
    type Addr = ();

    async fn accept(&mut self) -> (I, ()) {
        loop {
            match self.0.next().await {
                Some(Ok(connection)) => return (connection, ()),
                // The process may be out of open files, and others may close theirs.
                Some(Err(error)) => {
                    tracing::warn!(%error, "the admin listener cannot take a connection");
                    tokio::time::sleep(AGAIN).await;
                }
                None => std::future::pending().await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}

/// The wait after a connection that could not be taken.
const AGAIN: Duration = Duration::from_secs(1);

fn routes(page: Page) -> Router {
    Router::new()
        .route("/", get(loops))
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/debug/pprof/profile", get(profile::profile))
        .with_state(page)
}

async fn metrics(State(page): State<Page>) -> impl IntoResponse {
    let text = page.0.metrics.as_ref().map(Metrics::render).unwrap_or_default();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

async fn ready(State(page): State<Page>) -> (StatusCode, String) {
    let not_ready = |(role, loops): &Role| loops.readiness().err().map(|reason| format!("{role}: {reason}\n"));
    let start = page.0.start.get().err().map(|reason| format!("{reason}\n"));
    let reasons: String = start.into_iter().chain(page.roles().iter().filter_map(not_ready)).collect();
    if reasons.is_empty() { (StatusCode::OK, "ok\n".to_owned()) } else { (StatusCode::SERVICE_UNAVAILABLE, reasons) }
}

async fn loops(State(page): State<Page>) -> Html<String> {
    let mut rows = String::new();
    if let Err(reason) = page.0.start.get() {
        let _ = writeln!(rows, "<tr><th colspan=5>{}", escape(&reason));
    }
    for (role, loops) in page.roles() {
        let state = loops.readiness().map_or_else(|reason| format!("not ready: {reason}"), |()| "ready".to_owned());
        let _ = writeln!(rows, "<tr><th colspan=5>{role}: {}", escape(&state));
        for one in loops.loops() {
            let state = one.state;
            let last = state.last_run.map_or_else(|| "never".to_owned(), |time| time.to_string());
            let took = state.last_duration.map_or_else(String::new, |took| format!("{took:.1?}"));
            let (report, error) = (escape(&state.last_report), escape(&state.last_error));
            let _ = writeln!(rows, "<tr><td>{}<td>{last}<td>{took}<td>{report}<td>{error}", escape(&one.name));
        }
    }
    Html(format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Millrace {version}</title>\
         <style>body{{font:14px sans-serif;margin:2em}}td,th{{text-align:left;padding:.2em 1em .2em 0}}</style>\
         <h1>Millrace {version}</h1><p><a href=/metrics>metrics</a> · <a href=/readyz>readiness</a>\
         <table><tr><th>loop<th>last round<th>took<th>report<th>error\n{rows}</table>",
        version = page.0.version
    ))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio_stream::wrappers::TcpListenerStream;

    use super::*;
    use crate::Tasks;

    async fn get(address: std::net::SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn profiles_are_refused_until_they_are_allowed_and_then_when_they_are_asked_for_wrongly_or_twice() {
        for (allowed, query, status) in
            [(false, "", 404), (true, "?seconds=0", 400), (true, "?seconds=1000", 400), (true, "?seconds=1", 409)]
        {
            let page = Page::new("0", None, Readiness::new(), allowed);
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let stop = CancellationToken::new();
            let (asked, stopped) = (page.clone(), stop.clone());
            let client = async {
                let _taken = page.0.profiling.lock().await;
                let answer = get(address, &format!("/debug/pprof/profile{query}")).await;
                assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{query}: {answer}");
                stop.cancel();
            };
            let (served, ()) = tokio::join!(serve(TcpListenerStream::new(listener), asked, stopped), client);
            served.unwrap();
        }
    }

    #[tokio::test]
    async fn readiness_follows_the_roles() {
        let mut tasks = Tasks::new("catalog");
        tasks.add("indexer", crate::Period::secs(1), Box::new(Never));
        let start = Readiness::new();
        let page = Page::new("0", None, start.clone(), false);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let (shown, stopped) = (page.clone(), stop.clone());
        let client = async {
            start.set_not_ready("waiting for the store");
            assert!(get(address, "/readyz").await.contains("waiting for the store"));
            assert!(get(address, "/").await.contains("waiting for the store"));
            shown.show(&tasks);
            start.set_ready();
            assert!(get(address, "/readyz").await.contains("503"));
            tasks.readiness().set_ready();
            assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200"));
            assert!(get(address, "/").await.contains("catalog.indexer"));
            assert!(get(address, "/metrics").await.starts_with("HTTP/1.1 200"));
            stop.cancel();
        };
        let (served, ()) = tokio::join!(serve(TcpListenerStream::new(listener), page, stopped), client);
        served.unwrap();
    }

    struct Never;

    #[async_trait::async_trait]
    impl crate::Reconcile for Never {
        async fn reconcile(&mut self) -> Result<crate::Report, BoxError> {
            Ok(crate::Report::idle())
        }
    }
}
