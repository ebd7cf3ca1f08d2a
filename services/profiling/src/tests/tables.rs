//! Files of several tables.

use proto::profiling::v1::{ColumnProfile, TableProfile};
use testkit::archive;
use types::{Digest, Fault, ProfileName};

use super::*;

testkit::on_every_store! {
    every_table_of_a_file_is_profiled_and_given_by_its_name,
    what_is_no_table_of_a_file_or_has_no_profile_is_told,
    nothing_is_appended_to_a_file_of_several_tables,
    a_profile_of_fewer_tables_than_are_wanted_is_made_anew,
}

impl Bench {
    async fn profiled_tables(&mut self, name: &str, bytes: &[u8]) -> ProfileName {
        let path = self.write(name, bytes);
        self.announce(&path, &Digest::of(bytes).to_hex()).await;
        self.work().await;
        self.jobs().await.remove(0).profile.unwrap()
    }

    async fn one(&self, name: &ProfileName, table: &str) -> Result<TableProfile, Error> {
        self.domain.get_profile(Permitted::check(&ada(), name.clone()).unwrap(), table).await
    }

    async fn columns(&self, name: &ProfileName, table: &str) -> Vec<ColumnProfile> {
        let parent = Permitted::check(&ada(), name.clone()).unwrap();
        self.domain.list_columns(parent, table, 0, "").await.unwrap().items
    }
}

fn book() -> Vec<u8> {
    archive::workbook(&[("One", "a,b\n1,x"), ("Two", "c\n7\n8"), ("Three", "d,e\n1,2\n3,4\n5,6")])
}

async fn every_table_of_a_file_is_profiled_and_given_by_its_name() {
    let mut bench = Bench::new().await;
    let profile = bench.profiled_tables("book.xlsx", &book()).await;
    let first = bench.one(&profile, "").await.unwrap();
    assert_eq!((first.row_count, first.file_table_count, first.state_size_bytes), (1, 3, 0));
    let figures: Vec<_> = first.file_tables.iter().map(|one| (one.name.as_str(), one.row_count)).collect();
    assert_eq!(figures, [("One", 1), ("Two", 2), ("Three", 3)]);
    for (index, (table, rows, columns)) in [("One", 1, 2), ("Two", 2, 1), ("Three", 3, 2)].into_iter().enumerate() {
        let one = bench.one(&profile, table).await.unwrap();
        assert_eq!((one.name.as_str(), one.row_count), (profile.to_string().as_str(), rows));
        assert_eq!((one.create_time, one.recipe.unwrap().table.as_str()), (first.create_time, table));
        assert_eq!(one.file_tables.iter().position(|one| one.profiled), Some(index));
        let listed = bench.columns(&profile, table).await;
        assert_eq!((listed.len(), listed[0].column.as_str()), (columns, one.column_names[0].as_str()));
    }
    let rows = bench.jobs().await[0].status.counts.iter().find(|(name, _)| name == "rows").unwrap().1;
    assert_eq!(rows, 6);
    // The event carries a reference alone.
    let events = bench.published().await;
    assert!(events.last().unwrap().payload.len() < 1_000);
}

async fn what_is_no_table_of_a_file_or_has_no_profile_is_told() {
    let mut bench = Bench::new().await;
    let files: [(&str, &[u8]); 3] =
        [("d/a.csv", b"x,w\n1,2\n"), ("b.parquet", b"PAR1 no more"), ("c.csv", b"y,z\n1,2\n")];
    let profile = bench.profiled_tables("f.zip", &archive::zip(&files)).await;
    assert_eq!(bench.one(&profile, "a.csv").await.unwrap().column_names, ["x", "w"]);
    let error = bench.one(&profile, "b.parquet").await.unwrap_err();
    assert_eq!((error.reason(), error.metadata().len()), ("TABLE_NOT_PROFILED", 2), "{error}");
    let error = bench.one(&profile, "z.csv").await.unwrap_err();
    assert_eq!((error.reason(), error.kind()), ("NO_SUCH_TABLE", types::ErrorKind::NotFound));
    assert!(error.to_string().contains("`d/a.csv`, `b.parquet`, `c.csv`"), "{error}");

    let single = bench.profiled_tables("a.csv", b"x\n1\n2\n").await;
    assert_eq!(bench.one(&single, "a.csv").await.unwrap_err().reason(), "NO_SUCH_TABLE");
}

async fn nothing_is_appended_to_a_file_of_several_tables() {
    let mut bench = Bench::new().await;
    let profile = bench.profiled_tables("book.xlsx", &book()).await;
    for refused in [bench.append(&profile, b"a,b\n1,x\n", "").await, bench.merge(&[&profile, &profile]).await] {
        let error = refused.unwrap_err();
        assert_eq!(error.reason(), "PROFILE_OF_SEVERAL_TABLES");
        assert!(error.to_string().contains("`One`, `Two`, `Three`"), "{error}");
    }
}

async fn a_profile_of_fewer_tables_than_are_wanted_is_made_anew() {
    let mut bench = Bench::new().await;
    let profile = bench.profiled_tables("book.xlsx", &book()).await;
    bench.announce(&bench.folder.path().join("root/book.xlsx"), "same").await;
    bench.work().await;
    assert!(bench.jobs().await[0].reused);
    // As a mesh with a lower limit has left it.
    let cut = |stored: &mut proto::profiling::v1::StoredProfile| {
        stored.other_tables.clear();
        stored.tables_per_file = 1;
    };
    bench.change(&profile, cut).await;
    bench.announce(&bench.folder.path().join("root/book.xlsx"), "again").await;
    bench.work().await;
    assert_eq!((bench.jobs().await[0].reused, bench.one(&profile, "Two").await.unwrap().row_count), (false, 2));
}
