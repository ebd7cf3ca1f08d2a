//! What is remembered of a run of rows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use proto::profiling::v1::{ProfileWarning, StructuralType};
use sketch::{Corrupt, PlaceSample, Reader, Writer, mix};

use crate::budget::Budget;
use crate::cell::numbers_of;
use crate::column::{Column, Form};
use crate::correlate::{Keyed, Wanted};
use crate::error::Error;
use crate::native;
use crate::place::Coverage;
use crate::rows::{RowHashes, Rows, Scratch};
use crate::spatial::{self, Named, Pair};
use crate::split::{self, Split};
use crate::threads::side_by_side;

/// How much text and how many cells the whole sample may hold: it travels in one message.
const SAMPLE_BYTES: usize = 1 << 20;
const SAMPLE_CELLS: usize = 20_000;

/// What is known of a table before its first row.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) names: Vec<String>,
    pub(crate) declared: Vec<Option<StructuralType>>,
    pub(crate) named: Vec<Option<Named>>,
    forms: Vec<Form>,
    budget: Budget,
    sample_rows: usize,
    /// How much of a cell the sample of rows keeps.
    cell_bytes: usize,
    seed: u64,
}

impl Layout {
    pub(crate) fn new(
        schema: &Schema,
        decimal_comma: bool,
        memory_bytes: usize,
        sample_rows: usize,
        size_bytes: u64,
    ) -> Self {
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        let width = names.len();
        let sample_rows = sample_rows.min((SAMPLE_CELLS / width.max(1)).max(1));
        let form = |kind: &DataType| match (native::native(kind), declared(kind)) {
            (Some(native), _) => Form::Native(native),
            (None, Some(StructuralType::Binary | StructuralType::Nested)) => Form::Declared,
            (None, Some(_)) => Form::Text { decimal_comma: false },
            (None, None) => Form::Text { decimal_comma },
        };
        Self {
            declared: schema.fields().iter().map(|field| declared(field.data_type())).collect(),
            named: names.iter().map(|name| spatial::named(name)).collect(),
            forms: schema.fields().iter().map(|field| form(field.data_type())).collect(),
            budget: Budget::new(memory_bytes, width),
            sample_rows,
            cell_bytes: (SAMPLE_BYTES / (sample_rows * width).max(1)).clamp(16, 256),
            seed: names.iter().fold(mix(size_bytes), |seed, name| mix(seed ^ sketch::hash(name.as_bytes()))),
            names,
        }
    }

    /// The columns, in words: what must be alike before rows are added.
    pub(crate) fn describe(&self) -> Vec<String> {
        let column = |(name, form): (&String, &Form)| match form {
            Form::Text { decimal_comma: false } => format!("`{name}`, text"),
            Form::Text { decimal_comma: true } => format!("`{name}`, text with decimal commas"),
            Form::Declared => format!("`{name}`, bytes or nested"),
            Form::Native(native) => format!("`{name}`, {native:?}").to_lowercase(),
        };
        self.names.iter().zip(&self.forms).map(column).collect()
    }

    pub(crate) fn encode(&self, out: &mut Writer) {
        self.budget.encode(out);
        out.number(self.sample_rows as u64);
        out.number(self.cell_bytes as u64);
        out.word(self.seed);
        out.number(self.names.len() as u64);
        for ((name, declared), form) in self.names.iter().zip(&self.declared).zip(&self.forms) {
            out.text(name);
            out.optional(*declared, |out, declared| out.signed(i32::from(declared).into()));
            form.encode(out);
        }
    }

    pub(crate) fn decode(from: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let budget = Budget::decode(from)?;
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let (sample_rows, cell_bytes, seed) = (size(from.number()?), size(from.number()?), from.word()?);
        let (mut names, mut declared, mut forms) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..from.length(3)? {
            names.push(from.text()?.to_owned());
            let kind = from.optional(Reader::signed)?;
            let kind = kind.map(|kind| i32::try_from(kind).ok().and_then(|kind| StructuralType::try_from(kind).ok()));
            declared.push(kind.map(|kind| kind.ok_or(from.corrupt())).transpose()?);
            forms.push(Form::decode(from)?);
        }
        let named = names.iter().map(|name| spatial::named(name)).collect();
        Ok(Self { names, declared, named, forms, budget, sample_rows, cell_bytes, seed })
    }
}

