//! Watches: the present state, a marker, then what changes; resumed by a token.

use millrace_integration_tests::{Mesh, csv, write};
use proto::catalog::v1::{
    CreateIndexRebuildRequest, DatasetState, WatchDatasetsRequest, WatchDatasetsResponse, WatchIndexRebuildsRequest,
    watch_datasets_response, watch_index_rebuilds_response,
};
use proto::common::v1::WorkPhase;
use proto::discovery::v1::{WatchCrawlsRequest, watch_crawls_response};
use proto::profiling::v1::{WatchJobsRequest, watch_jobs_response};
use tonic::{Code, Streaming};

async fn next(stream: &mut Streaming<WatchDatasetsResponse>) -> (watch_datasets_response::Item, String) {
    let message = stream.message().await.unwrap().unwrap();
    (message.item.unwrap(), message.resume_token)
}

fn watch_datasets(resume_token: &str) -> WatchDatasetsRequest {
    WatchDatasetsRequest { parent: "tenants/main".into(), resume_token: resume_token.into(), source: String::new() }
}

#[tokio::test]
async fn a_watch_of_datasets_shows_the_state_a_marker_and_changes_and_resumes() {
    use watch_datasets_response::Item;
    let mesh = Mesh::start().await;
    let admin = mesh.admin().await;
    admin.upload("one", "one.csv", csv("one", 5).into_bytes()).await.unwrap();
    admin.in_state("one.csv", DatasetState::Indexed).await;
    let mut watch = admin.catalog().watch_datasets(watch_datasets("")).await.unwrap().into_inner();
    let (Item::Dataset(first), _) = next(&mut watch).await else { panic!("the state comes first") };
    assert_eq!(first.path, "one.csv");
    let (Item::SnapshotComplete(true), token) = next(&mut watch).await else { panic!("then the marker") };

    admin.upload("two", "two.csv", csv("two", 5).into_bytes()).await.unwrap();
    loop {
        if let (Item::Dataset(dataset), _) = next(&mut watch).await
            && dataset.path == "two.csv"
            && dataset.state() == DatasetState::Indexed
        {
            break;
        }
    }
    drop(watch);
    let mut resumed = admin.catalog().watch_datasets(watch_datasets(&token)).await.unwrap().into_inner();
    let (Item::Dataset(missed), _) = next(&mut resumed).await else { panic!("what was missed comes first") };
    assert_eq!(missed.path, "two.csv", "and nothing else");
    let status = match admin.catalog().watch_datasets(watch_datasets("nonsense")).await {
        Err(status) => status,
        Ok(stream) => stream.into_inner().message().await.unwrap_err(),
    };
    assert_eq!(status.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn crawls_and_jobs_and_rebuilds_can_be_watched_to_their_end() {
    let mesh = Mesh::start().await;
    for number in 0..5 {
        write(&mesh.folder(), &format!("set-{number}.csv"), csv("topic", 10));
    }
    let admin = mesh.admin().await;
    let crawls = WatchCrawlsRequest { parent: "tenants/main/sources/-".into(), resume_token: String::new() };
    let mut crawls = admin.discovery().watch_crawls(crawls).await.unwrap().into_inner();
    let jobs = WatchJobsRequest { parent: "tenants/main".into(), resume_token: String::new() };
    let mut jobs = admin.profiling().watch_jobs(jobs).await.unwrap().into_inner();
    let rebuilds = WatchIndexRebuildsRequest::default();
    let mut rebuilds = admin.catalog().watch_index_rebuilds(rebuilds).await.unwrap().into_inner();

    admin.create_folder("all", &mesh.folder()).await.unwrap();
    loop {
        let message = crawls.message().await.unwrap().unwrap();
        if let Some(watch_crawls_response::Item::Crawl(crawl)) = message.item
            && crawl.status.unwrap().phase() == WorkPhase::Succeeded
        {
            break;
        }
    }
    let mut done = std::collections::BTreeSet::new();
    while done.len() < 5 {
        let message = jobs.message().await.unwrap().unwrap();
        if let Some(watch_jobs_response::Item::Job(job)) = message.item
            && job.status.as_ref().unwrap().phase() == WorkPhase::Succeeded
        {
            done.insert(job.name);
        }
    }
    admin.catalog().create_index_rebuild(CreateIndexRebuildRequest::default()).await.unwrap();
    loop {
        let message = rebuilds.message().await.unwrap().unwrap();
        if let Some(watch_index_rebuilds_response::Item::IndexRebuild(rebuild)) = message.item
            && rebuild.status.unwrap().phase() == WorkPhase::Succeeded
        {
            break;
        }
    }
}
