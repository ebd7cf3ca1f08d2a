//! Profiles and the jobs that make them.

use millrace_integration_tests::{Mesh, csv, write};
use proto::catalog::v1::DatasetState;
use proto::common::v1::WorkPhase;
use proto::profiling::v1::profile_data_response::Item;
use proto::profiling::v1::*;

#[tokio::test]
async fn a_profile_counts_every_row_and_says_what_its_columns_hold() {
    let mesh = Mesh::start().await;
    let mut text = String::from("city,population,founded,height\n");
    for row in 0..3000 {
        text.push_str(&format!(
            "city{},{},1{:03}-05-01,{}\n",
            row % 7,
            row,
            row % 900,
            if row % 10 == 0 { "" } else { "2.5" }
        ));
    }
    let admin = mesh.admin().await;
    admin.upload("cities", "cities.csv", text.into_bytes()).await.unwrap();
    let dataset = admin.in_state("cities.csv", DatasetState::Indexed).await;
    let name = dataset.current_version.unwrap().profile;
    let profile = admin.profiling().get_profile(GetProfileRequest { name: name.clone() }).await.unwrap();
    assert_eq!(profile.into_inner().profile.unwrap().row_count, 3000);
    let request = |page_token: String| ListColumnProfilesRequest { parent: name.clone(), page_size: 3, page_token };
    let first = admin.profiling().list_column_profiles(request(String::new())).await.unwrap().into_inner();
    let second = admin.profiling().list_column_profiles(request(first.next_page_token)).await.unwrap().into_inner();
    let columns: Vec<_> = first.column_profiles.into_iter().chain(second.column_profiles).collect();
    assert_eq!(columns.len(), 4);
    let types: Vec<_> = columns.iter().map(ColumnProfile::structural_type).collect();
    assert_eq!(types[0..2], [StructuralType::Text, StructuralType::Integer]);
    assert_eq!(types[3], StructuralType::Float);

    let book = include_bytes!("../../../services/shared/table/tests/fixtures/towns.xls").to_vec();
    admin.upload("towns", "towns.xls", book).await.unwrap();
    let version = admin.in_state("towns.xls", DatasetState::Indexed).await.current_version.unwrap();
    assert_eq!(version.recipe.unwrap().table, "Towns");
    let profile = admin.profiling().get_profile(GetProfileRequest { name: version.profile }).await.unwrap();
    let table = profile.into_inner().profile.unwrap();
    let listed: Vec<_> = table.file_tables.iter().map(|one| (one.name.as_str(), one.profiled)).collect();
    assert_eq!((table.row_count, listed), (2, vec![("Towns", true), ("More", false)]));
}

#[tokio::test]
async fn data_that_is_sent_is_profiled_and_nothing_is_stored() {
    let mesh = Mesh::start().await;
    let admin = mesh.admin().await;
    let start = ProfileDataStart { parent: "tenants/main".into(), file_name: "x.csv".into() };
    let source = std::io::Cursor::new(csv("sent", 500).into_bytes());
    let (messages, _) = rpc::upload::messages(start, source, |_| ());
    let mut answer = admin.profiling().profile_data(messages).await.unwrap().into_inner();
    let (mut tables, mut columns) = (Vec::new(), 0);
    while let Some(message) = answer.message().await.unwrap() {
        match message.item.unwrap() {
            Item::Progress(_) => assert!(tables.is_empty(), "progress comes first"),
            Item::Table(table) => tables.push(table),
            Item::Column(_) => columns += 1,
        }
    }
    assert_eq!((tables.len(), tables[0].row_count, columns), (1, 500, 6));
    assert!(admin.datasets().await.is_empty() && admin.jobs().await.is_empty());
}

#[tokio::test]
async fn a_failed_job_says_why_and_can_be_retried_or_cancelled() {
    let mesh = Mesh::start().await;
    write(&mesh.folder(), "bad.csv", "");
    let admin = mesh.admin().await;
    admin.crawl_folder("all", &mesh.folder()).await;
    let failed = admin.in_state("bad.csv", DatasetState::Failed).await;
    let attempt = failed.latest_attempt.unwrap();
    assert!(!attempt.error.unwrap().reason.is_empty());
    let job = admin.profiling().get_job(GetJobRequest { name: attempt.job.clone() }).await.unwrap();
    let job = job.into_inner().job.unwrap();
    assert_eq!((job.dataset.as_str(), job.status.unwrap().phase()), (failed.name.as_str(), WorkPhase::Failed));

    admin.profiling().retry_job(RetryJobRequest { name: attempt.job.clone() }).await.unwrap();
    testkit::eventually!({
        let job = admin.profiling().get_job(GetJobRequest { name: attempt.job.clone() }).await.unwrap();
        job.into_inner().job.unwrap().status.unwrap().phase() == WorkPhase::Failed
    });
    // What has ended stays as it is.
    let cancelled = admin.profiling().cancel_job(CancelJobRequest { name: attempt.job }).await.unwrap();
    assert_eq!(cancelled.into_inner().job.unwrap().status.unwrap().phase(), WorkPhase::Failed);
}

#[tokio::test]
async fn the_same_bytes_are_profiled_once() {
    let mesh = Mesh::start().await;
    let text = csv("same", 40);
    for name in ["one.csv", "two.csv"] {
        write(&mesh.folder(), name, &text);
        mesh.admin().await.create_folder(&name[..3], &mesh.folder()).await.unwrap();
        mesh.admin().await.in_state(name, DatasetState::Indexed).await;
    }
    let admin = mesh.admin().await;
    testkit::eventually!(admin.jobs().await.iter().any(|job| job.reused));
    let profiles: std::collections::BTreeSet<_> =
        admin.jobs().await.into_iter().map(|job| job.profile).filter(|profile| !profile.is_empty()).collect();
    assert_eq!(profiles.len(), 1);
}
