//! Hostile and damaged files get a typed answer, in bounded memory, without a panic.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use millrace_table::{CancelFlag, Error, Hint, Limits, Warning, open_with};
use proptest::prelude::*;
use testkit::temp_dir;
use types::Fault;

use crate::files::{file, gzip, parquet};

/// Reads a whole file: the number of rows and the warnings, or the failure.
fn read_path(path: &Path, limits: &Limits) -> Result<(usize, Vec<Warning>), Error> {
    let mut reader = open_with(path, &Hint::default(), limits, &CancelFlag::default())?;
    let mut rows = 0;
    while let Some(batch) = reader.next_batch()? {
        rows += batch.num_rows();
    }
    Ok((rows, reader.warnings()))
}

fn read_within(bytes: &[u8], limits: &Limits) -> Result<(usize, Vec<Warning>), Error> {
    let (_folder, path) = file(bytes);
    read_path(&path, limits)
}

fn read(bytes: &[u8]) -> Result<(usize, Vec<Warning>), Error> {
    read_within(bytes, &Limits::default())
}

fn reason(bytes: &[u8]) -> &'static str {
    read(bytes).unwrap_err().reason()
}

fn rows_of_csv(rows: usize) -> Vec<u8> {
    let mut csv = b"id,name\n".to_vec();
    (0..rows).for_each(|row| writeln!(csv, "{row},name of {row}").unwrap());
    csv
}

fn parquet_bytes() -> Vec<u8> {
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..10_000));
    let batch = RecordBatch::try_from_iter([("id", column)]).unwrap();
    parquet(&batch)
}

#[test]
fn nothing_is_an_empty_file() {
    for bytes in [b"".as_slice(), b"\n", b"  \r\n\t\n", b"\xef\xbb\xbf", b"[]", b"{}", b"[{},{}]", &gzip(b"")] {
        assert_eq!(reason(bytes), "EMPTY_FILE", "{bytes:?}");
    }
}

#[test]
fn what_is_no_table_is_refused() {
    let noise: Vec<u8> = (0..50_000u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
    let zeros = vec![0; 100_000];
    for bytes in
        [&noise[..], &zeros, b"%PDF-1.7 rest", b"<!DOCTYPE html><p>", &[0xff; 500], b"a,b\n1,\0\n", &noise[..40]]
    {
        assert_eq!(reason(bytes), "NOT_A_TABLE");
    }
}

#[test]
fn truncated_gzip_tells_where() {
    let whole = gzip(&rows_of_csv(50_000));
    for length in [3, 11, whole.len() / 2, whole.len() - 1] {
        let error = read(&whole[..length]).unwrap_err();
        assert_eq!(error.reason(), "TRUNCATED_GZIP", "{length}");
        assert_eq!(error.metadata(), [("offset", length.to_string())]);
    }
}

#[test]
fn damaged_gzip_is_told() {
    let mut bytes = gzip(&rows_of_csv(50_000));
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0xff);
    assert_eq!(reason(&bytes), "CORRUPT_GZIP");
    assert_eq!(reason(&[gzip(b"a,b\n1,2\n"), b"more than a header of rubbish".to_vec()].concat()), "CORRUPT_GZIP");
}

#[test]
fn truncated_parquet_tells_where() {
    let whole = parquet_bytes();
    for length in [4, 11, whole.len() / 2, whole.len() - 1] {
        let error = read(&whole[..length]).unwrap_err();
        assert_eq!(error.reason(), "TRUNCATED_PARQUET", "{length}");
        assert_eq!(error.metadata(), [("offset", length.to_string())]);
    }
}

#[test]
fn a_line_without_end_is_refused_and_never_held() {
    let folder = temp_dir();
    let path = folder.path().join("long");
    // Of 10 GB no more than the limit is ever read; a sparse file stands for the rest.
    let mut file = File::create(&path).unwrap();
    file.write_all(b"a,b\n").unwrap();
    file.write_all(&vec![b'x'; 17 << 20]).unwrap();
    file.set_len(10 << 30).unwrap();
    assert_eq!(read_path(&path, &Limits::default()).unwrap_err().reason(), "RECORD_TOO_LONG");
}

#[test]
fn a_record_beyond_the_limit_is_refused_in_every_format() {
    let limits = Limits { max_record_bytes: 1_000, ..Limits::default() };
    let long = "x".repeat(2_000);
    let quoted = format!("a,b\n1,\"{}\"\n", "x\n".repeat(1_000));
    for text in [
        format!("a,b\n1,{long}\n"),
        quoted,
        format!("[{{\"a\":\"{long}\"}}]"),
        format!("{{\"a\":1}}\n{{\"a\":\"{long}\"}}\n"),
    ] {
        assert_eq!(read_within(text.as_bytes(), &limits).unwrap_err().reason(), "RECORD_TOO_LONG");
    }
}

#[test]
fn too_many_columns_are_refused_in_every_format() {
    let names: Vec<String> = (0..100_000).map(|n| format!("c{n}")).collect();
    let members: Vec<String> = names.iter().map(|name| format!("\"{name}\":1")).collect();
    let csv = format!("{}\n{}\n", names.join(","), vec!["1"; 100_000].join(","));
    let tsv = csv.replace(',', "\t");
    for text in [csv, tsv, format!("[{{{}}}]", members.join(",")), format!("[[{}]]", vec!["1"; 100_000].join(","))] {
        let error = read(text.as_bytes()).unwrap_err();
        assert_eq!(error.reason(), "TOO_MANY_COLUMNS");
        assert_eq!(error.limit().unwrap().value, "10000");
    }
}

