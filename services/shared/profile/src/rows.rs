//! Rows as wholes: which of them are alike, and which columns tell them apart.

use sketch::{Corrupt, DistinctSample, Reader, Writer, mix};

use crate::cells::Cell;
use crate::correlate::Wanted;

/// How many rows are sampled for each question.
const ROWS: usize = 1_024;
/// The same for each pair of columns.
const PAIRS: usize = 256;
/// How many columns are looked at in pairs.
const PAIRED: usize = 6;
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The hashes of the rows of a batch, column after column.
pub(crate) struct RowHashes<'a> {
    exact: &'a mut [u64],
    normal: &'a mut [u64],
    /// The column's own hashes, where it is looked at in pairs.
    own: Option<&'a mut Vec<u64>>,
    /// The column's own hashes of normalised values, where the rows are hashed later.
    own_normal: Option<&'a mut Vec<u64>>,
    /// The rows whose keys are wanted, where the column may be a key.
    pub(crate) wanted: Option<&'a mut Wanted>,
}

impl RowHashes<'_> {
    /// Takes the hash of a cell, and that of its normalised value.
    pub(crate) fn add(&mut self, row: usize, exact: u64, normal: u64) {
        if let Some(own) = &mut self.own {
            own.push(exact);
        }
        if let Some(own) = &mut self.own_normal {
            return own.push(normal);
        }
        self.exact[row] = step(self.exact[row], exact);
        self.normal[row] = step(self.normal[row], normal);
    }

    /// Takes a cell that may be a key.
    #[inline]
    pub(crate) fn want(&mut self, row: usize, cell: &Cell) {
        if let Some(wanted) = &mut self.wanted {
            wanted.offer(row, cell);
        }
    }
}

/// The hash of a row with one more cell.
fn step(row: u64, cell: u64) -> u64 {
    (row ^ cell).wrapping_mul(STEP).rotate_left(29)
}

/// Samples of distinct rows and of distinct pairs of cells, with how often each occurs.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    /// Rows cell by cell.
    pub(crate) exact: DistinctSample,
    /// Rows with normalised cells.
    pub(crate) normal: DistinctSample,
    /// Pairs of the first columns.
    pub(crate) pairs: Vec<(usize, usize, DistinctSample)>,
}

/// Room for the hashes of a batch.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    exact: Vec<u64>,
    normal: Vec<u64>,
    own: Vec<Vec<u64>>,
    own_normal: Vec<Vec<u64>>,
}

impl Scratch {
    /// Begins a batch.
    pub(crate) fn begin(&mut self, rows: usize, columns: usize) {
        for hashes in [&mut self.exact, &mut self.normal] {
            hashes.clear();
            hashes.resize(rows, 0);
        }
        self.own.resize(columns.min(PAIRED), Vec::new());
        self.own.iter_mut().for_each(Vec::clear);
    }

    /// Begins a batch whose columns come in any order; gives where the cells of each go. Rows are hashed by [`join`].
    ///
    /// [`join`]: Scratch::join
    pub(crate) fn begin_apart(&mut self, rows: usize, columns: usize) -> impl Iterator<Item = RowHashes<'_>> {
        self.begin(rows, 0);
        for own in [&mut self.own, &mut self.own_normal] {
            own.resize(columns, Vec::new());
            own.iter_mut().for_each(Vec::clear);
        }
        let each = self.own.iter_mut().zip(&mut self.own_normal);
        each.map(|(own, own_normal)| RowHashes {
            exact: &mut [],
            normal: &mut [],
            own: Some(own),
            own_normal: Some(own_normal),
            wanted: None,
        })
    }

    /// Hashes the rows of a batch that was begun apart, column after column.
    pub(crate) fn join(&mut self) {
        for (rows, columns) in [(&mut self.exact, &self.own), (&mut self.normal, &self.own_normal)] {
            for column in columns {
                rows.iter_mut().zip(column).for_each(|(row, cell)| *row = step(*row, *cell));
            }
        }
    }

    /// Where the cells of a column go.
    pub(crate) fn of_column(&mut self, column: usize) -> RowHashes<'_> {
        let (exact, normal) = (&mut self.exact, &mut self.normal);
        RowHashes { exact, normal, own: self.own.get_mut(column), own_normal: None, wanted: None }
    }
}

impl Rows {
    pub(crate) fn new(columns: usize) -> Self {
        let first = columns.min(PAIRED);
        let both = (0..first).flat_map(|a| (a + 1..first).map(move |b| (a, b)));
        Self {
            exact: DistinctSample::new(ROWS),
            normal: DistinctSample::new(ROWS),
            // A table of two columns is its only pair: the rows tell the same.
            pairs: both.filter(|_| columns > 2).map(|(a, b)| (a, b, DistinctSample::new(PAIRS))).collect(),
        }
    }

    /// Takes the rows of a batch.
    pub(crate) fn add(&mut self, batch: &Scratch) {
        batch.exact.iter().for_each(|hash| self.exact.offer(mix(*hash), 1, ""));
        batch.normal.iter().for_each(|hash| self.normal.offer(mix(*hash), 1, ""));
        for (a, b, sample) in &mut self.pairs {
            let (first, second) = (&batch.own[*a], &batch.own[*b]);
            for (one, other) in first.iter().zip(second) {
                sample.offer(mix(one.wrapping_mul(STEP) ^ other.rotate_left(17)), 1, "");
            }
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.exact.merge(&other.exact);
        self.normal.merge(&other.normal);
        for ((_, _, ours), (_, _, theirs)) in self.pairs.iter_mut().zip(&other.pairs) {
            ours.merge(theirs);
        }
    }

    pub(crate) fn encode(&self, out: &mut Writer) {
        self.exact.encode(out);
        self.normal.encode(out);
        self.pairs.iter().for_each(|(_, _, sample)| sample.encode(out));
    }

    pub(crate) fn decode(from: &mut Reader<'_>, columns: usize) -> Result<Self, Corrupt> {
        let mut rows = Self::new(columns);
        rows.exact = DistinctSample::decode(from)?;
        rows.normal = DistinctSample::decode(from)?;
        for (_, _, sample) in &mut rows.pairs {
            *sample = DistinctSample::decode(from)?;
        }
        Ok(rows)
    }
}
