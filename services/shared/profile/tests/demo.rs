//! The demonstration corpus: every figure below was computed from the files by other means (Python's csv, json and
//! statistics modules).

use std::path::PathBuf;

use millrace_profile::{Hint, Options, profile};
use proto::common::v1::TimeRange;
use proto::profiling::v1::{ColumnProfile, SemanticType, StoredProfile, StructuralType, TableProfile};
use types::Digest;

fn demo(name: &str) -> (StoredProfile, PathBuf) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../deploy/demo").join(name);
    (profile(&path, &Hint::named(name), &Options::default()).unwrap(), path)
}

fn table(stored: &StoredProfile) -> &TableProfile {
    stored.table.as_ref().unwrap()
}

fn column<'a>(stored: &'a StoredProfile, name: &str) -> &'a ColumnProfile {
    stored.columns.iter().find(|column| column.column == name).unwrap()
}

fn types(stored: &StoredProfile) -> String {
    let letter = |column: &ColumnProfile| match column.structural_type() {
        StructuralType::Text => 't',
        StructuralType::Integer => 'i',
        StructuralType::Float => 'f',
        StructuralType::Date => 'd',
        other => panic!("{other:?}"),
    };
    stored.columns.iter().map(letter).collect()
}

fn seconds(range: Option<&TimeRange>) -> (i64, i64) {
    let range = range.unwrap();
    (range.start.unwrap().seconds, range.end.unwrap().seconds)
}

#[test]
fn every_dataset_has_its_rows_and_types() {
    for (name, rows, expected) in [
        ("airports.csv", 3_376, "tttttff"),
        ("birdstrikes.csv", 10_000, "tttdttttttiiii"),
        ("co2-concentration.csv", 741, "dff"),
        ("countries.json", 620, "tifffftff"),
        ("flights-airport.csv", 5_366, "tti"),
        ("gapminder-health-income.csv", 187, "tifit"),
        ("gapminder.json", 682, "itiiff"),
        ("iowa-electricity.csv", 51, "dti"),
        ("obesity.json", 50, "ift"),
        ("penguins.json", 344, "ttffiit"),
        ("population_engineers_hurricanes.csv", 52, "tiifi"),
        ("seattle-weather.csv", 1_461, "dfffft"),
        ("unemployment.tsv", 3_218, "if"),
        ("us-state-capitals.json", 50, "fftt"),
        ("weather.csv", 2_922, "tdfffft"),
        ("wheat.json", 52, "iff"),
        ("zipcodes.csv", 42_049, "tffttt"),
    ] {
        let (stored, path) = demo(name);
        let table = table(&stored);
        assert_eq!((types(&stored).as_str(), table.row_count), (expected, rows), "{name}");
        let bytes = std::fs::read(path).unwrap();
        assert_eq!(table.size_bytes, bytes.len() as i64);
        assert_eq!(table.digest, Some(Digest::of(&bytes).into()));
        assert_eq!(table.sample.len(), 20.min(rows as usize));
        for column in &stored.columns {
            assert_eq!(column.present_count + column.missing_count, rows, "{name} {}", column.column);
            assert_eq!(column.misfit_count, 0, "{name} {}", column.column);
        }
    }
    assert_eq!(table(&demo("budget.json").0).column_count, 72);
    assert_eq!(table(&demo("us-employment.csv").0).row_count, 120);
}

#[test]
fn numbers_are_summarised_as_python_does() {
    let (stored, _) = demo("birdstrikes.csv");
    let speed = column(&stored, "Speed IAS in knots");
    assert_eq!((speed.present_count, speed.missing_count), (7_164, 2_836));
    let numeric = speed.numeric.as_ref().unwrap();
    assert_eq!((numeric.min, numeric.max), (0.0, 350.0));
    assert!((numeric.mean - 153.535_175_879_396_97).abs() < 1e-9);
    assert!((numeric.standard_deviation - 43.515_465_934_532_95).abs() < 1e-9);
    assert_eq!(speed.top_values[0].value, "140");
    assert_eq!((speed.top_values[0].count, speed.top_values[0].count_error), (974, 0));
    let distinct = speed.distinct_count.unwrap();
    assert_eq!((distinct.value, distinct.relative_standard_error), (122.0, 0.0));
}

