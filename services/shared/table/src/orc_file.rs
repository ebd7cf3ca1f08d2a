//! Rows of Apache ORC, a stripe after the other.
//!
//! Source: ORC Specification v1, for how a file begins and ends.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::compute::{max, min};
use arrow::datatypes::{Field, Schema, SchemaRef, TimestampNanosecondType};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use orc_rust::array_decoder::NaiveStripeDecoder;
use orc_rust::error::OrcError;
use orc_rust::reader::ChunkReader;
use orc_rust::reader::metadata::{FileMetadata, read_metadata};
use orc_rust::schema::{ArrowSchemaOptions, NamedColumn, TimestampPrecision};
use orc_rust::statistics::{ColumnStatistics, TypeStatistics};
use orc_rust::stripe::{Stripe, StripeMetadata};

use crate::bytes::{Counted, Input};
use crate::error::Error;
use crate::file_at::FileAt;
use crate::kind::is_binary;
use crate::typed::{TypedSource, guarded, with_unique_names};
use crate::warning::Warning;

const FORMAT: &str = "orc";
/// How a file begins. So does text that is about researchers.
const MAGIC: &[u8] = b"ORC";
/// What zones may shift, in milliseconds, and more.
const TWO_DAYS: i64 = 2 * 86_400_000;
/// Milliseconds around 1970 that nanoseconds in 64 bits can count wherever they are shifted.
const NANOSECOND_RANGE: i64 = i64::MAX / 1_000_000 - 2 * TWO_DAYS;

/// Tells whether bytes begin a file of ORC: what follows the mark is no text.
pub(crate) fn is_orc(head: &[u8]) -> bool {
    head.strip_prefix(MAGIC).is_some_and(is_binary)
}

/// Opens a file of ORC. What a length in it asks for is compared with the file and the limit before it is read; what its
/// contents ask for when they are decompressed is not.
pub(crate) fn open(input: &Input, warnings: &mut Vec<Warning>) -> Result<(TypedSource, SchemaRef), Error> {
    let file = input.in_any_order()?;
    check_end(&file)?;
    let (length, limit) = (file.length(), input.limits.max_resident_bytes);
    let mut bytes = FileBytes { file: input.counted(file), length, limit };
    let metadata = guarded(FORMAT, || read_metadata(&mut bytes).map_err(told))?;
    check_rows(&metadata)?;
    let declared = guarded(FORMAT, || Ok(schema(&metadata)))?;
    if declared.fields().is_empty() {
        return Err(Error::Empty);
    }
    let schema = with_unique_names(&declared, input.limits.max_columns, warnings)?;
    let batch_rows = ((256 << 10) / declared.fields().len()).clamp(16, 4_096);
    let (declared, times) = (Arc::new(declared), Times::of(&metadata));
    let stripes = Stripes { bytes, metadata, declared, times, batch_rows, next: 0, current: None };
    Ok((TypedSource::new(FORMAT, Box::new(stripes), schema.clone(), input), schema))
}

/// The last byte is the length of what stands before it, which ends with the mark.
fn check_end(file: &FileAt) -> Result<(), Error> {
    let length = file.length();
    let mut end = [0; 4];
    let start = length.saturating_sub(end.len() as u64);
    let whole = file.clone().slice(start, length).read_exact(&mut end).is_ok() && end.starts_with(MAGIC);
    let message = || format!("it ends in the middle: byte {length} is its last, and no footer ends there");
    if whole { Ok(()) } else { Err(Error::Malformed { format: FORMAT, message: message() }) }
}

fn check_rows(metadata: &FileMetadata) -> Result<(), Error> {
    let (rows, stripes) = (metadata.number_of_rows(), metadata.stripe_metadatas());
    let found = stripes.iter().fold(0u64, |sum, stripe| sum.saturating_add(stripe.number_of_rows()));
    let message = || format!("its stripes have {found} rows together, and its footer says {rows}");
    if found == rows { Ok(()) } else { Err(Error::Malformed { format: FORMAT, message: message() }) }
}

/// The columns as Arrow has them.
fn schema(metadata: &FileMetadata) -> Schema {
    let statistics = metadata.column_file_statistics();
    let field = |column: &NamedColumn| {
        let options = ArrowSchemaOptions::new().with_timestamp_precision(precision(column, statistics));
        Field::new(column.name(), column.data_type().to_arrow_data_type_with_options(options), true)
    };
    Schema::new(metadata.root_data_type().children().iter().map(field).collect::<Vec<_>>())
}

/// The unit for the timestamps of a column: nanoseconds, unless its statistics tell of years that these cannot count. The
/// parser refuses a value that the unit would cut.
fn precision(column: &NamedColumn, statistics: &[ColumnStatistics]) -> TimestampPrecision {
    let ranges = column.data_type().all_indices().into_iter().filter_map(|index| range(statistics.get(index)?));
    let is_far = |(first, last): (i64, i64)| first < -NANOSECOND_RANGE || last > NANOSECOND_RANGE;
    match ranges.into_iter().any(is_far) {
        true => TimestampPrecision::Microsecond,
        false => TimestampPrecision::Nanosecond,
    }
}

