//! Cells of the H3 grid found by whole numbers.
//!
//! The grid is a hexagonal lattice on each face of an icosahedron. A position is projected onto its face and rounded
//! to the finest lattice; coarser cells follow from that point by integer arithmetic. Which index such a point of a
//! lattice has, the library tells, once for each. Where rounding might go either way, the library is asked as well, so
//! that every position has the very cell that the library gives it.
//!
//! Source: the H3 specification (h3geo.org): faces and their axes, gnomonic projection, aperture 7.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::LazyLock;

use h3o::{CellIndex, LatLng, Resolution};

use super::cells::FINEST;
use super::{Position, SCALE};

/// The middle of each face of the icosahedron as a unit vector, and the azimuth of its first axis in radians.
const FACES: [([f64; 3], f64); 20] = [
    ([0.2199307791404606, 0.6583691780274996, 0.7198475378926182], 5.6199582685239395),
    ([-0.2139234834501421, 0.1478171829550703, 0.9656017935214205], 5.7603390817141875),
    ([0.1092625278784797, -0.481195157287321, 0.8697775121287253], 0.78021365439343),
    ([0.7428567301586791, -0.3593941678278028, 0.5648005936517033], 0.4304693639799999),
    ([0.8112534709140969, 0.3448953237639384, 0.472138773641393], 6.130269123335111),
    ([-0.1055498149613921, 0.9794457296411413, 0.1718874610009365], 2.692877706530643),
    ([-0.8075407579970092, 0.1533552485898818, 0.5695261994882688], 2.982963003477244),
    ([-0.2846148069787907, -0.8644080972654206, 0.4144792552473539], 3.532912002790141),
    ([0.7405621473854482, -0.6673299564565524, -0.0789837646326737], 3.494305004259568),
    ([0.8512303986474293, 0.4722343788582681, -0.2289137388687808], 3.0032141694995382),
    ([-0.7405621473854481, 0.6673299564565524, 0.0789837646326737], 5.930472956509812),
    ([-0.8512303986474292, -0.4722343788582682, 0.2289137388687808], 0.13837848409025486),
    ([0.1055498149613919, -0.9794457296411413, -0.1718874610009365], 0.4487149470591504),
    ([0.8075407579970092, -0.1533552485898819, -0.5695261994882688], 0.15862965011254937),
    ([0.2846148069787908, 0.8644080972654204, -0.4144792552473539], 5.891865957979238),
    ([-0.7428567301586791, 0.3593941678278027, -0.5648005936517033], 2.711123289609793),
    ([-0.811253470914097, -0.3448953237639382, -0.472138773641393], 3.294508837434268),
    ([-0.2199307791404607, -0.6583691780274996, -0.7198475378926182], 3.80481969224544),
    ([0.213923483450142, -0.1478171829550704, -0.9656017935214205], 3.6644388790551923),
    ([-0.1092625278784796, 0.481195157287321, -0.8697775121287253], 2.361378999196363),
];
/// Points of the finest lattice from the middle of a face to where the tangent is 1: the square of the golden ratio,
/// and the square root of 7 for each of the ten resolutions.
const STEPS: f64 = 2.618_033_988_749_895 * 16_807.0;
/// The cosine of an angle that is less than half of that between neighbouring faces: whose middle is that near is
/// nearest.
const SURELY_NEAREST: f64 = 0.935;
/// Nearer than this to the middle of a face, angles lose too many digits.
const TOO_NEAR: f64 = 1.0 - 1e-6;
/// Nearer than this to the edge of a cell, in steps, rounding decides.
const EDGE: f64 = 1e-6;

/// A face, with the vectors along which its lattice runs.
struct Face {
    middle: [f64; 3],
    /// Across and along the first axis, in steps of the lattice.
    x: [f64; 3],
    y: [f64; 3],
}

/// A point of a lattice: the face, and the steps along its first two axes.
type Point = (u8, i32, i32);

