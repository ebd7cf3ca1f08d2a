//! Files of several tables, and wide tables.

use std::path::Path;

use millrace_profile::{Error, Hint, Most, Options, State, file_tables, profile, profile_every};
use proto::profiling::v1::{StoredProfile, TableProfile, Unpivot, UnpivotPeriod};
use testkit::{archive, temp_dir};
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

const ALL: Most = Most { tables: 100, profile_bytes: usize::MAX };
/// What begins as Parquet and is none.
const BROKEN: &[u8] = b"PAR1 and nothing more";

fn of_every(name: &str, bytes: &[u8], most: Most) -> Result<(StoredProfile, Option<State>), Error> {
    let folder = temp_dir();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    profile_every(&path, &Hint::named(name), &Options::default(), most, true)
}

/// Name, whether it is the first one profiled, rows and columns, and the reason why it has none.
type Told = (String, bool, Option<(i64, i32)>, String);

/// What a profile tells of each table of its file.
fn told(profile: &StoredProfile) -> Vec<Told> {
    let tables = &profile.table.as_ref().unwrap().file_tables;
    let one = tables.iter().map(|table| {
        let reason = table.error.as_ref().map(|error| error.reason.clone()).unwrap_or_default();
        let figures = table.has_profile.then_some((table.row_count, table.column_count));
        (table.name.clone(), table.profiled, figures, reason)
    });
    one.collect()
}

fn warned(profile: &StoredProfile, reason: &str) -> Option<(i64, String)> {
    let warnings = &profile.table.as_ref().unwrap().warnings;
    let found = warnings.iter().find(|warning| warning.reason == reason)?;
    Some((found.count, found.message.clone()))
}

#[test]
fn every_sheet_of_a_workbook_has_the_profile_that_it_has_alone() {
    let book = archive::workbook(&[("One", "a,b\n1,x\n2,y"), ("Two", "c\n7\n8\n9"), ("Three", "d,e,f\n1,2,3")]);
    let (whole, state) = of_every("book.xlsx", &book, ALL).unwrap();
    assert!(state.is_none(), "a state is of one table");
    let figures = |name: &str, first, rows, columns| (name.to_owned(), first, Some((rows, columns)), String::new());
    let expected = [figures("One", true, 2, 2), figures("Two", false, 3, 1), figures("Three", false, 1, 3)];
    assert_eq!(told(&whole), expected);
    assert_eq!((warned(&whole, "MORE_TABLES"), warned(&whole, "TABLES_NOT_PROFILED")), (None, None));
    assert_eq!(whole.other_tables.iter().map(|one| one.file_table_index).collect::<Vec<_>>(), [1, 2]);

    let folder = temp_dir();
    let path = folder.path().join("book.xlsx");
    std::fs::write(&path, &book).unwrap();
    for (one, name) in whole.other_tables.iter().zip(["Two", "Three"]) {
        let hint = Hint::named("book.xlsx").wanting(name);
        let alone = profile(&path, &hint, &Options::default()).unwrap();
        assert_eq!(one.columns, alone.columns);
        assert_eq!(one.table.as_ref().unwrap().recipe, alone.table.unwrap().recipe);
    }
    assert!(of_every("book.xlsx", &book, ALL).unwrap().0 == whole, "the same bytes give the same profile");
}

#[test]
fn a_table_that_cannot_be_read_is_told_and_the_others_are_profiled() {
    let files: [(&str, &[u8]); 3] = [("a.csv", b"x,w\n1,2\n"), ("b.parquet", BROKEN), ("c.csv", b"y,z\n1,2\n3,4\n")];
    let (whole, _) = of_every("f.zip", &archive::zip(&files), ALL).unwrap();
    let reasons = told(&whole);
    assert_eq!(reasons[0], ("a.csv".to_owned(), true, Some((1, 2)), String::new()));
    assert_eq!((reasons[1].2, reasons[1].3.is_empty()), (None, false));
    assert_eq!(reasons[2], ("c.csv".to_owned(), false, Some((2, 2)), String::new()));
    let (count, message) = warned(&whole, "TABLES_FAILED").unwrap();
    assert!(count == 1 && message.contains("`b.parquet`") && message.contains(&reasons[1].3), "{message}");

    // The first one that can be read stands for the file.
    let files: [(&str, &[u8]); 2] = [("b.parquet", BROKEN), ("c.csv", b"y,z\n1,2\n3,4\n")];
    let (whole, _) = of_every("f.zip", &archive::zip(&files), ALL).unwrap();
    assert_eq!((whole.table.as_ref().unwrap().row_count, whole.file_table_index), (2, 1));
    assert_eq!(told(&whole).iter().map(|one| one.1).collect::<Vec<_>>(), [false, true]);

    let none = of_every("f.zip", &archive::zip(&[("a.parquet", BROKEN), ("b.parquet", BROKEN)]), ALL).unwrap_err();
    assert_eq!(none.kind(), ErrorKind::Invalid);
}

#[test]
fn tables_beyond_a_limit_are_named_with_it() {
    let sheets = [("One", "a\n1"), ("Two", "b\n1"), ("Three", "c\n1"), ("Four", "d\n1")];
    let book = archive::workbook(&sheets);
    for (most, expected) in [
        (
            Most { tables: 2, ..ALL },
            "2 of the 4 tables of the file were not profiled, as at most 2 of a file are (`profiling.tables_per_file`): `Three`, `Four`.",
        ),
        (
            Most { profile_bytes: 1, ..ALL },
            "3 of the 4 tables of the file were not profiled, as the profiles of those before are longer than 1 bytes: `Two`, `Three`, `Four`.",
        ),
    ] {
        let (whole, _) = of_every("book.xlsx", &book, most).unwrap();
        let (count, message) = warned(&whole, "TABLES_NOT_PROFILED").unwrap();
        assert_eq!(message, expected);
        let have: Vec<_> = told(&whole).iter().map(|one| one.2.is_some()).collect();
        let left = usize::try_from(count).unwrap();
        assert_eq!((have.len(), have.iter().filter(|has| !**has).count()), (4, left));
        assert_eq!(whole.other_tables.len(), 3 - left);
    }
}

#[test]
fn a_file_of_one_table_has_its_state_as_ever() {
    let (whole, state) = of_every("a.csv", b"a,b\n1,2\n", ALL).unwrap();
    assert!(state.is_some());
    assert_eq!((told(&whole).len(), whole.other_tables.len(), whole.table.unwrap().row_count), (0, 0, 1));
}

#[test]
fn progress_counts_the_rows_of_all_tables() {
    let folder = temp_dir();
    let path = folder.path().join("f.zip");
    let files: [(&str, &[u8]); 2] = [("a.csv", b"x,w\n1,2\n2,3\n"), ("c.csv", b"y,z\n1,2\n3,4\n5,6\n")];
    std::fs::write(&path, archive::zip(&files)).unwrap();
    let (seen, shown) = std::sync::mpsc::channel();
    let progress = move |now: millrace_profile::Progress| seen.send(now).unwrap();
    let options = Options { progress: Some(Box::new(progress)), ..Options::default() };
    profile_every(&path, &Hint::default(), &options, ALL, false).unwrap();
    drop(options);
    let shown: Vec<_> = shown.into_iter().collect();
    assert!(shown.windows(2).all(|pair| pair[0].read_bytes <= pair[1].read_bytes && pair[0].rows <= pair[1].rows));
    assert_eq!(shown.last().unwrap().rows, 5);
}
