//! Rows of Apache Parquet.

use std::io::{BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use crate::block::{Rows, Source};
use crate::bytes::Input;
use crate::error::Error;
use crate::file_at::FileAt;
use crate::typed::{with_schema, with_unique_names};
use crate::warning::Warning;

/// The first and the last bytes of a Parquet file.
pub(crate) const MAGIC: &[u8] = b"PAR1";

/// Blocks of Parquet: its row groups.
pub(crate) struct ParquetSource {
    bytes: FileBytes,
    metadata: ArrowReaderMetadata,
    schema: SchemaRef,
    group: usize,
    total_rows: u64,
    rows: u64,
}

impl ParquetSource {
    /// Reads the footer; gives the schema with unique names.
    pub(crate) fn open(input: &Input, warnings: &mut Vec<Warning>) -> Result<(Self, SchemaRef), Error> {
        let bytes = FileBytes(input.in_any_order()?);
        check_footer(&bytes)?;
        let metadata = guarded(|| ArrowReaderMetadata::load(&bytes, Default::default()))?;
        let schema = with_unique_names(metadata.schema(), input.limits.max_columns, warnings)?;
        let total_rows = u64::try_from(metadata.metadata().file_metadata().num_rows()).unwrap_or(0);
        Ok((Self { bytes, metadata, schema: schema.clone(), group: 0, total_rows, rows: 0 }, schema))
    }
}

impl Source for ParquetSource {
    fn next(&mut self) -> Result<Option<Box<dyn Rows>>, Error> {
        let Some(group) = self.metadata.metadata().row_groups().get(self.group) else { return Ok(None) };
        self.rows = self.rows.saturating_add(u64::try_from(group.num_rows()).unwrap_or(0));
        let place = Place {
            bytes: self.bytes.clone(),
            metadata: self.metadata.clone(),
            schema: self.schema.clone(),
            group: self.group,
        };
        self.group += 1;
        Ok(Some(Box::new(GroupRows::Waiting(place))))
    }

    fn warnings(&self) -> Vec<Warning> {
        Vec::new()
    }

    /// The share of the file that the rows given so far stand for.
    fn read_bytes(&self) -> u64 {
        let share = self.rows as f64 / self.total_rows.max(1) as f64;
        (self.bytes.len() as f64 * share.min(1.0)) as u64
    }
}

/// Where the rows of a group are.
struct Place {
    bytes: FileBytes,
    metadata: ArrowReaderMetadata,
    schema: SchemaRef,
    group: usize,
}

impl Place {
    fn open(&self) -> Result<ParquetRecordBatchReader, Error> {
        let batch_rows = (256 << 10) / self.schema.fields().len().max(1);
        guarded(|| {
            ParquetRecordBatchReaderBuilder::new_with_metadata(self.bytes.clone(), self.metadata.clone())
                .with_row_groups(vec![self.group])
                .with_batch_size(batch_rows.clamp(16, 4_096))
                .build()
        })
    }
}

/// Rows of a row group.
enum GroupRows {
    Waiting(Place),
    Reading(Box<ParquetRecordBatchReader>, SchemaRef),
}

impl Rows for GroupRows {
    fn next(&mut self) -> Result<Option<RecordBatch>, Error> {
        if let Self::Waiting(place) = self {
            *self = Self::Reading(Box::new(place.open()?), place.schema.clone());
        }
        let Self::Reading(reader, schema) = self else { return Ok(None) };
        let next = catch_unwind(AssertUnwindSafe(|| reader.next())).map_err(|_| panicked())?;
        let Some(batch) = next else { return Ok(None) };
        let batch = batch.map_err(|error| Error::MalformedParquet { message: error.to_string() })?;
        with_schema(&batch, schema).map(Some)
    }

    fn warnings(&self) -> Vec<Warning> {
        Vec::new()
    }
}

/// The bytes of the file, in any order.
#[derive(Clone)]
struct FileBytes(FileAt);

impl FileBytes {
    /// Refuses to go beyond the end, so that a length that lies costs nothing.
    fn at(&self, start: u64, length: u64) -> Result<FileAt, ParquetError> {
        match start.checked_add(length) {
            Some(end) if end <= self.0.length() => Ok(self.0.clone().slice(start, self.0.length() - start)),
            _ => Err(ParquetError::EOF(format!("{length} bytes at byte {start} go beyond the end of the file"))),
        }
    }
}

impl Length for FileBytes {
    fn len(&self) -> u64 {
        self.0.length()
    }
}

impl ChunkReader for FileBytes {
    type T = BufReader<FileAt>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(BufReader::new(self.at(start, 0)?))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let mut place = self.at(start, length as u64)?;
        let mut bytes = vec![0; length];
        place.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

fn check_footer(bytes: &FileBytes) -> Result<(), Error> {
    let size = bytes.len();
    let mut last = [0; 4];
    if size < 12 {
        return Err(Error::TruncatedParquet { offset: size });
    }
    bytes.0.clone().slice(size - 4, 4).read_exact(&mut last).map_err(Error::Io)?;
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
