//! Files of ORC are read as what they are, and bounded. `fixtures/orc.py` wrote them.

use std::path::{Path, PathBuf};

use arrow::array::{AsArray, StringArray};
use arrow::datatypes::{DataType, Int32Type, Int64Type, TimeUnit};
use millrace_table::{CancelFlag, Error, Format, Hint, Limits, TableReader, foreign_parser, open, open_with, to_text};
use tempfile::TempDir;
use testkit::temp_dir;
use types::Fault;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/orc").join(name)
}

fn file(bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = temp_dir();
    let path = folder.path().join("file");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// The rows of a table as text; `∅` for what is missing.
fn rows(mut reader: TableReader) -> Result<Vec<Vec<String>>, Error> {
    let mut rows = Vec::new();
    while let Some(batch) = reader.next_batch()? {
        let batch = to_text(&batch)?;
        let columns: Vec<_> = batch.columns().iter().map(|column| column.as_string::<i32>()).collect();
        for row in 0..batch.num_rows() {
            let cell = |column: &&StringArray| column.iter().nth(row).flatten().unwrap_or("∅").to_owned();
            rows.push(columns.iter().map(cell).collect());
        }
    }
    Ok(rows)
}

fn read(path: &Path) -> Result<Vec<Vec<String>>, Error> {
    open(path, &Hint::default()).and_then(rows)
}

fn read_bytes(bytes: &[u8]) -> Result<Vec<Vec<String>>, Error> {
    let (_folder, path) = file(bytes);
    read(&path)
}

const TYPES: [(&str, [&str; 3]); 18] = [
    ("yes", ["true", "false", "true"]),
    ("tiny", ["-128", "0", "127"]),
    ("small", ["-32768", "0", "32767"]),
    ("int", ["-2147483648", "0", "2147483647"]),
    ("long", ["-9223372036854775808", "0", "9223372036854775807"]),
    ("single", ["0.5", "-1.25", "3.0"]),
    ("double", ["0.1", "-1e300", "2.5"]),
    ("text", ["Málaga, \"S\"", "∅", "x"]),
    ("raw", ["00ff", "", "616263"]),
    ("day", ["1969-12-31", "2024-02-29", "9999-12-31"]),
    ("at", ["2024-02-29T12:34:56.123456789", "1969-12-31T00:00:00", "1970-01-01T00:00:00"]),
    ("instant", ["2024-02-29T12:00:00Z", "1970-01-01T00:00:00Z", "2001-01-01T00:00:00Z"]),
    ("far", ["0001-01-01T00:00:00", "9999-12-31T23:59:59.999999", "2024-01-01T00:00:00"]),
    ("price", ["12.30", "-0.05", "9999999999.99"]),
    ("wide", ["10000000000000000000000000000000000000", "-1", "0"]),
    ("list", ["[1,null]", "[]", "[3]"]),
    ("pair", [r#"{"x":1,"y":"a"}"#, r#"{"x":null,"y":"b"}"#, r#"{"x":3,"y":null}"#]),
    ("map", [r#"{"k":1}"#, "{}", r#"{"a":2,"b":null}"#]),
];

#[test]
fn every_type_of_orc_is_read_whatever_the_compression() {
    for name in ["uncompressed", "zlib", "snappy", "lz4", "zstd"] {
        let path = fixture(&format!("{name}.orc"));
        assert_eq!(foreign_parser(&path), Some("orc"));
        let reader = open(&path, &Hint::default()).unwrap();
        assert_eq!((reader.recipe().format, reader.is_typed()), (Format::Orc, true));
        assert_eq!(reader.column_names(), TYPES.map(|(name, _)| name));
        let rows = rows(reader).unwrap();
        assert_eq!((rows.len(), rows[1].iter().all(|cell| cell == "∅")), (4, true), "{name}");
        for (index, (column, cells)) in TYPES.iter().enumerate() {
            assert_eq!([&rows[0][index], &rows[2][index], &rows[3][index]], *cells, "{column} in {name}");
        }
    }
}

#[test]
fn a_file_of_orc_without_rows_keeps_its_columns_and_their_types() {
    let mut reader = open(&fixture("empty.orc"), &Hint::default()).unwrap();
    let schema = reader.schema();
    let kind = |name: &str| schema.field_with_name(name).unwrap().data_type().clone();
    assert_eq!(schema.fields().len(), TYPES.len());
    assert_eq!(kind("instant"), DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())));
    assert_eq!(kind("price"), DataType::Decimal128(12, 2));
    assert!(reader.next_batch().unwrap().is_none());
}

#[test]
fn all_stripes_of_a_file_of_orc_are_read() {
    let mut reader = open(&fixture("stripes.orc"), &Hint::default()).unwrap();
    let mut next = 0;
    while let Some(batch) = reader.next_batch().unwrap() {
        let (id, odd) = (batch.column(0).as_primitive::<Int64Type>(), batch.column(2).as_primitive::<Int32Type>());
        let (group, spread) = (batch.column(1).as_string::<i32>(), batch.column(3).as_primitive::<Int64Type>());
        for row in 0..batch.num_rows() {
            assert_eq!((id.value(row), group.value(row)), (next, format!("group {}", next % 7).as_str()));
            assert_eq!(odd.iter().nth(row).flatten(), (next % 2 == 1).then_some(next as i32));
            assert_eq!(spread.value(row), next * next * 7_919 % 100_003);
            next += 1;
        }
    }
    assert_eq!(next, 20_000);
    let size = std::fs::metadata(fixture("stripes.orc")).unwrap().len();
    assert!((size / 2..=size * 2).contains(&reader.read_bytes()), "{} of {size}", reader.read_bytes());
}

#[test]
fn times_of_orc_that_its_writer_stored_wrong_are_refused() {
    let error = read(&fixture("before-1970.orc")).unwrap_err();
    assert_eq!(error.reason(), "MALFORMED_FILE");
    assert!(error.to_string().contains("the column `at` holds times beyond its own statistics"), "{error}");
}

#[test]
fn a_file_of_orc_is_read_out_of_an_archive() {
    let bytes = std::fs::read(fixture("zstd.orc")).unwrap();
    let packed = zstd::encode_all(bytes.as_slice(), 3).unwrap();
    assert_eq!(read_bytes(&packed).unwrap(), read(&fixture("zstd.orc")).unwrap());
}

#[test]
fn text_that_begins_like_a_file_of_orc_stays_text() {
    for text in ["ORCID,name\n0000-0002-1825-0097,Carberry\n", "ORC;Größe\n1;2\n", "ORC\n1\n2\n"] {
        let (_folder, path) = file(text.as_bytes());
        assert_eq!(foreign_parser(&path), None);
        assert_eq!(open(&path, &Hint::default()).unwrap().recipe().format, Format::Csv, "{text}");
    }
}

#[test]
fn a_stripe_beyond_the_budget_is_refused() {
    let limits = Limits { max_resident_bytes: 8 << 10, ..Limits::default() };
    let outcome = open_with(&fixture("stripes.orc"), &Hint::default(), &limits, &CancelFlag::default());
    assert_eq!(outcome.and_then(rows).unwrap_err().reason(), "MEMORY_BUDGET_EXCEEDED");
    let limits = Limits { max_columns: 17, ..Limits::default() };
    let outcome = open_with(&fixture("zlib.orc"), &Hint::default(), &limits, &CancelFlag::default());
    assert_eq!(outcome.err().unwrap().reason(), "TOO_MANY_COLUMNS");
}

#[test]
fn a_file_of_orc_that_ends_early_is_refused() {
    let whole = std::fs::read(fixture("snappy.orc")).unwrap();
    for length in [64, whole.len() / 3, whole.len() / 2, whole.len() - 1] {
        let error = read_bytes(&whole[..length]).unwrap_err();
        assert_eq!(error.reason(), "MALFORMED_FILE");
        assert!(error.to_string().contains("ends in the middle"), "{error}");
    }
}

/// Numbers that look like chance and are the same in every run: a parser that is not ours may hang on others.
fn numbers(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

#[test]
fn no_damage_to_the_rows_of_orc_causes_a_panic() {
    let whole = std::fs::read(fixture("stripes.orc")).unwrap();
    for seed in 0..60 {
        let (mut next, mut bytes) = (numbers(seed), whole.clone());
        for _ in 0..1 + seed % 7 {
            let place = next() as usize % (whole.len() - 2_000);
            bytes[3 + place] = next() as u8;
        }
        if let Err(error) = read_bytes(&bytes) {
            assert_eq!(error.reason(), "MALFORMED_FILE");
        }
    }
}
