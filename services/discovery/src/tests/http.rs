use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::*;

/// A web server with files by path; a folder is listed as nginx or Apache would.
#[derive(Clone, Default)]
struct Site(Arc<Mutex<Content>>);

#[derive(Default)]
struct Content {
    files: BTreeMap<String, String>,
    /// Answers for paths that do not behave.
    odd: BTreeMap<String, (u16, &'static str, String)>,
    apache: bool,
    /// Whether listings leave out all that there is.
    forgetful: bool,
}

impl Site {
    #[allow(clippy::disallowed_methods)] // A foreign site is no task of ours.
    async fn start(files: &[&str]) -> (Self, SocketAddr) {
        let site = Self::default();
        files.iter().for_each(|file| site.put(file, "1"));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(serve).with_state(site.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (site, address)
    }

    fn change(&self, change: impl FnOnce(&mut Content)) {
        change(&mut self.0.lock().unwrap());
    }

    fn put(&self, path: &str, text: &str) {
        self.change(|content| drop(content.files.insert(path.to_owned(), text.to_owned())));
    }

    fn remove(&self, path: &str) {
        self.change(|content| drop(content.files.remove(path)));
    }

    /// Answers `path` with a status and, where a header is named, with that header.
    fn odd(&self, path: &str, status: u16, header: &'static str, value: &str) {
        self.change(|content| drop(content.odd.insert(path.to_owned(), (status, header, value.to_owned()))));
    }
}

async fn serve(State(site): State<Site>, uri: Uri) -> Response {
    let content = site.0.lock().unwrap();
    let path = uri.path().to_owned();
    if let Some((status, name, value)) = content.odd.get(&path) {
        let mut headers = HeaderMap::new();
        if !name.is_empty() {
            headers.insert(*name, value.parse().unwrap());
        }
        return (StatusCode::from_u16(*status).unwrap(), headers, "odd").into_response();
    }
    if let Some(text) = content.files.get(&path) {
        let etag = format!("\"{}\"", types::Digest::of(text.as_bytes()));
        return ([(header::ETAG, etag)], text.clone()).into_response();
    }
    match path.ends_with('/').then(|| listing(&content, &path)).flatten() {
        Some(page) => ([(header::CONTENT_TYPE, "text/html")], page).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn listing(content: &Content, folder: &str) -> Option<String> {
    let below = content.files.keys().chain(content.odd.keys()).filter_map(|path| path.strip_prefix(folder));
    let names: std::collections::BTreeSet<String> = below
        .filter(|rest| !rest.is_empty() && !content.forgetful)
        .map(|rest| rest.split_once('/').map_or(rest.to_owned(), |(first, _)| format!("{first}/")))
        .collect();
    if names.is_empty() && folder != "/data/" {
        return None;
    }
    let line = |name: &String| {
        if content.apache {
            format!("<tr><td><a href=\"{name}\">{name}</a></td><td>2026-11-21 10:00</td><td>1K</td></tr>")
        } else {
            format!("<a href=\"{name}\">{name}</a>    21-Nov-2026 10:00    1\n")
        }
    };
    let lines: String = names.iter().map(line).collect();
    Some(match content.apache {
        true => {
            format!("<title>Index of {folder}</title><table><tr><th><a href=\"?C=N\">Name</a></th></tr>{lines}</table>")
        }
        false => format!("<title>Index of {folder}</title><pre><a href=\"../\">../</a>\n{lines}</pre>"),
    })
}

fn index(address: SocketAddr, path: &str) -> pb::Source {
    let settings = pb::HttpIndexSettings { url: format!("http://{address}{path}"), max_depth: None };
    pb::Source { settings: Some(Settings::HttpIndex(settings)), ..pb::Source::default() }
}

const EIGHT: [&str; 8] = [
    "/data/1.csv",
    "/data/2.csv",
    "/data/3.csv",
    "/data/4.csv",
    "/data/5.csv",
    "/data/6.csv",
    "/data/7.csv",
    "/data/sub/8.csv",
];

#[tokio::test]
async fn listings_of_nginx_and_apache_are_followed_below_the_start() {
    for apache in [false, true] {
        let (site, address) =
            Site::start(&["/data/a.csv", "/data/sub/deep/b.csv", "/data/notes.pdf", "/other/c.csv"]).await;
        site.change(|content| content.apache = apache);
        site.put("/data/datapackage.json", r#"{"resources": [{"path": "a.csv", "title": "Alpha"}]}"#);
        let mut world = World::new().await;
        world.create(index(address, "/data/")).await.unwrap();
        let crawl = world.crawl().await;
        assert_eq!((phase(&crawl), count(&crawl, "skipped")), (WorkPhase::Succeeded, 1), "{crawl:?}");
        let told_of = world.announcements().await;
        assert_eq!(
            told_of.iter().map(|(one, _)| one).collect::<Vec<_>>(),
            [&told("a.csv", 1), &told("sub/deep/b.csv", 1)]
        );
        let alpha = &told_of[0].1;
        assert_eq!((alpha.metadata.clone().unwrap().title.as_str(), alpha.size_bytes), ("Alpha", Some(1)));
        assert!(alpha.materialization.clone().unwrap().version_token.starts_with('"'));
        site.put("/data/a.csv", "22");
        world.crawl_again(false).await;
        assert_eq!(world.told().await, [told("a.csv", 2)]);
    }
}

#[tokio::test]
async fn where_a_server_tells_no_state_the_words_of_the_listing_serve() {
    let (site, address) = Site::start(&[]).await;
    site.odd("/data/a.csv", 405, "", "");
    let mut world = World::new().await;
    world.create(index(address, "/data/")).await.unwrap();
    world.crawl().await;
    let told_of = world.announcements().await;
    assert_eq!(told_of[0].1.materialization.clone().unwrap().version_token, "21-Nov-2026 10:00 1");
    assert_eq!(count(&world.crawl_again(false).await, "unchanged"), 1);
}

#[tokio::test]
async fn a_start_without_a_slash_is_followed_to_its_listing() {
    let (site, address) = Site::start(&["/data/a.csv"]).await;
    site.odd("/data", 301, "location", "/data/");
    let mut world = World::new().await;
    world.create(index(address, "/data")).await.unwrap();
    world.crawl().await;
    let told_of = world.announcements().await;
    let Some(proto::common::v1::materialization::Origin::Http(http)) =
        told_of[0].1.materialization.clone().unwrap().origin
    else {
        panic!("no URL")
    };
    assert_eq!(http.url, format!("http://{address}/data/a.csv"));
}

#[tokio::test]
async fn links_and_redirects_that_lead_out_are_refused_with_their_reason() {
    let (site, address) = Site::start(&["/data/a.csv", "/other/b.csv"]).await;
    let port = address.port();
    site.odd("/data/private.csv", 302, "location", &format!("http://127.0.0.2:{port}/x.csv"));
    site.odd("/data/up.csv", 302, "location", "/other/b.csv");
    let mut world = World::new().await;
    world.create(index(address, "/data/")).await.unwrap();
    let crawl = world.crawl().await;
    assert_eq!((phase(&crawl), count(&crawl, "failed")), (WorkPhase::Succeeded, 2));
    let reasons: Vec<_> = crawl.warnings.iter().map(|one| (one.path.as_str(), one.reason.as_str())).collect();
    assert_eq!(reasons, [("private.csv", "ADDRESS_FORBIDDEN"), ("up.csv", "LINK_LEADS_OUT")]);
    site.odd("/data/", 302, "location", &format!("http://127.0.0.2:{port}/"));
    let crawl = world.crawl_again(false).await;
    assert_eq!(phase(&crawl), WorkPhase::Failed);
    assert_eq!(crawl.status.unwrap().error.unwrap().reason, "ADDRESS_FORBIDDEN");
    assert_eq!(world.source().await.dataset_count, 1);
}

#[tokio::test]
async fn a_name_that_is_too_long_is_left_out() {
    let long = format!("/data/{}.csv", "x".repeat(5000));
    let (_site, address) = Site::start(&["/data/a.csv", &long]).await;
    let mut world = World::new().await;
    world.create(index(address, "/data/")).await.unwrap();
    let crawl = world.crawl().await;
    assert_eq!((phase(&crawl), count(&crawl, "listed")), (WorkPhase::Succeeded, 1));
    assert_eq!((crawl.warnings[0].reason.as_str(), crawl.warnings[0].path.len()), ("NAME_TOO_LONG", 2000));
}

#[tokio::test]
async fn a_site_that_answers_garbage_fails_the_crawl_and_retracts_nothing() {
    let (site, address) = Site::start(&["/data/a.csv"]).await;
    let mut world = World::new().await;
    world.create(index(address, "/data/")).await.unwrap();
    world.crawl().await;
    site.odd("/data/", 200, "", "");
    let crawl = world.crawl_again(true).await;
    assert_eq!(phase(&crawl), WorkPhase::Failed);
    assert_eq!(crawl.status.unwrap().error.unwrap().reason, "NO_LISTING");
    assert_eq!(world.told().await, [told("a.csv", 1)]);
    assert_eq!(world.source().await.dataset_count, 1);
}

#[tokio::test]
async fn a_host_that_is_not_there_is_tried_again_and_then_fails_the_crawl() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let free = listener.local_addr().unwrap();
    drop(listener);
    let mut world = World::new().await;
    world.create(index(free, "/data/")).await.unwrap();
    let crawl = world.crawl().await;
    assert_eq!(phase(&crawl), WorkPhase::Waiting);
    let mut attempts = 1;
    while phase(&world.newest().await) == WorkPhase::Waiting {
        world.clock.advance(std::time::Duration::from_secs(600));
        world.crawl().await;
        attempts += 1;
    }
    let crawl = world.newest().await;
    assert_eq!((phase(&crawl), attempts), (WorkPhase::Failed, 3));
    assert_eq!(crawl.status.unwrap().error.unwrap().reason, "CONNECT");
}

#[tokio::test]
async fn a_folder_that_cannot_be_listed_keeps_what_is_missing() {
    let (site, address) = Site::start(&["/data/a.csv", "/data/sub/b.csv"]).await;
    let mut world = World::new().await;
    world.create(index(address, "/data/")).await.unwrap();
    world.crawl().await;
    world.told().await;
    site.odd("/data/sub/", 403, "", "");
    let crawl = world.crawl_again(true).await;
    assert_eq!((phase(&crawl), crawl.retraction()), (WorkPhase::Succeeded, pb::RetractionOutcome::Incomplete));
    assert_eq!(world.told().await, []);
}

#[tokio::test]
async fn a_file_whose_state_cannot_be_read_is_not_taken_for_missing() {
    let (site, address) = Site::start(&["/data/a.csv", "/data/b.csv"]).await;
    let mut world = World::new().await;
    world.create(index(address, "/data/")).await.unwrap();
    world.crawl().await;
    world.told().await;
    for status in [503, 403] {
        site.odd("/data/b.csv", status, "", "");
        let crawl = world.crawl_again(true).await;
        assert_eq!((count(&crawl, "failed"), count(&crawl, "missing")), (1, 0), "{status}");
        assert_eq!(world.told().await, []);
    }
    site.odd("/data/b.csv", 410, "", "");
    assert_eq!(count(&world.crawl_again(false).await, "retracted"), 1);
}

#[tokio::test]
async fn a_great_loss_is_believed_when_each_url_answers_that_it_is_gone() {
    let (site, address) = Site::start(&EIGHT).await;
    let mut world = World::new().await;
    world.create(index(address, "/data/")).await.unwrap();
    world.crawl().await;
    world.told().await;
    EIGHT.iter().for_each(|file| site.remove(file));
    let crawl = world.crawl_again(false).await;
    assert_eq!((crawl.retraction(), count(&crawl, "retracted")), (pb::RetractionOutcome::Retracted, 8));
}

#[tokio::test]
async fn a_listing_that_forgets_files_that_are_still_there_retracts_nothing() {
    let (site, address) = Site::start(&EIGHT).await;
    let mut world = World::new().await;
    world.create(index(address, "/data/")).await.unwrap();
    world.crawl().await;
    world.told().await;
    site.change(|content| content.forgetful = true);
    let crawl = world.crawl_again(false).await;
    assert_eq!((phase(&crawl), crawl.retraction()), (WorkPhase::Succeeded, pb::RetractionOutcome::Implausible));
    assert_eq!(world.told().await, []);
    assert_eq!(world.source().await.dataset_count, 8);
}
