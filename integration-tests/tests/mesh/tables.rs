//! Files of several tables.

use millrace_integration_tests::{Mesh, Session, Setup, reason};
use proto::catalog::v1::*;
use proto::profiling::v1::profile_data_response::Item;
use proto::profiling::v1::{
    GetProfileRequest, ListColumnProfilesRequest, ProfileDataStart, StructuralType, TableProfile,
};
use testkit::archive;
use tonic::Status;

const TOWNS: &str = "town,latitude,longitude\nBern,46.948,7.447\nBasel,47.559,7.588\nThun,46.758,7.628\n\
    Biel,47.137,7.246\nOlten,47.351,7.903\nSpiez,46.688,7.679\nMurten,46.928,7.117\nAarau,47.392,8.045";

/// Three sheets: towns with their place, events with their time, prices.
fn book() -> Vec<u8> {
    archive::workbook(&[
        ("Towns", TOWNS),
        ("Floods", "flooded,depth\n1999-05-12,3.1\n2005-08-22,2.7"),
        ("Prices", "commodity,amount\nobsidian,12\nhalite,3\nfluorite,4\ntopaz,5"),
    ])
}

async fn profile(admin: &Session, name: &str, table: &str) -> Result<TableProfile, Status> {
    let request = GetProfileRequest { name: name.to_owned(), table: table.to_owned() };
    Ok(admin.profiling().get_profile(request).await?.into_inner().profile.unwrap())
}

async fn columns(admin: &Session, name: &str, table: &str) -> Vec<String> {
    let (parent, table) = (name.to_owned(), table.to_owned());
    let request = ListColumnProfilesRequest { parent, table, ..ListColumnProfilesRequest::default() };
    let reply = admin.profiling().list_column_profiles(request).await.unwrap().into_inner();
    reply.column_profiles.into_iter().map(|column| column.column).collect()
}

async fn found(admin: &Session, query: &str, filter: SearchFilter) -> Vec<SearchResult> {
    let parent = "tenants/main".to_owned();
    let (query, filter) = (query.to_owned(), Some(filter));
    let request = SearchDatasetsRequest { parent, query, filter, ..SearchDatasetsRequest::default() };
    admin.catalog().search_datasets(request).await.unwrap().into_inner().results
}

fn briefly(version: &Version) -> Vec<(&str, i64, i32)> {
    version.tables.iter().map(|table| (table.table.as_str(), table.row_count, table.column_count)).collect()
}

