//! Profiles and the jobs that make them.

use millrace_integration_tests::{Mesh, PATIENCE, Session, csv, reason, write};
use proto::catalog::v1::DatasetState;
use proto::common::v1::WorkPhase;
use proto::profiling::v1::profile_data_response::Item;
use proto::profiling::v1::*;
use tonic_types::StatusExt as _;

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
    let profile =
        admin.profiling().get_profile(GetProfileRequest { name: name.clone(), ..Default::default() }).await.unwrap();
    assert_eq!(profile.into_inner().profile.unwrap().row_count, 3000);
    let request = |page_token: String| {
        let (parent, table) = (name.clone(), String::new());
        ListColumnProfilesRequest { parent, page_size: 3, page_token, table }
    };
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
    let profile =
        admin.profiling().get_profile(GetProfileRequest { name: version.profile, ..Default::default() }).await.unwrap();
    let table = profile.into_inner().profile.unwrap();
    let listed: Vec<_> = table.file_tables.iter().map(|one| (one.name.as_str(), one.profiled)).collect();
    assert_eq!((table.row_count, listed), (2, vec![("Towns", true), ("More", false)]));
}

#[tokio::test]
async fn data_that_is_sent_is_profiled_and_nothing_is_stored() {
    let mesh = Mesh::start().await;
    let admin = mesh.admin().await;
    let start = ProfileDataStart { parent: "tenants/main".into(), file_name: "x.csv".into(), ..Default::default() };
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

#[tokio::test]
async fn rows_are_appended_to_a_profile_and_profiles_are_merged() {
    let mesh = Mesh::start().await;
    let admin = mesh.admin().await;
    admin.upload("long", "long.csv", csv("long", 400).into_bytes()).await.unwrap();
    let dataset = admin.in_state("long.csv", DatasetState::Indexed).await;
    let earlier = dataset.current_version.clone().unwrap().profile;

    let start = |profile: &str| AppendToProfileStart {
        profile: profile.to_owned(),
        file_name: "more.csv".into(),
        ..AppendToProfileStart::default()
    };
    let append = async |start: AppendToProfileStart| {
        let (messages, _) = rpc::upload::messages(start, std::io::Cursor::new(csv("long", 40).into_bytes()), |_| ());
        admin.profiling().append_to_profile(messages).await.map(|reply| reply.into_inner().job.unwrap())
    };
    let queued = append(start(&earlier)).await.unwrap();
    assert_eq!((queued.appended_to.as_str(), queued.dataset.as_str()), (earlier.as_str(), ""));
    let longer = made_by(&admin, &queued.name).await;
    let table = table_of(&admin, &longer).await;
    assert_eq!((table.row_count, table.appended_to.as_str(), table.parts.len()), (440, earlier.as_str(), 2));
    // What was found stays what it was: nobody asked the dataset to have more rows.
    let after = admin.in_state("long.csv", DatasetState::Indexed).await;
    assert_eq!(after.current_version.unwrap().profile, earlier);

    let request = MergeProfilesRequest {
        parent: "tenants/main".into(),
        profiles: vec![longer.clone(), earlier.clone()],
        request_id: String::new(),
    };
    let queued = admin.profiling().merge_profiles(request).await.unwrap().into_inner().job.unwrap();
    assert_eq!((queued.merged_profiles.len(), queued.materialization), (2, None));
    let merged = table_of(&admin, &made_by(&admin, &queued.name).await).await;
    assert_eq!((merged.row_count, merged.merged_profiles), (840, vec![longer, earlier]));

    let refused = append(start("tenants/main/profiles/p1")).await.unwrap_err();
    assert_eq!(reason(&refused), "PROFILE_NOT_FOUND");
    let request = MergeProfilesRequest { parent: "tenants/main".into(), request_id: "x".into(), ..Default::default() };
    let refused = admin.profiling().merge_profiles(request).await.unwrap_err();
    let fields: Vec<_> = refused.get_details_bad_request().unwrap().field_violations;
    let fields: Vec<_> = fields.iter().map(|bad| bad.field.as_str()).collect();
    assert_eq!(fields, ["request_id", "profiles"]);
}

/// The profile that a job made, once it has succeeded.
async fn made_by(admin: &Session, job: &str) -> String {
    testkit::eventually("the job to succeed", PATIENCE, || async {
        let reply = admin.profiling().get_job(GetJobRequest { name: job.to_owned() }).await.unwrap();
        let job = reply.into_inner().job.unwrap();
        let status = job.status.unwrap();
        if status.phase() == WorkPhase::Succeeded { Ok(job.profile) } else { Err(format!("{:?}", status.error)) }
    })
    .await
}

async fn table_of(admin: &Session, name: &str) -> TableProfile {
    let request = GetProfileRequest { name: name.to_owned(), ..Default::default() };
    admin.profiling().get_profile(request).await.unwrap().into_inner().profile.unwrap()
}
