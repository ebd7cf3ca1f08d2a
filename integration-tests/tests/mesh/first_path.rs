//! From a file in a folder to a search answered through the gateway.

use millrace_integration_tests::{Mesh, csv, rows_of, write};
use proto::catalog::v1::{DatasetState, FacetField, MatchField, SearchDatasetsRequest, SearchFilter};
use proto::common::v1::{BoundingBox, TimeRange, WorkPhase};

#[tokio::test]
async fn a_file_in_a_folder_is_found_by_an_authenticated_search() {
    let mesh = Mesh::start().await;
    let text = csv("volcanoes", 40);
    write(&mesh.folder(), "eruptions.csv", &text);
    let admin = mesh.admin().await;

    let crawl = admin.crawl_folder("earth", &mesh.folder()).await;
    assert_eq!(crawl.status.unwrap().phase(), WorkPhase::Succeeded);
    let dataset = admin.in_state("eruptions.csv", DatasetState::Indexed).await;

    let version = dataset.current_version.unwrap();
    assert_eq!((version.row_count, version.column_count), (rows_of(&text), 6));
    assert_eq!(version.size_bytes, i64::try_from(text.len()).unwrap());
    let found = admin.search("volcano").await;
    assert_eq!((found.total_size, found.results.len()), (1, 1));
    let result = &found.results[0];
    assert_eq!(result.dataset.as_ref().unwrap().name, dataset.name);
    // The reason of the hit is shown, by the very words that matched.
    let hit = result.matches.iter().find(|hit| hit.field() == MatchField::Value).unwrap();
    let span = &hit.spans[0];
    let word: String = hit.text.chars().skip(span.start as usize).take((span.end - span.start) as usize).collect();
    assert_eq!(word, "volcanoes");
    assert_eq!(admin.search("glacier").await.total_size, 0);
}

#[tokio::test]
async fn a_search_filters_by_time_and_place_and_counts_facets() {
    let mesh = Mesh::start().await;
    write(&mesh.folder(), "north.csv", csv("north", 20));
    write(&mesh.folder(), "old.csv", "year,price\n1565-01-01,41\n1570-01-01,45\n");
    let admin = mesh.admin().await;
    admin.crawl_folder("all", &mesh.folder()).await;
    admin.settled(2).await;
    let search = |filter: SearchFilter| {
        let admin = admin.clone();
        async move {
            let request = SearchDatasetsRequest {
                parent: "tenants/main".into(),
                filter: Some(filter),
                facets: vec![FacetField::Format.into()],
                ..SearchDatasetsRequest::default()
            };
            let found = admin.catalog().search_datasets(request).await.unwrap().into_inner();
            let paths: Vec<_> = found.results.iter().map(|r| r.dataset.as_ref().unwrap().path.clone()).collect();
            assert_eq!(found.facets[0].counts[0].count, found.total_size);
            paths
        }
    };
    let seconds = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let time_range = Some(TimeRange { start: seconds(-12_800_000_000), end: seconds(-12_500_000_000) });
    assert_eq!(search(SearchFilter { time_range, ..Default::default() }).await, ["old.csv"]);
    let r#box = Some(BoundingBox { west: 0.0, south: 30.0, east: 10.0, north: 60.0 });
    assert_eq!(search(SearchFilter { r#box, ..Default::default() }).await, ["north.csv"]);
}

#[tokio::test]
async fn the_client_commands_walk_the_first_path() {
    let mesh = Mesh::start().await;
    write(&mesh.folder(), "eruptions.csv", csv("volcanoes", 40));
    let folder = mesh.folder().display().to_string();
    let added = mesh.cli(&["source", "add", "folder", &folder, "--title", "Earth"]).await;
    assert_eq!(added.code, Some(0), "{added:?}");
    mesh.admin().await.in_state("eruptions.csv", DatasetState::Indexed).await;

    let listed = mesh.cli(&["dataset", "list", "--output", "json"]).await;
    let listed: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(listed["datasets"][0]["state"], "DATASET_STATE_INDEXED");
    let name = listed["datasets"][0]["name"].as_str().unwrap().to_owned();
    let found = mesh.cli(&["search", "volcano", "--output", "json"]).await;
    let found: serde_json::Value = serde_json::from_str(&found.stdout).unwrap();
    assert_eq!(found["results"][0]["dataset"]["name"], name.as_str());
    let missing = mesh.cli(&["dataset", "get", "tenants/main/datasets/nothing"]).await;
    assert_eq!((missing.code, missing.stdout.as_str()), (Some(3), ""), "{missing:?}");
}
