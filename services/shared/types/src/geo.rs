//! Boxes on the globe.

/// A box in WGS 84 degrees; `west` greater than `east` means that it crosses the antimeridian.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoundingBox {
    /// The western edge, -180 to 180.
    pub west: f64,
    /// The southern edge, -90 to 90.
    pub south: f64,
    /// The eastern edge, -180 to 180.
    pub east: f64,
    /// The northern edge, -90 to 90, not less than `south`.
    pub north: f64,
}

impl BoundingBox {
    /// Tells whether the edges are in range and in order.
    pub fn is_valid(&self) -> bool {
        let longitude = |d: f64| (-180.0..=180.0).contains(&d);
        let latitude = |d: f64| (-90.0..=90.0).contains(&d);
        longitude(self.west)
            && longitude(self.east)
            && latitude(self.south)
            && latitude(self.north)
            && self.south <= self.north
    }

    /// The least box that holds all of `boxes`; none of none.
    ///
    /// It crosses the antimeridian where that leaves more longitudes out.
    pub fn around(boxes: &[Self]) -> Option<Self> {
        let (first, rest) = boxes.split_first()?;
        if rest.is_empty() {
            return Some(*first);
        }
        let mut ranges: Vec<_> = boxes.iter().flat_map(Self::longitudes).collect();
        ranges.sort_by(|one, other| one.0.total_cmp(&other.0));
        let (start, mut end) = *ranges.first()?;
        let mut widest: Option<(f64, f64)> = None;
        for (from, to) in ranges {
            if from > end && widest.is_none_or(|(left, right)| from - end > right - left) {
                widest = Some((end, from));
            }
            end = end.max(to);
        }
        let beyond = (start + 180.0) + (180.0 - end);
        let (west, east) = match widest {
            Some((left, right)) if right - left > beyond => (right, left),
            _ => (start, end),
        };
        let south = boxes.iter().map(|one| one.south).fold(first.south, f64::min);
        let north = boxes.iter().map(|one| one.north).fold(first.north, f64::max);
        Some(Self { west, south, east, north })
    }

    /// The box's longitudes as one range, or as two when it crosses the antimeridian.
    pub fn longitudes(&self) -> Vec<(f64, f64)> {
        if self.west <= self.east {
            vec![(self.west, self.east)]
        } else {
            vec![(self.west, 180.0), (-180.0, self.east)]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(west: f64, east: f64) -> BoundingBox {
        BoundingBox { west, south: west.abs().min(80.0) - 90.0, east, north: east.abs().min(90.0) }
    }

    #[test]
    fn the_box_around_boxes_leaves_the_widest_gap_out() {
        for (boxes, west, east) in [
            (vec![between(10.0, 20.0)], 10.0, 20.0),
            (vec![between(10.0, 20.0), between(-5.0, 12.0)], -5.0, 20.0),
            (vec![between(170.0, 175.0), between(-175.0, -170.0)], 170.0, -170.0),
            (vec![between(170.0, -175.0), between(-178.0, -170.0)], 170.0, -170.0),
            (vec![between(-180.0, 180.0), between(170.0, -175.0)], -180.0, 180.0),
            (vec![between(-120.0, -100.0), between(100.0, 120.0), between(0.0, 10.0)], -120.0, 120.0),
        ] {
            let around = BoundingBox::around(&boxes).unwrap();
            assert_eq!((around.west, around.east), (west, east), "{boxes:?}");
            assert!(
                around.is_valid() && boxes.iter().all(|one| one.south >= around.south && one.north <= around.north)
            );
        }
        assert_eq!(BoundingBox::around(&[]), None);
    }
}
