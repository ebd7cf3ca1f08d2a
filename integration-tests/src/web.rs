//! A web site, as a place outside the mesh that tests may fake.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::watch;

/// A listing as nginx makes it, of files that tests put there.
#[derive(Clone, Default)]
pub struct Web {
    pages: Arc<Mutex<BTreeMap<String, Page>>>,
    held: watch::Sender<bool>,
}

#[derive(Clone)]
enum Page {
    File(Vec<u8>),
    Redirect(String),
    Answer(StatusCode, String),
    Overloaded,
}

impl Web {
    /// Serves on a free port of the loopback; gives the address too.
    pub async fn start() -> (Self, SocketAddr) {
        let web = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("the loopback has free ports");
        let address = listener.local_addr().expect("a bound socket has an address");
        let routes = axum::Router::new().route("/", get(listing)).route("/{*path}", get(page)).with_state(web.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (web, address)
    }

    /// Puts a file there.
    pub fn file(&self, name: &str, bytes: impl Into<Vec<u8>>) {
        self.put(name, Page::File(bytes.into()));
    }

    /// Puts a redirect there.
    pub fn redirect(&self, name: &str, target: &str) {
        self.put(name, Page::Redirect(target.to_owned()));
    }

    /// Answers with a status and a text; the name "" is the listing itself.
    pub fn answer(&self, name: &str, status: u16, text: &str) {
        let status = StatusCode::from_u16(status).expect("tests use statuses that there are");
        self.put(name, Page::Answer(status, text.to_owned()));
    }

    /// Tells of a file, but answers 503 to whoever wants its bytes.
    pub fn overloaded(&self, name: &str) {
        self.put(name, Page::Overloaded);
    }

    /// Lets whoever wants the bytes of a file wait, until it is told otherwise.
    pub fn hold(&self, held: bool) {
        self.held.send_replace(held);
    }

    fn put(&self, name: &str, page: Page) {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), page);
    }

    fn get(&self, name: &str) -> Option<Page> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

async fn listing(State(web): State<Web>) -> Response {
    if let Some(page) = web.get("") {
        return page.into_response();
    }
    let names: Vec<_> = web.pages.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
    let lines: String = names
        .iter()
        .map(|name| format!("<a href=\"{name}\">{name}</a>                 01-Jan-2026 10:00     1234\n"))
        .collect();
    let html = format!(
        "<html><head><title>Index of /</title></head><body><h1>Index of /</h1><hr><pre><a href=\"../\">../</a>\n{lines}</pre><hr></body></html>"
    );
    ([(header::CONTENT_TYPE, "text/html")], html).into_response()
}

async fn page(State(web): State<Web>, method: Method, Path(path): Path<String>) -> Response {
    if method == Method::GET {
        let mut held = web.held.subscribe();
        let _ended_with_the_site = held.wait_for(|held| !held).await;
    }
    match web.get(&path) {
        Some(Page::Overloaded) if method == Method::HEAD => Page::File(Vec::new()).into_response(),
        Some(page) => page.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        match self {
            Self::File(bytes) => {
                let etag = format!("\"{}\"", types::Digest::of(&bytes));
                ([(header::ETAG, etag), (header::CONTENT_TYPE, "application/octet-stream".to_owned())], bytes)
                    .into_response()
            }
            Self::Redirect(target) => (StatusCode::FOUND, [(header::LOCATION, target)]).into_response(),
            Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            Self::Answer(status, text) => (status, [(header::CONTENT_TYPE, "text/html")], text).into_response(),
        }
    }
}