/// Finds cells, and remembers which point of the lattice is which cell.
#[derive(Debug, Clone, Default)]
pub(super) struct Lattice {
    cells: HashMap<u64, CellIndex, BuildHasherDefault<Mixed>>,
    /// The face of the position before.
    face: usize,
}

/// The hash of a point's key.
#[derive(Debug, Clone, Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = sketch::hash(bytes);
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = sketch::mix(key);
    }
}

impl Lattice {
    /// The cell of a position: at `resolution`, the parent of its finest cell.
    pub(super) fn cell(&mut self, position: Position, resolution: Resolution) -> Option<CellIndex> {
        let (latitude, longitude) = (f64::from(position.latitude) / SCALE, f64::from(position.longitude) / SCALE);
        let Some(point) = self.point(latitude, longitude) else { return exact(latitude, longitude, resolution) };
        let key = key(coarser(point, FINEST, resolution));
        if let Some(cell) = self.cells.get(&key) {
            return Some(*cell);
        }
        let cell = exact(latitude, longitude, resolution)?;
        self.cells.insert(key, cell);
        Some(cell)
    }

    /// Goes over to coarser cells.
    pub(super) fn coarsen(&mut self, from: Resolution, to: Resolution) {
        let finer = std::mem::take(&mut self.cells);
        let parents = finer.into_iter().filter_map(|(finer, cell)| {
            let coarse = key(coarser(point_of(finer), from, to));
            cell.parent(to).map(|parent| (coarse, parent))
        });
        self.cells = parents.collect();
    }

    /// The nearest point of the finest lattice; nothing where rounding decides.
    fn point(&mut self, latitude: f64, longitude: f64) -> Option<Point> {
        let (sine, cosine) = latitude.to_radians().sin_cos();
        let (east, west) = longitude.to_radians().sin_cos();
        let place = [west * cosine, east * cosine, sine];
        let mut near = dot(place, FRAMES[self.face].middle);
        if near < SURELY_NEAREST {
            (self.face, near) = nearest(place)?;
        }
        if near > TOO_NEAR {
            return None;
        }
        let face = &FRAMES[self.face];
        let (x, y) = (dot(place, face.x) / near, dot(place, face.y) / near);
        rounded(x, y).map(|(a, b)| (self.face as u8, a, b))
    }
}

fn exact(latitude: f64, longitude: f64, resolution: Resolution) -> Option<CellIndex> {
    LatLng::new(latitude, longitude).ok()?.to_cell(FINEST).parent(resolution)
}

static FRAMES: LazyLock<[Face; 20]> = LazyLock::new(|| {
    FACES.map(|(middle, azimuth)| {
        let [a, b, c] = middle;
        let level = a.hypot(b);
        let (north, east) = ([-a * c / level, -b * c / level, level], [-b / level, a / level, 0.0]);
        let (sine, cosine) = azimuth.sin_cos();
        let along = |n: f64, e: f64| [0, 1, 2].map(|axis| STEPS * (n * north[axis] + e * east[axis]));
        Face { middle, x: along(cosine, sine), y: along(sine, -cosine) }
    })
});

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// The face whose middle is nearest, and the cosine of the angle to it; nothing on an edge between faces.
fn nearest(place: [f64; 3]) -> Option<(usize, f64)> {
    let (mut first, mut second) = ((0, -1.0), -1.0);
    for (index, face) in FRAMES.iter().enumerate() {
        let near = dot(place, face.middle);
        if near > first.1 {
            (first, second) = ((index, near), first.1);
        } else if near > second {
            second = near;
        }
    }
    (first.1 - second > 1e-9).then_some(first)
}

