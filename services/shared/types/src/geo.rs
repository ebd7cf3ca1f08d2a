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

    /// The box's longitudes as one range, or as two when it crosses the antimeridian.
    pub fn longitudes(&self) -> Vec<(f64, f64)> {
        if self.west <= self.east {
            vec![(self.west, self.east)]
        } else {
            vec![(self.west, 180.0), (-180.0, self.east)]
        }
    }
}
