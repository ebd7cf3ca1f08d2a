//! Watches.

use proto::catalog::v1 as pb;
use proto::catalog::v1::watch_datasets_response::Item;
use tonic::Streaming;

use super::harness::{Harness, titled};

async fn watch(mesh: &mut Harness, resume_token: &str) -> Streaming<pb::WatchDatasetsResponse> {
    let request = pb::WatchDatasetsRequest {
        parent: "tenants/main".to_owned(),
        resume_token: resume_token.to_owned(),
        source: String::new(),
    };
    mesh.client.watch_datasets(request).await.unwrap().into_inner()
}

async fn next(watch: &mut Streaming<pb::WatchDatasetsResponse>) -> (String, String) {
    let message = watch.message().await.unwrap().unwrap();
    let text = match message.item.unwrap() {
        Item::Dataset(dataset) => format!("{} {}", dataset.name, dataset.state().as_str_name()),
        Item::Removed(name) => format!("{name} removed"),
        Item::SnapshotComplete(_) => "complete".to_owned(),
    };
    (text, message.resume_token)
}

#[tokio::test]
async fn a_watch_sends_what_is_there_then_what_changes_and_resumes() {
    let mut mesh = Harness::new().await;
    mesh.index("d1", titled("One")).await;
    let mut first = watch(&mut mesh, "").await;
    assert_eq!(next(&mut first).await.0, "tenants/main/datasets/d1 DATASET_STATE_INDEXED");
    let (text, token) = next(&mut first).await;
    assert_eq!(text, "complete");

    mesh.announce("d2", "t1").await;
    mesh.consume().await;
    let announced = "tenants/main/datasets/d2 DATASET_STATE_ANNOUNCED";
    assert_eq!(next(&mut first).await.0, announced);
    let mut second = watch(&mut mesh, &token).await;
    assert_eq!(next(&mut second).await.0, announced, "resumed after what was seen");

    mesh.retract("d1").await;
    mesh.consume().await;
    assert_eq!(next(&mut first).await.0, "tenants/main/datasets/d1 DATASET_STATE_RETRACTED");
}

#[tokio::test]
async fn a_watch_of_rebuilds_sends_their_progress() {
    use proto::catalog::v1::watch_index_rebuilds_response::Item;
    let mut mesh = Harness::new().await;
    mesh.index("d1", titled("One")).await;
    mesh.client.create_index_rebuild(pb::CreateIndexRebuildRequest::default()).await.unwrap();
    let mut watch =
        mesh.client.watch_index_rebuilds(pb::WatchIndexRebuildsRequest::default()).await.unwrap().into_inner();
    let first = watch.message().await.unwrap().unwrap().item.unwrap();
    assert!(matches!(first, Item::IndexRebuild(rebuild) if rebuild.cause == "requested"));
    assert!(matches!(watch.message().await.unwrap().unwrap().item.unwrap(), Item::SnapshotComplete(true)));
}
