//! Rows of Apache Parquet.

use std::collections::HashMap;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;

use crate::bytes::Input;
use crate::error::Error;
use crate::names;
use crate::warning::Warning;

/// The first and the last bytes of a Parquet file.
pub(crate) const MAGIC: &[u8] = b"PAR1";

/// Reads rows of Parquet.
pub(crate) struct ParquetRows {
    reader: ParquetRecordBatchReader,
    schema: SchemaRef,
    size: u64,
    total_rows: u64,
    rows: u64,
}

impl ParquetRows {
    /// Reads the footer; gives the schema with unique names.
    pub(crate) fn open(input: &Input, warnings: &mut Vec<Warning>) -> Result<(Self, SchemaRef), Error> {
        let file = plain_file(input)?;
        let size = file.metadata().map_err(Error::Io)?.len();
        check_footer(&file, size)?;
        let builder = guarded(|| ParquetRecordBatchReaderBuilder::try_new(file))?;
        let width = builder.schema().fields().len();
        if width > input.limits.max_columns {
            return Err(Error::TooManyColumns { limit: input.limits.max_columns });
        }
        let schema = with_unique_names(builder.schema(), warnings);
        let total_rows = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
        let batch_rows = (256 << 10) / width.max(1);
        let reader = guarded(|| builder.with_batch_size(batch_rows.clamp(16, 4_096)).build())?;
        Ok((Self { reader, schema: schema.clone(), size, total_rows, rows: 0 }, schema))
    }

    pub(crate) fn next_batch(&mut self) -> Result<Option<RecordBatch>, Error> {
        let next = catch_unwind(AssertUnwindSafe(|| self.reader.next())).map_err(|_| panicked())?;
        let Some(batch) = next else { return Ok(None) };
        let batch = batch.map_err(|error| Error::MalformedParquet { message: error.to_string() })?;
        self.rows += batch.num_rows() as u64;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let columns = batch.columns().to_vec();
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options).map(Some).map_err(Error::Arrow)
    }

    /// The share of the file that the rows read so far stand for.
    pub(crate) fn read_bytes(&self) -> u64 {
        let share = self.rows as f64 / self.total_rows.max(1) as f64;
        (self.size as f64 * share.min(1.0)) as u64
    }
}

/// The file itself, or a decompressed copy that goes with its handle: the footer stands at the end.
fn plain_file(input: &Input) -> Result<File, Error> {
    if !input.gzip {
        return input.file();
    }
    let mut copy = tempfile::tempfile().map_err(Error::Io)?;
    let mut bytes = input.bytes()?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        match bytes.read(&mut buffer)? {
            0 => return Ok(copy),
            count => std::io::Write::write_all(&mut copy, &buffer[..count]).map_err(Error::Io)?,
        }
    }
}

fn check_footer(file: &File, size: u64) -> Result<(), Error> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = file.try_clone().map_err(Error::Io)?;
    let mut last = [0; 4];
    if size < 12 {
        return Err(Error::TruncatedParquet { offset: size });
    }
    file.seek(SeekFrom::End(-4)).and_then(|_| file.read_exact(&mut last)).map_err(Error::Io)?;
    file.rewind().map_err(Error::Io)?;
    match last.as_slice() {
        MAGIC => Ok(()),
        b"PARE" => Err(Error::MalformedParquet { message: "its footer is encrypted".to_owned() }),
        _ => Err(Error::TruncatedParquet { offset: size }),
    }
}

/// Hostile files make the parser panic: that is their failure, not ours.
fn guarded<T>(parse: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, Error> {
    let result = catch_unwind(AssertUnwindSafe(parse)).map_err(|_| panicked())?;
    result.map_err(|error| Error::MalformedParquet { message: error.to_string() })
}

fn panicked() -> Error {
    Error::MalformedParquet { message: "the parser gave up on its contents".to_owned() }
}

fn with_unique_names(schema: &SchemaRef, warnings: &mut Vec<Warning>) -> SchemaRef {
    let given = schema.fields().iter().map(|field| field.name().clone()).collect();
    let names = names::unique(given, 0, warnings);
    let rename = |(field, name): (&Arc<arrow::datatypes::Field>, String)| {
        field.as_ref().clone().with_name(name).with_nullable(true)
    };
    let fields: Vec<_> = schema.fields().iter().zip(names).map(rename).collect();
    Arc::new(Schema::new_with_metadata(fields, HashMap::new()))
}
