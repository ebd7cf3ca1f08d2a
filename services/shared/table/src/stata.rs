//! Rows of Stata.
//!
//! Source: Stata Data Management Reference Manual, `dta` for the file, `datetime` for what display formats mean.

use std::collections::HashMap;
use std::io::BufReader;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use dta::stata::dta::characteristic_reader::CharacteristicReader;
use dta::stata::dta::dta_error::DtaError;
use dta::stata::dta::dta_reader::DtaReader;
use dta::stata::dta::record_reader::RecordReader;
use dta::stata::dta::value_label_table::ValueLabelTable;
use dta::stata::dta::variable_type::VariableType;

use crate::bytes::{Counted, Input};
use crate::error::Error;
use crate::reader::{BATCH_BYTES, batch_rows};
use crate::stata_column::{self, Column};
use crate::typed::{TypedSource, guarded, with_unique_names};
use crate::warning::Warning;

const FORMAT: &str = "stata";
/// How files of Stata 13 and later begin.
const MAGIC: &[u8] = b"<stata_dta><header>";

type Bytes = BufReader<Counted>;
/// Long strings by the variable and the row, from 1, that hold them first.
pub(crate) type LongStrings = HashMap<(u32, u64), String>;

/// Tells whether bytes begin a file of Stata: by its mark, before Stata 13 by its release, byte order and kind.
pub(crate) fn is_stata(head: &[u8]) -> bool {
    head.starts_with(MAGIC) || matches!(head, [0x69..=0x73, 1 | 2, 1, 0 | 1, ..])
}

/// Opens a file of Stata. Its labels and long strings are read first.
pub(crate) fn open(input: &Input, warnings: &mut Vec<Warning>) -> Result<(TypedSource, SchemaRef), Error> {
    let known = Known::read(&input.apart())?;
    let records = characteristics(input)?;
    let records = guarded(FORMAT, || records.seek_records().map_err(told))?;
    let out_of_range = Arc::new(AtomicU64::new(0));
    let columns = stata_column::columns(records.schema().variables(), &known.labels, &known.applied, &out_of_range);
    let fields: Vec<Field> = columns.iter().map(|column| Field::new(column.name(), column.kind(), true)).collect();
    let schema = with_unique_names(&Schema::new(fields), input.limits.max_columns, warnings)?;
    warnings.extend(stata_column::warnings(records.schema().variables(), &known.labels, &known.applied));
    let rows = Rows { records, columns, schema: schema.clone(), strings: known.strings };
    let source = TypedSource::new(FORMAT, Box::new(rows), schema.clone(), input);
    Ok((source.warning(move || lost_times(out_of_range.load(Ordering::Relaxed))), schema))
}

fn lost_times(count: u64) -> Option<Warning> {
    let message = "Dates and times outside the years 100 to 9999, which Stata has none of, are missing.";
    (count > 0).then(|| Warning { count, ..Warning::whole("TIMES_OUT_OF_RANGE", message) })
}

/// Reads up to behind the names and types of the columns.
fn characteristics(input: &Input) -> Result<CharacteristicReader<Bytes>, Error> {
    let bytes = BufReader::with_capacity(256 << 10, input.counted(input.in_any_order()?));
    let header = guarded(FORMAT, || DtaReader::new().from_reader(bytes).read_header().map_err(told))?;
    let limit = input.limits.max_columns;
    match usize::try_from(header.header().variable_count()) {
        Ok(0) => Err(Error::Empty),
        Ok(count) if count <= limit => guarded(FORMAT, || header.read_schema().map_err(told)),
        _ => Err(Error::TooManyColumns { limit }),
    }
}

/// What must be known before the first row.
struct Known {
    labels: ValueLabelTable,
    /// By variable: whether each of its values has a label, so that the labels are its values.
    applied: Vec<bool>,
    strings: LongStrings,
}

impl Known {
    fn read(input: &Input) -> Result<Self, Error> {
        let reader = characteristics(input)?;
        let limit = input.limits.max_resident_bytes;
        guarded(FORMAT, || {
            let mut labels = ValueLabelTable::new();
            let mut sets = reader.seek_value_labels().map_err(told)?;
            sets.read_remaining_into(&mut labels).map_err(told)?;
            let mut strings = LongStrings::new();
            let mut long = sets.seek_long_strings().map_err(told)?;
            let encoding = long.encoding();
            let mut size = 0;
            while let Some(string) = long.read_long_string().map_err(told)? {
                let text = if string.is_text() { string.data_str(encoding) } else { None };
                let text = text.map_or_else(|| hexadecimal(string.data()), |text| text.into_owned());
                size += text.len() as u64 + 64;
                if size > limit {
                    return Err(ArrowError::ExternalError(Box::new(Error::OverBudget { format: FORMAT, limit })));
                }
                strings.insert((string.variable(), string.observation()), text);
            }
            let mut records = long.seek_records().map_err(told)?;
            let applied = applied(&mut records, &labels)?;
            Ok(Self { labels, applied, strings })
        })
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Finds the variables all of whose values have labels; reads no further than it takes.
fn applied(records: &mut RecordReader<Bytes>, labels: &ValueLabelTable) -> Result<Vec<bool>, ArrowError> {
    let variables = records.schema().variables().to_vec();
    let mut applied = vec![false; variables.len()];
    let is_labelled = |index: &usize| {
        let variable = &variables[*index];
        let is_integer =
            matches!(variable.variable_type(), VariableType::Byte | VariableType::Int | VariableType::Long);
        is_integer && labels.get(variable.value_label_name()).is_some_and(|set| !set.entries().is_empty())
    };
    let mut open: Vec<usize> = (0..variables.len()).filter(is_labelled).collect();
    while !open.is_empty() {
        let Some(record) = records.read_lazy_record().map_err(told)? else { break };
        let mut failed = None;
        open.retain(|index| match record.value(*index) {
            Ok(value) => stata_column::integer(&value)
                .is_none_or(|value| labels.label_for(&variables[*index], value).is_some_and(|label| !label.is_empty())),
            Err(error) => {
                failed = Some(error);
                false
            }
        });
        if let Some(error) = failed {
            return Err(told(error));
        }
    }
    open.into_iter().for_each(|index| applied[index] = true);
    Ok(applied)
}

/// The rows, a batch at a time.
struct Rows {
    records: RecordReader<Bytes>,
    columns: Vec<Column>,
    schema: SchemaRef,
    strings: LongStrings,
}

impl Iterator for Rows {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batch().transpose()
    }
}

impl Rows {
    fn batch(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let (most, mut rows, mut bytes) = (batch_rows(self.columns.len()), 0, 0);
        while rows < most && bytes < BATCH_BYTES {
            let Some(record) = self.records.read_record().map_err(told)? else { break };
            for (column, value) in self.columns.iter_mut().zip(record.values()) {
                bytes += column.append(value, &self.strings)?;
            }
            rows += 1;
        }
        if rows == 0 {
            return Ok(None);
        }
        let columns = self.columns.iter_mut().map(Column::finish).collect();
        RecordBatch::try_new(self.schema.clone(), columns).map(Some)
    }
}

/// What the parser says.
pub(crate) fn told(error: DtaError) -> ArrowError {
    ArrowError::ParseError(error.to_string())
}
