//! Tables in compressions and archives are found, read, verified and bounded.

use std::fs::File;
use std::io::Write;

use arrow::array::AsArray;
use millrace_table::{CancelFlag, Contents, Error, Hint, Limits, TableReader, open, open_table, open_with, tables};
use testkit::temp_dir;
use types::Fault;
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

use crate::files::{file, gzip, zip, zip_with};

const CSV: &[u8] = b"town,size\nOslo,1\nRome,2\n";

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

/// The cells of a table.
fn cells(mut reader: TableReader) -> Result<Vec<String>, Error> {
    let mut cells = reader.column_names();
    while let Some(batch) = reader.next_batch()? {
        let columns: Vec<_> = batch.columns().iter().map(|column| column.as_string::<i32>()).collect();
        for row in 0..batch.num_rows() {
            cells.extend(columns.iter().map(|column| column.value(row).to_owned()));
        }
    }
    Ok(cells)
}

/// The number of rows of a table.
fn count(mut reader: TableReader) -> Result<usize, Error> {
    let mut rows = 0;
    while let Some(batch) = reader.next_batch()? {
        rows += batch.num_rows();
    }
    Ok(rows)
}

fn contents(bytes: &[u8], limits: &Limits) -> Result<Contents, Error> {
    let (_folder, path) = file(bytes);
    tables(&path, &Hint::default(), limits, &CancelFlag::default())
}

fn names(bytes: &[u8]) -> Vec<String> {
    contents(bytes, &Limits::default()).unwrap().tables.into_iter().map(|table| table.member).collect()
}

fn reason(bytes: &[u8]) -> &'static str {
    let (_folder, path) = file(bytes);
    open(&path, &Hint::default()).and_then(cells).unwrap_err().reason()
}

#[test]
fn members_of_one_path_are_told_apart() {
    let other = b"x,y\n1,2\n";
    let archive =
        tar(&[("t.d/a.csv", CSV), ("t.d/a.csv", other), ("t.d/a.csv", CSV), ("plain", CSV), ("plain", other)]);
    let found = names(&archive);
    assert_eq!(found, ["t.d/a.csv", "t.d/a (2).csv", "t.d/a (3).csv", "plain", "plain (2)"]);
    let (_folder, path) = file(&archive);
    for (member, first) in [("t.d/a.csv", "town"), ("t.d/a (2).csv", "x"), ("plain (2)", "x")] {
        let reader = open_table(&path, &Hint::default(), (member, ""), &Limits::default(), &CancelFlag::default());
        assert_eq!(reader.unwrap().column_names()[0], first, "{member}");
    }
}

#[test]
fn each_wrapping_is_taken_off() {
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (bytes, compression, member) in [
        (CSV.to_vec(), "", ""),
        (gzip(CSV), "gzip", ""),
        (zstd(CSV), "zstd", ""),
        ([zstd(&CSV[..10]), zstd(&CSV[10..])].concat(), "zstd", ""),
        (bzip2(CSV), "bzip2", ""),
        ([bzip2(&CSV[..10]), bzip2(&CSV[10..])].concat(), "bzip2", ""),
        (xz(CSV), "xz", ""),
        ([xz(&CSV[..10]), xz(&CSV[10..])].concat(), "xz", ""),
        (zip(&[("a.csv", CSV)]), "zip", "a.csv"),
        (zip_with(&[("a.csv", CSV)], stored), "zip", "a.csv"),
        (tar(&[("folder/a.csv", CSV)]), "tar", "folder/a.csv"),
        (gzip(&tar(&[("a.csv", CSV)])), "gzip+tar", "a.csv"),
        (xz(&tar(&[("a.csv", CSV)])), "xz+tar", "a.csv"),
        (zip(&[("a.csv.gz", &gzip(CSV))]), "zip+gzip", "a.csv.gz"),
        (tar(&[("a.zip", &zip(&[("b.csv", CSV)]))]), "tar+zip", "a.zip!/b.csv"),
        (gzip(&zip(&[("b.csv", &zstd(CSV))])), "gzip+zip+zstd", "b.csv"),
    ] {
        let (_folder, path) = file(&bytes);
        let reader = open(&path, &Hint::default()).unwrap();
        let recipe = reader.recipe().clone();
        assert_eq!((recipe.compression.as_str(), recipe.member.as_str()), (compression, member));
        assert!(reader.warnings().is_empty(), "{compression}");
        assert_eq!(cells(reader).unwrap(), ["town", "size", "Oslo", "1", "Rome", "2"], "{compression}");
    }
}