/// What is remembered of a run of rows, numbered from 0. Runs that follow each other merge.
#[derive(Debug, Clone)]
pub(crate) struct Partial {
    pub(crate) row_count: u64,
    pub(crate) columns: Vec<Column>,
    pub(crate) pairs: Vec<Pair>,
    pub(crate) splits: Vec<Split>,
    pub(crate) keyed: Keyed,
    pub(crate) rows: Rows,
    pub(crate) sample: PlaceSample<Vec<String>>,
    pub(crate) warnings: Vec<ProfileWarning>,
}

/// A run of rows on its way into what is remembered of it.
pub(crate) struct Builder<'a> {
    layout: &'a Layout,
    part: u64,
    partial: Partial,
    scratch: Scratch,
    /// The numbers of a batch, of each column that belongs with others.
    numbers: Vec<Vec<f64>>,
    paired: Vec<bool>,
    /// The rows of a batch whose keys are wanted, of each column.
    wanted: Vec<Wanted>,
    threads: usize,
}

impl<'a> Builder<'a> {
    /// Begins the run of this number.
    pub(crate) fn new(layout: &'a Layout, part: u64) -> Self {
        let partial = Partial::new(layout);
        let mut paired = vec![false; layout.names.len()];
        for pair in &partial.pairs {
            paired[pair.latitude] = true;
            paired[pair.longitude] = true;
        }
        partial.splits.iter().flat_map(Split::columns).for_each(|column| paired[column] = true);
        let numbers = vec![Vec::new(); paired.len()];
        let wanted = paired.iter().map(|_| Wanted::default()).collect();
        Self { layout, part, partial, scratch: Scratch::default(), numbers, paired, wanted, threads: 1 }
    }

    /// The same with the columns divided among as many threads.
    pub(crate) fn on(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    /// The same for rows that will be merged into `earlier`, and no others.
    pub(crate) fn beside(mut self, earlier: Option<&Partial>) -> Self {
        let earlier = earlier.into_iter().flat_map(|earlier| &earlier.pairs);
        for (pair, earlier) in self.partial.pairs.iter_mut().zip(earlier) {
            pair.coverage = Coverage::beside(&earlier.coverage);
        }
        self
    }

    /// Takes the next rows.
    pub(crate) fn add(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        if self.threads > 1 {
            self.add_columns_apart(batch)?;
        } else {
            self.add_columns(batch)?;
        }
        let partial = &mut self.partial;
        partial.splits.iter_mut().for_each(|split| split.add_all(&self.numbers));
        partial.keyed.add(&self.wanted, &self.numbers);
        sample(&mut partial.sample, batch, self.part, partial.row_count, self.layout.cell_bytes)?;
        partial.row_count += batch.num_rows() as u64;
        Ok(())
    }

    fn add_columns(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let partial = &mut self.partial;
        self.scratch.begin(batch.num_rows(), batch.num_columns());
        for (index, array) in batch.columns().iter().enumerate() {
            let mut rows = self.scratch.of_column(index);
            let column = &mut partial.columns[index];
            rows.wanted = partial.keyed.begin(index, column.form(), &mut self.wanted[index]);
            let keyed = partial.keyed.wants_numbers(index);
            let into = Target { column, numbers: &mut self.numbers[index], paired: self.paired[index], keyed };
            add_column(into, array, partial.row_count, &mut rows)?;
        }
        for pair in &mut partial.pairs {
            pair.add_all(&self.numbers[pair.latitude], &self.numbers[pair.longitude]);
        }
        partial.rows.add(&self.scratch);
        Ok(())
    }

    /// The same on several threads: each column keeps its hashes to itself, and rows are hashed once all have theirs.
    fn add_columns_apart(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let partial = &mut self.partial;
        let first_row = partial.row_count;
        let mut outcomes: Vec<Result<(), Error>> = batch.columns().iter().map(|_| Ok(())).collect();
        let rows = self.scratch.begin_apart(batch.num_rows(), batch.num_columns());
        let columns =
            partial.columns.iter_mut().zip(&mut self.numbers).zip(&self.paired).zip(&mut self.wanted).zip(rows);
        let targets = columns.enumerate().map(|(index, ((((column, numbers), paired), wanted), mut rows))| {
            rows.wanted = partial.keyed.begin(index, column.form(), wanted);
            let keyed = partial.keyed.wants_numbers(index);
            (Target { column, numbers, paired: *paired, keyed }, rows)
        });
        let targets = targets.zip(batch.columns()).zip(&mut outcomes).collect();
        side_by_side(self.threads, targets, |(((into, mut rows), array), outcome)| {
            *outcome = add_column(into, array, first_row, &mut rows);
        });
        outcomes.into_iter().collect::<Result<(), Error>>()?;
        self.scratch.join();
        let (scratch, numbers) = (&self.scratch, &self.numbers);
        let rest = std::iter::once(Rest::Rows(&mut partial.rows));
        let rest = rest.chain(partial.pairs.iter_mut().map(Rest::Pair)).collect();
        side_by_side(self.threads, rest, |rest| match rest {
            Rest::Rows(rows) => rows.add(scratch),
            Rest::Pair(pair) => pair.add_all(&numbers[pair.latitude], &numbers[pair.longitude]),
        });
        Ok(())
    }

    /// Ends the run.
    pub(crate) fn finish(mut self, warnings: Vec<ProfileWarning>) -> Partial {
        self.partial.columns.iter_mut().for_each(Column::seal);
        self.partial.keyed.seal();
        self.partial.warnings = warnings;
        self.partial
    }
}

impl Partial {
    /// No rows at all.
    pub(crate) fn new(layout: &Layout) -> Self {
        Self {
            row_count: 0,
            columns: layout.forms.iter().map(|form| Column::new(layout.budget, *form)).collect(),
            pairs: spatial::pairs(&layout.named),
            splits: split::splits(&layout.names),
            keyed: Keyed::new(layout.budget.keys),
            rows: Rows::new(layout.names.len()),
            sample: PlaceSample::new(layout.sample_rows, layout.seed),
            warnings: Vec::new(),
        }
    }

