//! Files whose parsers crash: in a process of its own each ends in a typed error, and what read it lives on.
// Tests start processes and read what they say.
#![allow(clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use profile::{CancelFlag, Error, Hint, Isolation, Most, Options};
use testkit::{archive, hostile, temp_dir};
use types::{ByteSize, ErrorKind, Fault};

const PROGRAM: &str = env!("CARGO_BIN_EXE_millrace");

fn isolated(memory: ByteSize) -> Options {
    let isolation = Isolation::Child { program: PROGRAM.into(), memory };
    Options { isolation, ..Options::within(memory) }
}

fn profiled(path: &Path) -> Result<proto::profiling::v1::StoredProfile, Error> {
    profile::profile(path, &Hint::default(), &isolated(ByteSize::mib(256)))
}

fn failure(bytes: &[u8]) -> Error {
    let folder = temp_dir();
    profiled(&file(&folder, bytes)).unwrap_err()
}

fn file(folder: &tempfile::TempDir, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join("file");
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Numbers in Parquet, in row groups of ten thousand.
fn numbers(rows: i64) -> Vec<u8> {
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(10_000)).build();
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values((0..rows).map(|row| row * 7 % 1_000_003)));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("text of {row}"))));
    let batch = RecordBatch::try_from_iter([("number", numbers), ("text", texts)]).unwrap();
    written(&batch, properties)
}

/// One text of a hundred million bytes, which compresses well.
fn one_giant_cell() -> Vec<u8> {
    let cell: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(100 << 20)]));
    let batch = RecordBatch::try_from_iter([("text", cell)]).unwrap();
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).set_dictionary_enabled(false);
    written(&batch, properties.build())
}

fn written(batch: &RecordBatch, properties: WriterProperties) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes
}

#[test]
fn a_length_that_lies_ends_in_the_limit_of_memory() {
    let error = failure(&hostile::parquet_of_lying_length());
    assert_eq!((error.reason(), error.kind()), ("MEMORY_LIMIT", ErrorKind::Invalid), "{error}");
    assert_eq!(error.limit().unwrap().value, "256MiB");
    assert!(error.to_string().contains("parquet"), "{error}");
}

#[test]
fn nesting_that_overflows_the_stack_is_told_as_such() {
    let error = failure(&hostile::parquet_of_deep_nesting(300_000));
    assert_eq!((error.reason(), error.kind()), ("PARSER_CRASHED", ErrorKind::Invalid), "{error}");
    assert!(error.to_string().contains("its stack overflowed"), "{error}");
}

#[test]
fn a_cell_larger_than_the_memory_is_refused_and_the_memory_named() {
    let folder = temp_dir();
    let path = file(&folder, &one_giant_cell());
    let error = profile::profile(&path, &Hint::default(), &isolated(ByteSize::mib(64))).unwrap_err();
    assert_eq!((error.reason(), error.limit().unwrap().value.as_str()), ("MEMORY_LIMIT", "64MiB"), "{error}");
}

#[test]
fn a_child_gives_the_same_profile_and_the_same_state() {
    let folder = temp_dir();
    let path = file(&folder, &numbers(30_000));
    let (options, hint) = (Options::default(), Hint::default());
    assert!(profiled(&path).unwrap() == profile::profile(&path, &hint, &options).unwrap());
    let isolated = isolated(ByteSize::mib(256));
    let (profile, state) = profile::profile_with_state(&path, &hint, &isolated).unwrap();
    assert!(profile == profiled(&path).unwrap());
    let (theirs, _) = profile::append(state, &path, &hint, &isolated).unwrap();
    let (_, state) = profile::profile_with_state(&path, &hint, &options).unwrap();
    let (ours, _) = profile::append(state, &path, &hint, &options).unwrap();
    assert!(theirs == ours && ours.table.unwrap().row_count == 60_000);
}

const MOST: Most = Most { tables: 100, profile_bytes: usize::MAX };

#[test]
fn every_table_from_a_child_is_as_in_this_process() {
    let folder = temp_dir();
    let book = archive::workbook(&[("One", "a,b\n1,x\n2,y"), ("Two", "c\n7\n8\n9"), ("Three", "d\n1")]);
    let parquet = numbers(1_000);
    let files: [(&str, &[u8]); 3] = [("a.csv", b"x,w\n1,2\n"), ("b.parquet", &parquet[..500]), ("c.parquet", &parquet)];
    for bytes in [book, archive::zip(&files)] {
        let path = file(&folder, &bytes);
        let every = |options: &Options| profile::profile_every(&path, &Hint::default(), options, MOST, true).unwrap().0;
        let theirs = every(&isolated(ByteSize::mib(256)));
        assert!(theirs == every(&Options::default()));
        assert_eq!(theirs.table.unwrap().file_table_count, 3);
    }
}

#[test]
fn a_table_whose_parser_dies_harms_no_other() {
    let folder = temp_dir();
    let (whole, deep) = (numbers(1_000), hostile::parquet_of_deep_nesting(300_000));
    let lying = hostile::parquet_of_lying_length();
    let files: [(&str, &[u8]); 4] =
        [("a.parquet", &whole), ("b.parquet", &deep), ("c.parquet", &whole), ("d.parquet", &lying)];
    let path = file(&folder, &archive::zip(&files));
    let isolated = isolated(ByteSize::mib(256));
    let (profile, _) = profile::profile_every(&path, &Hint::default(), &isolated, MOST, true).unwrap();
    let table = profile.table.unwrap();
    let told = table.file_tables.iter().map(|one| one.error.as_ref().map_or("", |error| error.reason.as_str()));
    assert_eq!(told.collect::<Vec<_>>(), ["", "PARSER_CRASHED", "", "MEMORY_LIMIT"]);
    assert_eq!(table.file_tables.iter().map(|one| one.row_count).collect::<Vec<_>>(), [1_000, 0, 1_000, 0]);

    // After three of them the rest is not tried.
    let files: Vec<_> =
        ["a", "b", "c", "d"].into_iter().map(|name| (name, deep.as_slice())).chain([("e", &whole[..])]).collect();
    let path = file(&folder, &archive::zip(&files));
    let error = profile::profile_every(&path, &Hint::default(), &isolated, MOST, true).unwrap_err();
    assert_eq!(error.reason(), "PARSER_CRASHED");
}

