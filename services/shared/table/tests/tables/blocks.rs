//! A table in blocks is the same table, wherever the blocks are read.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use millrace_table::{BlockEnd, Error, Hint, Warning, add_warnings, open};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use testkit::temp_dir;

/// A table read batch by batch.
fn one_after_the_other(path: &Path) -> (usize, u64, Vec<Warning>) {
    let mut reader = open(path, &Hint::default()).unwrap();
    let (mut rows, mut sum) = (0, 0);
    while let Some(batch) = reader.next_batch().unwrap() {
        rows += batch.num_rows();
        sum += checksum(&batch);
    }
    (rows, sum, reader.warnings())
}

/// Cheap, and depends on every cell but not on where batches end.
fn checksum(batch: &RecordBatch) -> u64 {
    let texts = batch.columns().iter().enumerate().filter_map(|(index, column)| {
        let texts = column.as_string_opt::<i32>()?;
        let hash = |text: &str| text.bytes().fold(index as u64, |hash, byte| hash.wrapping_mul(31) + u64::from(byte));
        Some(texts.iter().flatten().map(hash).fold(0, u64::wrapping_add))
    });
    texts.fold(0, u64::wrapping_add) % (1 << 40)
}

/// A table read in blocks, the last block first, each on a thread of its own.
fn in_blocks(path: &Path) -> (usize, u64, Vec<Warning>, usize) {
    let mut blocks = open(path, &Hint::default()).unwrap().into_blocks();
    let mut found = Vec::new();
    while let Some(block) = blocks.next().unwrap() {
        assert_eq!(block.number(), found.len() as u64);
        found.push(block);
    }
    let count = found.len();
    let read = |block: millrace_table::Block| {
        let mut sum = 0;
        let take = &mut |batch: &RecordBatch| {
            sum += checksum(batch);
            Ok::<(), Error>(())
        };
        (block.read(take).unwrap(), sum)
    };
    let mut ends: Vec<(BlockEnd, u64)> =
        found.into_iter().rev().map(|block| std::thread::spawn(move || read(block)).join().unwrap()).collect();
    ends.reverse();
    let (mut rows, mut sum, mut told) = (0, 0, Vec::new());
    for (end, block_sum) in ends {
        add_warnings(&mut told, end.warnings, rows);
        rows += end.rows;
        sum += block_sum;
    }
    let mut warnings = blocks.warnings();
    warnings.extend(told);
    (rows as usize, sum, warnings, count)
}

fn check(path: &Path, blocks: usize) -> (usize, Vec<Warning>) {
    let (rows, sum, warnings) = one_after_the_other(path);
    assert_eq!(in_blocks(path), (rows, sum, warnings.clone(), blocks));
    (rows, warnings)
}

#[test]
fn text_is_cut_between_records_and_gives_the_same_rows_and_warnings() {
    let folder = temp_dir();
    let path = folder.path().join("file.csv");
    let mut text = "id,note,size\n".to_owned();
    let mut places = Vec::new();
    for row in 0..400_000 {
        match row % 100_000 {
            77_777 => {
                places.push((row, text.len()));
                text.push_str(&format!("{row},short\n"));
            }
            _ => text.push_str(&format!("{row},\"said \"\"no\"\",\r\n\n{row}, and 5\"\" of\" ,{}\n", row * 7)),
        }
    }
    std::fs::write(&path, &text).unwrap();
    let (rows, warnings) = check(&path, text.len() / (8 << 20) + 1);
    assert_eq!((rows, warnings.len()), (400_000, 1));
    let (row, byte) = places[0];
    assert_eq!((warnings[0].reason, warnings[0].count), ("SHORT_ROWS", places.len() as u64));
    assert_eq!((warnings[0].first_row, warnings[0].first_byte), (Some(row), Some(byte as u64)));
}

#[test]
fn a_record_longer_than_a_block_is_a_block() {
    let folder = temp_dir();
    let path = folder.path().join("file.csv");
    let long = "x,\n".repeat(4 << 20);
    std::fs::write(&path, format!("a,b\n1,\"{long}\"\n2,y\n")).unwrap();
    assert_eq!(check(&path, 3).0, 2);
}

#[test]
fn bytes_that_are_not_utf8_are_met_late_and_placed() {
    let folder = temp_dir();
    let path = folder.path().join("file.csv");
    let head = "town,size\n".to_owned() + &"Köln,1\n".repeat(2 << 20);
    let bytes = [head.as_bytes(), b"K\xf6ln,2\n", "Århus,3\n".as_bytes()].concat();
    std::fs::write(&path, bytes).unwrap();
    let (rows, warnings) = check(&path, 3);
    assert_eq!(rows, (2 << 20) + 2);
    assert_eq!((warnings[0].reason, warnings[0].count), ("INVALID_UTF8", 1));
    assert_eq!(warnings[0].first_byte, Some(head.len() as u64 + 1));
}

#[test]
fn an_older_encoding_is_recognised_wherever_it_shows() {
    let folder = temp_dir();
    let path = folder.path().join("file.csv");
    let head = "town,size\n".to_owned() + &"Ulm,1\n".repeat(2 << 20);
    std::fs::write(&path, [head.as_bytes(), b"K\xf6ln,2\n\xc5rhus,3\nZo\xeb,4\nJos\xe9,5\n"].concat()).unwrap();
    let (_, warnings) = check(&path, 2);
    assert_eq!((warnings[0].reason, warnings[0].first_byte), ("ENCODING_GUESSED", Some(head.len() as u64 + 1)));
    let mut reader = open(&path, &Hint::default()).unwrap();
    let mut cell = String::new();
    while let Some(batch) = reader.next_batch().unwrap() {
        cell = batch.column(0).as_string::<i32>().value(batch.num_rows() - 1).to_owned();
    }
    assert_eq!((cell.as_str(), reader.recipe().encoding_label().as_str()), ("José", "windows-1252"));
}

#[test]
fn json_is_cut_between_elements() {
    let folder = temp_dir();
    let path = folder.path().join("file.json");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    write!(file, "[").unwrap();
    for row in 0..300_000 {
        let comma = if row == 0 { "" } else { "," };
        let member = if row == 250_000 { "\"id\":0," } else { "" };
        write!(file, "{comma}\n{{{member}\"id\": {row}, \"name\": \"the name of the row {row}\"}}").unwrap();
    }
    write!(file, "]").unwrap();
    drop(file.into_inner().unwrap());
    let (rows, warnings) = check(&path, 2);
    assert_eq!(rows, 300_000);
    assert_eq!((warnings[0].reason, warnings[0].first_row), ("REPEATED_KEY", Some(250_000)));
}

#[test]
fn each_row_group_of_parquet_is_a_block() {
    let folder = temp_dir();
    let path = folder.path().join("file.parquet");
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..10_000));
    let batch = RecordBatch::try_from_iter([("id", column)]).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(3_000)).build();
    let mut writer =
        ArrowWriter::try_new(std::fs::File::create(&path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    assert_eq!(check(&path, 4).0, 10_000);
}

#[test]
fn progress_reaches_the_length_of_the_file() {
    let folder = temp_dir();
    let path = folder.path().join("file.csv");
    let text = "a,b\n".repeat(5 << 20);
    std::fs::write(&path, &text).unwrap();
    let mut blocks = open(&path, &Hint::default()).unwrap().into_blocks();
    let mut progress = Vec::new();
    while let Some(block) = blocks.next().unwrap() {
        progress.push(block.read_bytes());
    }
    assert_eq!((progress.len(), progress.last()), (3, Some(&(text.len() as u64))));
    assert!(progress.is_sorted());
}
