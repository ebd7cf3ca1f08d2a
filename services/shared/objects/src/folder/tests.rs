use bytes::Bytes;
use futures::stream;
use types::{BoxError, Fault};

use super::*;
use crate::ObjectStoreExt;

crate::conformance_tests!(async |_: &str| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Folder::open(&format!("file:{}", folder.path().display())).await.expect("opens");
    Some((store, folder))
});

fn url(folder: &tempfile::TempDir) -> String {
    format!("file:{}", folder.path().display())
}

fn files_beneath(path: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_beneath(&path));
        } else {
            files.push(path);
        }
    }
    files
}

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

#[tokio::test]
async fn what_a_killed_process_left_is_swept_at_open_and_what_a_live_one_writes_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let orphan = folder.path().join("temp/.tmpdead");
    std::fs::create_dir_all(&orphan).unwrap();
    std::fs::write(orphan.join("held"), b"").unwrap();
    std::fs::write(orphan.join("half"), b"half a body").unwrap();
    let live = Folder::open(&url(&folder)).await.unwrap();
    assert!(!orphan.exists());

    let writing = live.inner.staging.create().unwrap();
    let second = Folder::open(&url(&folder)).await.unwrap();
    assert!(writing.path().exists());
    second.put_bytes(&key("a"), Bytes::from_static(b"x"), Put::Always).await.unwrap();
    assert_eq!(live.head(&key("a")).await.unwrap().size_bytes, 1);
}

#[tokio::test]
async fn a_failed_body_leaves_no_file_behind() {
    let folder = tempfile::tempdir().unwrap();
    let store = Folder::open(&url(&folder)).await.unwrap();
    let pieces: [Result<Bytes, BoxError>; 2] = [Ok(Bytes::from_static(b"half")), Err("the source went away".into())];
    let error = store.put(&key("a/b"), ObjectBody::stream(stream::iter(pieces)), Put::Always).await.unwrap_err();
    assert_eq!(error.reason(), "OBJECT_BODY_FAILED");
    let left = files_beneath(folder.path());
    assert!(left.iter().all(|path| path.ends_with("lock") || path.ends_with("held")), "{left:?}");
}

#[tokio::test]
async fn objects_are_there_after_the_store_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let first = Folder::open(&url(&folder)).await.unwrap();
    first.put_bytes(&key("a/b"), Bytes::from_static(b"kept"), Put::IfAbsent).await.unwrap();
    drop(first);
    let second = Folder::open(&url(&folder)).await.unwrap();
    assert_eq!(second.get_bytes(&key("a/b"), 10).await.unwrap(), "kept");
}

#[tokio::test]
async fn strange_files_in_the_folder_are_no_objects() {
    let folder = tempfile::tempdir().unwrap();
    let store = Folder::open(&url(&folder)).await.unwrap();
    std::fs::write(folder.path().join("objects/.DS Store@"), b"?").unwrap();
    std::fs::write(folder.path().join("objects/readme"), b"?").unwrap();
    store.put_bytes(&key("a"), Bytes::new(), Put::Always).await.unwrap();
    let listed = store.list("", None, 10).await.unwrap();
    assert_eq!(listed.iter().map(|meta| meta.key.as_str()).collect::<Vec<_>>(), ["a"]);
}

#[tokio::test]
async fn a_url_of_another_kind_is_refused() {
    for bad in ["s3:bucket", "file:", "/tmp/x", ""] {
        assert_eq!(Folder::open(bad).await.unwrap_err().reason(), "OBJECT_STORE_URL_INVALID", "{bad}");
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_a_typed_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), b"").unwrap();
    let error = Folder::open(&format!("{}/file", url(&folder))).await.unwrap_err();
    assert_eq!(error.reason(), "OBJECT_STORE_UNAVAILABLE");
}

#[tokio::test]
async fn more_objects_than_one_window_are_listed_each_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let store = Folder::open(&url(&folder)).await.unwrap();
    std::fs::create_dir_all(folder.path().join("objects/many")).unwrap();
    for n in 0..2_500 {
        std::fs::write(folder.path().join(format!("objects/many/{n:05}@")), b"").unwrap();
    }
    let all = store.list("many/", None, 10_000).await.unwrap();
    assert_eq!(all.len(), 2_500);
    assert!(all.windows(2).all(|pair| pair[0].key < pair[1].key));
}
