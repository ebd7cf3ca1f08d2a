//! The shortest arc of longitudes.

use sketch::{Corrupt, Reader, Writer};

/// Buckets of a tenth of a degree.
const BUCKETS: usize = 3_600;

/// Finds the shortest arc that holds all longitudes, across the antimeridian if that is shorter.
///
/// The arc leaves out the widest gap. Each bucket remembers its least and greatest longitude, so a gap that reaches
/// over the edge of a bucket is known exactly. Only where no gap is wider than a tenth of a degree, so that points lie
/// all around the globe, might one inside a bucket be wider; the arc is then longer than the shortest by less than
/// a tenth of a degree.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arc {
    buckets: Vec<Option<(f64, f64)>>,
}

impl Arc {
    /// Takes a longitude, -180 to 180.
    pub(crate) fn add(&mut self, longitude: f64) {
        if self.buckets.is_empty() {
            self.buckets = vec![None; BUCKETS];
        }
        let index = (((longitude + 180.0) * 10.0) as usize).min(BUCKETS - 1);
        let (least, greatest) = self.buckets[index].unwrap_or((longitude, longitude));
        self.buckets[index] = Some((least.min(longitude), greatest.max(longitude)));
    }

    /// Takes the longitudes of `other`.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (least, greatest) in other.buckets.iter().flatten() {
            self.add(*least);
            self.add(*greatest);
        }
    }

    pub(crate) fn encode(&self, out: &mut Writer) {
        let filled: Vec<&(f64, f64)> = self.buckets.iter().flatten().collect();
        out.number(filled.len() as u64);
        for (least, greatest) in filled {
            out.double(*least);
            out.double(*greatest);
        }
    }

    pub(crate) fn decode(from: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let mut arc = Self::default();
        for _ in 0..from.length(16)? {
            arc.add(from.double()?);
            arc.add(from.double()?);
        }
        Ok(arc)
    }

    /// The western and the eastern end; nothing when there was no longitude.
    pub(crate) fn ends(&self) -> Option<(f64, f64)> {
        let filled: Vec<(f64, f64)> = self.buckets.iter().filter_map(|bucket| *bucket).collect();
        let (first, last) = (filled.first()?, filled.last()?);
        let mut ends = (first.0, last.1);
        let mut widest = first.0 + 360.0 - last.1;
        for pair in filled.windows(2) {
            let gap = pair[1].0 - pair[0].1;
            if gap > widest {
                widest = gap;
                ends = (pair[1].0, pair[0].1);
            }
        }
        Some(ends)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ends(longitudes: &[f64]) -> Option<(f64, f64)> {
        let mut arc = Arc::default();
        longitudes.iter().for_each(|longitude| arc.add(*longitude));
        arc.ends()
    }

    /// The width of an arc that may cross the antimeridian.
    fn width((west, east): (f64, f64)) -> f64 {
        if west <= east { east - west } else { east + 360.0 - west }
    }

    #[test]
    fn an_arc_crosses_the_antimeridian_where_that_is_shorter() {
        assert_eq!(ends(&[170.0, -170.0, 179.9]), Some((170.0, -170.0)));
        assert_eq!(ends(&[-10.0, 20.0, 5.0]), Some((-10.0, 20.0)));
        assert_eq!(ends(&[7.0]), Some((7.0, 7.0)));
        assert_eq!(ends(&[]), None);
    }

    proptest! {
        #[test]
        fn no_arc_is_shorter_and_all_points_are_within(mut points in prop::collection::vec(-180.0..180.0f64, 1..40)) {
            let found = ends(&points).unwrap();
            points.sort_by(f64::total_cmp);
            let around = (0..points.len()).map(|i| (points[i], points[(i + points.len() - 1) % points.len()]));
            let shortest = around.map(width).fold(f64::INFINITY, f64::min);
            prop_assert!((width(found) - shortest).abs() < 1e-9);
            for point in points {
                let inside = if found.0 <= found.1 { (found.0..=found.1).contains(&point) } else { point >= found.0 || point <= found.1 };
                prop_assert!(inside);
            }
        }
    }
}
