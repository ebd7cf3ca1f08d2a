//! Files of several tables, and wide tables.

use std::path::Path;

use millrace_profile::{Hint, Options, file_tables, profile};
use proto::profiling::v1::{TableProfile, Unpivot, UnpivotPeriod};
use testkit::temp_dir;
use types::{ErrorKind, Fault};

const BOOK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../table/tests/fixtures/towns.xls");

fn of_book(table: &str) -> TableProfile {
    let hint = Hint::named("towns.xls").wanting(table);
    profile(Path::new(BOOK), &hint, &Options::default()).unwrap().table.unwrap()
}

fn of_text(text: &str) -> TableProfile {
    let folder = temp_dir();
    let path = folder.path().join("file.csv");
    std::fs::write(&path, text).unwrap();
    profile(&path, &Hint::default(), &Options::default()).unwrap().table.unwrap()
}

#[test]
fn a_profile_lists_the_tables_of_its_file_and_says_which_it_is_of() {
    for (wanted, profiled) in [("", "Towns"), ("Towns", "Towns"), ("More", "More")] {
        let table = of_book(wanted);
        let listed: Vec<_> = table.file_tables.iter().map(|one| (one.name.as_str(), one.profiled)).collect();
        assert_eq!(listed, [("Towns", profiled == "Towns"), ("More", profiled == "More")]);
        assert_eq!((table.file_table_count, table.recipe.unwrap().table.as_str()), (2, profiled));
        assert!(table.warnings.iter().any(|warning| warning.reason == "MORE_TABLES"));
    }
    let (tables, left_out) = file_tables(Path::new(BOOK), &Hint::default(), &Options::default()).unwrap();
    assert_eq!(tables.iter().map(|table| table.table.as_str()).collect::<Vec<_>>(), ["Towns", "More"]);
    assert_eq!(left_out, ["Empty"]);
}

#[test]
fn a_table_that_is_not_there_is_told_with_those_that_are() {
    let hint = Hint::default().wanting("Villages");
    let error = profile(Path::new(BOOK), &hint, &Options::default()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::NotFound, "NO_SUCH_TABLE"));
    let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
    assert!(cause.contains("`Towns`, `More`"), "{cause}");
}

#[test]
fn a_file_of_one_table_lists_none() {
    let table = of_text("a,b\n1,2\n");
    assert_eq!((table.file_tables.len(), table.file_table_count, table.unpivot), (0, 1, None));
}

#[test]
fn a_table_whose_columns_are_years_is_offered_long() {
    let table = of_text("country,year,1998,1999,2000\nA,x,1,2,3\nB,y,4,5,\n");
    let expected = Unpivot {
        first_column: 2,
        column_count: 3,
        period: UnpivotPeriod::Year.into(),
        name_column: "year_".to_owned(),
        value_column: "value".to_owned(),
        row_count: 6,
    };
    assert_eq!((table.unpivot, table.column_count, table.row_count), (Some(expected), 5, 2));
}
