//! Typed cells as text.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, MapArray, StringArray, StringBuilder, StructArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::error::Error;
use crate::reader::text_schema;

/// Renders a batch as text: numbers in their shortest form, dates and times as ISO 8601 has them, lists and records as
/// JSON, bytes in hexadecimal. A missing cell stays missing, and so does an empty one.
pub fn to_text(batch: &RecordBatch) -> Result<RecordBatch, Error> {
    let names: Vec<String> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
    let columns: Result<Vec<ArrayRef>, ArrowError> = batch.columns().iter().map(text_column).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(text_schema(&names), columns.map_err(Error::Arrow)?, &options)
        .map_err(Error::Arrow)
}

fn text_column(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let texts: StringArray = match column.data_type() {
        DataType::Utf8 if !has_empty(column.as_string::<i32>()) => return Ok(column.clone()),
        DataType::Utf8 => non_empty(column.as_string::<i32>()),
        DataType::LargeUtf8 | DataType::Utf8View => non_empty(cast(column, &DataType::Utf8)?.as_string::<i32>()),
        DataType::Dictionary(_, values) => return text_column(&cast(column, values)?),
        kind if kind.is_nested() => nested_column(column)?,
        _ => formatted_column(&in_utc(column)?)?,
    };
    Ok(Arc::new(texts))
}

/// Instants with the name of a zone, which takes a data base to render, as instants in UTC.
fn in_utc(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match column.data_type() {
        DataType::Timestamp(unit, Some(_)) => cast(column, &DataType::Timestamp(*unit, Some("+00:00".into()))),
        _ => Ok(column.clone()),
    }
}

fn has_empty(texts: &StringArray) -> bool {
    texts.iter().any(|text| text == Some(""))
}

fn non_empty(texts: &StringArray) -> StringArray {
    texts.iter().map(|text| text.filter(|text| !text.is_empty())).collect()
}

fn formatted_column(column: &ArrayRef) -> Result<StringArray, ArrowError> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(column.as_ref(), &options)?;
    let mut texts = StringBuilder::with_capacity(column.len(), column.len() * 8);
    for row in 0..column.len() {
        if column.is_null(row) {
            texts.append_null();
            continue;
        }
        write!(texts, "{}", formatter.value(row)).map_err(|error| ArrowError::CastError(error.to_string()))?;
        texts.append_value("");
    }
    Ok(texts.finish())
}

fn nested_column(column: &ArrayRef) -> Result<StringArray, ArrowError> {
    let mut texts = StringBuilder::new();
    let mut text = String::new();
    for row in 0..column.len() {
        if column.is_null(row) {
            texts.append_null();
            continue;
        }
        text.clear();
        json(column, row, &mut text)?;
        texts.append_value(&text);
    }
    Ok(texts.finish())
}

/// Appends one cell as JSON.
fn json(column: &ArrayRef, row: usize, out: &mut String) -> Result<(), ArrowError> {
    if column.is_null(row) {
        out.push_str("null");
        return Ok(());
    }
    match column.data_type() {
        DataType::List(_) => json_list(&column.as_list::<i32>().value(row), out),
        DataType::LargeList(_) => json_list(&column.as_list::<i64>().value(row), out),
        DataType::FixedSizeList(..) => json_list(&column.as_fixed_size_list().value(row), out),
        DataType::Struct(_) => json_record(column.as_struct(), row, out),
        DataType::Map(..) => json_map(column.as_map(), row, out),
        DataType::Dictionary(_, values) => json(&cast(column, values)?, row, out),
        kind => json_scalar(column, kind, row, out),
    }
}

fn json_scalar(column: &ArrayRef, kind: &DataType, row: usize, out: &mut String) -> Result<(), ArrowError> {
    let options = FormatOptions::default();
    let column = in_utc(&column.slice(row, 1))?;
    let text = ArrayFormatter::try_new(column.as_ref(), &options)?.value(0).to_string();
    let bare = kind.is_numeric() && text.parse::<f64>().is_ok_and(f64::is_finite) || *kind == DataType::Boolean;
    if bare {
        out.push_str(&text);
    } else {
        out.push_str(&serde_json::Value::String(text).to_string());
    }
    Ok(())
}

fn json_list(values: &ArrayRef, out: &mut String) -> Result<(), ArrowError> {
    out.push('[');
    for index in 0..values.len() {
        if index > 0 {
            out.push(',');
        }
        json(values, index, out)?;
    }
    out.push(']');
    Ok(())
}

fn json_record(record: &StructArray, row: usize, out: &mut String) -> Result<(), ArrowError> {
    out.push('{');
    for (index, (name, column)) in record.column_names().into_iter().zip(record.columns()).enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(&serde_json::Value::from(name).to_string());
        out.push(':');
        json(column, row, out)?;
    }
    out.push('}');
    Ok(())
}

fn json_map(map: &MapArray, row: usize, out: &mut String) -> Result<(), ArrowError> {
    let entries = map.value(row);
    let (keys, values) = (entries.column(0), entries.column(1));
    let options = FormatOptions::default();
    let names = ArrayFormatter::try_new(keys.as_ref(), &options)?;
    out.push('{');
    for index in 0..entries.len() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(&serde_json::Value::from(names.value(index).to_string()).to_string());
        out.push(':');
        json(values, index, out)?;
    }
    out.push('}');
    Ok(())
}
