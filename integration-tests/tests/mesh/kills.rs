//! Kills without warning, at random moments.

use std::collections::BTreeSet;
use std::time::Duration;

use millrace_integration_tests::{Mesh, Setup, csv, write};
use proto::catalog::v1::DatasetState;
use proto::common::v1::ListDeadLettersRequest;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

const FILES: usize = 200;
const KILLS: usize = 50;

/// Set `MILLRACE_KILL_SEED` to the printed seed to kill at the same moments again.
fn seed() -> u64 {
    let given = std::env::var("MILLRACE_KILL_SEED").ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(rand::random);
    println!("MILLRACE_KILL_SEED={seed}");
    seed
}

#[tokio::test]
async fn fifty_kills_during_a_crawl_leave_every_dataset_indexed_once() {
    let mut random = StdRng::seed_from_u64(seed());
    let mut mesh = Setup::new().prepare();
    for number in 0..FILES {
        write(&mesh.folder(), &format!("set-{number:03}.csv"), csv(&format!("topic{number}"), 50 + number));
    }
    mesh.spawn();
    mesh.ready().await;
    mesh.admin().await.create_folder("all", &mesh.folder()).await.unwrap();
    mesh.kill_after(Duration::from_millis(random.random_range(0..150))).await;

    for kill in 1..KILLS {
        mesh.spawn();
        // Every fifth dies while it starts, the others at their work.
        if kill % 5 != 0 {
            mesh.ready().await;
        }
        mesh.kill_after(Duration::from_millis(random.random_range(0..250))).await;
    }

    mesh.spawn();
    mesh.ready().await;
    let admin = mesh.admin().await;
    let datasets = admin.settled(FILES).await;
    for dataset in &datasets {
        assert_eq!(dataset.state(), DatasetState::Indexed, "{dataset:?}");
        assert_eq!(admin.versions(&dataset.name).await.len(), 1, "{}", dataset.name);
    }
    let paths: BTreeSet<_> = datasets.iter().map(|dataset| dataset.path.clone()).collect();
    assert_eq!(paths.len(), FILES);
    let jobs: BTreeSet<_> = admin.jobs().await.into_iter().map(|job| job.dataset).collect();
    assert_eq!(jobs.len(), FILES);
    assert_eq!(admin.search("").await.total_size, i64::try_from(FILES).unwrap());
    assert_eq!(admin.search("topic7").await.total_size, 1);
    nothing_is_dead(&mesh).await;
}

async fn nothing_is_dead(mesh: &Mesh) {
    let request = ListDeadLettersRequest { parent: "services/-".into(), ..Default::default() };
    let dead = mesh.admin().await.operator().list_dead_letters(request).await.unwrap().into_inner();
    assert!(dead.dead_letters.is_empty(), "{:?}", dead.dead_letters);
}

#[tokio::test]
async fn an_acknowledged_upload_survives_a_kill() {
    let mut mesh = Mesh::start().await;
    let bytes = csv("uploaded", 30).into_bytes();
    let dataset = mesh.admin().await.upload("mine", "mine.csv", bytes.clone()).await.unwrap();
    mesh.kill().await;
    mesh.spawn();
    mesh.ready().await;
    let admin = mesh.admin().await;
    admin.in_state("mine.csv", DatasetState::Indexed).await;
    let form = proto::catalog::v1::DownloadForm::Original;
    assert_eq!(admin.download(&dataset.name, form).await.unwrap(), bytes);
}
