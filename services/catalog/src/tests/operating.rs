//! What an operator is shown.

use proto::common::v1::GetStatusRequest;
use proto::common::v1::operator_service_client::OperatorServiceClient;

use super::harness::Harness;

#[tokio::test]
async fn an_operator_sees_every_loop_and_every_queue() {
    let mut mesh = Harness::new().await;
    mesh.announce("d1", "t1").await;
    let mut client = OperatorServiceClient::new(mesh.served.clone());
    let status = client.get_status(GetStatusRequest::default()).await.unwrap().into_inner();
    let role = &status.roles[0];
    let loops: Vec<_> = role.loops.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(
        loops,
        ["catalog.discovery", "catalog.indexer", "catalog.profiling", "catalog.rebuilds", "catalog.relay"]
    );
    let queues: Vec<_> = role.queues.iter().map(|queue| (queue.name.as_str(), queue.waiting)).collect();
    assert_eq!(
        queues,
        [("catalog.discovery", 1), ("catalog.outbox", 0), ("catalog.profiling", 0), ("catalog.rebuilds", 0)]
    );
}