#[test]
fn ten_thousand_columns_are_read() {
    let names: Vec<String> = (0..10_000).map(|n| format!("c{n}")).collect();
    let text = format!("{}\n{}\n", names.join(","), vec!["1"; 10_000].join(","));
    assert_eq!(read(text.as_bytes()).unwrap().0, 1);
}

#[test]
fn a_gzip_bomb_is_refused() {
    let folder = temp_dir();
    let path = folder.path().join("bomb.gz");
    let mut encoder =
        flate2::write::GzEncoder::new(BufWriter::new(File::create(&path).unwrap()), flate2::Compression::best());
    let lines = b"a,b\n".repeat(256 << 10);
    (0..128).for_each(|_| encoder.write_all(&lines).unwrap());
    encoder.finish().unwrap().flush().unwrap();
    assert_eq!(read_path(&path, &Limits::default()).unwrap_err().reason(), "SUSPICIOUS_COMPRESSION");
    let limits = Limits { max_decompressed_bytes: 1 << 20, ..Limits::default() };
    assert_eq!(read_path(&path, &limits).unwrap_err().reason(), "DECOMPRESSED_TOO_LARGE");
}

#[test]
fn invalid_utf8_is_replaced_counted_and_placed() {
    let (rows, warnings) =
        read("name,town\nJosé,Köln\nZoë,Århus\nA,B\u{e9}\nA,?\n".replace('?', "B").as_bytes()).unwrap();
    assert_eq!((rows, warnings.len()), (4, 0));
    let mut bytes = "name,town\nJosé,Köln\nZoë,Århus\n".as_bytes().to_vec();
    let place = bytes.len() as u64 + 2;
    bytes.extend_from_slice(b"A,\xff\xfe\nB,\xe9x\n");
    let (rows, warnings) = read(&bytes).unwrap();
    assert_eq!(rows, 4);
    let warning = warnings.iter().find(|warning| warning.reason == "INVALID_UTF8").unwrap();
    assert_eq!((warning.count, warning.first_byte), (3, Some(place)));
}

#[test]
fn bytes_of_no_encoding_are_told() {
    let (rows, warnings) = read(b"a,b\n1,\xff\xfe\n2,\xff\n").unwrap();
    assert_eq!((rows, warnings[0].reason), (2, "INVALID_UTF8"));
}

#[test]
fn malformed_json_tells_where() {
    for text in [
        "[{\"a\":1},{\"a\":}]",
        "[{\"a\":1} {\"a\":2}]",
        "{\"a\":1}\n{\"a\" 2}\n",
        "[{\"a\":1}] x",
        "[1,,2]",
        "[{\"a\":01x}]",
    ] {
        let error = read(text.as_bytes()).unwrap_err();
        assert_eq!(error.reason(), "MALFORMED_JSON", "{text}");
        assert!(error.metadata().iter().any(|(name, _)| *name == "offset"));
    }
}

#[test]
fn truncated_json_tells_where() {
    for text in ["[", "[{\"a\":1}", "[{\"a\":1},", "[{\"a\":\"x", "{\"a\":", "{\"a\":1}\n{\"a\":[1"] {
        let error = read(text.as_bytes()).unwrap_err();
        assert_eq!(
            (error.reason(), error.metadata()),
            ("TRUNCATED_JSON", vec![("offset", text.len().to_string())]),
            "{text}"
        );
    }
}

#[test]
fn deep_json_is_refused() {
    let deep = format!("[{}{}]", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(reason(deep.as_bytes()), "JSON_TOO_DEEP");
    let in_object = format!("{{\"a\":{}{}}}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    assert_eq!(reason(in_object.as_bytes()), "JSON_TOO_DEEP");
}

#[test]
fn a_cancelled_read_ends() {
    let folder = temp_dir();
    let path = folder.path().join("file");
    std::fs::write(&path, rows_of_csv(100_000)).unwrap();
    let cancel = CancelFlag::default();
    let mut reader = open_with(&path, &Hint::default(), &Limits::default(), &cancel).unwrap();
    reader.next_batch().unwrap();
    cancel.cancel();
    assert_eq!(reader.next_batch().unwrap_err().reason(), "CANCELLED");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_bytes_cause_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&bytes);
    }

    #[test]
    fn no_text_causes_a_panic(text in "[\\[\\]{}\",:;|\t\n\r 0-9a-zé\\\\.-]{0,200}") {
        let _ = read(text.as_bytes());
    }

    #[test]
    fn no_damage_to_parquet_causes_a_panic(places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = parquet_bytes();
        let inner = 4..bytes.len() - 4;
        for (place, value) in places {
            let index = inner.start + place.index(inner.len());
            bytes[index] = value;
        }
        let _ = read(&bytes);
    }
}

#[test]
fn nesting_makes_no_more_columns_than_there_may_be() {
    let members: Vec<String> = (0..200).map(|member| format!("\"m{member}\":1")).collect();
    let (inner, limits) = (members.join(","), Limits { max_columns: 100, ..Limits::default() });
    for text in [
        format!("[{{\"a\":{{{inner}}}}}]"),
        format!("{{\"type\":\"Feature\",\"geometry\":null,\"properties\":{{{inner}}}}}"),
    ] {
        assert_eq!(read_within(text.as_bytes(), &limits).unwrap_err().reason(), "TOO_MANY_COLUMNS");
    }
    let deep = format!(
        "{{\"type\":\"Feature\",\"properties\":null,\"geometry\":{}1{}}}",
        "[".repeat(9_000),
        "]".repeat(9_000)
    );
    assert_eq!(reason(deep.as_bytes()), "JSON_TOO_DEEP");
    assert_eq!(
        reason(b"{\"type\":\"FeatureCollection\",\"features\":[{\"type\":\"Feature\",\"geometry\":{"),
        "TRUNCATED_JSON"
    );
}
