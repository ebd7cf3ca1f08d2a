//! Where on the globe a dataset lies.
//!
//! A [`Coverage`] takes points one by one, in bounded memory, and merges with another: the result is the same as if one
//! had taken all points, in whatever order. Positions count to a ten millionth of a degree (about a centimetre).
//! Counts, boxes and cells are exact; the hull says its error in metres. Which countries and regions the points lie
//! in is an estimate: of each cell, those of the nearest town.
//!
//! The gazetteer has every place of at least 1,000 inhabitants, with the names that the larger ones have in other
//! languages. It is part of the binary; nothing is looked up outside.

mod arc;
mod cells;
mod coverage;
mod describe;
mod encode;
pub(crate) mod gazetteer;
mod hull;
mod lattice;
mod shapes;
mod values;

pub use coverage::{Cluster, Coverage, Extent, Level, Region};
pub(crate) use describe::{of_column, of_pair};
pub(crate) use values::Values;

pub use gazetteer::{Town, distance_metres, named, nearest};

/// A position in ten millionths of a degree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) longitude: i32,
    pub(crate) latitude: i32,
}

const SCALE: f64 = 1e7;
/// A full turn.
const TURN: i64 = 3_600_000_000;

impl Position {
    /// Nothing when it is not on the globe. Longitudes may count from -180 or from 0 to 360.
    pub(crate) fn new(latitude: f64, longitude: f64) -> Option<Self> {
        let longitude = if longitude > 180.0 { longitude - 360.0 } else { longitude };
        if !(-90.0..=90.0).contains(&latitude) || !(-180.0..=180.0).contains(&longitude) {
            return None;
        }
        Some(Self { longitude: (longitude * SCALE).round() as i32, latitude: (latitude * SCALE).round() as i32 })
    }

    /// The longitude from 0 to 360 degrees.
    fn turned(self) -> i64 {
        i64::from(self.longitude).rem_euclid(TURN)
    }
}

fn degrees(fixed: i64) -> f64 {
    let fixed = if fixed > TURN / 2 { fixed - TURN } else { fixed };
    fixed as f64 / SCALE
}