    /// Takes the rows of a run that follows this one.
    pub(crate) fn merge(&mut self, other: Self) {
        self.merge_on(1, other);
    }

    /// The same on as many threads.
    pub(crate) fn merge_on(&mut self, threads: usize, other: Self) {
        let rows_before = self.row_count;
        let columns = self.columns.iter_mut().zip(other.columns).collect();
        side_by_side(threads, columns, |(ours, theirs): (&mut Column, Column)| ours.merge(theirs, rows_before));
        for (ours, theirs) in self.pairs.iter_mut().zip(&other.pairs) {
            ours.merge(theirs);
        }
        for (ours, theirs) in self.splits.iter_mut().zip(&other.splits) {
            ours.merge(theirs);
        }
        self.keyed.merge(other.keyed);
        self.rows.merge(&other.rows);
        self.sample.merge(&other.sample, self.row_count);
        add_warnings(&mut self.warnings, other.warnings, self.row_count);
        self.row_count += other.row_count;
    }

    pub(crate) fn encode(&self, out: &mut Writer) {
        out.number(self.row_count);
        self.columns.iter().for_each(|column| column.encode(out));
        self.pairs.iter().for_each(|pair| pair.encode(out));
        self.splits.iter().for_each(|split| split.encode(out));
        self.keyed.encode(out);
        self.rows.encode(out);
        self.sample.encode(out, |out, cells| {
            out.number(cells.len() as u64);
            cells.iter().for_each(|cell| out.text(cell));
        });
        out.number(self.warnings.len() as u64);
        for warning in &self.warnings {
            out.text(&warning.reason);
            out.text(&warning.message);
            out.signed(warning.count);
            out.optional(warning.first_row, Writer::signed);
            out.optional(warning.first_byte, Writer::signed);
        }
    }

