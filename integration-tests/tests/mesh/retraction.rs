//! What is no longer there is retracted, when that is plausible.

use millrace_integration_tests::{Mesh, csv, write};
use proto::catalog::v1::DatasetState;
use proto::discovery::v1::RetractionOutcome;

async fn with_files(count: usize) -> Mesh {
    let mesh = Mesh::start().await;
    for number in 0..count {
        write(&mesh.folder().join("place"), &format!("set-{number:02}.csv"), csv("heron", 12 + number));
    }
    let admin = mesh.admin().await;
    admin.crawl_folder("place", &mesh.folder().join("place")).await;
    admin.settled(count).await;
    mesh
}

#[tokio::test]
async fn a_file_that_is_gone_is_retracted_and_comes_back_with_its_name() {
    let mesh = with_files(8).await;
    let admin = mesh.admin().await;
    let path = mesh.folder().join("place/set-03.csv");
    let content = std::fs::read(&path).unwrap();
    let before = admin.dataset_at("set-03.csv").await.unwrap();
    std::fs::remove_file(&path).unwrap();
    let crawl = admin.run_source("place", false).await;
    assert_eq!(crawl.retraction(), RetractionOutcome::Retracted);
    let retracted = admin.in_state("set-03.csv", DatasetState::Retracted).await;
    assert_eq!(retracted.name, before.name);
    testkit::eventually!(admin.search("heron").await.total_size == 7);

    std::fs::write(&path, content).unwrap();
    admin.run_source("place", false).await;
    let back = admin.in_state("set-03.csv", DatasetState::Indexed).await;
    assert_eq!(back.name, before.name);
    testkit::eventually!(admin.search("heron").await.total_size == 8);
}

#[tokio::test]
async fn many_files_gone_from_a_folder_that_still_holds_some_are_proved_gone() {
    let mesh = with_files(20).await;
    let admin = mesh.admin().await;
    for number in 0..12 {
        std::fs::remove_file(mesh.folder().join(format!("place/set-{number:02}.csv"))).unwrap();
    }
    let crawl = admin.run_source("place", false).await;
    assert_eq!(crawl.retraction(), RetractionOutcome::Retracted);
    testkit::eventually!(admin.search("heron").await.total_size == 8);
}

#[tokio::test]
async fn an_empty_folder_retracts_nothing_until_the_loss_is_accepted() {
    let mesh = with_files(10).await;
    let admin = mesh.admin().await;
    for number in 0..10 {
        std::fs::remove_file(mesh.folder().join(format!("place/set-{number:02}.csv"))).unwrap();
    }
    let crawl = admin.run_source("place", false).await;
    assert_eq!(crawl.retraction(), RetractionOutcome::Implausible);
    assert!(admin.datasets().await.iter().all(|dataset| dataset.state() == DatasetState::Indexed));
    assert_eq!(admin.search("heron").await.total_size, 10);

    let crawl = admin.run_source("place", true).await;
    assert_eq!(crawl.retraction(), RetractionOutcome::Retracted);
    for dataset in admin.datasets().await {
        admin.in_state(&dataset.path, DatasetState::Retracted).await;
    }
    testkit::eventually!(admin.search("heron").await.total_size == 0);
}
