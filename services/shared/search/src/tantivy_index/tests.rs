use types::{Fault, Timestamp};

use super::*;
use crate::Document;

crate::conformance_tests!(async {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let opened = TantivyIndex::open(folder.path()).await.expect("opens");
    (opened.index, folder)
});

fn document(id: &str) -> Document {
    Document {
        id: id.to_owned(),
        tenant: "main".to_owned(),
        version: 1,
        title: "heron".to_owned(),
        description: String::new(),
        tags: vec!["bird".to_owned()],
        path: String::new(),
        columns: Vec::new(),
        values: Vec::new(),
        source: String::new(),
        source_kind: String::new(),
        license: String::new(),
        format: String::new(),
        rows: 0,
        size_bytes: 0,
        updated: Timestamp::from_micros(0),
        time_range: None,
        bounding_box: None,
        hidden: false,
    }
}

/// A folder with an index of some documents that a rebuild has once completed.
async fn complete_index() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let opened = TantivyIndex::open(folder.path()).await.unwrap();
    assert_eq!(opened.state, State::Fresh);
    let mut rebuild = opened.index.begin_rebuild().await.unwrap();
    rebuild.add((0..20).map(|n| document(&format!("d{n}"))).collect()).await.unwrap();
    rebuild.finish(20).await.unwrap();
    opened.index.apply(vec![Op::Delete("d3".into()), Op::put(document("late"))], 22).await.unwrap();
    folder
}

fn files_beneath(path: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_beneath(&path)) } else { files.push(path) }
    }
    files
}

fn generations(folder: &tempfile::TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path().join("generations")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Opens the index, which must have been given up, and checks that it works.
async fn assert_recreated(folder: &tempfile::TempDir, what: &str) -> State {
    let opened = TantivyIndex::open(folder.path()).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    assert!(opened.state.needs_rebuild(), "{what}");
    assert_eq!((opened.index.count().await.unwrap(), opened.index.reached().await.unwrap()), (0, 0), "{what}");
    opened.index.apply(vec![Op::put(document("a"))], 1).await.unwrap();
    assert_eq!(opened.index.count().await.unwrap(), 1, "{what}");
    opened.state
}

#[tokio::test]
async fn an_index_is_whole_when_opened_again() {
    let folder = complete_index().await;
    let opened = TantivyIndex::open(folder.path()).await.unwrap();
    assert_eq!(opened.state, State::Intact);
    assert_eq!(opened.index.reached().await.unwrap(), 22);
    let hits = opened.index.search(&Query::words("main", "heron")).await.unwrap();
    assert_eq!(hits.total, 20);
    assert!(hits.hits.iter().all(|hit| hit.id != "d3"));
}

#[tokio::test]
async fn an_index_needs_a_rebuild_until_one_has_finished() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let opened = TantivyIndex::open(folder.path()).await.unwrap();
        assert_eq!(opened.state, State::Fresh);
        opened.index.apply(vec![Op::put(document("a"))], 7).await.unwrap();
        drop(opened.index.begin_rebuild().await.unwrap());
    }
    let opened = TantivyIndex::open(folder.path()).await.unwrap();
    opened.index.begin_rebuild().await.unwrap().finish(8).await.unwrap();
    drop(opened);
    assert_eq!(TantivyIndex::open(folder.path()).await.unwrap().state, State::Intact);
}

#[tokio::test]
async fn a_second_opener_is_refused_and_harms_nothing() {
    let folder = complete_index().await;
    let first = TantivyIndex::open(folder.path()).await.unwrap();
    let error = TantivyIndex::open(folder.path()).await.unwrap_err();
    assert_eq!(error.reason(), "SEARCH_INDEX_IN_USE");
    first.index.apply(vec![Op::put(document("more"))], 23).await.unwrap();
    assert_eq!(first.index.count().await.unwrap(), 21);
}

