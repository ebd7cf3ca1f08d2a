//! What is remembered of a run of rows.

use proto::profiling::v1::ProfileWarning;
use sketch::{Corrupt, PlaceSample, Reader, Writer};

use crate::column::Column;
use crate::correlate::Keyed;
use crate::layout::Layout;
use crate::rows::Rows;
use crate::spatial::{self, Pair};
use crate::split::{self, Split};
use crate::threads::side_by_side;

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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, RecordBatch, StringArray};
    use arrow::datatypes::{DataType, Field, Schema};
    use proptest::prelude::*;
    use proto::profiling::v1::StoredProfile;
    use types::Digest;

    use super::*;
    use crate::builder::Builder;
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
