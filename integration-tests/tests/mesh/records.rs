//! Dataset records: versions, edits, uploads.

use millrace_integration_tests::{Mesh, Session, csv, reason, write};
use proto::catalog::v1::{Dataset, DatasetState, GetDatasetRequest, ListDatasetsRequest, UpdateDatasetRequest};
use proto::common::v1::Metadata;
use tonic::{Code, Status};

async fn update(admin: &Session, dataset: Dataset, mask: &[&str]) -> Result<Dataset, Status> {
    let paths = mask.iter().map(|path| (*path).to_owned()).collect();
    let request = UpdateDatasetRequest {
        dataset: Some(dataset),
        update_mask: Some(prost_types::FieldMask { paths }),
        request_id: String::new(),
    };
    admin.catalog().update_dataset(request).await.map(|answer| answer.into_inner().dataset.unwrap())
}

fn titled(dataset: &Dataset, title: &str) -> Dataset {
    let metadata = Metadata { title: title.into(), tags: vec!["curated".into()], ..Metadata::default() };
    Dataset { name: dataset.name.clone(), revision: dataset.revision, metadata: Some(metadata), ..Dataset::default() }
}

#[tokio::test]
async fn edits_survive_a_new_crawl_and_can_be_searched() {
    let mesh = Mesh::start().await;
    write(&mesh.folder(), "rain.csv", csv("drizzle", 20));
    let admin = mesh.admin().await;
    admin.crawl_folder("sky", &mesh.folder()).await;
    let dataset = admin.in_state("rain.csv", DatasetState::Indexed).await;
    let edited = update(&admin, titled(&dataset, "Precipitation"), &["metadata.title", "metadata.tags"]).await.unwrap();
    assert_eq!(edited.metadata.as_ref().unwrap().title, "Precipitation");
    testkit::eventually!(admin.search("precipitation").await.total_size == 1);

    write(&mesh.folder(), "rain.csv", csv("downpour", 30));
    admin.run_source("sky", false).await;
    testkit::eventually!(admin.search("downpour").await.total_size == 1);
    let after = admin.in_state("rain.csv", DatasetState::Indexed).await;
    let metadata = after.metadata.unwrap();
    assert_eq!((metadata.title.as_str(), metadata.tags), ("Precipitation", vec!["curated".to_owned()]));
    assert!(after.edited_fields.iter().any(|field| field.ends_with("title")), "{:?}", after.edited_fields);
    assert_eq!(admin.search("precipitation").await.total_size, 1);
}

#[tokio::test]
async fn an_edit_of_what_has_changed_meanwhile_is_refused() {
    let mesh = Mesh::start().await;
    let admin = mesh.admin().await;
    admin.upload("mine", "mine.csv", csv("mine", 10).into_bytes()).await.unwrap();
    let dataset = admin.in_state("mine.csv", DatasetState::Indexed).await;
    update(&admin, titled(&dataset, "First"), &["metadata.title"]).await.unwrap();
    let status = update(&admin, titled(&dataset, "Second"), &["metadata.title"]).await.unwrap_err();
    assert_eq!(status.code(), Code::Aborted, "{status:?}");
    let status = update(&admin, titled(&dataset, "Third"), &["metadata.title", "state"]).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "BAD_REQUEST"));
}

#[tokio::test]
async fn a_hidden_dataset_is_left_out_of_search_and_lists() {
    let mesh = Mesh::start().await;
    let admin = mesh.admin().await;
    admin.upload("mine", "mine.csv", csv("walrus", 10).into_bytes()).await.unwrap();
    let dataset = admin.in_state("mine.csv", DatasetState::Indexed).await;
    let hidden = Dataset { name: dataset.name.clone(), revision: dataset.revision, hidden: true, ..Dataset::default() };
    update(&admin, hidden, &["hidden"]).await.unwrap();
    testkit::eventually!(admin.search("walrus").await.total_size == 0);
    let listed = ListDatasetsRequest { parent: "tenants/main".into(), ..Default::default() };
    let listed = admin.catalog().list_datasets(listed).await.unwrap().into_inner().datasets;
    assert!(listed.is_empty());
    assert_eq!(admin.datasets().await.len(), 1);
}

