use std::time::Duration;

use futures::StreamExt;
use proto::discovery::v1::watch_crawls_response::Item;
use tonic::Code;

use super::*;

testkit::on_every_store! {
    a_folder_outside_the_roots_is_refused_by_create_update_and_preview,
    a_private_address_is_refused_by_create_update_and_preview,
    another_tenant_is_refused_whether_the_source_exists_or_not,
    every_bad_field_of_a_request_is_named,
    a_repeated_request_is_answered_like_the_first,
    a_second_source_of_the_same_name_is_refused,
    a_stale_revision_is_refused,
    a_source_with_an_interval_is_crawled_again_when_it_is_due,
    a_run_while_a_crawl_is_under_way_gives_that_one,
    what_somebody_asked_for_goes_before_what_is_due,
    a_preview_lists_and_stores_nothing,
    a_preview_tells_what_it_leaves_out,
    sources_and_crawls_page_in_a_stable_order,
    a_watch_sends_crawls_then_the_marker_then_changes_and_removals,
    old_crawls_are_forgotten,
    every_kind_tells_the_schema_of_its_settings,
}

fn interval(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

async fn a_folder_outside_the_roots_is_refused_by_create_update_and_preview() {
    let world = World::new().await;
    let at = |path: &Path| {
        let path = path.to_string_lossy().into_owned();
        pb::Source { settings: Some(Settings::Folder(pb::FolderSettings { path })), ..pb::Source::default() }
    };
    world.create(world.folder()).await.unwrap();
    for path in [Path::new("/etc"), Path::new("/nowhere"), world.dir.path()] {
        let create = world.create(at(path)).await.unwrap_err();
        let request = pb::PreviewSourceRequest { parent: TENANT.into(), source: Some(at(path)), limit: 0 };
        let preview = world.grpc.preview_source(by_ada(request)).await.err().unwrap();
        let source = pb::Source { name: SOURCE.into(), revision: 1, ..at(path) };
        let request = pb::UpdateSourceRequest { source: Some(source), ..pb::UpdateSourceRequest::default() };
        let update = world.grpc.update_source(by_ada(request)).await.unwrap_err();
        for status in [create, preview, update] {
            assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "FOLDER_OUTSIDE_ROOTS"));
        }
    }
    let own = world.create(at(&world.dir.path().join("root/own"))).await.unwrap_err();
    assert_eq!((own.code(), reason(&own).as_str()), (Code::FailedPrecondition, "FOLDER_IS_DATA_DIRECTORY"));
}

async fn a_private_address_is_refused_by_create_update_and_preview() {
    let world = World::new().await;
    let public = Settings::HttpIndex(pb::HttpIndexSettings { url: "http://8.8.8.8/".into(), max_depth: None });
    world.create(pb::Source { settings: Some(public), ..pb::Source::default() }).await.unwrap();
    for url in ["http://10.0.0.1/", "http://[::1]/", "http://169.254.169.254/latest/"] {
        let settings = Settings::HttpIndex(pb::HttpIndexSettings { url: url.into(), max_depth: None });
        let source = pb::Source { settings: Some(settings), ..pb::Source::default() };
        let create = world.create(source.clone()).await.unwrap_err();
        let update = world.move_to(source.settings.clone().unwrap(), &["http_index"]).await.unwrap_err();
        let request = pb::PreviewSourceRequest { parent: TENANT.into(), source: Some(source), limit: 0 };
        let preview = world.grpc.preview_source(by_ada(request)).await.err().unwrap();
        for status in [create, update, preview] {
            assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "ADDRESS_FORBIDDEN"));
        }
    }
}

async fn another_tenant_is_refused_whether_the_source_exists_or_not() {
    let world = World::new().await;
    let request = pb::GetSourceRequest { name: "tenants/other/sources/demo".into() };
    let status = world.grpc.get_source(by_ada(request)).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "TENANT_FORBIDDEN"));
    let request = pb::WatchCrawlsRequest { parent: "tenants/other/sources/-".into(), resume_token: String::new() };
    assert_eq!(world.grpc.watch_crawls(by_ada(request)).await.err().unwrap().code(), Code::PermissionDenied);
}

