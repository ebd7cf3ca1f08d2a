//! Formats that give batches with types, one after the other.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

use crate::block::{Rows, Source};
use crate::bytes::Input;
use crate::error::Error;
use crate::names;
use crate::warning::Warning;

/// A block holds at least so many rows, …
const BLOCK_ROWS: usize = 64 << 10;
/// … unless they are longer than this.
const BLOCK_BYTES: usize = 16 << 20;

/// What reads a file.
pub(crate) type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>;

/// Blocks of batches, which are read here and handed on.
pub(crate) struct TypedSource {
    format: &'static str,
    batches: Batches,
    schema: SchemaRef,
    input: Input,
    warning: Option<Box<dyn Fn() -> Option<Warning> + Send>>,
}

impl TypedSource {
    /// `schema` is the one to give the batches.
    pub(crate) fn new(format: &'static str, batches: Batches, schema: SchemaRef, input: &Input) -> Self {
        Self { format, batches, schema, input: input.clone(), warning: None }
    }

    /// Asks this what was odd about the rows so far.
    pub(crate) fn warning(self, tell: impl Fn() -> Option<Warning> + Send + 'static) -> Self {
        Self { warning: Some(Box::new(tell)), ..self }
    }
}

impl Source for TypedSource {
    fn next(&mut self) -> Result<Option<Box<dyn Rows>>, Error> {
        let (mut found, mut rows, mut bytes) = (Vec::new(), 0, 0);
        while rows < BLOCK_ROWS && bytes < BLOCK_BYTES {
            if self.input.cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let Some(batch) = guarded(self.format, || self.batches.next().transpose())? else { break };
            rows += batch.num_rows();
            bytes += batch.get_array_memory_size();
            if batch.num_rows() > 0 {
                found.push(with_schema(&batch, &self.schema)?);
            }
        }
        Ok((!found.is_empty()).then(|| Box::new(Found(found.into_iter())) as Box<dyn Rows>))
    }

    fn warnings(&self) -> Vec<Warning> {
        self.warning.as_ref().and_then(|tell| tell()).into_iter().collect()
    }

    fn read_bytes(&self) -> u64 {
        self.input.read_bytes()
    }
}

/// Batches that were read.
struct Found(std::vec::IntoIter<RecordBatch>);

impl Rows for Found {
    fn next(&mut self) -> Result<Option<RecordBatch>, Error> {
        Ok(self.0.next())
    }

    fn warnings(&self) -> Vec<Warning> {
        Vec::new()
    }
}

/// Hostile files make a parser panic: that is their failure, not ours.
pub(crate) fn guarded<T>(format: &'static str, parse: impl FnOnce() -> Result<T, ArrowError>) -> Result<T, Error> {
    let malformed = |message| Error::Malformed { format, message };
    let gave_up = |_| malformed("the parser gave up on its contents".to_owned());
    let error = match catch_unwind(AssertUnwindSafe(parse)).map_err(gave_up)? {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let message = error.to_string();
    let cause = match error {
        ArrowError::ExternalError(cause) => Some(cause),
        ArrowError::IoError(_, error) => error.into_inner(),
        _ => None,
    };
    // What we said through a parser comes back as ours.
    match cause.map(|cause| cause.downcast::<Error>()) {
        Some(Ok(ours)) => Err(*ours),
        Some(Err(_)) | None => Err(malformed(message)),
    }
}

pub(crate) fn with_schema(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, Error> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema.clone(), batch.columns().to_vec(), &options).map_err(Error::Arrow)
}

/// The same schema with names that are never empty and never repeat.
pub(crate) fn with_unique_names(
    schema: &Schema,
    max_columns: usize,
    warnings: &mut Vec<Warning>,
) -> Result<SchemaRef, Error> {
    if schema.fields().len() > max_columns {
        return Err(Error::TooManyColumns { limit: max_columns });
    }
    let given = schema.fields().iter().map(|field| field.name().clone()).collect();
    let names = names::unique(given, 0, warnings);
    let rename = |(field, name): (&Arc<Field>, String)| field.as_ref().clone().with_name(name).with_nullable(true);
    let fields: Vec<_> = schema.fields().iter().zip(names).map(rename).collect();
    Ok(Arc::new(Schema::new_with_metadata(fields, HashMap::new())))
}
