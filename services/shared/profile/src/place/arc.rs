//! The shortest arc of longitudes, mergeable.

use super::TURN;

/// Buckets of a tenth of a degree.
const BUCKETS: i64 = 3_600;

/// The least and the greatest longitude in each tenth of a degree. The arc leaves out the widest gap between them; it is
/// the shortest, unless points lie so close all around the globe that every gap is narrower than a bucket.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Arc {
    buckets: Vec<Option<(i32, i32)>>,
}

impl Arc {
    pub(super) fn add(&mut self, longitude: i32) {
        self.widen((longitude, longitude));
    }

    /// Takes an interval that lies within one bucket.
    fn widen(&mut self, (west, east): (i32, i32)) {
        if self.buckets.is_empty() {
            self.buckets = vec![None; BUCKETS as usize];
        }
        let index = (i64::from(west) + TURN / 2) * BUCKETS / TURN;
        let bucket = &mut self.buckets[index.min(BUCKETS - 1) as usize];
        let (least, greatest) = bucket.unwrap_or((west, east));
        *bucket = Some((least.min(west), greatest.max(east)));
    }

    pub(super) fn merge(&mut self, other: &Self) {
        other.intervals().for_each(|interval| self.widen(interval));
    }

    pub(super) fn intervals(&self) -> impl Iterator<Item = (i32, i32)> + '_ {
        self.buckets.iter().filter_map(|bucket| *bucket)
    }

    pub(super) fn of(intervals: impl Iterator<Item = (i32, i32)>) -> Self {
        let mut arc = Self::default();
        intervals.for_each(|interval| arc.widen(interval));
        arc
    }

    /// The western and the eastern end; the western is the greater where the arc crosses the date line.
    pub(super) fn ends(&self) -> Option<(i32, i32)> {
        let filled: Vec<(i32, i32)> = self.intervals().collect();
        let (first, last) = (filled.first()?, filled.last()?);
        let mut ends = (first.0, last.1);
        let mut widest = i64::from(first.0) + TURN - i64::from(last.1);
        for pair in filled.windows(2) {
            let gap = i64::from(pair[1].0) - i64::from(pair[0].1);
            if gap > widest {
                widest = gap;
                ends = (pair[1].0, pair[0].1);
            }
        }
        Some(ends)
    }
}
