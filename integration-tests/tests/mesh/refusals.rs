//! Places that a source may not lie at, and places that answer badly.

use millrace_integration_tests::{Mesh, PATIENCE, Setup, Web, about_up_alone, csv, reason, write};
use proto::catalog::v1::DatasetState;
use proto::common::v1::WorkPhase;
use proto::discovery::v1::source::Settings;
use proto::discovery::v1::{Crawl, FolderSettings, HttpIndexSettings, PreviewSourceRequest, Source};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

fn folder(path: &std::path::Path) -> Settings {
    Settings::Folder(FolderSettings { path: path.display().to_string() })
}

fn index(url: impl std::fmt::Display) -> Settings {
    Settings::HttpIndex(HttpIndexSettings { url: url.to_string(), max_depth: None })
}

/// What creating and previewing a source at a forbidden place answers; both must say the same.
async fn refused(mesh: &Mesh, settings: Settings) -> Status {
    let admin = mesh.admin().await;
    let created = admin.create_source("bad", settings.clone()).await.unwrap_err();
    let request = PreviewSourceRequest {
        parent: "tenants/main".into(),
        source: Some(Source { settings: Some(settings), ..Source::default() }),
        limit: 10,
    };
    let previewed = match admin.discovery().preview_source(request).await {
        Err(status) => status,
        Ok(stream) => stream.into_inner().message().await.unwrap_err(),
    };
    assert_eq!((created.code(), reason(&created)), (previewed.code(), reason(&previewed)));
    created
}

fn names_setting(status: &Status, expected: &str) {
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    let metadata = status.get_details_error_info().unwrap().metadata;
    assert!(metadata.get("setting").is_some_and(|setting| setting.contains(expected)), "{metadata:?}");
    assert!(metadata.contains_key("rule"), "{metadata:?}");
}

#[tokio::test]
async fn a_folder_outside_the_roots_is_refused() {
    let mesh = Mesh::start().await;
    let outside = mesh.outside().join("elsewhere");
    std::fs::create_dir(&outside).unwrap();
    let status = refused(&mesh, folder(&outside)).await;
    assert_eq!(reason(&status), "FOLDER_OUTSIDE_ROOTS");
    names_setting(&status, "folder_roots");
    // Nor by way of dots.
    let status = refused(&mesh, folder(&mesh.folder().join("../elsewhere"))).await;
    assert_eq!(reason(&status), "FOLDER_OUTSIDE_ROOTS");
}

#[tokio::test]
async fn a_folder_link_that_leads_out_is_refused() {
    let mesh = Mesh::start().await;
    let outside = mesh.outside().join("elsewhere");
    std::fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, mesh.folder().join("link")).unwrap();
    let status = refused(&mesh, folder(&mesh.folder().join("link"))).await;
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(["FOLDER_OUTSIDE_ROOTS", "LINK_LEADS_OUT"].contains(&reason(&status).as_str()), "{status:?}");
}

#[tokio::test]
async fn a_file_link_that_leads_out_is_never_read() {
    let mesh = Mesh::start().await;
    let secret = write(mesh.outside(), "secret.csv", "name,secret\nada,xyzzy\n");
    write(&mesh.folder(), "good.csv", csv("good", 10));
    std::os::unix::fs::symlink(&secret, mesh.folder().join("link.csv")).unwrap();
    let admin = mesh.admin().await;
    let crawl = admin.crawl_folder("linked", &mesh.folder()).await;
    admin.in_state("good.csv", DatasetState::Indexed).await;
    assert_eq!(admin.search("xyzzy").await.total_size, 0);
    match admin.dataset_at("link.csv").await {
        Some(dataset) => {
            let failed = admin.in_state(&dataset.path, DatasetState::Failed).await;
            assert_eq!(failed.latest_attempt.unwrap().error.unwrap().reason, "LINK_LEADS_OUT");
        }
        None => {
            let warned = crawl.warnings.iter().any(|w| w.path == "link.csv" && w.reason == "LINK_LEADS_OUT");
            assert!(warned, "{:?}", crawl.warnings);
        }
    }
}

#[tokio::test]
async fn the_data_directory_is_no_source() {
    about_up_alone!();
    // A root above the data directory does not open it.
    let above = std::env::temp_dir().display().to_string();
    let mesh = Setup::new().flags(["--folder-root", &above]).start().await;
    let status = refused(&mesh, folder(&mesh.data_dir())).await;
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "FOLDER_IS_DATA_DIRECTORY"));
}

#[tokio::test]
async fn a_private_address_is_refused_by_name_and_by_literal() {
    let mesh = Mesh::start().await;
    for url in [
        "http://127.0.0.1:1/data/",
        "http://localhost:1/data/",
        "http://10.1.2.3/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]:1/",
        "http://2130706433/",
        "http://[::ffff:127.0.0.1]/",
    ] {
        let status = refused(&mesh, index(url)).await;
        assert_eq!(reason(&status), "ADDRESS_FORBIDDEN", "{url}: {status:?}");
        names_setting(&status, "allow_private");
    }
}