#[test]
fn long_names_and_many_members_are_listed_in_order() {
    let long = format!("{}/{}.csv", "folder".repeat(20), "name".repeat(30));
    let members: Vec<(&str, &[u8])> = vec![("b.csv", CSV), (&long, CSV), ("a.csv", b"x;y\n1;2\n")];
    for bytes in [zip(&members), tar(&members), bzip2(&tar(&members))] {
        assert_eq!(names(&bytes), ["b.csv", &long, "a.csv"]);
    }
}

#[test]
fn the_first_table_is_opened_and_the_others_are_told() {
    let members: Vec<(&str, &[u8])> =
        vec![("README.txt", b"All about towns.\n"), (".hidden", CSV), ("a.csv", CSV), ("b.csv", b"x,y\n1,2\n")];
    let (_folder, path) = file(&zip(&members));
    let mut reader = open(&path, &Hint::default()).unwrap();
    let warnings = reader.warnings();
    assert_eq!((warnings[0].reason, warnings[0].count), ("MORE_TABLES", 1));
    assert!(warnings[0].message.contains("`b.csv`"));
    assert_eq!((warnings[1].reason, warnings[1].count), ("MEMBERS_LEFT_OUT", 2));
    assert!(warnings[1].message.contains("`README.txt`"));
    assert_eq!(reader.next_batch().unwrap().unwrap().num_rows(), 2);
    let second = open_table(&path, &Hint::default(), ("b.csv", ""), &Limits::default(), &CancelFlag::default());
    assert_eq!(cells(second.unwrap()).unwrap(), ["x", "y", "1", "2"]);
}

#[test]
fn text_in_one_column_is_a_table_where_nothing_else_is() {
    assert_eq!(names(&zip(&[("names.txt", b"name\nAnn\nBob\n")])), ["names.txt"]);
    assert_eq!(reason(&zip(&[])), "NOT_A_TABLE");
    assert_eq!(reason(&zip(&[("a.png", b"\x89PNG\r\n\x1a\n and so on")])), "NOT_A_TABLE");
}

#[test]
fn what_ends_early_is_told() {
    let long: Vec<u8> = (0..40_000).flat_map(|row| format!("{row},{}\n", row * 7_919 % 10_007).into_bytes()).collect();
    for bytes in [gzip(&long), zstd(&long), bzip2(&long), xz(&long)] {
        for length in [bytes.len() / 2, bytes.len() - 1] {
            assert!(["TRUNCATED_GZIP", "TRUNCATED_ARCHIVE"].contains(&reason(&bytes[..length])), "{length}");
        }
    }
    let archive = tar(&[("a.csv", &long)]);
    assert_eq!(reason(&archive[..archive.len() / 2]), "TRUNCATED_ARCHIVE");
    let archive = zip(&[("a.csv", &long)]);
    assert_eq!(reason(&archive[..archive.len() / 2]), "CORRUPT_ARCHIVE");
}

#[test]
fn damage_is_told() {
    let long: Vec<u8> = (0..40_000).flat_map(|row| format!("{row},{}\n", row * 7_919 % 10_007).into_bytes()).collect();
    for mut bytes in [zstd(&long), bzip2(&long), xz(&long), zip(&[("a.csv", &long)])] {
        let middle = bytes.len() / 2;
        bytes[middle..middle + 64].fill(0x5a);
        // Damage may look like an early end.
        assert!(["CORRUPT_ARCHIVE", "TRUNCATED_ARCHIVE"].contains(&reason(&bytes)));
    }
    let stored =
        zip_with(&[("a.csv", &long)], SimpleFileOptions::default().compression_method(CompressionMethod::Stored));
    let mut bytes = stored.clone();
    bytes[stored.len() / 2] ^= 1;
    assert_eq!(reason(&bytes), "CORRUPT_ARCHIVE");
}

