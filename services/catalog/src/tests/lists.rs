//! Lists of datasets and versions.

use proto::catalog::v1 as pb;
use tonic::Code;

use super::harness::{CSV, Harness};

async fn page(mesh: &mut Harness, request: pb::ListDatasetsRequest) -> (Vec<String>, String) {
    let page = mesh.client.list_datasets(request).await.unwrap().into_inner();
    let id = |dataset: pb::Dataset| dataset.name.rsplit('/').next().unwrap().to_owned();
    (page.datasets.into_iter().map(id).collect(), page.next_page_token)
}

fn request(page_size: i32) -> pb::ListDatasetsRequest {
    pb::ListDatasetsRequest { parent: "tenants/main".to_owned(), page_size, ..pb::ListDatasetsRequest::default() }
}

#[tokio::test]
async fn a_second_page_follows_the_first_whatever_came_between() {
    let mut mesh = Harness::new().await;
    for id in ["d2", "d4", "d6"] {
        mesh.announce(id, "t1").await;
    }
    mesh.consume().await;
    let (first, page_token) = page(&mut mesh, request(2)).await;
    assert_eq!(first, ["d2", "d4"]);
    mesh.announce("d1", "t1").await;
    mesh.announce("d5", "t1").await;
    mesh.consume().await;
    let (second, end) = page(&mut mesh, pb::ListDatasetsRequest { page_token, ..request(2) }).await;
    assert_eq!((second, end.as_str()), (vec!["d6".to_owned()], ""));
}

#[tokio::test]
async fn a_page_that_would_be_too_long_for_a_message_ends_early() {
    let mut mesh = Harness::new().await;
    let long = "x".repeat(400 << 10);
    for number in 0..10 {
        let metadata = proto::common::v1::Metadata { description: long.clone(), ..Default::default() };
        mesh.announce_with(&format!("d{number}"), "t1", metadata).await;
    }
    mesh.settle().await;
    let (mut all, mut token) = page(&mut mesh, request(1000)).await;
    assert_eq!(all.len(), 7);
    while !token.is_empty() {
        let (more, next) = page(&mut mesh, pb::ListDatasetsRequest { page_token: token, ..request(1000) }).await;
        all.extend(more);
        token = next;
    }
    assert_eq!(all.len(), 10);
}

#[tokio::test]
async fn lists_can_be_narrowed_to_a_state_or_a_source() {
    let mut mesh = Harness::new().await;
    mesh.announce("d1", "t1").await;
    mesh.announce("d2", "t1").await;
    mesh.succeed("d2", "t1", CSV).await;
    mesh.settle().await;
    let state = pb::DatasetState::Indexed.into();
    assert_eq!(page(&mut mesh, pb::ListDatasetsRequest { state, ..request(0) }).await.0, ["d2"]);
    let source = |id: &str| pb::ListDatasetsRequest { source: format!("tenants/main/sources/{id}"), ..request(0) };
    assert_eq!(page(&mut mesh, source("demo")).await.0.len(), 2);
    assert!(page(&mut mesh, source("other")).await.0.is_empty());
    let bad = pb::ListDatasetsRequest { source: "tenants/other/sources/x".to_owned(), page_size: -1, ..request(0) };
    let status = mesh.client.list_datasets(bad).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
}