async fn every_bad_field_of_a_request_is_named() {
    let world = World::new().await;
    let request = pb::CreateSourceRequest {
        parent: "nonsense".into(),
        source_id: "Bad Id".into(),
        source: Some(pb::Source { title: "x".repeat(300), ..world.folder() }),
        request_id: "no uuid".into(),
    };
    let status = world.grpc.create_source(by_ada(request)).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "BAD_REQUEST"));
    for field in ["parent", "source_id", "source.title", "request_id"] {
        assert!(status.message().contains(&format!("`{field}`")), "{field}: {}", status.message());
    }
}

async fn a_repeated_request_is_answered_like_the_first() {
    let world = World::new().await;
    let request = || pb::CreateSourceRequest {
        parent: TENANT.into(),
        source: Some(world.folder()),
        request_id: "0191e0c4-0000-7000-8000-000000000001".into(),
        ..pb::CreateSourceRequest::default()
    };
    let first = world.grpc.create_source(by_ada(request())).await.unwrap().into_inner();
    assert_eq!(world.grpc.create_source(by_ada(request())).await.unwrap().into_inner(), first);
    let other = pb::CreateSourceRequest { source_id: "other".into(), ..request() };
    assert_eq!(reason(&world.grpc.create_source(by_ada(other)).await.unwrap_err()), "REQUEST_ID_REUSED");
    let list = pb::ListSourcesRequest { parent: TENANT.into(), ..pb::ListSourcesRequest::default() };
    assert_eq!(world.grpc.list_sources(by_ada(list)).await.unwrap().into_inner().sources.len(), 1);
}

async fn a_second_source_of_the_same_name_is_refused() {
    let world = World::new().await;
    world.create(world.folder()).await.unwrap();
    assert_eq!(reason(&world.create(world.folder()).await.unwrap_err()), "SOURCE_EXISTS");
}

async fn a_stale_revision_is_refused() {
    let world = World::new().await;
    world.create(world.folder()).await.unwrap();
    let update = |title: &str| pb::UpdateSourceRequest {
        source: Some(pb::Source { name: SOURCE.into(), revision: 1, title: title.into(), ..pb::Source::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["title".into()] }),
        request_id: String::new(),
    };
    let updated = world.grpc.update_source(by_ada(update("One"))).await.unwrap().into_inner().source.unwrap();
    assert_eq!((updated.revision, updated.title.as_str()), (2, "One"));
    let stale = world.grpc.update_source(by_ada(update("Two"))).await.unwrap_err();
    assert_eq!((stale.code(), reason(&stale).as_str()), (Code::Aborted, "STALE_REVISION"));
    assert_eq!(world.source().await.title, "One");
}

async fn a_source_with_an_interval_is_crawled_again_when_it_is_due() {
    let mut world = World::new().await;
    world.create(pb::Source { interval: interval(3600), ..world.folder() }).await.unwrap();
    world.crawl().await;
    let first = world.newest().await.name;
    world.tasks.round("discovery.schedule").await.unwrap();
    assert_eq!(world.newest().await.name, first, "not due yet");
    world.clock.advance(Duration::from_secs(3601));
    world.tasks.round("discovery.schedule").await.unwrap();
    assert_ne!(world.newest().await.name, first);
    let second = world.newest().await.name;
    world.clock.advance(Duration::from_secs(3601));
    world.tasks.round("discovery.schedule").await.unwrap();
    assert_eq!(world.newest().await.name, second, "one crawl at a time");
    assert_eq!(phase(&world.crawl().await), WorkPhase::Succeeded);
    world.tasks.round("discovery.schedule").await.unwrap();
    assert_ne!(world.newest().await.name, second);
}