/// The nearest point of the lattice, whose second axis is turned by 120 degrees from the first; nothing on an edge
/// between two cells.
fn rounded(x: f64, y: f64) -> Option<(i32, i32)> {
    let b = y * (2.0 / 3f64.sqrt());
    let a = x + b / 2.0;
    // Steps along three axes, of which two tell the third: they add up to 0.
    let steps = [a - b, b, -a];
    let mut whole = steps.map(f64::round);
    let off = [0, 1, 2].map(|axis| (whole[axis] - steps[axis]).abs());
    if off[0] > off[1] && off[0] > off[2] {
        whole[0] = -whole[1] - whole[2];
    } else if off[1] > off[2] {
        whole[1] = -whole[0] - whole[2];
    } else {
        whole[2] = -whole[0] - whole[1];
    }
    // How far the place is from the middle of the cell towards each pair of edges, where 1 is on an edge.
    let [u, v, w] = [0, 1, 2].map(|axis| steps[axis] - whole[axis]);
    let inside = [u - v, v - w, w - u].iter().all(|across| across.abs() < 1.0 - EDGE);
    inside.then_some((-whole[2] as i32, whole[1] as i32))
}

/// The point of a coarser lattice whose cell is the parent. Lattices are turned one way and the other in turns.
fn coarser((face, mut a, mut b): Point, from: Resolution, to: Resolution) -> Point {
    let seventh = |steps: i32| (2 * steps + 7).div_euclid(14);
    for resolution in (u8::from(to)..u8::from(from)).rev() {
        let turned_left = resolution % 2 == 0;
        (a, b) = if turned_left {
            (seventh(3 * a - b), seventh(a + 2 * b))
        } else {
            (seventh(2 * a + b), seventh(3 * b - a))
        };
    }
    (face, a, b)
}

fn key((face, a, b): Point) -> u64 {
    u64::from(face) << 48 | u64::from(a as u32 & 0xff_ffff) << 24 | u64::from(b as u32 & 0xff_ffff)
}

fn point_of(key: u64) -> Point {
    let signed = |bits: u64| ((bits as u32) << 8) as i32 >> 8;
    ((key >> 48) as u8, signed(key >> 24), signed(key))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn points_survive_being_keys() {
        for point in [(0, 0, 0), (19, -40_000, 35_001), (7, 1, -1)] {
            assert_eq!(point_of(key(point)), point);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn cells_are_those_of_the_library(
            around in (-90.0..90.0f64, -180.0..180.0f64),
            spread in prop::sample::select(vec![1e-4, 1e-2, 1.0, 30.0]),
            offs in prop::collection::vec((-1.0..1.0f64, -1.0..1.0f64), 1..40),
            finer in 0u8..=10,
            coarser in 0u8..=10,
        ) {
            let (coarser, finer) = (coarser.min(finer), coarser.max(finer));
            let [coarser, finer] = [coarser, finer].map(|resolution| Resolution::try_from(resolution).unwrap());
            let places: Vec<(f64, f64)> = offs
                .iter()
                .map(|(a, b)| ((around.0 + a * spread).clamp(-90.0, 90.0), (around.1 + b * spread).clamp(-180.0, 180.0)))
                .collect();
            let mut lattice = Lattice::default();
            for resolution in [finer, coarser] {
                for (latitude, longitude) in &places {
                    let position = Position::new(*latitude, *longitude).unwrap();
                    let (latitude, longitude) = (f64::from(position.latitude) / SCALE, f64::from(position.longitude) / SCALE);
                    prop_assert_eq!(lattice.cell(position, resolution), exact(latitude, longitude, resolution));
                }
                lattice.coarsen(finer, coarser);
            }
        }
    }

    #[test]
    fn the_library_is_hardly_ever_asked() {
        let mut lattice = Lattice::default();
        let degrees = |step: i64, turn: i64| (step % turn) as f64 / 100.0;
        let places = (0..50_000i64).map(|i| (degrees(i * 7_919, 18_000) - 90.0, degrees(i * 104_729, 36_000) - 180.0));
        let unknown = places.filter(|(latitude, longitude)| lattice.point(*latitude, *longitude).is_none());
        assert!(unknown.count() < 50);
    }
}
