//! Kills without warning, at random moments.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use millrace_integration_tests::{Mesh, PATIENCE, Setup, csv, write};
use proto::catalog::v1::{Dataset, DatasetState};
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

/// The files of a folder, and how many contents each has had.
struct Files {
    folder: PathBuf,
    contents: Vec<usize>,
}

impl Files {
    fn new(folder: PathBuf) -> Self {
        let mut files = Self { folder, contents: vec![0; FILES] };
        (0..FILES).for_each(|number| files.rewrite(number));
        files
    }

    fn rewrite(&mut self, number: usize) {
        self.contents[number] += 1;
        let text = csv(&format!("topic{number}"), 200 + number + FILES * self.contents[number]);
        write(&self.folder, &format!("set-{number:03}.csv"), text);
    }

    fn contents_of(&self, path: &str) -> usize {
        let number: usize = path["set-".len()..][..3].parse().unwrap();
        self.contents[number]
    }

    /// Whether the dataset shows the newest content of its file.
    fn is_current(&self, dataset: &Dataset) -> bool {
        let version = dataset.current_version.as_ref().map(|version| version.name.clone()).unwrap_or_default();
        version.ends_with(&format!("/versions/{}", self.contents_of(&dataset.path)))
    }
}

#[tokio::test]
async fn fifty_kills_during_a_crawl_leave_every_dataset_indexed_once() {
    let mut random = StdRng::seed_from_u64(seed());
    let mut mesh = Setup::new().prepare();
    let mut files = Files::new(mesh.folder());
    mesh.spawn();
    mesh.ready().await;
    mesh.admin().await.create_folder("all", &mesh.folder()).await.unwrap();
    mesh.kill_after(Duration::from_millis(random.random_range(0..150))).await;

    for kill in 1..KILLS {
        mesh.spawn();
        // Every fifth dies while it starts, the others at their work.
        if kill % 5 != 0 {
            mesh.ready().await;
            keep_busy(&mesh, &mut files, &mut random).await;
        }
        mesh.kill_after(Duration::from_millis(random.random_range(0..250))).await;
    }

    mesh.spawn();
    mesh.ready().await;
    let admin = mesh.admin().await;
    admin.run_source("all", false).await;
    testkit::eventually("every dataset to show its newest content", PATIENCE, || async {
        let old = admin.datasets().await.into_iter().find(|dataset| !files.is_current(dataset));
        old.map_or(Ok(()), |dataset| Err((files.contents_of(&dataset.path), dataset)))
    })
    .await;
    let datasets = admin.settled(FILES).await;
    for dataset in &datasets {
        assert_eq!(dataset.state(), DatasetState::Indexed, "{dataset:?}");
        let versions = admin.versions(&dataset.name).await;
        assert_eq!(versions.len(), files.contents_of(&dataset.path), "{}: {versions:?}", dataset.path);
    }
    let paths: BTreeSet<_> = datasets.iter().map(|dataset| dataset.path.clone()).collect();
    assert_eq!(paths.len(), FILES);
    assert_eq!(admin.search("").await.total_size, i64::try_from(FILES).unwrap());
    assert_eq!(admin.search("topic7").await.total_size, 1);
    nothing_is_dead(&mesh).await;
}

/// A fast machine has done all before the last kill: then a fifth of the files change, and are crawled again.
async fn keep_busy(mesh: &Mesh, files: &mut Files, random: &mut StdRng) {
    let admin = mesh.admin().await;
    // A content that nobody has seen yet must not be written over: it would rightly never be a version.
    let datasets = admin.datasets().await;
    if datasets.len() < FILES || !datasets.iter().all(|dataset| files.is_current(dataset)) {
        return;
    }
    for number in rand::seq::index::sample(random, FILES, FILES / 5) {
        files.rewrite(number);
    }
    admin.start_source("all", false).await;
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