async fn a_run_while_a_crawl_is_under_way_gives_that_one() {
    let world = World::new().await;
    let created = world.create(world.folder()).await.unwrap().crawl.unwrap();
    assert_eq!(world.run(false).await.name, created.name);
    let request = pb::RunSourceRequest { name: SOURCE.into(), accept_losses: true, request_id: String::new() };
    let refused = world.grpc.run_source(by_ada(request)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "CRAWL_UNDER_WAY"));
}

async fn what_somebody_asked_for_goes_before_what_is_due() {
    let mut world = World::new().await;
    let announced = async |world: &mut World, text: &str, ask: bool| {
        world.write("a.csv", text);
        world.clock.advance(Duration::from_secs(3601));
        world.tasks.round("discovery.schedule").await.unwrap();
        if ask {
            world.run(false).await;
        }
        world.crawl().await;
        world.announcements().await.into_iter().map(|(_, message)| message.priority).collect::<Vec<_>>()
    };
    world.write("a.csv", "1");
    world.create(pb::Source { interval: interval(3600), ..world.folder() }).await.unwrap();
    world.crawl().await;
    assert_eq!(world.announcements().await[0].1.priority, 5, "whoever creates a source waits for it");
    assert_eq!(announced(&mut world, "1,2", false).await, [0], "it was due");
    assert_eq!(announced(&mut world, "1,2,3", true).await, [5], "it was due, and then somebody asked for it");
}

async fn a_preview_lists_and_stores_nothing() {
    let mut world = World::new().await;
    for name in ["a.csv", "b.csv", "c.csv"] {
        world.write(name, "1");
    }
    let preview = async |limit| {
        let request = pb::PreviewSourceRequest { parent: TENANT.into(), source: Some(world.folder()), limit };
        let stream = world.grpc.preview_source(by_ada(request)).await.unwrap().into_inner();
        stream.map(|message| message.unwrap().item.unwrap()).collect::<Vec<_>>().await
    };
    use pb::preview_source_response::Item::Summary;
    let summary = |datasets, truncated| pb::PreviewSummary { datasets, truncated, ..pb::PreviewSummary::default() };
    let all = preview(0).await;
    assert_eq!(all.len(), 4);
    assert_eq!(all[3], Summary(summary(3, false)));
    let cut = preview(2).await;
    assert_eq!(cut[2], Summary(summary(2, true)));
    assert_eq!(preview(3).await[3], Summary(summary(3, false)));
    assert_eq!(world.told().await, []);
}

#[cfg(unix)]
async fn a_preview_tells_what_it_leaves_out() {
    let world = World::new().await;
    for name in ["a.csv", "left/b.csv", "readme.md"] {
        world.write(name, "1");
    }
    std::fs::write(world.dir.path().join("secret.csv"), "s").unwrap();
    std::os::unix::fs::symlink(world.dir.path().join("secret.csv"), world.root().join("out.csv")).unwrap();
    for number in 0..100 {
        std::os::unix::fs::symlink("gone.csv", world.root().join(format!("broken-{number:02}.csv"))).unwrap();
    }
    let source = pb::Source { exclude: vec!["left".into()], ..world.folder() };
    let request = pb::PreviewSourceRequest { parent: TENANT.into(), source: Some(source), limit: 0 };
    let stream = world.grpc.preview_source(by_ada(request)).await.unwrap().into_inner();
    let last = stream.map(|message| message.unwrap().item.unwrap()).collect::<Vec<_>>().await.pop();
    let Some(pb::preview_source_response::Item::Summary(end)) = last else { panic!("{last:?}") };
    assert_eq!((end.datasets, end.skipped, end.warnings.len(), end.warnings_omitted), (1, 2, 100, 1));
    let told = end.warnings.iter().all(|one| matches!(one.reason.as_str(), "FILE_NOT_FOUND" | "LINK_LEADS_OUT"));
    assert!(told, "{:?}", end.warnings);
}

