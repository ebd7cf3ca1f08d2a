//! Rows of Apache ORC, a stripe after the other.
//!
//! Source: ORC Specification v1, for how a file begins and ends.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, TimestampNanosecondArray};
use arrow::compute::{max, min};
use arrow::datatypes::{Field, Schema, SchemaRef, TimestampNanosecondType};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use orc_rust::array_decoder::NaiveStripeDecoder;
use orc_rust::error::OrcError;
use orc_rust::reader::ChunkReader;
use orc_rust::reader::metadata::{FileMetadata, read_metadata};
use orc_rust::schema::{ArrowSchemaOptions, DataType, NamedColumn, TimestampPrecision};
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
/// How many nanoseconds too late a time before 1970 comes out whose fraction of a second is a negative number: the parser
/// takes three bits off it without its sign, and multiplies by 100 in 64 bits where it ends in two zeros. One that ends in
/// more becomes too large, and is refused.
const SHIFTS: [i128; 2] = [1 << 61, 1 << 63];
const BEYOND_STATISTICS: &str = "holds times beyond its own statistics, as fractions of seconds before 1970 come out that \
                                 some writers store as negative; save the table as Parquet";
const AMBIGUOUS: &str = "holds times that may be others of before 1970, as fractions of seconds before 1970 come out that \
                         some writers store as negative; save the table as Parquet";

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
    let stripes = Stripes { bytes, metadata, declared: Arc::new(declared), batch_rows, next: 0, current: None };
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

/// Tells what is wrong with the timestamps of a column and its parts. Writers in C++, Arrow's among them, store fractions
/// of seconds before 1970 as negative numbers, which the parser takes for large ones; where timestamps are microseconds it
/// refuses them.
fn time_fault(kind: &DataType, values: &ArrayRef, statistics: &[ColumnStatistics]) -> Option<&'static str> {
    let fault = |(kind, values): (&DataType, &ArrayRef)| time_fault(kind, values, statistics);
    match kind {
        DataType::Timestamp { column_index } | DataType::TimestampWithLocalTimezone { column_index } => {
            let times = values.as_primitive_opt::<TimestampNanosecondType>()?;
            Times::of(statistics.get(*column_index)).fault(times)
        }
        DataType::Struct { children, .. } => {
            children.iter().map(NamedColumn::data_type).zip(values.as_struct_opt()?.columns()).find_map(fault)
        }
        DataType::List { child, .. } => fault((&**child, values.as_list_opt::<i32>()?.values())),
        DataType::Map { key, value, .. } => {
            let map = values.as_map_opt()?;
            fault((&**key, map.keys())).or_else(|| fault((&**value, map.values())))
        }
        DataType::Union { variants, .. } => {
            let union = values.as_union_opt()?;
            variants.iter().zip(0..).find_map(|(kind, index)| fault((kind, union.child(index))))
        }
        _ => None,
    }
}

/// Between which nanoseconds the times of a column lie, or of a part of one.
struct Times {
    first: i64,
    last: i64,
}

impl Times {
    /// All times where there are no statistics.
    fn of(statistics: Option<&ColumnStatistics>) -> Self {
        let (first, last) = statistics.and_then(range).unwrap_or((i64::MIN, i64::MAX));
        let nanos = |millis: i64| millis.saturating_mul(1_000_000);
        Self { first: nanos(first.saturating_sub(TWO_DAYS)), last: nanos(last.saturating_add(TWO_DAYS)) }
    }

    fn fault(&self, times: &TimestampNanosecondArray) -> Option<&'static str> {
        let early = min(times).is_some_and(|time| time < self.first);
        if early || max(times).is_some_and(|time| time > self.last) {
            return Some(BEYOND_STATISTICS);
        }
        times.iter().flatten().any(|time| self.is_ambiguous(time)).then_some(AMBIGUOUS)
    }

    /// Tells whether a time before 1970 that there may be by the statistics comes out as this one. Whole microseconds pass:
    /// most right times are such, and one wrong one in a thousand. Two days at either end hold what zones shift, and the
    /// second that the parser takes off most wrong ones.
    fn is_ambiguous(&self, time: i64) -> bool {
        let early = i128::from(self.first)..i128::from(TWO_DAYS * 1_000_000);
        time % 1_000 != 0 && SHIFTS.iter().any(|shift| early.contains(&(i128::from(time) - shift)))
    }
}

/// The rows of all stripes; of these one at a time is held.
struct Stripes {
    bytes: FileBytes,
    metadata: FileMetadata,
    declared: SchemaRef,
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
        let (columns, statistics) = (self.metadata.root_data_type().children(), self.metadata.column_file_statistics());
        for (column, values) in columns.iter().zip(batch.columns()) {
            if let Some(fault) = time_fault(column.data_type(), values, statistics) {
                return Err(ArrowError::ParseError(format!("the column `{}` {fault}", column.name())));
            }
        }
        Ok(batch)
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

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    /// What the parser makes of a time that a writer in C++ stored; nothing where it refuses it.
    fn parsed(time: i64) -> Option<i64> {
        let (seconds, mut digits, mut zeros) = (time / SECOND, time % SECOND, 0);
        if digits % 100 == 0 {
            (digits, zeros) = (digits / 100, 2);
        }
        while (2..8).contains(&zeros) && digits % 10 == 0 {
            (digits, zeros) = (digits / 10, zeros + 1);
        }
        let nanos = (((digits << 3) as u64) >> 3).wrapping_mul(10u64.pow(zeros));
        let seconds = if seconds < 0 && nanos > 999_999 { seconds - 1 } else { seconds };
        i64::try_from(i128::from(seconds * SECOND) + i128::from(nanos)).ok()
    }

    #[test]
    fn a_negative_fraction_is_refused_or_ambiguous() {
        let first = -2_208_988_800 * SECOND;
        let times = Times { first: first - TWO_DAYS * 1_000_000, last: i64::MAX };
        for time in [first + 1, first + 100, -SECOND - 123_456_789, -SECOND - 700, -123_456_789, -123_400, -100, -1] {
            let parsed = parsed(time).unwrap();
            assert!(parsed > 0 && times.is_ambiguous(parsed), "{time} becomes {parsed}");
        }
        for time in [first + 1_000, -SECOND - 500_000_000, -500_000_000, -1_000] {
            assert_eq!(parsed(time), None, "{time}");
        }
        assert_eq!((parsed(-SECOND), parsed(0), parsed(SECOND + 7)), (Some(-SECOND), Some(0), Some(SECOND + 7)));
    }

    #[test]
    fn a_time_that_no_other_becomes_is_not_ambiguous() {
        let year = 31_556_952 * SECOND;
        let late = Times { first: 0, last: i64::MAX };
        let early = Times { first: -70 * year, last: i64::MAX };
        let unknown = Times::of(None);
        assert!(!late.is_ambiguous(54 * year + 1) && early.is_ambiguous(54 * year + 1));
        assert!(!early.is_ambiguous(54 * year + 1_000) && !unknown.is_ambiguous(54 * year + 1_000));
        assert!(!early.is_ambiguous(2 * year + 1) && unknown.is_ambiguous(2 * year + 1));
        assert!(!early.is_ambiguous(80 * year + 1) && !early.is_ambiguous(1) && !early.is_ambiguous(-1));
    }
}
