//! Datasets that are sent.

use ::events::topology::DATASET_UPLOADED;
use proto::catalog::v1 as pb;
use proto::catalog::v1::DatasetState as State;
use proto::catalog::v1::create_dataset_request::Item;
use rpc::upload::{Part, UploadMessage};
use tonic::{Code, Status};
use types::{ByteSize, Digest};

use super::harness::{CSV, Harness, titled};
use crate::Config;

fn start(dataset_id: &str, request_id: &str) -> pb::CreateDatasetStart {
    pb::CreateDatasetStart {
        parent: "tenants/main".to_owned(),
        dataset_id: dataset_id.to_owned(),
        file_name: "cities.csv".to_owned(),
        metadata: Some(titled("Cities")),
        request_id: request_id.to_owned(),
    }
}

fn messages(start: pb::CreateDatasetStart, bytes: &[u8], told: &[u8]) -> Vec<pb::CreateDatasetRequest> {
    let size_bytes = i64::try_from(told.len()).unwrap();
    let digest = Some(Digest::of(told).into());
    let mut parts = vec![Part::Start(start)];
    parts.extend(bytes.chunks(10).map(|chunk| Part::Chunk(chunk.to_vec())));
    parts.push(Part::Finish { size_bytes, digest });
    parts.into_iter().map(pb::CreateDatasetRequest::from_part).collect()
}

async fn send(mesh: &mut Harness, messages: Vec<pb::CreateDatasetRequest>) -> Result<pb::Dataset, Status> {
    let reply = mesh.client.create_dataset(tokio_stream::iter(messages)).await?;
    Ok(reply.into_inner().dataset.unwrap())
}

async fn refused(mesh: &mut Harness, messages: Vec<pb::CreateDatasetRequest>) -> (Code, String) {
    let status = send(mesh, messages).await.unwrap_err();
    (status.code(), rpc::reason(&status).unwrap())
}

#[tokio::test]
async fn an_upload_is_recorded_announced_and_indexed_like_a_found_dataset() {
    let mut mesh = Harness::new().await;
    let dataset = send(&mut mesh, messages(start("", ""), CSV, CSV)).await.unwrap();
    assert_eq!((dataset.state(), dataset.source_kind.as_str()), (State::Announced, "upload"));
    assert!(dataset.name.starts_with("tenants/main/datasets/u"));
    mesh.round("relay").await;
    assert_eq!(mesh.published().await, [DATASET_UPLOADED]);

    let dataset = send(&mut mesh, messages(start("cities", ""), CSV, CSV)).await.unwrap();
    let token = dataset.materialization.unwrap().version_token;
    mesh.succeed("cities", &token, CSV).await;
    mesh.settle().await;
    assert_eq!(mesh.state("cities").await, State::Indexed);
    assert_eq!(mesh.find("cities bern").await, [Harness::dataset("cities")]);
}

#[tokio::test]
async fn a_taken_id_is_refused() {
    let mut mesh = Harness::new().await;
    send(&mut mesh, messages(start("cities", ""), CSV, CSV)).await.unwrap();
    let again = messages(start("cities", ""), CSV, CSV);
    assert_eq!(refused(&mut mesh, again).await, (Code::AlreadyExists, "DATASET_EXISTS".to_owned()));
    let other = messages(start("cities", &uuid::Uuid::new_v4().to_string()), CSV, CSV);
    assert_eq!(refused(&mut mesh, other).await, (Code::AlreadyExists, "DATASET_EXISTS".to_owned()));
}

#[tokio::test]
async fn a_repeated_upload_is_answered_like_the_first() {
    let mut mesh = Harness::new().await;
    let request_id = uuid::Uuid::new_v4().to_string();
    let first = send(&mut mesh, messages(start("", &request_id), CSV, CSV)).await.unwrap();
    let second = send(&mut mesh, messages(start("", &request_id), CSV, CSV)).await.unwrap();
    assert_eq!(first.name, second.name);
    let other = messages(start("", &request_id), b"other", b"other");
    assert_eq!(refused(&mut mesh, other).await, (Code::InvalidArgument, "REQUEST_ID_REUSED".to_owned()));
}

#[tokio::test]
async fn an_upload_that_did_not_come_whole_creates_nothing() {
    let mut mesh = Harness::new().await;
    let mut unfinished = messages(start("cities", ""), CSV, CSV);
    unfinished.retain(|message| !matches!(message.item, Some(Item::Finish(_))));
    assert_eq!(refused(&mut mesh, unfinished).await.1, "UPLOAD_INCOMPLETE");
    let corrupt = messages(start("cities", ""), CSV, b"other");
    assert_eq!(refused(&mut mesh, corrupt).await.1, "UPLOAD_CORRUPT");
    let name = Harness::dataset("cities");
    let status = mesh.client.get_dataset(pb::GetDatasetRequest { name }).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(mesh.path("spool/catalog").read_dir().unwrap().count(), 0, "what was spooled is gone");
}

#[tokio::test]
async fn an_upload_beyond_the_limit_is_refused() {
    let mut mesh = Harness::with(Config { max_upload_bytes: ByteSize::bytes(20), ..Config::default() }).await;
    let too_long = messages(start("cities", ""), CSV, CSV);
    assert_eq!(refused(&mut mesh, too_long).await, (Code::ResourceExhausted, "UPLOAD_TOO_LARGE".to_owned()));
}
