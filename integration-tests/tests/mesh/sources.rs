//! Sources and their crawls.

use millrace_integration_tests::{Mesh, csv, reason, write};
use proto::catalog::v1::DatasetState;
use proto::common::v1::WorkPhase;
use proto::discovery::v1::preview_source_response::Item;
use proto::discovery::v1::source::Settings;
use proto::discovery::v1::*;
use tonic::Code;

#[tokio::test]
async fn a_source_is_changed_on_the_revision_that_was_read() {
    let mesh = Mesh::start().await;
    let admin = mesh.admin().await;
    let source = admin.create_folder("place", &mesh.folder()).await.unwrap().source.unwrap();
    let update = |title: &str, source: &Source| UpdateSourceRequest {
        source: Some(Source { title: title.into(), ..source.clone() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["title".into()] }),
        request_id: String::new(),
    };
    let read = admin.discovery().get_source(GetSourceRequest { name: source.name.clone() }).await.unwrap();
    let read = read.into_inner().source.unwrap();
    let updated = admin.discovery().update_source(update("First", &read)).await.unwrap().into_inner().source.unwrap();
    assert_eq!(updated.title, "First");
    let status = admin.discovery().update_source(update("Second", &read)).await.unwrap_err();
    assert_eq!(status.code(), Code::Aborted, "{status:?}");
    let request = ListSourcesRequest { parent: "tenants/main".into(), ..ListSourcesRequest::default() };
    let listed = admin.discovery().list_sources(request).await.unwrap().into_inner().sources;
    assert_eq!(listed.iter().map(|source| source.title.as_str()).collect::<Vec<_>>(), ["First"]);
    let again = admin.create_folder("place", &mesh.folder()).await.unwrap_err();
    assert_eq!(again.code(), Code::AlreadyExists, "{again:?}");
}

#[tokio::test]
async fn a_preview_lists_what_would_be_announced_and_stores_nothing() {
    let mesh = Mesh::start().await;
    for number in 0..5 {
        write(&mesh.folder(), &format!("set-{number}.csv"), csv("topic", 5));
    }
    write(&mesh.folder(), "datapackage.json", "{}");
    let admin = mesh.admin().await;
    let folder = FolderSettings { path: mesh.folder().display().to_string() };
    let source = Source { settings: Some(Settings::Folder(folder)), ..Source::default() };
    let request = PreviewSourceRequest { parent: "tenants/main".into(), source: Some(source), limit: 3 };
    let mut stream = admin.discovery().preview_source(request).await.unwrap().into_inner();
    let (mut found, mut summary) = (0, None);
    while let Some(message) = stream.message().await.unwrap() {
        match message.item.unwrap() {
            Item::Dataset(dataset) => {
                assert!(dataset.path.starts_with("set-"), "{dataset:?}");
                found += 1;
            }
            Item::Summary(end) => summary = Some(end),
        }
    }
    assert_eq!((found, summary.unwrap().truncated), (3, true));
    assert!(admin.datasets().await.is_empty());
}

#[tokio::test]
async fn a_deleted_source_retracts_its_datasets() {
    let mesh = Mesh::start().await;
    write(&mesh.folder(), "set.csv", csv("gannet", 10));
    let admin = mesh.admin().await;
    admin.crawl_folder("place", &mesh.folder()).await;
    admin.in_state("set.csv", DatasetState::Indexed).await;
    let name = "tenants/main/sources/place".to_owned();
    let request = DeleteSourceRequest { name: name.clone(), ..DeleteSourceRequest::default() };
    admin.discovery().delete_source(request).await.unwrap();
    let status = admin.discovery().get_source(GetSourceRequest { name }).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound, "{status:?}");
    admin.in_state("set.csv", DatasetState::Retracted).await;
    testkit::eventually!(admin.search("gannet").await.total_size == 0);
}

#[tokio::test]
async fn crawls_are_listed_newest_first_and_can_be_cancelled() {
    let mesh = Mesh::start().await;
    for number in 0..300 {
        write(&mesh.folder(), &format!("set-{number:03}.csv"), "a,b\n1,2\n");
    }
    let admin = mesh.admin().await;
    let crawl = admin.create_folder("place", &mesh.folder()).await.unwrap().crawl.unwrap();
    let cancel = CancelCrawlRequest { name: crawl.name.clone() };
    admin.discovery().cancel_crawl(cancel).await.unwrap();
    let ended = admin.crawl_end(&crawl.name).await.status.unwrap().phase();
    assert!([WorkPhase::Cancelled, WorkPhase::Succeeded].contains(&ended), "{ended:?}");
    let second = admin.run_source("place", false).await;
    let request = ListCrawlsRequest { parent: "tenants/main/sources/place".into(), ..Default::default() };
    let listed = admin.discovery().list_crawls(request).await.unwrap().into_inner().crawls;
    assert_eq!(listed.iter().map(|crawl| crawl.name.as_str()).collect::<Vec<_>>(), [&second.name, &crawl.name]);
}

#[tokio::test]
async fn each_kind_of_discoverer_tells_the_schema_of_its_settings() {
    let mesh = Mesh::start().await;
    let kinds = mesh.admin().await.discovery().list_discoverer_kinds(ListDiscovererKindsRequest {}).await.unwrap();
    let kinds = kinds.into_inner().kinds;
    for (kind, required) in [("folder", "path"), ("http_index", "url")] {
        let kind = kinds.iter().find(|each| each.kind == kind).unwrap();
        assert!(kind.settings.iter().any(|setting| setting.field == required && setting.required), "{kind:?}");
    }
}

#[tokio::test]
async fn what_a_data_package_says_is_said_of_its_datasets() {
    let mesh = Mesh::start().await;
    let package = r#"{"name": "seas", "licenses": [{"name": "CC0-1.0", "title": "Public domain"}],
        "resources": [{"name": "tides", "path": "tides.csv", "title": "High water", "description": "Of every harbour."}]}"#;
    write(&mesh.folder(), "datapackage.json", package);
    write(&mesh.folder(), "tides.csv", csv("tide", 10));
    let admin = mesh.admin().await;
    admin.crawl_folder("seas", &mesh.folder()).await;
    let dataset = admin.settled(1).await.remove(0);
    let metadata = dataset.metadata.unwrap();
    assert_eq!((metadata.title.as_str(), metadata.license.as_str()), ("High water", "CC0-1.0"));
    assert_eq!(admin.search("harbours").await.total_size, 1);
}

#[tokio::test]
async fn a_source_needs_settings() {
    let mesh = Mesh::start().await;
    let request = CreateSourceRequest {
        parent: "tenants/main".into(),
        source: Some(Source::default()),
        ..CreateSourceRequest::default()
    };
    let status = mesh.admin().await.discovery().create_source(request).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "BAD_REQUEST"));
}
