//! What a profile says about columns of every type, and what it holds against odd cells.

use std::fmt::Write as _;

use millrace_profile::{CancelFlag, Hint, Limits, Options, profile};
use proptest::prelude::*;
use proto::profiling::v1::{ColumnProfile, SemanticType, StoredProfile, StructuralType};
use testkit::temp_dir;
use types::Fault;

fn of(text: &str) -> StoredProfile {
    of_bytes(text.as_bytes(), &Options::default())
}

fn of_bytes(bytes: &[u8], options: &Options) -> StoredProfile {
    let folder = temp_dir();
    let path = folder.path().join("file");
    std::fs::write(&path, bytes).unwrap();
    profile(&path, &Hint::default(), options).unwrap()
}

/// Profiles one column of cells; a second column keeps rows with an empty cell from being blank.
fn column<S: AsRef<str>>(name: &str, cells: &[S]) -> (ColumnProfile, StoredProfile) {
    let mut text = format!("{name},other\n");
    cells.iter().for_each(|cell| writeln!(text, "\"{}\",x", cell.as_ref().replace('"', "\"\"")).unwrap());
    let stored = of(&text);
    (stored.columns[0].clone(), stored)
}

fn reasons(stored: &StoredProfile) -> Vec<&str> {
    stored.table.as_ref().unwrap().warnings.iter().map(|warning| warning.reason.as_str()).collect()
}

#[test]
fn each_type_is_recognised() {
    for (cells, expected) in [
        (vec!["1", "-2", "1,000"], StructuralType::Integer),
        (vec!["1", "2.5", "1e3"], StructuralType::Float),
        (vec!["true", "FALSE", "yes"], StructuralType::Boolean),
        (vec!["Y", "N", "y"], StructuralType::Boolean),
        (vec!["2000-01-02", "1999-12-31"], StructuralType::Date),
        (vec!["2-Jan-2000", "January 3, 2001"], StructuralType::Date),
        (vec!["2000-01", "2000-02"], StructuralType::Date),
        (vec!["12:30", "23:59:59.5"], StructuralType::Time),
        (vec!["2000-01-02T03:04:05Z", "2000-01-02 03:04"], StructuralType::Timestamp),
        (vec!["2000-01-02T03:04:05Z", "2000-01-03"], StructuralType::Timestamp),
        (vec!["[1,2]", "{\"a\":1}"], StructuralType::Nested),
        (vec!["a", "1"], StructuralType::Text),
        (vec!["F", "F", "F"], StructuralType::Text),
        (vec!["NA", "NA"], StructuralType::Text),
        (vec!["", " "], StructuralType::Missing),
        (vec!["00501", "10001"], StructuralType::Text),
        (vec!["01", "12"], StructuralType::Integer),
    ] {
        assert_eq!(column("subject", &cells).0.structural_type(), expected, "{cells:?}");
    }
}

#[test]
fn up_to_a_twentieth_of_misfits_is_tolerated_and_told() {
    let mut cells: Vec<String> = (0..95).map(|n| n.to_string()).collect();
    cells.splice(10..10, ["a", "b", "c", "d", "2.5"].map(str::to_owned));
    let (found, _) = column("subject", &cells);
    assert_eq!((found.structural_type(), found.misfit_count), (StructuralType::Integer, 5));
    let first: Vec<(i64, &str)> = found.first_misfits.iter().map(|misfit| (misfit.row, misfit.cell.as_str())).collect();
    assert_eq!(first, [(10, "a"), (11, "b"), (12, "c"), (13, "d"), (14, "2.5")]);
    assert_eq!(found.numeric.unwrap().max, 94.0);
    cells.extend(["e", "f"].map(str::to_owned));
    assert_eq!(column("subject", &cells).0.structural_type(), StructuralType::Text);
}

#[test]
fn tokens_are_missing_beside_numbers_and_values_beside_text() {
    let (numbers, _) = column("subject", &["1", "NA", "2", "n/a", "-", "", "NaN"]);
    assert_eq!(
        (numbers.structural_type(), numbers.present_count, numbers.missing_count),
        (StructuralType::Integer, 2, 5)
    );
    assert_eq!((numbers.misfit_count, numbers.distinct_count.unwrap().value), (0, 2.0));
    let (texts, _) = column("subject", &["x", "NA", "y", "NA"]);
    assert_eq!((texts.present_count, texts.missing_count), (4, 0));
    assert_eq!((texts.top_values[0].value.as_str(), texts.top_values[0].count), ("NA", 2));
    assert_eq!(texts.text_range.unwrap().min, "NA");
}

