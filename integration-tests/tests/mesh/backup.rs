//! Back-up and restore of a mesh in one process.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use millrace_integration_tests::{Disk, Finished, Mesh, PATIENCE, Session, Setup, about_up_alone, csv, rows_of, write};
use proto::catalog::v1::{Dataset, DatasetState, UpdateDatasetRequest, Version};
use proto::common::v1::{ListDeadLettersRequest, Metadata};

const FILES: usize = 100;

fn name_of(number: usize) -> String {
    format!("set-{number:03}.csv")
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

async fn back_up(mesh: &Mesh, target: &Path) -> Finished {
    mesh.run(&["backup", "--data-dir", &text(&mesh.data_dir()), &text(target), "--output", "json"]).await
}

async fn restore(mesh: &Mesh, from: &Path, to: &Path) -> Finished {
    mesh.run(&["restore", "--from", &text(from), "--data-dir", &text(to), "--output", "json"]).await
}

fn assert_refused(finished: &Finished, code: i32, reason: &str) {
    assert_eq!(finished.code, Some(code), "{finished:?}");
    assert!(finished.stderr.contains(reason) && finished.stdout.is_empty(), "{reason}: {finished:?}");
}

fn number_of(version: &Version) -> usize {
    version.name.rsplit('/').next().unwrap().parse().unwrap()
}

/// Changes files and has them crawled, for ever.
async fn keep_changing(admin: &Session, folder: &Path) -> std::convert::Infallible {
    for round in 1.. {
        for number in (round % 10..FILES).step_by(10) {
            write(folder, &name_of(number), csv(&format!("topic{number}"), 40 + number + FILES * round));
        }
        admin.run_source("all", false).await;
    }
    unreachable!("the rounds have no end")
}

async fn retitle(admin: &Session, dataset: &Dataset, title: &str) {
    let metadata = Metadata { title: title.into(), ..Metadata::default() };
    let dataset = Dataset {
        name: dataset.name.clone(),
        revision: dataset.revision,
        metadata: Some(metadata),
        ..Dataset::default()
    };
    let request = UpdateDatasetRequest {
        dataset: Some(dataset),
        update_mask: Some(prost_types::FieldMask { paths: vec!["metadata.title".into()] }),
        request_id: String::new(),
    };
    admin.catalog().update_dataset(request).await.unwrap();
}

#[tokio::test]
async fn a_backup_under_load_comes_back_with_all_that_was_acknowledged() {
    about_up_alone!();
    let mut mesh = Mesh::start().await;
    let folder = mesh.folder();
    for number in 0..FILES {
        write(&folder, &name_of(number), csv(&format!("topic{number}"), 40 + number));
    }
    let admin = mesh.admin().await;
    let bytes = csv("walrus", 25).into_bytes();
    let uploaded = admin.upload("mine", "mine.csv", bytes.clone()).await.unwrap();
    retitle(&admin, &admin.in_state("mine.csv", DatasetState::Indexed).await, "Pinnipeds").await;
    admin.create_folder("all", &folder).await.unwrap();
    testkit::eventually!(PATIENCE, admin.datasets().await.len() > FILES / 4);

    let before = admin.datasets().await;
    let target = mesh.outside().join("backup");
    let taken = tokio::select! {
        taken = back_up(&mesh, &target) => taken,
        never = keep_changing(&admin, &folder) => match never {},
    };
    assert_eq!(taken.code, Some(0), "{taken:?}");
    let said: serde_json::Value = serde_json::from_str(&taken.stdout).unwrap();
    assert!(said["files"].as_u64().unwrap() > 8, "{said}");
    assert!(mesh.answers().await, "the mesh went on");
    let verified = mesh.run(&["backup", "verify", &text(&target)]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
    mesh.kill().await;

    let mut again = Setup::new().flags(["--folder-root", &text(&folder)]).prepare();
    let done = restore(&mesh, &target, &again.data_dir()).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(!again.token_file().exists(), "the token is in the back-up");
    // The key itself goes on to serve.
    std::fs::copy(mesh.token_file(), again.token_file()).unwrap();
    again.spawn();
    again.ready().await;
    let admin = again.admin().await;
    nothing_acknowledged_is_gone(&admin, &before).await;
    let mine = admin.in_state("mine.csv", DatasetState::Indexed).await;
    assert_eq!(mine.metadata.unwrap().title, "Pinnipeds");
    let form = proto::catalog::v1::DownloadForm::Original;
    assert_eq!(admin.download(&uploaded.name, form).await.unwrap(), bytes);

    every_file_is_current(&admin, &folder).await;
    write(&folder, &name_of(7), csv("manatee", 12));
    let versions = admin.versions(&admin.dataset_at(&name_of(7)).await.unwrap().name).await.len();
    every_file_is_current(&admin, &folder).await;
    let changed = admin.dataset_at(&name_of(7)).await.unwrap();
    assert_eq!(admin.versions(&changed.name).await.len(), versions + 1);
    testkit::eventually!(PATIENCE, admin.search("manatee").await.total_size == 1);
    testkit::eventually!(PATIENCE, admin.search("").await.total_size == i64::try_from(FILES + 1).unwrap());
    assert_eq!(admin.search("topic8").await.total_size, 1);
    let request = ListDeadLettersRequest { parent: "services/-".into(), ..Default::default() };
    let dead = admin.operator().list_dead_letters(request).await.unwrap().into_inner().dead_letters;
    assert!(dead.is_empty(), "{dead:?}");
}

async fn nothing_acknowledged_is_gone(admin: &Session, before: &[Dataset]) {
    let after = admin.datasets().await;
    for old in before {
        let new = after.iter().find(|new| new.name == old.name).unwrap_or_else(|| panic!("{} is gone", old.path));
        let number = |dataset: &Dataset| dataset.current_version.as_ref().map_or(0, number_of);
        assert!(number(new) >= number(old), "{old:?} became {new:?}");
    }
}

/// Crawls, and waits until every file has a dataset that shows it, whose versions follow each other without a double.
async fn every_file_is_current(admin: &Session, folder: &Path) {
    admin.run_source("all", false).await;
    let rows = |dataset: &Dataset| rows_of(&std::fs::read_to_string(folder.join(&dataset.path)).unwrap());
    testkit::eventually("every dataset to show its file", PATIENCE, || async {
        let datasets = admin.datasets().await;
        let mut found = datasets.iter().filter(|dataset| dataset.path.starts_with("set-"));
        let old =
            found.find(|dataset| dataset.current_version.as_ref().map(|now| now.row_count) != Some(rows(dataset)));
        old.map_or(Ok(()), |dataset| Err(format!("{dataset:?}")))
    })
    .await;
    for dataset in admin.settled(FILES + 1).await {
        assert_eq!(dataset.state(), DatasetState::Indexed, "{dataset:?}");
        let versions = admin.versions(&dataset.name).await;
        let numbers: Vec<_> = versions.iter().rev().map(number_of).collect();
        assert_eq!(numbers, (1..=versions.len()).collect::<Vec<_>>(), "{}", dataset.path);
        assert!(versions.windows(2).all(|pair| pair[0].row_count != pair[1].row_count), "{versions:?}");
    }
}

/// A stopped mesh with one dataset, and its back-up.
async fn backed_up() -> (Mesh, PathBuf) {
    let mut mesh = Mesh::start().await;
    let admin = mesh.admin().await;
    admin.upload("mine", "mine.csv", csv("walrus", 25).into_bytes()).await.unwrap();
    admin.in_state("mine.csv", DatasetState::Indexed).await;
    mesh.stop().await;
    let target = mesh.outside().join("backup");
    let taken = back_up(&mesh, &target).await;
    assert_eq!(taken.code, Some(0), "{taken:?}");
    (mesh, target)
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_in(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn a_backup_that_was_changed_or_cut_is_refused_and_nothing_is_put_in_place() {
    about_up_alone!();
    let (mesh, target) = backed_up().await;
    let to = mesh.outside().join("restored");
    let refused = async |what: &str, reason: &str| {
        let verified = mesh.run(&["backup", "verify", &text(&target)]).await;
        assert!(verified.code == Some(6) && verified.stderr.contains(reason), "{what}: {verified:?}");
        assert_refused(&restore(&mesh, &target, &to).await, 6, reason);
        assert!(!to.exists(), "{what}");
    };
    let files = files_in(&target);
    assert!(files.len() > 8, "{files:?}");
    for file in &files {
        let whole = std::fs::read(file).unwrap();
        let mut flipped = whole.clone();
        // Not in the first bytes of the manifest, where the version of its form stands.
        let middle = whole.len() / 2;
        flipped[middle] ^= 1;
        std::fs::write(file, flipped).unwrap();
        refused(&text(file), "BACKUP_DAMAGED").await;
        std::fs::write(file, &whole).unwrap();
    }
    let object = files.iter().find(|file| text(file).contains("/objects/")).unwrap();
    let aside = mesh.outside().join("aside");
    std::fs::rename(object, &aside).unwrap();
    refused("an object is missing", "BACKUP_DAMAGED").await;
    std::fs::rename(&aside, object).unwrap();
    let stranger = write(&target.join("data"), "stranger", "x");
    refused("a file that was put there", "BACKUP_DAMAGED").await;
    std::fs::remove_file(stranger).unwrap();
    std::fs::remove_file(target.join("manifest.json")).unwrap();
    refused("cut short", "BACKUP_INCOMPLETE").await;
}

#[tokio::test]
async fn a_restore_goes_into_an_empty_directory_alone_and_what_it_makes_is_its_owners() {
    about_up_alone!();
    let (mut mesh, target) = backed_up().await;
    let taken = back_up(&mesh, &target).await;
    assert_refused(&taken, 6, "BACKUP_EXISTS");
    let inside = back_up(&mesh, &mesh.data_dir().join("backup")).await;
    assert_refused(&inside, 2, "BACKUP_TARGET_INVALID");
    assert_refused(&restore(&mesh, &target, &mesh.data_dir()).await, 6, "RESTORE_DIR_NOT_EMPTY");
    let theirs = mesh.outside().join("theirs");
    let thesis = write(&theirs, "thesis.tex", "x");
    assert_refused(&restore(&mesh, &target, &theirs).await, 6, "RESTORE_DIR_NOT_EMPTY");
    assert_eq!(files_in(&theirs), [thesis]);

    let empty = mesh.outside().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let done = restore(&mesh, &target, &empty).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for file in files_in(&target).iter().chain(&files_in(&empty)) {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    assert_eq!((mode(&target), mode(&empty), mode(&empty.join("objects"))), (0o700, 0o700, 0o700));

    std::fs::rename(mesh.data_dir(), mesh.outside().join("old")).unwrap();
    std::fs::rename(&empty, mesh.data_dir()).unwrap();
    let reset = mesh.run(&["admin", "reset-token", "--data-dir", &text(&mesh.data_dir())]).await;
    assert_eq!(reset.code, Some(0), "{reset:?}");
    mesh.spawn();
    mesh.ready().await;
    let admin = mesh.admin().await;
    testkit::eventually!(PATIENCE, admin.search("walrus").await.total_size == 1);
}

#[tokio::test]
async fn a_full_disk_leaves_nothing_that_looks_like_a_backup() {
    about_up_alone!();
    let (mesh, whole) = backed_up().await;
    let place = mesh.outside().join("small");
    std::fs::create_dir(&place).unwrap();
    let Some(_disk) = Disk::in_memory("a_full_disk_leaves_nothing_that_looks_like_a_backup", &place, "300k") else {
        return;
    };
    let taken = back_up(&mesh, &place.join("backup")).await;
    assert_refused(&taken, 7, "DISK_FULL");
    let put_back = restore(&mesh, &whole, &place.join("data")).await;
    assert_refused(&put_back, 7, "DISK_FULL");
    assert_eq!(std::fs::read_dir(&place).unwrap().count(), 0, "something was left");
}

#[tokio::test]
async fn what_lies_elsewhere_is_named_and_left_out_on_request_alone() {
    about_up_alone!();
    let (mesh, _) = backed_up().await;
    let settings = write(mesh.outside(), "mesh.toml", "[events]\nurl = \"nats://10.0.0.5:4222\"\n");
    let (data, target) = (text(&mesh.data_dir()), mesh.outside().join("local"));
    let arguments = ["backup", "--data-dir", &data, "--config", &text(&settings), &text(&target), "--output", "json"];
    let refused = mesh.run(&arguments).await;
    assert_refused(&refused, 6, "BACKUP_STATE_ELSEWHERE");
    assert!(refused.stderr.contains("nats://10.0.0.5:4222") && refused.stderr.contains("nats account backup"));
    assert!(!target.exists());

    let taken = mesh.run(&[&arguments[..], &["--local-only"]].concat()).await;
    assert_eq!(taken.code, Some(0), "{taken:?}");
    assert!(taken.stdout.contains("nats://10.0.0.5:4222"), "{}", taken.stdout);

    let bare = mesh.outside().join("bare");
    std::fs::create_dir(&bare).unwrap();
    let nothing = mesh.run(&["backup", "--data-dir", &text(&bare), &text(&mesh.outside().join("x"))]).await;
    assert_refused(&nothing, 6, "BACKUP_SOURCE_INCOMPLETE");
}
