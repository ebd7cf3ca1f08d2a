//! The bytes of a version.

use proto::catalog::v1 as pb;
use proto::catalog::v1::download_dataset_response::Item;
use tonic::{Code, Status};
use types::Digest;

use super::harness::{CSV, Harness, titled};

async fn download(mesh: &mut Harness, name: String, form: pb::DownloadForm) -> Result<Vec<Item>, Status> {
    let request = pb::DownloadDatasetRequest { name, form: form.into(), table: String::new() };
    let mut messages = mesh.client.download_dataset(request).await?.into_inner();
    let mut items = Vec::new();
    while let Some(message) = messages.message().await? {
        items.extend(message.item);
    }
    Ok(items)
}

/// Puts the bytes together, and checks every sum on the way.
fn bytes(items: Vec<Item>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut finished = false;
    for item in items {
        match item {
            Item::Start(start) => assert!(start.version.is_some()),
            Item::Chunk(chunk) => {
                assert_eq!(usize::try_from(chunk.offset).unwrap(), bytes.len());
                assert_eq!(crc32c::crc32c(&chunk.content), chunk.crc32c);
                assert!(chunk.content.len() <= 256 << 10);
                bytes.extend(chunk.content);
            }
            Item::Finish(finish) => {
                assert_eq!(usize::try_from(finish.size_bytes).unwrap(), bytes.len());
                assert_eq!(Digest::try_from(finish.digest.unwrap()).unwrap(), Digest::of(&bytes));
                finished = true;
            }
        }
    }
    assert!(finished);
    bytes
}

#[tokio::test]
async fn kept_bytes_come_as_they_were_in_checked_chunks() {
    let mut mesh = Harness::new().await;
    let content: Vec<u8> = (0..700_000u32).map(|n| (n % 251) as u8).collect();
    mesh.announce("d1", "t1").await;
    mesh.succeed("d1", "t1", &content).await;
    mesh.settle().await;
    let items = download(&mut mesh, Harness::dataset("d1"), pb::DownloadForm::Original).await.unwrap();
    assert!(
        matches!(&items[0], Item::Start(start) if start.size_bytes == Some(700_000) && start.file_name == "d1.csv")
    );
    assert_eq!(bytes(items), content);
}

#[tokio::test]
async fn an_earlier_version_can_still_be_had() {
    let mut mesh = Harness::new().await;
    mesh.index("d1", titled("One")).await;
    mesh.announce("d1", "t2").await;
    mesh.succeed("d1", "t2", b"city,people\nBern,1\n").await;
    mesh.settle().await;
    let name = format!("{}/versions/1", Harness::dataset("d1"));
    assert_eq!(bytes(download(&mut mesh, name, pb::DownloadForm::Unspecified).await.unwrap()), CSV);
    let name = format!("{}/versions/9", Harness::dataset("d1"));
    let status = download(&mut mesh, name, pb::DownloadForm::Original).await.unwrap_err();
    assert_eq!((status.code(), rpc::reason(&status).as_deref()), (Code::NotFound, Some("VERSION_NOT_FOUND")));
}

#[tokio::test]
async fn any_table_comes_as_csv() {
    let mut mesh = Harness::new().await;
    mesh.announce("d1", "t1").await;
    mesh.succeed("d1", "t1", br#"[{"city": "Bern, BE", "people": 1}, {"city": null, "people": 2}]"#).await;
    mesh.settle().await;
    let items = download(&mut mesh, Harness::dataset("d1"), pb::DownloadForm::Csv).await.unwrap();
    assert!(matches!(&items[0], Item::Start(start) if start.size_bytes.is_none()));
    assert_eq!(String::from_utf8(bytes(items)).unwrap(), "city,people\n\"Bern, BE\",1\n,2\n");
    assert_eq!(mesh.path("spool/catalog").read_dir().unwrap().count(), 0, "what was spooled is gone");
}

#[tokio::test]
async fn what_is_no_table_any_more_ends_with_its_reason() {
    let mut mesh = Harness::new().await;
    mesh.announce("d1", "t1").await;
    mesh.succeed("d1", "t1", b"\0\x01\x02 no table \0").await;
    mesh.settle().await;
    let status = download(&mut mesh, Harness::dataset("d1"), pb::DownloadForm::Csv).await.unwrap_err();
    assert_eq!(rpc::reason(&status).as_deref(), Some("NOT_A_TABLE"));
}

#[tokio::test]
async fn bytes_that_were_not_kept_are_fetched_again_and_verified() {
    let mut mesh = Harness::new().await;
    std::fs::write(mesh.origin_path("d1"), CSV).unwrap();
    mesh.announce("d1", "t1").await;
    mesh.succeed_with("d1", "t1", CSV, None).await;
    mesh.settle().await;
    assert!(!mesh.get("d1").await.current_version.unwrap().kept);
    for form in [pb::DownloadForm::Original, pb::DownloadForm::Csv] {
        assert_eq!(bytes(download(&mut mesh, Harness::dataset("d1"), form).await.unwrap()), CSV);
    }

    // Same length, other bytes: only the digest tells.
    std::fs::write(mesh.origin_path("d1"), CSV.to_ascii_uppercase()).unwrap();
    for _ in 0..2 {
        let status = download(&mut mesh, Harness::dataset("d1"), pb::DownloadForm::Original).await.unwrap_err();
        assert_eq!(
            (status.code(), rpc::reason(&status).as_deref()),
            (Code::FailedPrecondition, Some("SOURCE_CHANGED"))
        );
        let _ = std::fs::remove_file(mesh.origin_path("d1"));
    }
}

#[tokio::test]
async fn a_dataset_without_a_version_is_not_ready() {
    let mut mesh = Harness::new().await;
    mesh.announce("d1", "t1").await;
    mesh.consume().await;
    let status = download(&mut mesh, Harness::dataset("d1"), pb::DownloadForm::Original).await.unwrap_err();
    assert_eq!((status.code(), rpc::reason(&status).as_deref()), (Code::FailedPrecondition, Some("DATASET_NOT_READY")));
}

#[tokio::test]
async fn damaged_bytes_never_come_with_a_finish() {
    use objects::{Key, ObjectStoreExt, Put};
    let mut mesh = Harness::new().await;
    mesh.index("d1", titled("One")).await;
    let key = Key::content(&super::harness::main(), &Digest::of(CSV));
    mesh.deps.objects.put_bytes(&key, CSV.to_ascii_uppercase().into(), Put::Always).await.unwrap();
    for form in [pb::DownloadForm::Original, pb::DownloadForm::Csv] {
        let status = download(&mut mesh, Harness::dataset("d1"), form).await.unwrap_err();
        assert_eq!(rpc::reason(&status).as_deref(), Some("CONTENT_DAMAGED"));
    }
}