#[test]
fn figures_with_groups_of_digits_are_numbers() {
    let (stored, _) = demo("budget.json");
    let year = column(&stored, "1962");
    assert_eq!(year.structural_type(), StructuralType::Integer);
    assert_eq!(year.numeric.as_ref().unwrap().max, 45_571_090.0);
}

#[test]
fn none_is_a_value_in_a_column_of_text() {
    let (stored, _) = demo("birdstrikes.csv");
    let damage = column(&stored, "Effect Amount of damage");
    assert_eq!((damage.structural_type(), damage.missing_count), (StructuralType::Text, 0));
    assert_eq!((damage.top_values[0].value.as_str(), damage.top_values[0].count), ("None", 8_939));
    assert_eq!(damage.text_range.as_ref().unwrap().min, "B");
    assert_eq!(damage.distinct_count.unwrap().value, 6.0);
}

#[test]
fn the_year_1565_is_a_year_like_any_other() {
    let (stored, _) = demo("wheat.json");
    let coverage = &table(&stored).temporal_coverage[0];
    assert_eq!((coverage.column.as_str(), coverage.value_count), ("year", 52));
    assert_eq!(seconds(coverage.range.as_ref()), (-12_780_547_200, -4_733_596_800));
}

#[test]
fn dates_cover_a_span_of_time() {
    let (stored, _) = demo("weather.csv");
    let coverage = &table(&stored).temporal_coverage[0];
    assert_eq!(seconds(coverage.range.as_ref()), (1_325_376_000, 1_451_520_000));
    assert_eq!(seconds(column(&stored, "date").time_range.as_ref()), (1_325_376_000, 1_451_520_000));
    assert!(table(&demo("airports.csv").0).temporal_coverage.is_empty());
}

#[test]
fn places_fill_the_smallest_box() {
    let (stored, _) = demo("us-state-capitals.json");
    let coverage = table(&stored).spatial_coverage.as_ref().unwrap();
    let area = coverage.r#box.unwrap();
    assert_eq!((area.west, area.east), (-157.857_311_1, -69.781_622_8));
    assert_eq!((area.south, area.north), (21.307_343_9, 58.302_069_4));
    assert_eq!(coverage.point_count, 50);
    assert_eq!(column(&stored, "lat").semantic_types, [SemanticType::Latitude as i32]);
    assert_eq!(column(&stored, "lon").semantic_types, [SemanticType::Longitude as i32]);
    // Guam lies west of the antimeridian, Alaska east of it.
    let (stored, _) = demo("zipcodes.csv");
    let area = table(&stored).spatial_coverage.as_ref().unwrap().r#box.unwrap();
    assert_eq!((area.west, area.east), (134.362_169, -64.734_694));
}

#[test]
fn codes_with_leading_zeros_stay_text() {
    let (stored, _) = demo("zipcodes.csv");
    let warning = &table(&stored).warnings[0];
    assert_eq!((warning.reason.as_str(), warning.first_row), ("LEADING_ZEROS", Some(0)));
    let range = column(&stored, "zip_code").text_range.as_ref().unwrap();
    assert_eq!((range.min.as_str(), range.max.as_str()), ("00501", "99950"));
    let distinct = column(&stored, "zip_code").distinct_count.unwrap();
    let truth = 42_049.0;
    assert!((distinct.value - truth).abs() < 4.0 * distinct.relative_standard_error * truth);
}

#[test]
fn the_same_bytes_give_the_same_profile() {
    for name in ["zipcodes.csv", "budget.json", "birdstrikes.csv"] {
        assert_eq!(demo(name).0, demo(name).0);
    }
}