async fn sources_and_crawls_page_in_a_stable_order() {
    let world = World::new().await;
    for id in ["a", "b", "c"] {
        let request = pb::CreateSourceRequest {
            parent: TENANT.into(),
            source_id: id.into(),
            source: Some(world.folder()),
            request_id: String::new(),
        };
        world.grpc.create_source(by_ada(request)).await.unwrap();
        world.clock.advance(Duration::from_secs(1));
    }
    let list = async |page_token: String| {
        let request = pb::ListSourcesRequest { parent: TENANT.into(), page_size: 2, page_token };
        world.grpc.list_sources(by_ada(request)).await.unwrap().into_inner()
    };
    let first = list(String::new()).await;
    let second = list(first.next_page_token.clone()).await;
    let names: Vec<_> = first.sources.iter().chain(&second.sources).map(|source| source.name.as_str()).collect();
    assert_eq!(names, ["tenants/main/sources/a", "tenants/main/sources/b", "tenants/main/sources/c"]);
    assert_eq!(second.next_page_token, "");
    let request = pb::ListSourcesRequest { parent: TENANT.into(), page_size: 1001, page_token: String::new() };
    assert_eq!(world.grpc.list_sources(by_ada(request)).await.unwrap_err().code(), Code::InvalidArgument);
    let request = pb::ListCrawlsRequest { parent: SOURCE.into(), page_size: 1, page_token: String::new() };
    assert_eq!(reason(&world.grpc.list_crawls(by_ada(request)).await.unwrap_err()), "SOURCE_NOT_FOUND");
}

async fn a_watch_sends_crawls_then_the_marker_then_changes_and_removals() {
    let mut world = World::new().await;
    let name = world.create(world.folder()).await.unwrap().crawl.unwrap().name;
    let request = pb::WatchCrawlsRequest { parent: "tenants/main/sources/-".into(), resume_token: String::new() };
    let mut watch = world.grpc.watch_crawls(by_ada(request)).await.unwrap().into_inner();
    let mut next = async || watch.next().await.unwrap().unwrap().item.unwrap();
    assert!(matches!(next().await, Item::Crawl(crawl) if crawl.name == name && phase(&crawl) == WorkPhase::Queued));
    assert_eq!(next().await, Item::SnapshotComplete(true));
    world.crawl().await;
    assert!(matches!(next().await, Item::Crawl(crawl) if phase(&crawl) == WorkPhase::Succeeded));
    let request = pb::DeleteSourceRequest { name: SOURCE.into(), revision: 0, request_id: String::new() };
    world.grpc.delete_source(by_ada(request)).await.unwrap();
    while world.tasks.round("discovery.removal").await.unwrap().again {}
    assert_eq!(next().await, Item::Removed(name));
}

async fn old_crawls_are_forgotten() {
    let mut world = World::new().await;
    world.create(world.folder()).await.unwrap();
    world.crawl().await;
    for _ in 0..105 {
        world.crawl_again(false).await;
    }
    world.tasks.round("discovery.history").await.unwrap();
    let request = pb::ListCrawlsRequest { parent: SOURCE.into(), page_size: 1000, page_token: String::new() };
    assert_eq!(world.grpc.list_crawls(by_ada(request)).await.unwrap().into_inner().crawls.len(), 100);
}

async fn every_kind_tells_the_schema_of_its_settings() {
    let world = World::new().await;
    let kinds = world.grpc.list_discoverer_kinds(by_ada(pb::ListDiscovererKindsRequest {})).await.unwrap().into_inner();
    let names: Vec<_> = kinds.kinds.iter().map(|kind| kind.kind.as_str()).collect();
    assert_eq!(names, ["folder", "http_index"]);
    assert!(kinds.kinds.iter().all(|kind| kind.settings.iter().any(|setting| setting.required)));
}