#[test]
fn a_typed_error_is_the_same_from_a_child() {
    let whole = numbers(1_000);
    let folder = temp_dir();
    for length in [11, whole.len() / 2] {
        let path = file(&folder, &whole[..length]);
        let (theirs, ours) =
            (profiled(&path).unwrap_err(), profile::profile(&path, &Hint::default(), &Options::default()));
        let ours = ours.unwrap_err();
        assert_eq!(
            (theirs.kind(), theirs.reason(), theirs.metadata(), theirs.to_string()),
            (ours.kind(), ours.reason(), ours.metadata(), ours.to_string())
        );
    }
}

#[test]
fn text_needs_no_child() {
    let folder = temp_dir();
    let isolation = Isolation::Child { program: "/nowhere".into(), memory: ByteSize::mib(256) };
    let options = Options { isolation, ..Options::default() };
    let profile = profile::profile(&file(&folder, b"a,b\n1,2\n"), &Hint::default(), &options).unwrap();
    assert_eq!(profile.table.unwrap().row_count, 1);
    let error = profile::profile(&file(&folder, &numbers(10)), &Hint::default(), &options).unwrap_err();
    assert_eq!((error.reason(), error.kind()), ("PROFILER_NOT_STARTED", ErrorKind::Unavailable));
}

#[test]
fn what_does_not_speak_as_a_child_is_no_profiler() {
    let folder = temp_dir();
    let path = file(&folder, &numbers(10));
    for (program, reason) in [("/usr/bin/yes", "PARSER_CRASHED"), ("/bin/true", "PARSER_CRASHED")] {
        let isolation = Isolation::Child { program: program.into(), memory: ByteSize::mib(256) };
        let options = Options { isolation, ..Options::default() };
        assert_eq!(profile::profile(&path, &Hint::default(), &options).unwrap_err().reason(), reason);
    }
}

#[test]
fn a_cancelled_child_is_gone_at_once() {
    let folder = temp_dir();
    let path = file(&folder, &numbers(400_000));
    let (cancel, (begun, seen)) = (CancelFlag::default(), mpsc::channel());
    let options = Options {
        cancel: cancel.clone(),
        progress: Some(Box::new(move |_| begun.send(()).unwrap_or_default())),
        ..isolated(ByteSize::mib(256))
    };
    let (error, took) = std::thread::scope(|scope| {
        let work = scope.spawn(|| (profile::profile(&path, &Hint::default(), &options), Instant::now()));
        seen.recv().unwrap();
        let asked = Instant::now();
        cancel.cancel();
        let (result, ended) = work.join().unwrap();
        (result.unwrap_err(), ended - asked)
    });
    assert_eq!(error.reason(), "CANCELLED");
    println!("cancelled after {took:?}");
    // 100 ms on a machine that has nothing else to do.
    assert!(took < Duration::from_secs(2), "{took:?}");
}

fn millrace(arguments: &[&str], path: &Path) -> Output {
    Command::new(PROGRAM).arg("profile").args(arguments).arg(path).output().unwrap()
}

#[test]
fn the_command_says_what_became_of_a_hostile_file() {
    let folder = temp_dir();
    for (bytes, reason) in [
        (hostile::parquet_of_lying_length(), "MEMORY_LIMIT"),
        (hostile::parquet_of_deep_nesting(300_000), "PARSER_CRASHED"),
    ] {
        let output = millrace(&[], &file(&folder, &bytes));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.lines().last().unwrap().ends_with(&format!("({reason})")), "{said}");
        assert!(!said.contains("overflowed its stack") && !said.contains("memory allocation"), "{said}");
    }
}

#[test]
fn the_memory_of_the_command_is_a_setting() {
    let folder = temp_dir();
    let path = file(&folder, &one_giant_cell());
    let refused = millrace(&["--memory", "64MiB"], &path);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("64MiB"), "{refused:?}");
    assert!(millrace(&["--memory", "1GiB"], &path).status.success());
    assert_eq!(millrace(&["--memory", "1MiB"], &path).status.code(), Some(2));
}

/// The processes that this one has started.
fn children(of: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{of}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>()).collect()
}

#[tokio::test]
async fn a_child_dies_with_its_parent() {
    let folder = temp_dir();
    let path = file(&folder, &numbers(400_000));
    let parent = Command::new(PROGRAM).arg("profile").arg(&path).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut parent = parent.unwrap();
    let child = testkit::eventually("the child", testkit::DEADLINE, || async {
        // It is one of ours once it has read its task: it calls itself by the name of the program then.
        children(parent.id()).first().copied().ok_or("there is none")
    })
    .await;
    parent.kill().unwrap();
    parent.wait().unwrap();
    testkit::eventually("its end", testkit::DEADLINE, || async {
        let status = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        let state = status.rsplit_once(") ").map(|(_, rest)| rest.chars().next());
        // Where nobody reaps orphans it stays as a zombie.
        match state.flatten() {
            None | Some('Z' | 'X') => Ok(()),
            Some(state) => Err(format!("it is {state}")),
        }
    })
    .await;
}
