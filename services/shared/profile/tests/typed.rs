//! Files that declare types: the declared type stands, and the figures are those of the values.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float64Array, Int32Array,
    Int64Array, ListArray, RecordBatch, StringArray, Time64MicrosecondArray, TimestampNanosecondArray,
};
use arrow::datatypes::Int32Type;
use millrace_profile::{Hint, Options, profile};
use parquet::arrow::ArrowWriter;
use proto::profiling::v1::{StoredProfile, StructuralType};
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
