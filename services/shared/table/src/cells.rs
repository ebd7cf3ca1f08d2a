//! Fields put into columns.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

use crate::error::Error;
use crate::records::{Field, unquote};

/// Cells up to this length are copied at once.
const SHORT: usize = 16;

/// Makes a batch of rows whose fields follow each other in `fields`, each row as wide as the schema. An empty field is
/// a missing cell.
pub(crate) fn batch(schema: &SchemaRef, text: &[u8], fields: &[Field], rows: usize) -> Result<RecordBatch, Error> {
    let width = schema.fields().len();
    let column = |index: usize| Ok(Arc::new(column(text, fields, index, width, rows)?) as ArrayRef);
    let columns: Result<Vec<ArrayRef>, ArrowError> = (0..width).map(column).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), columns.map_err(Error::Arrow)?, &options).map_err(Error::Arrow)
}

fn column(text: &[u8], fields: &[Field], index: usize, width: usize, rows: usize) -> Result<StringArray, ArrowError> {
    let cells = fields.iter().skip(index).step_by(width);
    let bytes: usize = cells.clone().map(|field| field.len()).sum();
    let mut values = Vec::with_capacity(bytes + SHORT);
    let mut offsets = Vec::with_capacity(rows + 1);
    offsets.push(0);
    let mut missing = false;
    for field in cells {
        missing |= field.is_empty();
        append(text, *field, &mut values);
        offsets.push(values.len() as i32);
    }
    let present = || BooleanBuffer::collect_bool(rows, |row| offsets[row] != offsets[row + 1]);
    let nulls = missing.then(|| NullBuffer::new(present()));
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    StringArray::try_new(offsets, Buffer::from_vec(values), nulls)
}

#[inline]
fn append(text: &[u8], field: Field, values: &mut Vec<u8>) {
    let range = field.range();
    if field.is_quoted() {
        unquote(&text[range], values);
        return;
    }
    let length = range.len();
    match text[range.start..].first_chunk::<SHORT>() {
        // A copy of a known length is far cheaper than one that must ask.
        Some(chunk) if length <= SHORT => {
            let end = values.len() + length;
            values.extend_from_slice(chunk);
            values.truncate(end);
        }
        _ => values.extend_from_slice(&text[range]),
    }
}
