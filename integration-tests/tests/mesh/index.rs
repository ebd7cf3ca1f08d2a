//! The search index: rebuilt by a call, and by itself.

use std::path::Path;

use millrace_integration_tests::{Mesh, PATIENCE, csv, write};
use proto::catalog::v1::{
    CancelIndexRebuildRequest, CreateIndexRebuildRequest, GetIndexRebuildRequest, IndexRebuild,
    ListIndexRebuildsRequest,
};
use proto::common::v1::WorkPhase;

async fn with_datasets(count: usize) -> Mesh {
    let mesh = Mesh::start().await;
    for number in 0..count {
        write(&mesh.folder(), &format!("set-{number:02}.csv"), csv("heron", 12 + number));
    }
    let admin = mesh.admin().await;
    admin.crawl_folder("all", &mesh.folder()).await;
    admin.settled(count).await;
    mesh
}

fn phase(rebuild: &IndexRebuild) -> WorkPhase {
    rebuild.status.as_ref().unwrap().phase()
}

#[tokio::test]
async fn a_rebuild_loses_nothing_and_readers_go_on() {
    let mesh = with_datasets(12).await;
    let admin = mesh.admin().await;
    let started = admin.catalog().create_index_rebuild(CreateIndexRebuildRequest::default()).await.unwrap();
    let name = started.into_inner().index_rebuild.unwrap().name;
    testkit::eventually!({
        assert_eq!(admin.search("heron").await.total_size, 12, "a reader saw half an index");
        let request = GetIndexRebuildRequest { name: name.clone() };
        let rebuild = admin.catalog().get_index_rebuild(request).await.unwrap().into_inner().index_rebuild.unwrap();
        assert_ne!(phase(&rebuild), WorkPhase::Failed, "{rebuild:?}");
        phase(&rebuild) == WorkPhase::Succeeded
    });
    assert_eq!(admin.search("heron").await.total_size, 12);
    let listed = admin.catalog().list_index_rebuilds(ListIndexRebuildsRequest::default()).await.unwrap().into_inner();
    assert!(listed.index_rebuilds.iter().any(|rebuild| rebuild.name == name));
    // What has ended stays as it is.
    let cancelled = admin.catalog().cancel_index_rebuild(CancelIndexRebuildRequest { name }).await.unwrap();
    assert_eq!(phase(&cancelled.into_inner().index_rebuild.unwrap()), WorkPhase::Succeeded);
}

#[tokio::test]
async fn an_index_found_damaged_at_start_is_rebuilt_by_itself() {
    let mut mesh = with_datasets(8).await;
    for damage in [scramble as fn(&Path), cut_short, remove] {
        mesh.stop().await;
        damage(&mesh.data_of("catalog").join("index"));
        mesh.spawn();
        mesh.ready().await;
        let admin = mesh.admin().await;
        testkit::eventually!(PATIENCE, admin.search("heron").await.total_size == 8);
        assert!(admin.datasets().await.iter().all(is_indexed));
    }
}

#[tokio::test]
async fn a_commit_that_a_kill_cut_short_is_made_again() {
    let mut mesh = with_datasets(8).await;
    mesh.stop().await;
    let generations = std::fs::read_dir(mesh.data_of("catalog").join("index/generations")).unwrap();
    for generation in generations {
        leave_cut_short_commit(&generation.unwrap().path());
    }
    mesh.spawn();
    mesh.ready().await;
    let admin = mesh.admin().await;
    // A change of what is indexed takes the old document out, which is what the commit was cut short at.
    write(&mesh.folder(), "set-03.csv", csv("egret", 40));
    admin.run_source("all", false).await;
    testkit::eventually!(PATIENCE, admin.search("egret").await.total_size == 1);
    assert_eq!(admin.search("heron").await.total_size, 7);
}

/// Leaves what Tantivy has written when a kill comes between the lists of deleted documents and the commit: files that
/// are registered and that the last commit does not know, under the names that the next commit gives.
fn leave_cut_short_commit(index: &Path) {
    let read = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(index.join(name)).unwrap()).unwrap()
    };
    let (meta, mut managed) = (read("meta.json"), read(".managed.json"));
    let last = meta["opstamp"].as_u64().unwrap();
    let files = managed.as_array_mut().unwrap();
    for segment in meta["segments"].as_array().unwrap() {
        let id = segment["segment_id"].as_str().unwrap().replace('-', "");
        for opstamp in last + 1..last + 40 {
            let name = format!("{id}.{opstamp}.del");
            std::fs::write(index.join(&name), "cut short").unwrap();
            files.push(name.into());
        }
    }
    std::fs::write(index.join(".managed.json"), managed.to_string()).unwrap();
}

fn is_indexed(dataset: &proto::catalog::v1::Dataset) -> bool {
    dataset.state() == proto::catalog::v1::DatasetState::Indexed
}

fn files(folder: &Path, each: &mut dyn FnMut(&Path)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, each) } else { each(&path) }
    }
}

fn scramble(index: &Path) {
    files(index, &mut |path| {
        let mut bytes = std::fs::read(path).unwrap();
        bytes.iter_mut().for_each(|byte| *byte = !*byte);
        std::fs::write(path, bytes).unwrap();
    });
}

fn cut_short(index: &Path) {
    files(index, &mut |path| {
        let length = std::fs::metadata(path).unwrap().len();
        std::fs::File::options().write(true).open(path).unwrap().set_len(length / 2).unwrap();
    });
}

fn remove(index: &Path) {
    std::fs::remove_dir_all(index).unwrap();
}