#[test]
fn a_bomb_is_refused_in_every_wrapping() {
    let wrap = |lines: &[u8]| [zstd(lines), zip(&[("a.csv", lines)]), gzip(&tar(&[("a.csv", lines)]))].to_vec();
    let read = |bytes: &[u8], limits: &Limits| {
        let (_folder, path) = file(bytes);
        open_with(&path, &Hint::default(), limits, &CancelFlag::default()).and_then(count).unwrap_err().reason()
    };
    let lines = b"a,b\n".repeat(1 << 20);
    let limits = Limits { max_decompressed_bytes: 1 << 20, ..Limits::default() };
    for bytes in wrap(&lines).iter().chain([&xz(&lines), &bzip2(&lines)]) {
        assert_eq!(read(bytes, &limits), "DECOMPRESSED_TOO_LARGE");
    }
    for bytes in wrap(&b"a,b\n".repeat(17 << 20)) {
        assert_eq!(read(&bytes, &Limits::default()), "SUSPICIOUS_COMPRESSION");
    }
}

#[test]
fn archives_have_bounds() {
    let limits = Limits { max_members: 3, ..Limits::default() };
    let members: Vec<(&str, &[u8])> = vec![("a", CSV), ("b", CSV), ("c", CSV), ("d", CSV)];
    for bytes in [zip(&members), tar(&members)] {
        assert_eq!(contents(&bytes, &limits).unwrap_err().reason(), "TOO_MANY_MEMBERS");
    }
    let nested = (0..6).fold(CSV.to_vec(), |bytes, _| gzip(&bytes));
    assert_eq!(reason(&nested), "ARCHIVE_TOO_DEEP");
    let nested = (0..6).fold(CSV.to_vec(), |bytes, _| zip(&[("a", &bytes)]));
    let contents = contents(&nested, &Limits::default()).unwrap();
    assert_eq!((contents.tables.len(), contents.left_out.len()), (0, 1));
}

#[test]
fn a_window_beyond_the_budget_is_refused() {
    // A block header that asks for a dictionary of 4 GiB.
    let mut bytes = xz(CSV);
    let dictionary = 12 + 4;
    bytes[dictionary] = 40;
    let header = &bytes[12..20];
    let crc = {
        let mut crc = flate2::Crc::new();
        crc.update(header);
        crc.sum()
    };
    bytes[20..24].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(reason(&bytes), "CORRUPT_ARCHIVE");
}

#[test]
fn members_are_read_while_the_file_changes_its_name() {
    let folder = temp_dir();
    let path = folder.path().join("a.zip");
    File::create(&path).unwrap().write_all(&zip(&[("a.csv", CSV)])).unwrap();
    let reader = open(&path, &Hint::default()).unwrap();
    std::fs::rename(&path, folder.path().join("b.zip")).unwrap();
    assert_eq!(cells(reader).unwrap().len(), 6);
}

#[test]
fn a_table_is_chosen_by_its_path_or_the_last_part_of_it() {
    let (_folder, path) = file(&zip(&[("a/one.csv", CSV), ("b/one.csv", CSV), ("b/two.csv", b"x,y\n1,2\n")]));
    let member = |wanted: &str| {
        let hint = Hint::default().wanting(wanted);
        let reader = open_with(&path, &hint, &Limits::default(), &CancelFlag::default())?;
        Ok(reader.recipe().member.clone())
    };
    assert_eq!(member("").unwrap(), "a/one.csv");
    assert_eq!(member("b/one.csv").unwrap(), "b/one.csv");
    assert_eq!(member("two.csv").unwrap(), "b/two.csv");
    for wanted in ["one.csv", "three.csv"] {
        let error: Error = member(wanted).unwrap_err();
        assert_eq!(error.reason(), "NO_SUCH_TABLE");
        assert!(error.to_string().contains("`a/one.csv`, `b/one.csv`, `b/two.csv`"), "{error}");
    }
}