async fn mesh_that_may_reach_the_loopback() -> Mesh {
    Setup::new().set("FETCH__ALLOW_PRIVATE", "[\"127.0.0.1/32\"]").start().await
}

fn failure(crawl: &Crawl) -> String {
    let status = crawl.status.clone().unwrap();
    assert_eq!(status.phase(), WorkPhase::Failed, "{crawl:?}");
    status.error.unwrap().reason
}

#[tokio::test]
async fn a_web_index_is_crawled_like_a_folder() {
    let mesh = mesh_that_may_reach_the_loopback().await;
    let (web, address) = Web::start().await;
    web.file("tides.csv", csv("tides", 25));
    let admin = mesh.admin().await;
    let created = admin.create_source("web", index(format!("http://{address}/"))).await.unwrap();
    let crawl = admin.crawl_end(&created.crawl.unwrap().name).await;
    assert_eq!(crawl.status.unwrap().phase(), WorkPhase::Succeeded);
    let dataset = admin.in_state("tides.csv", DatasetState::Indexed).await;
    assert_eq!(dataset.source_kind, "http_index");
    // What did not change is not fetched again.
    let counts = admin.run_source("web", false).await.status.unwrap().counts;
    assert!(counts.iter().any(|count| count.name == "unchanged" && count.value == 1), "{counts:?}");
}

#[tokio::test]
async fn a_redirect_to_a_private_address_fails_the_crawl_with_that_reason() {
    let mesh = mesh_that_may_reach_the_loopback().await;
    let (web, address) = Web::start().await;
    web.redirect("inside", "http://10.0.0.1/");
    let admin = mesh.admin().await;
    let created = admin.create_source("web", index(format!("http://{address}/inside"))).await;
    let reason = match created {
        Ok(created) => failure(&admin.crawl_end(&created.crawl.unwrap().name).await),
        Err(status) => reason(&status),
    };
    assert_eq!(reason, "ADDRESS_FORBIDDEN");
}

#[tokio::test]
async fn a_source_that_goes_or_answers_garbage_fails_its_crawl_and_leaves_its_datasets() {
    let mesh = mesh_that_may_reach_the_loopback().await;
    let (web, address) = Web::start().await;
    web.file("tides.csv", csv("tides", 25));
    let admin = mesh.admin().await;
    let created = admin.create_source("web", index(format!("http://{address}/"))).await.unwrap();
    admin.crawl_end(&created.crawl.unwrap().name).await;
    let before = admin.in_state("tides.csv", DatasetState::Indexed).await;
    web.answer("", 500, "down");
    let failed = admin.run_source("web", false).await;
    assert_eq!(failure(&failed), "HTTP_STATUS");
    web.answer("", 200, "\u{0}\u{1}no listing at all");
    failure(&admin.run_source("web", false).await);
    assert_eq!(admin.dataset_at("tides.csv").await.unwrap(), before);
    assert_eq!(admin.search("tides").await.total_size, 1);
}

#[tokio::test]
async fn a_folder_that_vanishes_fails_its_crawl_and_leaves_its_datasets() {
    let mesh = Mesh::start().await;
    let place = mesh.folder().join("place");
    write(&place, "tides.csv", csv("tides", 25));
    let admin = mesh.admin().await;
    admin.crawl_folder("place", &place).await;
    let before = admin.in_state("tides.csv", DatasetState::Indexed).await;
    std::fs::rename(&place, mesh.folder().join("moved")).unwrap();
    assert_eq!(failure(&admin.run_source("place", false).await), "FOLDER_NOT_FOUND");
    assert_eq!(admin.dataset_at("tides.csv").await.unwrap(), before);
}

#[tokio::test]
async fn a_dataset_that_cannot_be_had_for_now_is_tried_again() {
    let mesh = mesh_that_may_reach_the_loopback().await;
    let (web, address) = Web::start().await;
    web.overloaded("tides.csv");
    let admin = mesh.admin().await;
    admin.create_source("web", index(format!("http://{address}/"))).await.unwrap();
    let waiting = testkit::eventually("the first attempt", PATIENCE, || async {
        let dataset = admin.dataset_at("tides.csv").await.ok_or("not there")?;
        let attempt = dataset.latest_attempt.clone().unwrap_or_default();
        if attempt.next_attempt_time.is_some() { Ok(dataset) } else { Err("no attempt has failed") }
    })
    .await;
    assert_eq!(waiting.state(), DatasetState::Queued);
    let error = waiting.latest_attempt.unwrap().error.unwrap();
    assert_eq!((error.reason.as_str(), error.retryable), ("HTTP_STATUS", true));
    web.file("tides.csv", csv("tides", 25));
    let dataset = admin.in_state("tides.csv", DatasetState::Indexed).await;
    assert!(dataset.latest_attempt.unwrap().attempts >= 2);
}
