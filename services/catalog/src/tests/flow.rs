//! From announcement to index, and back.

use ::events::topology::DATASET_INDEXED;
use proto::catalog::v1 as pb;
use proto::catalog::v1::DatasetState as State;
use proto::common::v1 as common;
use proto::common::v1::WorkPhase as Phase;
use proto::profiling::v1::JobStage as Stage;
use tonic::Code;

use super::harness::{CSV, Harness, titled};
use crate::service::index::Round;

#[tokio::test]
async fn a_dataset_is_seen_in_every_state_on_its_way() {
    let mut mesh = Harness::new().await;
    mesh.announce("d1", "t1").await;
    mesh.consume().await;
    assert_eq!(mesh.state("d1").await, State::Announced);
    for (phase, stage, state) in [
        (Phase::Queued, Stage::Unspecified, State::Queued),
        (Phase::Running, Stage::Fetching, State::Fetching),
        (Phase::Waiting, Stage::Unspecified, State::Queued),
        (Phase::Running, Stage::Fetching, State::Fetching),
        (Phase::Running, Stage::Profiling, State::Profiling),
    ] {
        mesh.advance("d1", "t1", phase, stage).await;
        mesh.consume().await;
        assert_eq!(mesh.state("d1").await, state);
    }
    mesh.succeed("d1", "t1", CSV).await;
    mesh.consume().await;
    assert_eq!(mesh.state("d1").await, State::Profiling, "its version waits for the indexer");
    assert!(mesh.get("d1").await.current_version.is_none());

    mesh.settle().await;
    let dataset = mesh.get("d1").await;
    assert_eq!(dataset.state(), State::Indexed);
    let version = dataset.current_version.unwrap();
    assert_eq!((version.row_count, version.column_count, version.kept, version.indexed), (2, 2, true, true));
    assert_eq!(version.columns.iter().map(|c| c.column.as_str()).collect::<Vec<_>>(), ["city", "people"]);
    assert_eq!(mesh.find("bern people").await, [Harness::dataset("d1")]);
    assert_eq!(mesh.published().await, [DATASET_INDEXED]);
}

#[tokio::test]
async fn news_of_a_job_may_come_before_the_announcement() {
    let mut mesh = Harness::new().await;
    mesh.advance("d1", "t1", Phase::Running, Stage::Fetching).await;
    mesh.succeed("d1", "t1", CSV).await;
    mesh.settle().await;
    mesh.announce("d1", "t1").await;
    mesh.settle().await;
    assert_eq!(mesh.state("d1").await, State::Indexed);
}

#[tokio::test]
async fn an_announcement_that_comes_late_does_not_undo_its_job() {
    let mut mesh = Harness::new().await;
    mesh.index("d1", titled("One")).await;
    mesh.advance("d1", "t2", Phase::Running, Stage::Profiling).await;
    mesh.consume().await;
    mesh.announce("d1", "t2").await;
    mesh.consume().await;
    assert_eq!(mesh.state("d1").await, State::Profiling);
}

#[tokio::test]
async fn an_event_that_comes_twice_has_one_effect() {
    let mut mesh = Harness::new().await;
    let announced = mesh.announce("d1", "t1").await;
    let succeeded = mesh.succeed("d1", "t1", CSV).await;
    mesh.settle().await;
    let before = mesh.get("d1").await;
    // The ids differ, as they would after the bus forgot them; the sequences are those of before.
    for event in [announced, succeeded] {
        let id = uuid::Uuid::now_v7().to_string();
        mesh.deps.bus.publish(&[common::EventEnvelope { id, ..event }]).await.unwrap();
    }
    mesh.settle().await;
    assert_eq!(mesh.get("d1").await, before);
}

#[tokio::test]
async fn new_bytes_make_a_version_and_the_same_bytes_do_not() {
    let mut mesh = Harness::new().await;
    mesh.index("d1", titled("One")).await;
    mesh.announce("d1", "t2").await;
    mesh.succeed("d1", "t2", CSV).await;
    mesh.settle().await;
    assert_eq!(versions(&mut mesh, "d1").await, ["1"]);
    assert_eq!(mesh.state("d1").await, State::Indexed);

    mesh.announce("d1", "t3").await;
    mesh.succeed("d1", "t3", b"city,people\nBern,1\n").await;
    mesh.consume().await;
    let before = mesh.get("d1").await.current_version.unwrap();
    assert!(before.name.ends_with("versions/1"), "readers see the old version until the new one is indexed");
    mesh.settle().await;
    assert_eq!(versions(&mut mesh, "d1").await, ["2", "1"]);
    assert!(mesh.get("d1").await.current_version.unwrap().name.ends_with("versions/2"));
}

