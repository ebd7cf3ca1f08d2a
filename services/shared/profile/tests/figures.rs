//! What a column holds beyond its type: sums, ranges, lengths, order, keys and what stands for missing values.

use std::fmt::Write as _;

use millrace_profile::{Hint, Options, profile};
use proto::profiling::v1::{
    ColumnProfile, NullTokenEvidence, SortOrder, StoredProfile, StructuralType, TimeResolution,
};
use testkit::temp_dir;

fn of(text: &str) -> StoredProfile {
    let folder = temp_dir();
    let path = folder.path().join("file.csv");
    std::fs::write(&path, text).unwrap();
    profile(&path, &Hint::named("file.csv"), &Options::default()).unwrap()
}

/// Profiles one column of cells; a second column keeps rows with an empty cell from being blank.
fn column<S: AsRef<str>>(name: &str, cells: &[S]) -> (ColumnProfile, StoredProfile) {
    let mut text = format!("{name},other\n");
    cells.iter().for_each(|cell| writeln!(text, "\"{}\",x", cell.as_ref().replace('"', "\"\"")).unwrap());
    let stored = of(&text);
    (stored.columns[0].clone(), stored)
}

#[test]
fn more_types_are_recognised() {
    for (cells, expected) in [
        (vec!["P1D", "PT2H"], StructuralType::Duration),
        (vec!["36:15:00", "12:30:00"], StructuralType::Duration),
        (vec!["12:30:00", "13:30:00"], StructuralType::Time),
        (vec!["POINT (8.5 47.4)", "point(1 2)"], StructuralType::GeoPoint),
        (vec!["47.4, 8.5", "-1.5, 2.25"], StructuralType::GeoPoint),
        (vec!["POINT (8.5 47.4)", "POLYGON ((0 0, 1 1, 1 0, 0 0))"], StructuralType::GeoShape),
        (vec!["2000-01-02T03:04:05Z", "2000-01-02 03:04:05+01:00"], StructuralType::TimestampWithZone),
        (vec!["2000-01-02T03:04:05Z", "2000-01-02 03:04:05"], StructuralType::Timestamp),
    ] {
        assert_eq!(column("subject", &cells).0.structural_type(), expected, "{cells:?}");
    }
}

#[test]
fn sums_of_decimals_are_exact() {
    let (found, _) = column("subject", &["0.1", "0.2", "0.30", "1000000000000", "NA"]);
    let numeric = found.numeric.unwrap();
    assert_eq!((numeric.exact_sum.as_str(), numeric.decimal_places), ("1000000000000.60", Some(2)));
    assert_eq!((numeric.sum, numeric.rank_error), (Some(1_000_000_000_000.6), 0.0));
    let numeric = column("subject", &["1e3", "0.5"]).0.numeric.unwrap();
    assert_eq!((numeric.exact_sum.as_str(), numeric.sum), ("", Some(1_000.5)));
    assert_eq!(column("subject", &["2000-01-02"]).0.numeric.unwrap().sum, None);
}

#[test]
fn ranges_and_histogram_show_where_numbers_lie() {
    let cells: Vec<String> = (0..50).chain(1_000..1_050).chain([90_000]).map(|n: u32| n.to_string()).collect();
    let numeric = column("subject", &cells).0.numeric.unwrap();
    let ranges: Vec<(f64, f64, f64, bool)> =
        numeric.ranges.iter().map(|range| (range.low, range.high, range.count, range.outliers)).collect();
    assert_eq!(ranges, [(0.0, 49.0, 50.0, false), (1_000.0, 1_049.0, 50.0, false), (90_000.0, 90_000.0, 1.0, true)]);
    assert!(numeric.ranges_explained > 0.9);
    let counts: f64 = numeric.histogram.iter().map(|bin| bin.count).sum();
    assert_eq!((numeric.histogram.len(), counts, numeric.histogram[0].count), (20, 101.0, 100.0));
}

#[test]
fn lengths_count_bytes_and_characters() {
    let (found, _) = column("subject", &["é", "abc", ""]);
    let lengths = found.lengths.unwrap();
    assert_eq!((lengths.min_bytes, lengths.max_bytes, lengths.mean_bytes), (2, 3, 2.5));
    assert_eq!((lengths.min_characters, lengths.max_characters, lengths.mean_characters), (1, 3, 2.0));
    assert_eq!(column("subject", &["007", "010", "100"]).0.leading_zero_count, 2);
}

