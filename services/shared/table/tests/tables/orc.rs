//! Files of ORC are read as what they are, and bounded. `fixtures/orc.py` wrote them.

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Int32Type, Int64Type, TimeUnit};
use millrace_table::{CancelFlag, Format, Hint, Limits, foreign_parser, open, open_with};
use types::Fault;

use crate::files::{file, fixture, numbers, read, read_bytes, rows};

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
        let path = fixture(&format!("orc/{name}.orc"));
        assert_eq!(foreign_parser(&path), Some("orc"));
        let mut reader = open(&path, &Hint::default()).unwrap();
        assert_eq!((reader.recipe().format, reader.is_typed()), (Format::Orc, true));
        assert_eq!(reader.column_names(), TYPES.map(|(name, _)| name));
        let rows = rows(&mut reader).unwrap();
        assert_eq!((rows.len(), rows[1].iter().all(|cell| cell == "∅")), (4, true), "{name}");
        for (index, (column, cells)) in TYPES.iter().enumerate() {
            assert_eq!([&rows[0][index], &rows[2][index], &rows[3][index]], *cells, "{column} in {name}");
        }
    }
}

#[test]
fn a_file_of_orc_without_rows_keeps_its_columns_and_their_types() {
    let mut reader = open(&fixture("orc/empty.orc"), &Hint::default()).unwrap();
    let schema = reader.schema();
    let kind = |name: &str| schema.field_with_name(name).unwrap().data_type().clone();
    assert_eq!(schema.fields().len(), TYPES.len());
    assert_eq!(kind("instant"), DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())));
    assert_eq!(kind("price"), DataType::Decimal128(12, 2));
    assert!(reader.next_batch().unwrap().is_none());
}

#[test]
fn all_stripes_of_a_file_of_orc_are_read() {
    let mut reader = open(&fixture("orc/stripes.orc"), &Hint::default()).unwrap();
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
    let size = std::fs::metadata(fixture("orc/stripes.orc")).unwrap().len();
    assert!((size / 2..=size * 2).contains(&reader.read_bytes()), "{} of {size}", reader.read_bytes());
}

#[test]
fn times_of_orc_that_its_writer_stored_wrong_are_refused() {
    let error = read(&fixture("orc/before-1970.orc")).unwrap_err();
    assert_eq!(error.reason(), "MALFORMED_FILE");
    assert!(error.to_string().contains("the column `at` holds times beyond its own statistics"), "{error}");
}

/// The file has a time of 1950, which the parser takes for one of 2023, between times of 1900 and 2024.
#[test]
fn times_of_orc_that_may_be_others_of_before_1970_are_refused() {
    for part in ["column", "list", "struct", "map"] {
        let error = read(&fixture(&format!("orc/before-1970-{part}.orc"))).unwrap_err();
        assert_eq!(error.reason(), "MALFORMED_FILE", "{part}");
        let message = "the column `at` holds times that may be others of before 1970";
        assert!(error.to_string().contains(message), "{part}: {error}");
    }
}

#[test]
fn times_of_orc_that_can_be_no_others_of_before_1970_are_read() {
    let times = [
        "1900-01-01T00:00:00",
        "1972-06-01T00:00:00.123456789",
        "2024-02-29T12:34:56.123456",
        "2050-01-01T00:00:00.000000001",
    ];
    let record = |time: &str| format!(r#"{{"at":"{time}"}}"#);
    let row = |time: &str| vec![time.to_owned(), format!(r#"["{time}"]"#), record(time), record(time)];
    assert_eq!(read(&fixture("orc/since-1900.orc")).unwrap(), times.map(row));
}

#[test]
fn a_file_of_orc_is_read_out_of_an_archive() {
    let bytes = std::fs::read(fixture("orc/zstd.orc")).unwrap();
    let packed = zstd::encode_all(bytes.as_slice(), 3).unwrap();
    assert_eq!(read_bytes(&packed).unwrap(), read(&fixture("orc/zstd.orc")).unwrap());
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
    let outcome = open_with(&fixture("orc/stripes.orc"), &Hint::default(), &limits, &CancelFlag::default());
    assert_eq!(outcome.and_then(|mut reader| rows(&mut reader)).unwrap_err().reason(), "MEMORY_BUDGET_EXCEEDED");
    let limits = Limits { max_columns: 17, ..Limits::default() };
    let outcome = open_with(&fixture("orc/zlib.orc"), &Hint::default(), &limits, &CancelFlag::default());
    assert_eq!(outcome.err().unwrap().reason(), "TOO_MANY_COLUMNS");
}

#[test]
fn a_file_of_orc_that_ends_early_is_refused() {
    let whole = std::fs::read(fixture("orc/snappy.orc")).unwrap();
    for length in [64, whole.len() / 3, whole.len() / 2, whole.len() - 1] {
        let error = read_bytes(&whole[..length]).unwrap_err();
        assert_eq!(error.reason(), "MALFORMED_FILE");
        assert!(error.to_string().contains("ends in the middle"), "{error}");
    }
}

#[test]
fn no_damage_to_the_rows_of_orc_causes_a_panic() {
    let whole = std::fs::read(fixture("orc/stripes.orc")).unwrap();
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
