//! Files that declare types: the declared type stands, and the figures are those of the values.

use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float64Array, Int32Array,
    Int64Array, ListArray, RecordBatch, StringArray, Time64MicrosecondArray, TimestampNanosecondArray,
};
use arrow::datatypes::Int32Type;
use millrace_profile::{Hint, Options, profile};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use proto::profiling::v1::{ColumnProfile, StoredProfile, StructuralType};
use testkit::temp_dir;

fn of(columns: Vec<(&str, ArrayRef)>) -> StoredProfile {
    let columns = columns.into_iter().map(|(name, column)| (name, column, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let folder = temp_dir();
    let path = folder.path().join("t.parquet");
    let mut writer = ArrowWriter::try_new(std::fs::File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    profile(&path, &Hint::default(), &Options::default()).unwrap()
}

#[test]
fn declared_types_stand() {
    let words: DictionaryArray<Int32Type> = ["x", "y", "x"].into_iter().collect();
    let decimals = Decimal128Array::from(vec![150, -25, 0]).with_precision_and_scale(9, 2).unwrap();
    let stamps = TimestampNanosecondArray::from(vec![0, 1_500_000_000, 2]).with_timezone("Europe/Berlin");
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1)]), None, Some(vec![])]);
    let stored = of(vec![
        ("integer", Arc::new(Int64Array::from(vec![Some(7), None, Some(-7)]))),
        ("float", Arc::new(Float64Array::from(vec![1.0, f64::NAN, 2.0]))),
        ("decimal", Arc::new(decimals)),
        ("boolean", Arc::new(BooleanArray::from(vec![true, true, true]))),
        ("date", Arc::new(Date32Array::from(vec![0, 1, -150_000]))),
        ("time", Arc::new(Time64MicrosecondArray::from(vec![0, 1_000_000, 2]))),
        ("timestamp", Arc::new(stamps)),
        ("binary", Arc::new(BinaryArray::from(vec![b"\xff\x00".as_slice(), b"a", b"b"]))),
        ("nested", Arc::new(lists)),
        ("word", Arc::new(words)),
        ("day in text", Arc::new(StringArray::from(vec!["2000-01-01", "2000-01-02", ""]))),
        ("nothing", Arc::new(Int32Array::from(vec![None, None, None]))),
    ]);
    let types: Vec<StructuralType> = stored.columns.iter().map(|column| column.structural_type()).collect();
    use StructuralType::*;
    assert_eq!(
        types,
        [Integer, Float, Decimal, Boolean, Date, Time, TimestampWithZone, Binary, Nested, Text, Date, Missing]
    );
    let column = |name: &str| stored.columns.iter().find(|column| column.column == name).unwrap();
    assert_eq!((column("integer").present_count, column("integer").missing_count), (2, 1));
    assert_eq!((column("float").present_count, column("float").missing_count), (2, 1));
    assert_eq!(column("decimal").numeric.as_ref().unwrap().max, 1.5);
    let dates = column("date").time_range.unwrap();
    assert_eq!((dates.start.unwrap().seconds, dates.end.unwrap().seconds), (-150_000 * 86_400, 86_400));
    let stamps = column("timestamp").time_range.unwrap();
    assert_eq!((stamps.start.unwrap().nanos, stamps.end.unwrap().nanos), (0, 500_000_000));
    assert_eq!(column("nested").top_values.len(), 2);
    assert_eq!(column("word").top_values[0].value, "x");
    assert!(stored.columns.iter().all(|column| column.misfit_count == 0));
    assert_eq!(stored.table.unwrap().temporal_coverage.len(), 3);
}

/// Rows of texts that repeat, texts that do not, and numbers.
fn rows(rows: std::ops::Range<u64>) -> RecordBatch {
    let mixed = |row: u64| row.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let towns = rows.clone().map(|row| (row % 11 > 0).then(|| format!("Town {}", mixed(row) % 300)));
    let notes = rows.clone().map(|row| Some(format!("{row} is {:x}", mixed(row))));
    let prices = rows.clone().map(|row| (row % 7 > 0).then(|| (mixed(row) % 90_000) as f64 / 100.0));
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        ("town", Arc::new(towns.collect::<StringArray>()), true),
        ("note", Arc::new(notes.collect::<StringArray>()), true),
        ("price", Arc::new(prices.collect::<Float64Array>()), true),
        ("row", Arc::new(rows.map(|row| row as i64).collect::<Int64Array>()), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

#[test]
fn dictionaries_and_threads_leave_no_trace() {
    let folder = temp_dir();
    let columns = |dictionary: bool, groups: u64, threads: usize| -> Vec<ColumnProfile> {
        let path = folder.path().join(format!("{dictionary}-{groups}.parquet"));
        let properties = WriterProperties::builder().set_dictionary_enabled(dictionary).build();
        let file = std::fs::File::create(&path).unwrap();
        let mut writer = ArrowWriter::try_new(file, rows(0..1).schema(), Some(properties)).unwrap();
        for group in 0..groups {
            writer.write(&rows(group * 20_000 / groups..(group + 1) * 20_000 / groups)).unwrap();
            writer.flush().unwrap();
        }
        writer.close().unwrap();
        let options = Options { threads: NonZeroUsize::new(threads).unwrap(), ..Options::default() };
        profile(&path, &Hint::default(), &options).unwrap().columns
    };
    for groups in [1, 3] {
        let plain = columns(false, groups, 1);
        assert_eq!(plain[0].distinct_count.unwrap().value, 300.0);
        assert_eq!(plain[3].structural_type(), StructuralType::Integer);
        for (dictionary, threads) in [(false, 2), (true, 1), (true, 2)] {
            assert!(plain == columns(dictionary, groups, threads), "{dictionary} {groups} {threads}");
        }
    }
}
