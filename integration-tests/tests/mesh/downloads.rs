//! Downloads: every byte, checked.

use millrace_integration_tests::{Mesh, Setup, csv, reason, write};
use proto::catalog::v1::{DatasetState, DownloadForm};

#[tokio::test]
async fn a_download_gives_the_bytes_that_were_profiled_with_their_checksums() {
    let mesh = Mesh::start().await;
    let big = csv("download", 60_000);
    assert!(big.len() > 2 << 20, "it takes several chunks");
    write(&mesh.folder(), "big.csv", &big);
    let admin = mesh.admin().await;
    admin.crawl_folder("all", &mesh.folder()).await;
    let dataset = admin.in_state("big.csv", DatasetState::Indexed).await;
    // What lies in the folder now does not matter.
    write(&mesh.folder(), "big.csv", "something else");
    let bytes = admin.download(&dataset.name, DownloadForm::Original).await.unwrap();
    assert!(bytes == big.as_bytes());
    let version = format!("{}/versions/1", dataset.name);
    assert!(admin.download(&version, DownloadForm::Unspecified).await.unwrap() == big.as_bytes());
}

#[tokio::test]
async fn a_download_as_csv_gives_the_same_table() {
    let mesh = Mesh::start().await;
    let admin = mesh.admin().await;
    let json =
        r#"[{"name": "Ada, Countess", "age": 36}, {"name": "Bob", "age": null}, {"name": "say \"hi\"", "age": 7}]"#;
    let dataset = admin.upload("people", "people.json", json.into()).await.unwrap();
    admin.in_state("people.json", DatasetState::Indexed).await;
    let csv = String::from_utf8(admin.download(&dataset.name, DownloadForm::Csv).await.unwrap()).unwrap();
    assert_eq!(csv, "name,age\n\"Ada, Countess\",36\nBob,\n\"say \"\"hi\"\"\",7\n");
}

#[tokio::test]
async fn what_was_not_kept_is_fetched_again_and_verified() {
    let mesh = Setup::new().set("PROFILING__KEEP_BYTES", "10B").start().await;
    let text = csv("unkept", 30);
    write(&mesh.folder(), "unkept.csv", &text);
    let admin = mesh.admin().await;
    admin.crawl_folder("all", &mesh.folder()).await;
    let dataset = admin.in_state("unkept.csv", DatasetState::Indexed).await;
    assert!(!dataset.current_version.unwrap().kept);
    assert!(admin.download(&dataset.name, DownloadForm::Original).await.unwrap() == text.as_bytes());
    write(&mesh.folder(), "unkept.csv", csv("changed", 30));
    let status = admin.download(&dataset.name, DownloadForm::Original).await.unwrap_err();
    assert_eq!(reason(&status), "SOURCE_CHANGED", "{status:?}");
}