#[tokio::test]
async fn a_changed_file_is_a_new_version_and_the_same_bytes_are_none() {
    let mesh = Mesh::start().await;
    let folder = mesh.folder();
    write(&folder, "rain.csv", csv("drizzle", 20));
    let admin = mesh.admin().await;
    admin.crawl_folder("sky", &folder).await;
    let dataset = admin.in_state("rain.csv", DatasetState::Indexed).await;

    write(&folder, "rain.csv", csv("downpour", 30));
    admin.run_source("sky", false).await;
    testkit::eventually!(admin.versions(&dataset.name).await.len() == 2);
    testkit::eventually!(admin.search("downpour").await.total_size == 1);
    assert_eq!(admin.search("drizzle").await.total_size, 0, "the old version was searchable too");
    let versions = admin.versions(&dataset.name).await;
    assert_eq!((versions[0].row_count, versions[1].row_count), (30, 20));

    // Another time of change, the same bytes.
    let file = std::fs::File::options().append(true).open(folder.join("rain.csv")).unwrap();
    file.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(5)).unwrap();
    let jobs = admin.jobs().await.len();
    admin.run_source("sky", false).await;
    testkit::eventually!(admin.jobs().await.len() == jobs + 1 || admin.jobs().await.iter().any(|job| job.reused));
    admin.in_state("rain.csv", DatasetState::Indexed).await;
    assert_eq!(admin.versions(&dataset.name).await.len(), 2);
}

#[tokio::test]
async fn an_upload_is_profiled_and_indexed_like_what_was_found() {
    let mesh = Mesh::start().await;
    let admin = mesh.admin().await;
    let created = admin.upload("mine", "mine.csv", csv("narwhal", 15).into_bytes()).await.unwrap();
    assert_eq!(created.name, "tenants/main/datasets/mine");
    let dataset = admin.in_state("mine.csv", DatasetState::Indexed).await;
    assert_eq!((dataset.source_kind.as_str(), dataset.source.as_str()), ("upload", ""));
    assert_eq!(admin.search("narwhal").await.total_size, 1);
    let status = admin.upload("mine", "again.csv", csv("again", 5).into_bytes()).await.unwrap_err();
    assert_eq!(status.code(), Code::AlreadyExists, "{status:?}");
    let request = GetDatasetRequest { name: "tenants/main/datasets/nothing".into() };
    let status = admin.catalog().get_dataset(request).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound, "{status:?}");
}

#[tokio::test]
async fn an_upload_that_ends_early_or_lies_creates_nothing() {
    use proto::catalog::v1::{CreateDatasetRequest, CreateDatasetStart};
    use rpc::upload::{Part, UploadMessage as _};
    let mesh = Mesh::start().await;
    let admin = mesh.admin().await;
    let start = || {
        let parent = "tenants/main".to_owned();
        CreateDatasetRequest::from_part(Part::Start(CreateDatasetStart { parent, ..Default::default() }))
    };
    let chunk = || CreateDatasetRequest::from_part(Part::Chunk(b"a,b\n1,2\n".to_vec()));
    let lie = CreateDatasetRequest::from_part(Part::Finish {
        size_bytes: 8,
        digest: Some(types::Digest::of(b"something else").into()),
    });
    for (messages, expected) in
        [(vec![start(), chunk()], "UPLOAD_INCOMPLETE"), (vec![start(), chunk(), lie], "UPLOAD_CORRUPT")]
    {
        let status = admin.catalog().create_dataset(tokio_stream::iter(messages)).await.unwrap_err();
        assert_eq!(reason(&status), expected, "{status:?}");
    }
    assert!(admin.datasets().await.is_empty());
}

#[tokio::test]
async fn a_repeated_request_is_answered_like_the_first() {
    let mesh = Mesh::start().await;
    let admin = mesh.admin().await;
    admin.upload("mine", "mine.csv", csv("mine", 10).into_bytes()).await.unwrap();
    let dataset = admin.in_state("mine.csv", DatasetState::Indexed).await;
    let request = UpdateDatasetRequest {
        dataset: Some(titled(&dataset, "Once")),
        update_mask: Some(prost_types::FieldMask { paths: vec!["metadata.title".into()] }),
        request_id: uuid::Uuid::new_v4().to_string(),
    };
    let first = admin.catalog().update_dataset(request.clone()).await.unwrap().into_inner();
    let second = admin.catalog().update_dataset(request).await.unwrap().into_inner();
    assert_eq!(first, second);
}