    pub(crate) fn decode(from: &mut Reader<'_>, layout: &Layout) -> Result<Self, Corrupt> {
        let mut partial = Self::new(layout);
        partial.row_count = from.number()?;
        for (column, form) in partial.columns.iter_mut().zip(&layout.forms) {
            *column = Column::decode(from, *form)?;
        }
        for pair in &mut partial.pairs {
            pair.decode(from)?;
        }
        for split in &mut partial.splits {
            split.decode(from)?;
        }
        partial.keyed = Keyed::decode(from, layout.names.len())?;
        partial.rows = Rows::decode(from, layout.names.len())?;
        partial.sample =
            PlaceSample::decode(from, |from| (0..from.length(1)?).map(|_| from.text().map(str::to_owned)).collect())?;
        for _ in 0..from.length(5)? {
            partial.warnings.push(ProfileWarning {
                reason: from.text()?.to_owned(),
                message: from.text()?.to_owned(),
                count: from.signed()?,
                first_row: from.optional(Reader::signed)?,
                first_byte: from.optional(Reader::signed)?,
            });
        }
        Ok(partial)
    }
}

/// Adds the warnings of rows that follow others: those of one reason become one, with the sum of their counts and the
/// first place.
pub(crate) fn add_warnings(earlier: &mut Vec<ProfileWarning>, later: Vec<ProfileWarning>, rows_before: u64) {
    for mut warning in later {
        warning.first_row = warning.first_row.map(|row| row.saturating_add_unsigned(rows_before));
        match earlier.iter_mut().find(|known| known.reason == warning.reason) {
            Some(known) => known.count = known.count.saturating_add(warning.count),
            None => earlier.push(warning),
        }
    }
}

/// What takes the cells of several columns.
enum Rest<'a> {
    Rows(&'a mut Rows),
    Pair(&'a mut Pair),
}

/// Where a column of a batch goes.
struct Target<'a> {
    column: &'a mut Column,
    numbers: &'a mut Vec<f64>,
    /// Whether its numbers belong with those of other columns.
    paired: bool,
    /// Whether its numbers are wanted beside keys, if it has any.
    keyed: bool,
}

fn add_column(into: Target<'_>, array: &ArrayRef, first_row: u64, rows: &mut RowHashes<'_>) -> Result<(), Error> {
    let Target { column, numbers, paired, keyed } = into;
    numbers.clear();
    // Whether a column of text has numbers shows in its first rows, mostly.
    let asked = paired || keyed && (first_row == 0 || column.has_numbers());
    if matches!(column.form(), Form::Native(_)) {
        return Ok(native::add(column, array, first_row, rows, asked.then_some(numbers)).map_err(table::Error::Arrow)?);
    }
    let texts = as_text(array)?;
    column.add_texts(texts.as_string(), first_row, rows, asked.then_some(&mut *numbers));
    if let Form::Text { decimal_comma } = column.form()
        && keyed
        && !asked
        && column.has_numbers()
    {
        *numbers = numbers_of(texts.as_string::<i32>().iter(), decimal_comma);
    }
    Ok(())
}

/// A column as text; cells that came as text stay as they are.
fn as_text(array: &ArrayRef) -> Result<ArrayRef, Error> {
    let arrow = |error: ArrowError| Error::from(table::Error::Arrow(error));
    match array.data_type() {
        DataType::Utf8 => Ok(Arc::clone(array)),
        DataType::LargeUtf8 | DataType::Utf8View => cast(array, &DataType::Utf8).map_err(arrow),
        DataType::Dictionary(_, values) => as_text(&cast(array, values).map_err(arrow)?),
        _ => {
            let batch =
                RecordBatch::try_from_iter_with_nullable([("cells", Arc::clone(array), true)]).map_err(arrow)?;
            Ok(Arc::clone(table::to_text(&batch)?.column(0)))
        }
    }
}

fn sample(
    sample: &mut PlaceSample<Vec<String>>,
    batch: &RecordBatch,
    part: u64,
    first_row: u64,
    bytes: usize,
) -> Result<(), Error> {
    let mut failed = None;
    for row in 0..batch.num_rows() {
        sample.offer_at(part, first_row + row as u64, || match table::to_text(&batch.slice(row, 1)) {
            Ok(texts) => texts.columns().iter().map(|cells| sample_cell(cells, bytes)).collect(),
            Err(error) => {
                failed = Some(error);
                Vec::new()
            }
        });
    }
    failed.map_or(Ok(()), |error| Err(error.into()))
}

fn sample_cell(cells: &ArrayRef, bytes: usize) -> String {
    if cells.is_null(0) {
        return String::new();
    }
    let cell = cells.as_string::<i32>().value(0);
    cell[..cell.floor_char_boundary(bytes)].to_owned()
}

/// The type that a file declares for a column; nothing for text, whose cells speak for themselves.
pub(crate) fn declared(kind: &DataType) -> Option<StructuralType> {
    match kind {
        DataType::Dictionary(_, values) => declared(values),
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => {
            Some(if *scale <= 0 { StructuralType::Integer } else { StructuralType::Decimal })
        }
        DataType::Boolean => Some(StructuralType::Boolean),
        DataType::Date32 | DataType::Date64 => Some(StructuralType::Date),
        DataType::Time32(_) | DataType::Time64(_) => Some(StructuralType::Time),
        DataType::Duration(_) => Some(StructuralType::Duration),
        DataType::Timestamp(_, None) => Some(StructuralType::Timestamp),
        DataType::Timestamp(_, Some(_)) => Some(StructuralType::TimestampWithZone),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            Some(StructuralType::Binary)
        }
        kind if kind.is_integer() => Some(StructuralType::Integer),
        kind if kind.is_floating() => Some(StructuralType::Float),
        kind if kind.is_nested() => Some(StructuralType::Nested),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::StringArray;
    use arrow::datatypes::Field;
    use proptest::prelude::*;
    use proto::profiling::v1::StoredProfile;
    use types::Digest;

    use super::*;
    use crate::finish::{self, Origin};
    use crate::options::Options;

    fn batch(cells: &[Option<String>]) -> RecordBatch {
        let column: ArrayRef = Arc::new(cells.iter().map(Option::as_deref).collect::<StringArray>());
        RecordBatch::try_from_iter_with_nullable([("lat", Arc::clone(&column), true), ("lon", column, true)]).unwrap()
    }

    fn layout(memory_bytes: usize) -> Layout {
        let field = |name: &str| Field::new(name, DataType::Utf8, true);
        Layout::new(&Schema::new(vec![field("lat"), field("lon")]), false, memory_bytes, 20, 0)
    }

    fn build(layout: &Layout, part: u64, batches: &[RecordBatch]) -> Partial {
        let mut builder = Builder::new(layout, part);
        batches.iter().for_each(|batch| builder.add(batch).unwrap());
        builder.finish(Vec::new())
    }

    fn told(layout: &Layout, partial: &Partial) -> StoredProfile {
        let origin = Origin { digest: Digest::of(b"x"), size_bytes: 0, rows: partial.row_count };
        let options = Options { value_sketches: true, ..Options::default() };
        finish::profile(layout, partial, &[origin], &Default::default(), &options).unwrap()
    }

    fn cells() -> impl Strategy<Value = Vec<Option<String>>> {
        prop::collection::vec(prop::option::of("[0-9]{1,3}|[0-9]\\.[0-9]|NA|[a-c]|1/[1-9]/2000| "), 1..1_500)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn batches_leave_no_trace(cells in cells(), sizes in prop::collection::vec(1usize..300, 0..10)) {
            let layout = layout(1);
            let whole = batch(&cells);
            let mut pieces = Vec::new();
            let mut start = 0;
            for size in sizes.iter().chain([&usize::MAX]) {
                let length = (*size).min(whole.num_rows() - start);
                pieces.push(whole.slice(start, length));
                start += length;
            }
            let pieces = build(&layout, 0, &pieces);
            prop_assert_eq!(told(&layout, &pieces), told(&layout, &build(&layout, 0, &[whole])));
        }

        #[test]
        fn what_is_written_is_read_back(cells in cells(), little in any::<bool>()) {
            let layout = layout(if little { 1 } else { 128 << 20 });
            let partial = build(&layout, 0, &[batch(&cells)]);
            let mut out = Writer::default();
            layout.encode(&mut out);
            partial.encode(&mut out);
            let bytes = out.finish();
            let mut from = Reader::new(&bytes);
            let other = Layout::decode(&mut from).unwrap();
            let mut back = Partial::decode(&mut from, &other).unwrap();
            prop_assert!(from.is_at_end());
            prop_assert_eq!(told(&other, &back), told(&layout, &partial));
            // What was read back goes on like what was written.
            let mut merged = partial;
            let more = build(&layout, 1, &[batch(&cells)]);
            merged.merge(more.clone());
            back.merge(more);
            prop_assert_eq!(told(&other, &back), told(&layout, &merged));
        }

        #[test]
        fn bytes_cut_short_end_in_an_error(cells in cells(), cut in any::<prop::sample::Index>()) {
            let layout = layout(1);
            let mut out = Writer::default();
            build(&layout, 0, &[batch(&cells)]).encode(&mut out);
            let bytes = out.finish();
            let mut from = Reader::new(&bytes[..cut.index(bytes.len())]);
            prop_assert!(Partial::decode(&mut from, &layout).is_err());
        }
    }
}