async fn versions(mesh: &mut Harness, id: &str) -> Vec<String> {
    let request = pb::ListVersionsRequest { parent: Harness::dataset(id), ..pb::ListVersionsRequest::default() };
    let versions = mesh.client.list_versions(request).await.unwrap().into_inner().versions;
    versions.into_iter().map(|version| version.name.rsplit('/').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_failed_attempt_leaves_the_version_before_current() {
    let mut mesh = Harness::new().await;
    mesh.index("d1", titled("One")).await;
    mesh.announce_with("d1", "t2", titled("One")).await;
    mesh.fail("d1", "t2").await;
    mesh.settle().await;
    let dataset = mesh.get("d1").await;
    assert_eq!(dataset.state(), State::Failed);
    assert_eq!(dataset.latest_attempt.unwrap().error.unwrap().reason, "EMPTY");
    assert!(dataset.current_version.is_some());
    assert_eq!(mesh.find("one").await.len(), 1);
}

#[tokio::test]
async fn an_edit_survives_a_new_announcement_and_is_searched() {
    let mut mesh = Harness::new().await;
    mesh.index("d1", titled("One")).await;
    edit(&mut mesh, titled("Edited"), 0, "").await.unwrap();
    mesh.announce_with("d1", "t2", common::Metadata { description: "new".into(), ..titled("Two") }).await;
    mesh.settle().await;
    let dataset = mesh.get("d1").await;
    assert_eq!(dataset.edited_fields, ["metadata.title"]);
    let metadata = dataset.metadata.unwrap();
    assert_eq!((metadata.title.as_str(), metadata.description.as_str()), ("Edited", "new"));
    assert_eq!(mesh.find("edited").await.len(), 1);
    assert!(mesh.find("two").await.is_empty());
}

#[tokio::test]
async fn a_stale_revision_is_refused() {
    let mut mesh = Harness::new().await;
    mesh.index("d1", titled("One")).await;
    let revision = mesh.get("d1").await.revision;
    edit(&mut mesh, titled("Two"), revision, "").await.unwrap();
    let status = edit(&mut mesh, titled("Three"), revision, "").await.unwrap_err();
    assert_eq!((status.code(), rpc::reason(&status).as_deref()), (Code::Aborted, Some("STALE_REVISION")));
    assert_eq!(mesh.get("d1").await.metadata.unwrap().title, "Two");
}

#[tokio::test]
async fn a_repeated_edit_has_one_effect() {
    let mut mesh = Harness::new().await;
    mesh.index("d1", titled("One")).await;
    let request_id = uuid::Uuid::new_v4().to_string();
    let first = edit(&mut mesh, titled("Two"), 0, &request_id).await.unwrap();
    assert_eq!(edit(&mut mesh, titled("Two"), 0, &request_id).await.unwrap(), first);
    let status = edit(&mut mesh, titled("Three"), 0, &request_id).await.unwrap_err();
    assert_eq!(rpc::reason(&status).as_deref(), Some("REQUEST_ID_REUSED"));
}

async fn edit(
    mesh: &mut Harness,
    metadata: common::Metadata,
    revision: i64,
    request_id: &str,
) -> Result<pb::Dataset, tonic::Status> {
    let name = Harness::dataset("d1");
    let request = pb::UpdateDatasetRequest {
        dataset: Some(pb::Dataset { name, metadata: Some(metadata), revision, ..pb::Dataset::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["metadata.title".to_owned()] }),
        request_id: request_id.to_owned(),
    };
    Ok(mesh.client.update_dataset(request).await?.into_inner().dataset.unwrap())
}

#[tokio::test]
async fn a_hidden_dataset_is_found_by_name_alone() {
    let mut mesh = Harness::new().await;
    mesh.index("d1", titled("One")).await;
    hide(&mut mesh, true).await;
    mesh.settle().await;
    assert!(mesh.find("one").await.is_empty());
    assert_eq!((list(&mut mesh, false).await, list(&mut mesh, true).await), (0, 1));
    assert_eq!(mesh.state("d1").await, State::Indexed);
    hide(&mut mesh, false).await;
    mesh.settle().await;
    assert_eq!(mesh.find("one").await.len(), 1);
}

async fn hide(mesh: &mut Harness, hidden: bool) {
    let request = pb::UpdateDatasetRequest {
        dataset: Some(pb::Dataset { name: Harness::dataset("d1"), hidden, ..pb::Dataset::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["hidden".to_owned()] }),
        request_id: String::new(),
    };
    mesh.client.update_dataset(request).await.unwrap();
}

async fn list(mesh: &mut Harness, show_hidden: bool) -> usize {
    let parent = "tenants/main".to_owned();
    let request = pb::ListDatasetsRequest { parent, show_hidden, ..pb::ListDatasetsRequest::default() };
    mesh.client.list_datasets(request).await.unwrap().into_inner().datasets.len()
}

#[tokio::test]
async fn what_was_retracted_drops_out_and_comes_back_without_new_work() {
    let mut mesh = Harness::new().await;
    mesh.index("d1", titled("One")).await;
    mesh.retract("d1").await;
    mesh.consume().await;
    assert!(mesh.find("one").await.is_empty(), "before the indexer ran, too");
    mesh.settle().await;
    assert_eq!(mesh.state("d1").await, State::Retracted);
    assert_eq!(mesh.deps.index.count().await.unwrap(), 0);

    mesh.announce_with("d1", "t1", titled("One")).await;
    mesh.settle().await;
    assert_eq!(mesh.state("d1").await, State::Indexed);
    assert_eq!(mesh.find("one").await.len(), 1);
    assert_eq!(versions(&mut mesh, "d1").await, ["1"]);
}

#[tokio::test]
async fn a_crash_between_the_commits_of_index_and_store_loses_and_doubles_nothing() {
    let mut mesh = Harness::new().await;
    mesh.announce_with("d1", "t1", titled("One")).await;
    mesh.succeed("d1", "t1", CSV).await;
    mesh.consume().await;
    let Round { operations, last, .. } = mesh.catalog.next_round(mesh.tasks.scope()).await.unwrap().unwrap();
    mesh.deps.index.apply(operations, last).await.unwrap();
    assert_eq!(mesh.state("d1").await, State::Profiling);
    mesh.settle().await;
    assert_eq!(mesh.state("d1").await, State::Indexed);
    assert_eq!(mesh.deps.index.count().await.unwrap(), 1);
    assert_eq!(mesh.published().await, [DATASET_INDEXED]);
}

#[tokio::test]
async fn a_record_that_changes_while_it_is_indexed_is_indexed_again() {
    let mut mesh = Harness::new().await;
    mesh.announce_with("d1", "t1", titled("One")).await;
    mesh.succeed("d1", "t1", CSV).await;
    mesh.consume().await;
    let round = mesh.catalog.next_round(mesh.tasks.scope()).await.unwrap().unwrap();
    mesh.retract("d1").await;
    mesh.consume().await;
    mesh.catalog.take(round).await.unwrap();
    mesh.settle().await;
    assert_eq!(mesh.state("d1").await, State::Retracted);
    assert_eq!(mesh.deps.index.count().await.unwrap(), 0);
}

#[tokio::test]
async fn a_profile_that_is_none_becomes_a_dead_letter_and_blocks_its_dataset_alone() {
    use objects::{Key, ObjectStoreExt, Put};
    let mut mesh = Harness::new().await;
    mesh.announce("d1", "t1").await;
    mesh.announce("d2", "t1").await;
    mesh.succeed("d1", "t1", b"other bytes").await;
    let profile = types::ProfileId::derive(&types::Digest::of(b"other bytes"), &types::Digest::of(b"recipe"), "1");
    let key = Key::profile(&super::harness::main(), &profile);
    mesh.deps.objects.put_bytes(&key, "junk".into(), Put::Always).await.unwrap();
    mesh.succeed("d2", "t1", CSV).await;
    mesh.settle().await;
    assert_eq!(mesh.state("d1").await, State::Announced);
    assert_eq!(mesh.state("d2").await, State::Indexed);
    let letters = ::events::DeadLetterStore::new(mesh.deps.database.clone());
    let letters = types::DeadLetters::list(&letters, None, 9).await.unwrap();
    assert_eq!(letters[0].reason, "PROFILE_MALFORMED");
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_what_is_another_tenants_is_denied() {
    let mut mesh = Harness::new().await;
    let name = Harness::dataset("d1");
    let status = mesh.client.get_dataset(pb::GetDatasetRequest { name }).await.unwrap_err();
    assert_eq!((status.code(), rpc::reason(&status).as_deref()), (Code::NotFound, Some("DATASET_NOT_FOUND")));
    let name = "tenants/other/datasets/d1".to_owned();
    let status = mesh.client.get_dataset(pb::GetDatasetRequest { name }).await.unwrap_err();
    assert_eq!((status.code(), rpc::reason(&status).as_deref()), (Code::PermissionDenied, Some("TENANT_FORBIDDEN")));
}