#[tokio::test]
async fn every_table_of_a_file_is_profiled_and_found() {
    let mesh = Mesh::start().await;
    let admin = mesh.admin().await;
    admin.upload("region", "region.xlsx", book()).await.unwrap();
    let version = admin.in_state("region.xlsx", DatasetState::Indexed).await.current_version.unwrap();
    assert_eq!(briefly(&version), [("Towns", 8, 3), ("Floods", 2, 2), ("Prices", 4, 2)]);
    assert_eq!((version.table_count, version.row_count), (3, 8));

    let name = version.profile.as_str();
    assert_eq!(columns(&admin, name, "").await, ["town", "latitude", "longitude"]);
    assert_eq!(columns(&admin, name, "Floods").await, ["flooded", "depth"]);
    let prices = profile(&admin, name, "Prices").await.unwrap();
    assert_eq!((prices.name.as_str(), prices.row_count, prices.recipe.unwrap().table.as_str()), (name, 4, "Prices"));
    assert_eq!(reason(&profile(&admin, name, "Villages").await.unwrap_err()), "NO_SUCH_TABLE");

    // By a column's name, by a value, by a column's type, by time and by place, each of another table.
    for (words, field, table) in [
        ("town", MatchField::Column, "Towns"),
        ("depth", MatchField::Column, "Floods"),
        ("halite", MatchField::Value, "Prices"),
    ] {
        let results = found(&admin, words, SearchFilter::default()).await;
        assert_eq!(results.len(), 1, "{words}");
        let why = &results[0].matches[0];
        assert_eq!((why.field(), why.table.as_str()), (field, table), "{words}");
    }
    let column = |column: &str, structural_type: StructuralType| ColumnFilter {
        column: column.to_owned(),
        structural_type: structural_type.into(),
    };
    let day = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let year = |start: i64| proto::common::v1::TimeRange { start: day(start), end: day(start + 31_536_000) };
    let around = |west| proto::common::v1::BoundingBox { west, south: 46.0, east: west + 2.0, north: 48.0 };
    let any = SearchFilter::default;
    let filters = [
        (SearchFilter { columns: vec![column("amount", StructuralType::Integer)], ..any() }, 1),
        (SearchFilter { columns: vec![column("amount", StructuralType::Date)], ..any() }, 0),
        // The year 2000 lies between the floods, the year 2010 behind them.
        (SearchFilter { time_range: Some(year(946_684_800)), ..any() }, 1),
        (SearchFilter { time_range: Some(year(1_262_304_000)), ..any() }, 0),
        (SearchFilter { r#box: Some(around(7.0)), ..any() }, 1),
        (SearchFilter { r#box: Some(around(17.0)), ..any() }, 0),
    ];
    for (filter, count) in filters {
        assert_eq!(found(&admin, "", filter.clone()).await.len(), count, "{filter:?}");
    }

    let shown = mesh.cli(&["dataset", "profile", "region", "--table", "Floods", "--output", "json"]).await;
    assert!(shown.stdout.contains("\"flooded\"") && !shown.stdout.contains("\"latitude\""), "{}", shown.stdout);
}

#[tokio::test]
async fn every_table_of_a_file_can_be_had_as_csv() {
    let mesh = Mesh::start().await;
    let admin = mesh.admin().await;
    let region = admin.upload("region", "region.xlsx", book()).await.unwrap().name;
    let files: [(&str, &[u8]); 3] = [
        ("broken.parquet", b"PAR1 and nothing more"),
        ("one/region.xlsx", &book()),
        ("two/lakes.csv", b"lake,surface\nThun,48\n"),
    ];
    let waters = admin.upload("waters", "waters.zip", archive::zip(&files)).await.unwrap().name;
    for name in ["region.xlsx", "waters.zip"] {
        admin.in_state(name, DatasetState::Indexed).await;
    }
    let csv = async |name: &str, table: &str| {
        let bytes = admin.download_table(name, DownloadForm::Csv, table).await?;
        Ok::<_, Status>(String::from_utf8(bytes).unwrap())
    };
    let floods = "flooded,depth\n1999-05-12,3.1\n2005-08-22,2.7\n";
    assert!(csv(&region, "").await.unwrap().starts_with("town,latitude,longitude\n"));
    assert_eq!(csv(&region, "Floods").await.unwrap(), floods);
    // The first table of the archive is broken, so that its first is the one whose rows the version counts.
    assert!(csv(&waters, "").await.unwrap().starts_with("town,latitude,longitude\n"));
    for table in ["one/region.xlsx#Floods", "Floods"] {
        assert_eq!(csv(&waters, table).await.unwrap(), floods);
    }
    assert_eq!(csv(&waters, "lakes.csv").await.unwrap(), "lake,surface\nThun,48\n");
    for (table, why) in
        [("broken.parquet", "TABLE_NOT_PROFILED"), ("region.xlsx", "NO_SUCH_TABLE"), ("x", "NO_SUCH_TABLE")]
    {
        assert_eq!(reason(&csv(&waters, table).await.unwrap_err()), why, "{table}");
    }
    let both = admin.download_table(&region, DownloadForm::Original, "Floods").await.unwrap_err();
    assert_eq!(both.code(), tonic::Code::InvalidArgument);
    let arguments = ["dataset", "download", "waters", "--form", "csv", "--table", "lakes.csv", "--to", "-"];
    assert_eq!(mesh.cli(&arguments).await.stdout, "lake,surface\nThun,48\n");
}

#[tokio::test]
async fn any_table_of_a_file_that_is_sent_is_profiled() {
    let mesh = Mesh::start().await;
    let admin = mesh.admin().await;
    let send = async |table: &str| {
        let (parent, file_name) = ("tenants/main".to_owned(), "region.xlsx".to_owned());
        let start = ProfileDataStart { parent, file_name, table: table.to_owned() };
        let (messages, _) = rpc::upload::messages(start, std::io::Cursor::new(book()), |_| ());
        let mut answer = admin.profiling().profile_data(messages).await?.into_inner();
        let mut columns = Vec::new();
        while let Some(message) = answer.message().await? {
            if let Some(Item::Column(column)) = message.item {
                columns.push(column.column);
            }
        }
        Ok::<_, Status>(columns)
    };
    assert_eq!(send("").await.unwrap(), ["town", "latitude", "longitude"]);
    assert_eq!(send("Prices").await.unwrap(), ["commodity", "amount"]);
    assert_eq!(reason(&send("Villages").await.unwrap_err()), "NO_SUCH_TABLE");
}

#[tokio::test]
async fn a_broken_table_of_a_file_is_told_and_the_others_are_found() {
    let mesh = Mesh::start().await;
    let admin = mesh.admin().await;
    let files: [(&str, &[u8]); 3] = [
        ("rivers.csv", b"river,length\nAare,288\nReuss,164\n"),
        ("broken.parquet", b"PAR1 and nothing more"),
        ("lakes.csv", b"lake,surface\nThunersee,48\nBielersee,39\nMurtensee,22\n"),
    ];
    admin.upload("waters", "waters.zip", archive::zip(&files)).await.unwrap();
    let version = admin.in_state("waters.zip", DatasetState::Indexed).await.current_version.unwrap();
    assert_eq!(briefly(&version), [("rivers.csv", 2, 2), ("broken.parquet", 0, 0), ("lakes.csv", 3, 2)]);
    let broken = &version.tables[1];
    let why = broken.error.clone().unwrap();
    assert!(!broken.has_profile && !why.message.is_empty());
    assert_eq!(why.reason, "TRUNCATED_PARQUET");
    assert_eq!(found(&admin, "Murtensee", SearchFilter::default()).await.len(), 1);

    let name = version.profile.as_str();
    let refused = profile(&admin, name, "broken.parquet").await.unwrap_err();
    assert_eq!(reason(&refused), "TABLE_NOT_PROFILED");
    assert!(refused.message().contains("TRUNCATED_PARQUET"), "{}", refused.message());
    let warnings = profile(&admin, name, "").await.unwrap().warnings;
    assert!(warnings.iter().any(|one| one.reason == "TABLES_FAILED" && one.message.contains("broken.parquet")));
}

#[tokio::test]
async fn tables_beyond_the_limit_are_named_and_the_limit_is_said() {
    let mesh = Setup::new().set("PROFILING__TABLES_PER_FILE", 2).start().await;
    let admin = mesh.admin().await;
    admin.upload("region", "region.xlsx", book()).await.unwrap();
    let version = admin.in_state("region.xlsx", DatasetState::Indexed).await.current_version.unwrap();
    let profiled: Vec<_> = version.tables.iter().map(|table| table.has_profile).collect();
    assert_eq!((version.table_count, profiled), (3, vec![true, true, false]));
    let name = version.profile.as_str();
    let warnings = profile(&admin, name, "").await.unwrap().warnings;
    let limit = warnings.iter().find(|one| one.reason == "TABLES_NOT_PROFILED").unwrap();
    assert_eq!(limit.count, 1);
    assert!(limit.message.contains("profiling.tables_per_file") && limit.message.contains("`Prices`"), "{limit:?}");
    assert_eq!(reason(&profile(&admin, name, "Prices").await.unwrap_err()), "TABLE_NOT_PROFILED");
    assert!(found(&admin, "halite", SearchFilter::default()).await.is_empty());
}
