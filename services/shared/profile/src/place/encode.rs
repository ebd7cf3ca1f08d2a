//! A coverage as bytes, for a profile that is to be continued. Little-endian, no version: whoever stores it has one.

use h3o::{CellIndex, Resolution};

use super::arc::Arc;
use super::cells::{Filled, Grid, Span};
use super::hull::Hull;
use super::{Coverage, TURN};

/// Tells whether a longitude may be one, counted from -180 or from 0 degrees.
fn is_longitude(value: i64) -> bool {
    value.checked_abs().is_some_and(|value| value <= TURN)
}

impl Coverage {
    /// The coverage as bytes, of at most about 100 KiB.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut put = |value: i64| bytes.extend_from_slice(&value.to_le_bytes());
        put(self.points as i64);
        put(self.outside as i64);
        put(i64::from(u8::from(self.grid.resolution)));
        put(self.grid.cells.len() as i64);
        for (cell, filled) in &self.grid.cells {
            let span = &filled.span;
            put(u64::from(*cell) as i64);
            put(filled.points as i64);
            [i64::from(span.south), i64::from(span.north), span.plain.0, span.plain.1, span.turned.0, span.turned.1]
                .into_iter()
                .for_each(&mut put);
        }
        put(self.arc.intervals().count() as i64);
        for (west, east) in self.arc.intervals() {
            put(i64::from(west));
            put(i64::from(east));
        }
        for points in self.hull.parts() {
            put(points.len() as i64);
            for (longitude, latitude) in points {
                put(*longitude);
                put(*latitude);
            }
        }
        bytes
    }

    /// The coverage that [`Coverage::encode`] gave these bytes; nothing when they are not such.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut words = bytes.chunks(8).map(|word| word.try_into().ok().map(i64::from_le_bytes));
        let mut next = || words.next().flatten();
        let (points, outside) = (next()? as u64, next()? as u64);
        let resolution = Resolution::try_from(u8::try_from(next()?).ok()?).ok()?;
        let mut grid = Grid::new(resolution, Default::default());
        for _ in 0..next()? {
            let cell = CellIndex::try_from(next()? as u64).ok()?;
            let points = next()? as u64;
            let mut narrow = || next().and_then(|value| i32::try_from(value).ok());
            let (south, north) = (narrow()?, narrow()?);
            let mut longitude = || next().filter(|value| is_longitude(*value));
            let (plain, turned) = ((longitude()?, longitude()?), (longitude()?, longitude()?));
            let span = Span { south, north, plain, turned };
            grid.fill(cell, Filled { points, span });
        }
        let mut intervals = Vec::new();
        for _ in 0..next()? {
            let (west, east) = (i32::try_from(next()?).ok()?, i32::try_from(next()?).ok()?);
            let on_globe = |value: i32| i64::from(value).abs() <= TURN / 2;
            (on_globe(west) && on_globe(east)).then(|| intervals.push((west, east)))?;
        }
        let mut part = || {
            let mut part = Vec::new();
            for _ in 0..next()? {
                let (longitude, latitude) = (next()?, next()?);
                (is_longitude(longitude) && latitude.checked_abs().is_some_and(|value| value <= TURN / 4))
                    .then(|| part.push((longitude, latitude)))?;
            }
            Some(part)
        };
        let hull = Hull::of(part()?, part()?)?;
        Some(Self { points, outside, grid, arc: Arc::of(intervals.into_iter()), hull })
    }
}
