//! What these tests share: files of given bytes, and their tables as text.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use arrow::array::{AsArray, RecordBatch, StringArray};
use flate2::Compression;
use flate2::write::GzEncoder;
use millrace_table::{Error, Hint, TableReader, open, to_text};
use parquet::arrow::ArrowWriter;
use tempfile::TempDir;
use testkit::temp_dir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

pub fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// A file of `bytes`, which lives as long as its folder.
pub fn file(bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = temp_dir();
    let path = folder.path().join("file");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// The rows of a table as text; `∅` for what is missing.
pub fn rows(reader: &mut TableReader) -> Result<Vec<Vec<String>>, Error> {
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

/// The names of a table's columns, and then its rows.
pub fn named_rows(mut reader: TableReader) -> Result<Vec<Vec<String>>, Error> {
    let names = reader.column_names();
    Ok([vec![names], rows(&mut reader)?].concat())
}

/// The rows of the first table of a file.
pub fn read(path: &Path) -> Result<Vec<Vec<String>>, Error> {
    rows(&mut open(path, &Hint::default())?)
}

/// The same of a file of `bytes`.
pub fn read_bytes(bytes: &[u8]) -> Result<Vec<Vec<String>>, Error> {
    let (_folder, path) = file(bytes);
    read(&path)
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn parquet(batch: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes
}

/// An archive of members (name, bytes).
pub fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    zip_with(members, SimpleFileOptions::default().compression_level(Some(9)))
}

pub fn zip_with(members: &[(&str, &[u8])], options: SimpleFileOptions) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Numbers that look like chance and are the same in every run: a parser that is not ours may hang on others.
pub fn numbers(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}