#[test]
fn the_order_of_day_and_month_is_decided_over_the_whole_column() {
    let start = |cells: &[&str]| {
        let (found, stored) = column("subject", cells);
        assert_eq!(found.structural_type(), StructuralType::Date, "{cells:?}");
        (found.time_range.unwrap().start.unwrap().seconds / 86_400, reasons(&stored).contains(&"AMBIGUOUS_DATE_ORDER"))
    };
    // 3 April and 4 March 2005 are days 12876 and 12846.
    assert_eq!(start(&["3/4/2005", "31/12/2005"]), (12_876, false));
    assert_eq!(start(&["3/4/2005", "12/31/2005"]), (12_846, false));
    assert_eq!(start(&["3/4/2005", "5/6/2005"]), (12_846, true));
}

#[test]
fn commas_divide_fractions_where_semicolons_divide_fields() {
    let stored = of("a;b\n1,5;x\n2,25;y\n");
    assert_eq!(stored.columns[0].structural_type(), StructuralType::Float);
    assert_eq!(stored.columns[0].numeric.as_ref().unwrap().max, 2.25);
}

#[test]
fn dates_and_times_count_as_seconds() {
    let (dates, _) = column("subject", &["1970-01-02", "1970-01-04"]);
    assert_eq!(dates.numeric.unwrap().mean, 2.0 * 86_400.0);
    let (times, stored) = column("subject", &["00:01", "00:03"]);
    assert_eq!(times.numeric.unwrap().max, 180.0);
    assert_eq!(times.time_range, None);
    assert!(stored.table.unwrap().temporal_coverage.is_empty());
}

#[test]
fn numbers_are_years_only_where_the_name_says_so() {
    let covered = |name: &str, cells: &[&str]| !column(name, cells).1.table.unwrap().temporal_coverage.is_empty();
    assert!(covered("Model Year", &["1999", "2004"]));
    assert!(!covered("count", &["1999", "2004"]));
    assert!(!covered("year", &["1", "2"]));
}

#[test]
fn latitudes_and_longitudes_are_recognised_by_name_and_range() {
    let stored = of("id,pickup_lat,pickup_lon,lat_error,long\n1,10.5,179.5,300,1\n2,-20.25,-179.5,400,2\n");
    let meanings: Vec<Vec<SemanticType>> =
        stored.columns.iter().map(|column| column.semantic_types().collect()).collect();
    assert_eq!(meanings, [vec![], vec![SemanticType::Latitude], vec![SemanticType::Longitude], vec![], vec![]]);
    let area = stored.table.unwrap().spatial_coverage.unwrap().r#box.unwrap();
    assert_eq!((area.west, area.south, area.east, area.north), (179.5, -20.25, -179.5, 10.5));
}

#[test]
fn what_the_reader_warns_of_is_in_the_profile() {
    let stored = of("a,a,\n1,2,3\n4\n");
    assert_eq!(reasons(&stored), ["EMPTY_COLUMN_NAME", "REPEATED_COLUMN_NAME", "SHORT_ROWS"]);
    let recipe = stored.table.unwrap().recipe.unwrap();
    assert_eq!((recipe.format.as_str(), recipe.encoding.as_str(), recipe.header), ("csv", "utf-8", true));
}

#[test]
fn what_is_no_table_fails_with_its_reason() {
    let folder = temp_dir();
    let path = folder.path().join("file");
    std::fs::write(&path, b"\0\0\0\0").unwrap();
    assert_eq!(profile(&path, &Hint::default(), &Options::default()).unwrap_err().reason(), "NOT_A_TABLE");
    let cancel = CancelFlag::default();
    cancel.cancel();
    std::fs::write(&path, b"a,b\n1,2\n").unwrap();
    let options = Options { cancel, ..Options::default() };
    assert_eq!(profile(&path, &Hint::default(), &options).unwrap_err().reason(), "CANCELLED");
}