#[tokio::test]
async fn any_damaged_or_missing_file_is_detected_and_the_index_given_up() {
    let names: Vec<PathBuf> = {
        let folder = complete_index().await;
        let files = files_beneath(folder.path());
        files.into_iter().map(|path| path.strip_prefix(folder.path()).unwrap().to_owned()).collect()
    };
    let ignored = |name: &Path| name.to_string_lossy().ends_with("lock");
    let extensions: std::collections::BTreeSet<String> = names
        .iter()
        .filter(|name| !ignored(name))
        .map(|name| name.extension().unwrap_or(name.file_name().unwrap()).to_string_lossy().into_owned())
        .collect();
    assert!(extensions.len() >= 5, "{extensions:?}");
    for extension in extensions {
        for damage in ["flip", "cut", "empty", "remove"] {
            let folder = complete_index().await;
            let hit = |path: &PathBuf| path.to_string_lossy().ends_with(&extension);
            // Tantivy's list of files it may remove is no part of what it answers from.
            let Some(path) = files_beneath(folder.path()).into_iter().find(hit) else { continue };
            if path.ends_with(".managed.json") {
                continue;
            }
            let what = format!("{damage} {}", path.display());
            let mut bytes = std::fs::read(&path).unwrap();
            match damage {
                "flip" => {
                    let middle = bytes.len() / 3;
                    bytes[middle] ^= 0x55;
                    std::fs::write(&path, bytes).unwrap();
                }
                "cut" => std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap(),
                "empty" => std::fs::write(&path, b"").unwrap(),
                _ => std::fs::remove_file(&path).unwrap(),
            }
            let state = assert_recreated(&folder, &what).await;
            assert!(matches!(state, State::Damaged(_)), "{what}: {state:?}");
        }
    }
}

#[tokio::test]
async fn an_index_of_another_version_is_outdated() {
    let folder = complete_index().await;
    let other = br#"{"schema":1,"analysis":0,"generation":2,"complete":true}"#;
    std::fs::write(folder.path().join("CURRENT"), other).unwrap();
    assert_eq!(assert_recreated(&folder, "another version").await, State::Outdated);
}

#[tokio::test]
async fn what_a_killed_rebuild_left_is_removed() {
    let folder = complete_index().await;
    let left = folder.path().join("generations/9");
    std::fs::create_dir(&left).unwrap();
    std::fs::write(left.join("half"), b"?").unwrap();
    std::fs::write(folder.path().join("CURRENT.new"), b"{").unwrap();
    let opened = TantivyIndex::open(folder.path()).await.unwrap();
    assert_eq!(opened.state, State::Intact);
    assert_eq!(generations(&folder).len(), 1);
    opened.index.begin_rebuild().await.unwrap().finish(30).await.unwrap();
    assert_eq!(generations(&folder).len(), 1);
}

#[tokio::test]
async fn the_old_index_goes_and_a_dropped_rebuild_too() {
    let folder = complete_index().await;
    let opened = TantivyIndex::open(folder.path()).await.unwrap();
    for change in 30..33 {
        let mut rebuild = opened.index.begin_rebuild().await.unwrap();
        rebuild.add(vec![document("a")]).await.unwrap();
        assert_eq!(generations(&folder).len(), 2);
        drop(rebuild);
        assert_eq!(generations(&folder).len(), 1);
        opened.index.begin_rebuild().await.unwrap().finish(change).await.unwrap();
        assert_eq!(generations(&folder).len(), 1);
    }
}

#[tokio::test]
async fn an_index_that_cannot_be_made_is_a_typed_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), b"").unwrap();
    let error = TantivyIndex::open(folder.path().join("file")).await.unwrap_err();
    assert_eq!(error.reason(), "SEARCH_INDEX_FAILED");
}

#[tokio::test]
async fn a_failed_apply_changes_nothing_and_a_rebuild_mends_it() {
    let folder = complete_index().await;
    let opened = TantivyIndex::open(folder.path()).await.unwrap();
    std::fs::remove_dir_all(folder.path().join("generations").join(&generations(&folder)[0])).unwrap();
    for _ in 0..2 {
        let error = opened.index.apply(vec![Op::put(document("a"))], 30).await.unwrap_err();
        assert_eq!(error.reason(), "SEARCH_INDEX_FAILED");
    }
    assert_eq!((opened.index.count().await.unwrap(), opened.index.reached().await.unwrap()), (20, 22));
    assert_eq!(opened.index.search(&Query::words("main", "heron")).await.unwrap().total, 20);
    opened.index.begin_rebuild().await.unwrap().finish(30).await.unwrap();
    opened.index.apply(vec![Op::put(document("a"))], 31).await.unwrap();
    assert_eq!(opened.index.count().await.unwrap(), 1);
}

#[test]
fn a_full_disk_is_told_from_other_failures() {
    let of = |kind: std::io::ErrorKind| {
        let place = Place { root: PathBuf::from("x") };
        place.failed("commit", kind.into()).reason()
    };
    assert_eq!(of(std::io::ErrorKind::StorageFull), "DISK_FULL");
    assert_eq!(of(std::io::ErrorKind::ReadOnlyFilesystem), "SEARCH_INDEX_DENIED");
    assert_eq!(of(std::io::ErrorKind::Other), "SEARCH_INDEX_FAILED");
}
