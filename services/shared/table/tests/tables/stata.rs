//! Files of Stata are read as what they are, and bounded. `fixtures/stata.py` wrote them.

use arrow::datatypes::{DataType, TimeUnit};
use millrace_table::{CancelFlag, Format, Hint, Limits, foreign_parser, open, open_with};
use types::Fault;

use crate::files::{fixture, numbers, read_bytes, rows};

const TYPES: [(&str, [&str; 3]); 15] = [
    ("tiny", ["-127", "0", "100"]),
    ("small", ["-32767", "0", "32740"]),
    ("large", ["-2147483647", "0", "2147483620"]),
    ("single", ["0.5", "-1.25", "3.0"]),
    ("wide", ["0.1", "-1e300", "2.5"]),
    ("text", ["Málaga", "x", "y"]),
    ("answer", ["yes", "no", "yes"]),
    ("income", ["100", "-9", "250"]),
    ("day", ["2024-02-29", "1959-12-31", "1970-05-17"]),
    ("at", ["2024-02-29T12:34:56.789", "1959-12-31T00:00:00", "1970-05-17T06:00:00"]),
    // pandas counts a week 53, which is the first one of the next year to Stata.
    ("week", ["2024-02-26", "1960-01-01", "1970-05-14"]),
    ("month", ["2024-02-01", "1959-12-01", "1970-05-01"]),
    ("quarter", ["2024-01-01", "1959-10-01", "1970-04-01"]),
    ("half", ["2024-01-01", "1959-07-01", "1970-01-01"]),
    ("year", ["2024", "1959", "1970"]),
];

#[test]
fn every_type_of_stata_is_read_whatever_the_release() {
    for name in ["114", "117", "118", "119", "big-endian"] {
        let path = fixture(&format!("stata/{name}.dta"));
        assert_eq!(foreign_parser(&path), Some("stata"));
        let mut reader = open(&path, &Hint::default()).unwrap();
        assert_eq!((reader.recipe().format, reader.is_typed()), (Format::Stata, true));
        let names = reader.column_names();
        assert_eq!(names[..TYPES.len()], TYPES.map(|(name, _)| name));
        let rows = rows(&mut reader).unwrap();
        assert_eq!((rows.len(), rows[1].iter().all(|cell| cell == "∅")), (4, true), "{name}");
        for (index, (column, cells)) in TYPES.iter().enumerate() {
            assert_eq!([&rows[0][index], &rows[2][index], &rows[3][index]], *cells, "{column} in {name}");
        }
        if let Some(index) = names.iter().position(|name| name == "long_text") {
            let long = "a".repeat(3_000);
            assert_eq!([&rows[0][index], &rows[2][index], &rows[3][index]], [&long, "b", &long], "{name}");
        }
        let warnings = reader.warnings();
        assert_eq!(warnings.iter().map(|warning| warning.reason).collect::<Vec<_>>(), ["LABELS_NOT_APPLIED"]);
        assert!(warnings[0].message.contains("`income`") && !warnings[0].message.contains("`answer`"));
    }
}

#[test]
fn a_file_of_stata_without_rows_keeps_its_columns_and_their_types() {
    let mut reader = open(&fixture("stata/empty.dta"), &Hint::default()).unwrap();
    let schema = reader.schema();
    let kind = |name: &str| schema.field_with_name(name).unwrap().data_type().clone();
    assert_eq!(schema.fields().len(), TYPES.len());
    assert_eq!((kind("at"), kind("month")), (DataType::Timestamp(TimeUnit::Millisecond, None), DataType::Date32));
    assert!(reader.next_batch().unwrap().is_none());
}

#[test]
fn what_is_no_time_of_stata_is_missing_and_told() {
    let mut reader = open(&fixture("stata/far.dta"), &Hint::default()).unwrap();
    assert_eq!(rows(&mut reader).unwrap(), [["1960-01-01", "0.0"], ["∅", "1.0"]]);
    let warnings = reader.warnings();
    let mut reasons: Vec<_> = warnings.iter().map(|warning| (warning.reason, warning.count)).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, [("LEAP_SECONDS_COUNTED", 1), ("TIMES_OUT_OF_RANGE", 1)]);
}

#[test]
fn dates_of_stata_may_be_aligned_and_business_days_stay_numbers_and_are_told() {
    let mut reader = open(&fixture("stata/formats.dta"), &Hint::default()).unwrap();
    let first = ["1960-01-01", "1960-01-01T00:00:00", "1960-01-01", "0.0", "0.0", "0.0"];
    let second = ["1960-01-02", "1960-01-02T00:00:00", "1960-01-02", "1.0", "1.0", "1.0"];
    assert_eq!(rows(&mut reader).unwrap(), [first, second]);
    let warnings = reader.warnings();
    let reasons: Vec<_> = warnings.iter().map(|warning| (warning.reason, warning.count)).collect();
    assert_eq!(reasons, [("BUSINESS_DAYS_COUNTED", 2)]);
    assert!(warnings[0].message.contains("`traded`, `settled`"), "{}", warnings[0].message);
}

/// Why a file is not opened.
fn refusal(name: &str, limits: &Limits) -> &'static str {
    let outcome = open_with(&fixture(name), &Hint::default(), limits, &CancelFlag::default());
    outcome.err().expect("it is refused").reason()
}

#[test]
fn a_file_of_stata_is_bounded() {
    let limits = Limits { max_columns: TYPES.len() - 1, ..Limits::default() };
    assert_eq!(refusal("stata/114.dta", &limits), "TOO_MANY_COLUMNS");
    let limits = Limits { max_resident_bytes: 2_000, ..Limits::default() };
    assert_eq!(refusal("stata/118.dta", &limits), "MEMORY_BUDGET_EXCEEDED");
}

#[test]
fn a_file_of_stata_that_ends_early_is_refused() {
    for name in ["114.dta", "118.dta"] {
        let whole = std::fs::read(fixture(&format!("stata/{name}"))).unwrap();
        for length in [200, whole.len() / 3, whole.len() / 2] {
            assert_eq!(read_bytes(&whole[..length]).unwrap_err().reason(), "MALFORMED_FILE", "{name} to {length}");
        }
    }
}

/// Damage to what describes the columns; lengths that cost memory come behind it, and are for child processes.
#[test]
fn no_damage_to_the_columns_of_stata_causes_a_panic() {
    let whole = std::fs::read(fixture("stata/114.dta")).unwrap();
    for seed in 0..200 {
        let (mut next, mut bytes) = (numbers(seed), whole.clone());
        for _ in 0..1 + seed % 5 {
            bytes[109 + next() as usize % 2_987] ^= 1 << (next() % 8);
        }
        if let Err(error) = read_bytes(&bytes) {
            assert_eq!(error.reason(), "MALFORMED_FILE");
        }
    }
}
