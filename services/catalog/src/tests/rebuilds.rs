//! The index, built anew from the records.

use std::sync::Arc;

use ::search::{State, TantivyIndex};
use proto::catalog::v1 as pb;
use proto::common::v1::WorkPhase as Phase;
use tonic::Code;

use super::harness::{CSV, Harness, titled};
use crate::Config;
use crate::service::rebuild::Cause;

async fn create(mesh: &mut Harness) -> pb::IndexRebuild {
    let request = pb::CreateIndexRebuildRequest::default();
    mesh.client.create_index_rebuild(request).await.unwrap().into_inner().index_rebuild.unwrap()
}

async fn get(mesh: &mut Harness, name: &str) -> pb::IndexRebuild {
    let request = pb::GetIndexRebuildRequest { name: name.to_owned() };
    mesh.client.get_index_rebuild(request).await.unwrap().into_inner().index_rebuild.unwrap()
}

async fn list(mesh: &mut Harness) -> Vec<pb::IndexRebuild> {
    let request = pb::ListIndexRebuildsRequest::default();
    mesh.client.list_index_rebuilds(request).await.unwrap().into_inner().index_rebuilds
}

/// Some records: found, retracted and hidden by nobody.
async fn with_records(count: usize, batch: u32) -> Harness {
    let mut config = Config::default();
    config.rebuilds.batch = batch;
    let mut mesh = Harness::with(config).await;
    for number in 0..count {
        mesh.announce_with(&format!("d{number}"), "t1", titled("Many")).await;
        mesh.succeed(&format!("d{number}"), "t1", CSV).await;
    }
    mesh.retract("d0").await;
    mesh.settle().await;
    mesh
}

#[tokio::test]
async fn a_rebuild_holds_what_the_records_hold() {
    let mut mesh = with_records(7, 2).await;
    let rebuild = create(&mut mesh).await;
    assert_eq!(rebuild.cause, "requested");
    assert_eq!(create(&mut mesh).await.name, rebuild.name, "the one under way is given back");
    mesh.settle().await;
    let status = get(&mut mesh, &rebuild.name).await.status.unwrap();
    assert_eq!(status.phase(), Phase::Succeeded);
    assert_eq!((status.counts[0].name.as_str(), status.counts[0].value), ("records", 6));
    assert_eq!(mesh.find("many").await.len(), 6);
    assert_ne!(create(&mut mesh).await.name, rebuild.name, "one that ended is not under way");
    assert_eq!(list(&mut mesh).await.len(), 2);
}

#[tokio::test]
async fn what_changes_while_the_index_is_rebuilt_is_not_lost() {
    let mut mesh = with_records(3, 10).await;
    let mut rebuild = mesh.deps.index.begin_rebuild().await.unwrap();
    let (documents, reached) = mesh.catalog.rebuild_batch(mesh.tasks.scope(), 0).await.unwrap().unwrap();
    mesh.retract("d1").await;
    mesh.announce_with("d9", "t1", titled("Many")).await;
    mesh.succeed("d9", "t1", CSV).await;
    mesh.settle().await;
    rebuild.add(documents).await.unwrap();
    rebuild.finish(reached).await.unwrap();
    let mut found = mesh.find("many").await;
    found.sort();
    assert_eq!(found, [Harness::dataset("d2"), Harness::dataset("d9")]);
}

#[tokio::test]
async fn a_cancelled_rebuild_leaves_the_index_as_it_was() {
    let mut mesh = with_records(3, 10).await;
    let name = create(&mut mesh).await.name;
    let request = pb::CancelIndexRebuildRequest { name: name.clone() };
    let cancelled = mesh.client.cancel_index_rebuild(request).await.unwrap().into_inner().index_rebuild.unwrap();
    assert_eq!(cancelled.status.unwrap().phase(), Phase::Cancelled);
    mesh.settle().await;
    assert_eq!(mesh.find("many").await.len(), 2);
    let request = pb::GetIndexRebuildRequest { name: "indexRebuilds/r0".to_owned() };
    assert_eq!(mesh.client.get_index_rebuild(request).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_rebuild_that_is_asked_to_stop_while_it_runs_stops() {
    let mut mesh = with_records(4, 1).await;
    let name = create(&mut mesh).await.name;
    let queue = mesh.catalog.rebuild_queue();
    let claim = queue.claim().await.unwrap().unwrap();
    mesh.client.cancel_index_rebuild(pb::CancelIndexRebuildRequest { name: name.clone() }).await.unwrap();
    let scope = mesh.tasks.scope();
    mesh.catalog.run_rebuild(scope, &queue, claim).await.unwrap();
    assert_eq!(get(&mut mesh, &name).await.status.unwrap().phase(), Phase::Cancelled);
    assert_eq!(mesh.find("many").await.len(), 3);
}

#[tokio::test]
async fn an_index_that_is_missing_at_start_is_rebuilt_by_itself() {
    let mesh = with_records(3, 10).await;
    let opened = TantivyIndex::open(mesh.path("other-index")).await.unwrap();
    assert!(opened.state.needs_rebuild());
    let mut mesh = mesh.restart(Arc::new(opened.index), opened.state).await;
    assert_eq!(list(&mut mesh).await[0].cause, Cause::Missing.as_str());
    mesh.settle().await;
    assert_eq!(mesh.find("many").await.len(), 2);
}

#[tokio::test]
async fn a_damaged_index_is_rebuilt_once_however_often_the_process_starts() {
    let mesh = with_records(3, 10).await;
    let opened = TantivyIndex::open(mesh.path("other-index")).await.unwrap();
    let index = Arc::new(opened.index);
    let damaged = || State::Damaged("a test".to_owned());
    let mesh = mesh.restart(index.clone(), damaged()).await;
    let mut mesh = mesh.restart(index, damaged()).await;
    let rebuilds = list(&mut mesh).await;
    assert_eq!((rebuilds.len(), rebuilds[0].cause.as_str()), (1, "damaged"));
}

#[tokio::test]
async fn an_index_older_than_the_records_takes_their_changes_again() {
    let mesh = with_records(3, 10).await;
    let opened = TantivyIndex::open(mesh.path("other-index")).await.unwrap();
    let mut mesh = mesh.restart(Arc::new(opened.index), State::Intact).await;
    assert!(mesh.find("many").await.is_empty());
    mesh.settle().await;
    assert_eq!(mesh.find("many").await.len(), 2);
    assert!(list(&mut mesh).await.is_empty());
}

#[tokio::test]
async fn a_first_start_needs_no_rebuild() {
    let mut mesh = Harness::new().await;
    assert!(list(&mut mesh).await.is_empty());
    let index = TantivyIndex::open(mesh.path("other-index")).await.unwrap();
    let mut mesh = mesh.restart(Arc::new(index.index), index.state).await;
    mesh.settle().await;
    assert!(list(&mut mesh).await.is_empty());
}