/// The first and the last time of a column of timestamps by its statistics, in milliseconds, whatever zone they are in.
fn range(statistics: &ColumnStatistics) -> Option<(i64, i64)> {
    match *statistics.type_statistics()? {
        TypeStatistics::Timestamp { min, max, min_utc, max_utc } => Some((min.min(min_utc), max.max(max_utc))),
        _ => None,
    }
}

/// What the statistics say of a column whose timestamps are nanoseconds.
struct Times {
    column: usize,
    first: i64,
    last: i64,
}

impl Times {
    fn of(metadata: &FileMetadata) -> Vec<Self> {
        let (columns, statistics) = (metadata.root_data_type().children(), metadata.column_file_statistics());
        let times = columns.iter().enumerate().filter_map(|(column, declared)| {
            let (first, last) = range(statistics.get(declared.data_type().column_index())?)?;
            let is_near = precision(declared, statistics) == TimestampPrecision::Nanosecond;
            let nanos = |millis: i64| millis.saturating_mul(1_000_000);
            let (first, last) = (first.saturating_sub(TWO_DAYS), last.saturating_add(TWO_DAYS));
            is_near.then(|| Self { column, first: nanos(first), last: nanos(last) })
        });
        times.collect()
    }

    /// Writers in C++, Arrow's among them, store fractions of seconds before 1970 as negative numbers, which the parser takes
    /// for large ones.
    fn check(&self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let Some(times) = batch.column(self.column).as_primitive_opt::<TimestampNanosecondType>() else {
            return Ok(());
        };
        let early = min(times).is_some_and(|time| time < self.first);
        if early || max(times).is_some_and(|time| time > self.last) {
            let name = batch.schema_ref().field(self.column).name().clone();
            let message = "holds times beyond its own statistics, as fractions of seconds before 1970 come out that some \
                           writers store as negative";
            return Err(ArrowError::ParseError(format!("the column `{name}` {message}")));
        }
        Ok(())
    }
}

/// The rows of all stripes; of these one at a time is held.
struct Stripes {
    bytes: FileBytes,
    metadata: FileMetadata,
    declared: SchemaRef,
    times: Vec<Times>,
    batch_rows: usize,
    next: usize,
    current: Option<NaiveStripeDecoder>,
}

impl Stripes {
    /// Reads the next stripe, nothing after the last one.
    fn stripe(&mut self) -> Result<Option<NaiveStripeDecoder>, ArrowError> {
        let Some(place) = self.metadata.stripe_metadatas().get(self.next) else { return Ok(None) };
        self.next += 1;
        self.bytes.check_size(stripe_bytes(place))?;
        let root = self.metadata.root_data_type();
        let stripe = Stripe::new(&mut self.bytes, &self.metadata, root, place).map_err(told)?;
        NaiveStripeDecoder::new(stripe, self.declared.clone(), self.batch_rows).map(Some).map_err(told)
    }

    fn checked(&self, batch: RecordBatch) -> Result<RecordBatch, ArrowError> {
        self.times.iter().try_for_each(|times| times.check(&batch)).map(|()| batch)
    }
}

impl Iterator for Stripes {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(batch) = self.current.as_mut().and_then(Iterator::next) {
                return Some(batch.map_err(told).and_then(|batch| self.checked(batch)));
            }
            // The one before goes first.
            self.current = None;
            match self.stripe() {
                Ok(Some(stripe)) => self.current = Some(stripe),
                Ok(None) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

fn stripe_bytes(stripe: &StripeMetadata) -> u64 {
    stripe.index_length().saturating_add(stripe.data_length()).saturating_add(stripe.footer_length())
}

/// The bytes of the file, in any order.
struct FileBytes {
    file: Counted,
    length: u64,
    limit: u64,
}

impl FileBytes {
    /// Refuses to hold more than the limit at once.
    fn check_size(&self, length: u64) -> io::Result<()> {
        let over = Error::OverBudget { format: FORMAT, limit: self.limit };
        if length > self.limit { Err(io::Error::other(over)) } else { Ok(()) }
    }
}

impl ChunkReader for FileBytes {
    type T = Counted;

    fn len(&self) -> u64 {
        self.length
    }

    fn get_read(&self, start: u64) -> io::Result<Self::T> {
        let mut file = self.file.clone();
        file.seek(SeekFrom::Start(start))?;
        Ok(file)
    }

    /// Refuses to go beyond the end, so that a length that lies costs nothing.
    fn get_bytes(&self, start: u64, length: u64) -> io::Result<Bytes> {
        if start.checked_add(length).is_none_or(|end| end > self.length) {
            let message = format!("{length} bytes at byte {start} go beyond the end of the file");
            return Err(io::Error::new(ErrorKind::UnexpectedEof, message));
        }
        self.check_size(length)?;
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.get_read(start)?.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

/// What the parser says; what we said through it stays ours.
fn told(error: OrcError) -> ArrowError {
    match error {
        OrcError::IoError { source, .. } => source.into(),
        error => ArrowError::ParseError(error.to_string()),
    }
}