#[test]
fn order_and_uniqueness_are_told() {
    for (cells, order, unique) in [
        (vec!["1", "2", "10"], SortOrder::StrictlyAscending, true),
        (vec!["b", "a", "a"], SortOrder::Descending, false),
        (vec!["b", "a", "c"], SortOrder::Unsorted, true),
        (vec!["b", "b"], SortOrder::Constant, false),
    ] {
        let (found, _) = column("subject", &cells);
        let uniqueness = found.uniqueness.unwrap();
        assert_eq!((found.sort_order(), uniqueness.unique, uniqueness.exact), (order, unique, true), "{cells:?}");
    }
}

#[test]
fn values_that_stand_for_missing_ones_are_found_by_evidence() {
    let mut cells: Vec<String> = (0..80).map(|n| n.to_string()).collect();
    cells.extend(std::iter::repeat_n("unknown".to_owned(), 30));
    let (found, _) = column("subject", &cells);
    assert_eq!((found.structural_type(), found.present_count, found.missing_count), (StructuralType::Integer, 80, 30));
    assert_eq!((found.misfit_count, found.first_misfits.len()), (0, 0));
    assert_eq!((found.distinct_count.unwrap().value, found.top_values.len()), (80.0, 20));
    let token = &found.null_tokens[0];
    assert_eq!((token.value.as_str(), token.count, token.evidence()), ("unknown", 30, NullTokenEvidence::Repeated));

    let mut cells: Vec<String> = (0..80).map(|n| format!("{}.5", n % 30)).collect();
    cells.extend(std::iter::repeat_n("-999".to_owned(), 4));
    cells.push("n/a".to_owned());
    let (found, _) = column("subject", &cells);
    let tokens: Vec<(&str, i64, NullTokenEvidence)> =
        found.null_tokens.iter().map(|token| (token.value.as_str(), token.count, token.evidence())).collect();
    assert_eq!(tokens, [("-999", 4, NullTokenEvidence::Sentinel), ("n/a", 1, NullTokenEvidence::Listed)]);
    assert_eq!((found.present_count, found.numeric.unwrap().min), (84, -999.0));
}

#[test]
fn keys_and_repeated_rows_are_found() {
    let mut text = "shop,order,item,note\n".to_owned();
    (0..60).for_each(|n| writeln!(text, "{},{},{},x", n / 20, n % 20, n % 5).unwrap());
    let stored = of(&text);
    let table = stored.table.unwrap();
    let keys: Vec<(Vec<String>, bool)> =
        table.candidate_keys.iter().map(|key| (key.columns.clone(), key.exact)).collect();
    assert_eq!(keys, [(vec!["shop".to_owned(), "order".to_owned()], true)]);
    assert_eq!(table.duplicate_rows.unwrap().exact.unwrap().value, 0.0);

    let table = of("a,b\n1.50,X\n1.5, x\n1.5, x\n2,y\n").table.unwrap();
    let duplicates = table.duplicate_rows.unwrap();
    assert_eq!((duplicates.exact.unwrap().value, duplicates.near.unwrap().value), (1.0, 2.0));
    assert!(table.candidate_keys.is_empty());
}

#[test]
fn time_is_covered_with_resolution_and_gaps() {
    let mut cells: Vec<String> = (1..29).map(|day| format!("2001-02-{day:02}")).collect();
    cells.extend((1..29).map(|day| format!("2003-02-{day:02}")));
    let coverage = column("subject", &cells).1.table.unwrap().temporal_coverage.remove(0);
    assert_eq!((coverage.resolution(), coverage.ranges.len(), coverage.ranges_exact), (TimeResolution::Day, 2, true));
    assert_eq!((coverage.zone.as_str(), coverage.ambiguous), ("", false));

    let stored = of("year,month,day,x\n1999,12,31,1\n2000,1,1,2\n");
    let coverage = stored.table.unwrap().temporal_coverage;
    let split = coverage.iter().find(|coverage| coverage.columns.len() == 3).unwrap();
    let range = split.range.as_ref().unwrap();
    assert_eq!((range.start.unwrap().seconds, range.end.unwrap().seconds), (946_598_400, 946_684_800));
}
