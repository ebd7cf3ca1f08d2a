//! Counts by cell of the H3 grid, as fine as the bound allows.

use std::collections::BTreeMap;

use h3o::{CellIndex, Resolution};

use super::Position;
use super::lattice::Lattice;

/// The finest cells: about 130 metres across.
pub(super) const FINEST: Resolution = Resolution::Ten;
/// Cells beyond these make the grid coarser.
const MOST: usize = 1_024;

/// Points by cell. The resolution is the finest at which all points fill at most 1,024 cells, whatever order they came in,
/// because no subset of them fills more.
#[derive(Debug, Clone)]
pub(super) struct Grid {
    pub(super) resolution: Resolution,
    pub(super) cells: BTreeMap<CellIndex, Filled>,
    /// Which cells were found lately; leaves no trace.
    lattice: Lattice,
}

/// What one cell holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Filled {
    pub(super) points: u64,
    pub(super) span: Span,
}

/// The least box around points, with longitudes counted both from -180 and from 0 degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    pub(super) south: i32,
    pub(super) north: i32,
    pub(super) plain: (i64, i64),
    pub(super) turned: (i64, i64),
}

impl Span {
    pub(super) fn at(position: Position) -> Self {
        let (plain, turned) = (i64::from(position.longitude), position.turned());
        Self { south: position.latitude, north: position.latitude, plain: (plain, plain), turned: (turned, turned) }
    }

    pub(super) fn join(&mut self, other: &Self) {
        self.south = self.south.min(other.south);
        self.north = self.north.max(other.north);
        self.plain = (self.plain.0.min(other.plain.0), self.plain.1.max(other.plain.1));
        self.turned = (self.turned.0.min(other.turned.0), self.turned.1.max(other.turned.1));
    }

    /// The western and the eastern end, the narrower way round.
    pub(super) fn ends(&self) -> (i64, i64) {
        if self.plain.1 - self.plain.0 <= self.turned.1 - self.turned.0 { self.plain } else { self.turned }
    }
}

impl Default for Grid {
    fn default() -> Self {
        Self::new(FINEST, BTreeMap::new())
    }
}

impl PartialEq for Grid {
    fn eq(&self, other: &Self) -> bool {
        self.resolution == other.resolution && self.cells == other.cells
    }
}

impl Grid {
    pub(super) fn new(resolution: Resolution, cells: BTreeMap<CellIndex, Filled>) -> Self {
        Self { resolution, cells, lattice: Lattice::default() }
    }

    /// Takes points of one position. Its cell is found by way of the finest: cells do not nest exactly, so one
    /// resolution decides.
    pub(super) fn add(&mut self, position: Position, points: u64) {
        if let Some(cell) = self.lattice.cell(position, self.resolution) {
            self.fill(cell, Filled { points, span: Span::at(position) });
            self.coarsen();
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.lattice = Lattice::default();
        self.resolution = self.resolution.min(other.resolution);
        let mine = std::mem::take(&mut self.cells);
        for (cell, filled) in mine.into_iter().chain(other.cells.iter().map(|(cell, filled)| (*cell, *filled))) {
            if let Some(cell) = cell.parent(self.resolution) {
                self.fill(cell, filled);
            }
        }
        self.coarsen();
    }

    pub(super) fn fill(&mut self, cell: CellIndex, filled: Filled) {
        match self.cells.get_mut(&cell) {
            Some(present) => {
                present.points += filled.points;
                present.span.join(&filled.span);
            }
            None => drop(self.cells.insert(cell, filled)),
        }
    }

    fn coarsen(&mut self) {
        let mut coarse = self.resolution;
        let mut left = self.cells.len();
        while left > MOST
            && let Some(coarser) = coarse.pred()
        {
            coarse = coarser;
            left = self.count_at(coarse);
        }
        if coarse != self.resolution {
            self.lattice.coarsen(self.resolution, coarse);
            let Self { resolution, cells, .. } = self.at(coarse);
            (self.resolution, self.cells) = (resolution, cells);
        }
    }

    /// How many coarser cells there would be. An index begins with that of the parent, so those of one parent follow
    /// each other.
    fn count_at(&self, resolution: Resolution) -> usize {
        let mut parents: Vec<CellIndex> = self.cells.keys().filter_map(|cell| cell.parent(resolution)).collect();
        parents.dedup();
        parents.len()
    }

    /// The same points in coarser cells.
    pub(super) fn at(&self, resolution: Resolution) -> Self {
        let mut coarser = Self::new(resolution, BTreeMap::new());
        for (cell, filled) in &self.cells {
            if let Some(parent) = cell.parent(resolution) {
                coarser.fill(parent, *filled);
            }
        }
        coarser
    }
}