#[test]
fn long_cells_are_cut_at_a_character() {
    let long = "é".repeat(500);
    let (found, stored) = column("subject", &[long.as_str(), "x"]);
    assert_eq!(found.text_range.unwrap().max.len(), 256);
    assert_eq!(found.top_values.iter().map(|value| value.value.len()).max(), Some(256));
    assert!(stored.table.unwrap().sample[0].cells[0].len() <= 256);
}

#[test]
fn progress_counts_rows_and_bytes_to_the_end() {
    let mut text = "a,b\n".to_owned();
    (0..20_000).for_each(|n| writeln!(text, "{n},x").unwrap());
    let (send, receive) = std::sync::mpsc::channel();
    let progress: Box<dyn Fn(millrace_profile::Progress) + Send + Sync> = Box::new(move |progress| {
        let _ = send.send(progress);
    });
    of_bytes(text.as_bytes(), &Options { progress: Some(progress), ..Options::default() });
    let last = receive.iter().last().unwrap();
    assert_eq!((last.rows, last.read_bytes, last.size_bytes), (20_000, text.len() as u64, text.len() as u64));
}

#[test]
fn a_wide_table_stays_within_small_summaries() {
    let names: Vec<String> = (0..10_000).map(|n| format!("c{n}")).collect();
    let mut text = names.join(",") + "\n";
    for row in 0..40u64 {
        let cells: Vec<String> = (0..10_000u64).map(|n| ((row * 7_919 + n) % 97).to_string()).collect();
        writeln!(text, "{}", cells.join(",")).unwrap();
    }
    let stored = of_bytes(text.as_bytes(), &Options { limits: Limits::default(), ..Options::default() });
    let table = stored.table.unwrap();
    assert_eq!((stored.columns.len(), table.row_count, table.sample.len()), (10_000, 40, 2));
}

/// Cells of many kinds.
fn cells() -> impl Strategy<Value = Vec<String>> {
    let cell = prop_oneof![
        (-50i64..50).prop_map(|n| n.to_string()),
        (-50.0..50.0f64).prop_map(|n| format!("{n:.2}")),
        (1u32..13, 1u32..29).prop_map(|(month, day)| format!("2001-{month:02}-{day:02}")),
        (1u32..13, 1u32..29).prop_map(|(month, day)| format!("{month}/{day}/2001")),
        Just(String::new()),
        Just("NA".to_owned()),
        "[a-c]{1,2}",
    ];
    prop::collection::vec(cell, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_order_of_rows_changes_no_count(cells in cells(), seed in any::<u64>()) {
        let mut shuffled: Vec<(u64, &String)> = cells.iter().enumerate().map(|(i, cell)| ((i as u64).wrapping_mul(seed | 1).rotate_left(17), cell)).collect();
        shuffled.sort();
        let shuffled: Vec<&String> = shuffled.into_iter().map(|(_, cell)| cell).collect();
        let (a, _) = column("subject", &cells);
        let (b, _) = column("subject", &shuffled);
        prop_assert_eq!(a.structural_type, b.structural_type);
        prop_assert_eq!((a.present_count, a.missing_count, a.misfit_count), (b.present_count, b.missing_count, b.misfit_count));
        prop_assert_eq!(a.distinct_count, b.distinct_count);
        prop_assert_eq!(a.top_values, b.top_values);
        prop_assert_eq!(a.text_range, b.text_range);
        prop_assert_eq!(a.time_range, b.time_range);
        prop_assert_eq!(a.numeric.map(|n| n.quantiles), b.numeric.map(|n| n.quantiles));
    }

    #[test]
    fn counts_are_exact(cells in cells()) {
        let (found, stored) = column("subject", &cells);
        let empty = cells.iter().filter(|cell| cell.is_empty()).count() as i64;
        let tokens = cells.iter().filter(|cell| *cell == "NA").count() as i64;
        let text = matches!(found.structural_type(), StructuralType::Text);
        prop_assert_eq!(stored.table.unwrap().row_count, cells.len() as i64);
        prop_assert_eq!(found.missing_count, if text { empty } else { empty + tokens });
        prop_assert_eq!(found.present_count + found.missing_count, cells.len() as i64);
        for top in &found.top_values {
            let count = cells.iter().filter(|cell| **cell == top.value).count() as i64;
            prop_assert_eq!((top.count, top.count_error), (count, 0));
        }
    }
}
