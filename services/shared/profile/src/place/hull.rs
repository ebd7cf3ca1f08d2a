//! A convex hull in bounded memory: the outermost points in thirty-two directions.

use super::Position;

/// Directions around the compass, as whole numbers, so that sums are exact and merges give the same in any order.
const DIRECTIONS: [(i64, i64); 32] = [
    (100, 0),
    (98, 20),
    (92, 38),
    (83, 56),
    (71, 71),
    (56, 83),
    (38, 92),
    (20, 98),
    (0, 100),
    (-20, 98),
    (-38, 92),
    (-56, 83),
    (-71, 71),
    (-83, 56),
    (-92, 38),
    (-98, 20),
    (-100, 0),
    (-98, -20),
    (-92, -38),
    (-83, -56),
    (-71, -71),
    (-56, -83),
    (-38, -92),
    (-20, -98),
    (0, -100),
    (20, -98),
    (38, -92),
    (56, -83),
    (71, -71),
    (83, -56),
    (92, -38),
    (98, -20),
];

const AS_DOUBLES: [(f64, f64); DIRECTIONS.len()] = {
    let mut doubles = [(0.0, 0.0); DIRECTIONS.len()];
    let mut index = 0;
    while index < DIRECTIONS.len() {
        doubles[index] = (DIRECTIONS[index].0 as f64, DIRECTIONS[index].1 as f64);
        index += 1;
    }
    doubles
};

/// The outermost points, with longitudes counted from -180 and from 0 degrees.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Hull {
    plain: Outermost,
    turned: Outermost,
}

/// The outermost point in each direction, and how far out it is; sums of such whole numbers are exact as doubles.
#[derive(Debug, Clone, Default, PartialEq)]
struct Outermost {
    points: Vec<(i64, i64)>,
    reaches: [f64; DIRECTIONS.len()],
}

impl Hull {
    pub(super) fn add(&mut self, position: Position) {
        let latitude = i64::from(position.latitude);
        self.plain.add((i64::from(position.longitude), latitude));
        self.turned.add((position.turned(), latitude));
    }

    pub(super) fn merge(&mut self, other: &Self) {
        other.plain.points.iter().for_each(|point| self.plain.add(*point));
        other.turned.points.iter().for_each(|point| self.turned.add(*point));
    }

    /// The outermost points, longitudes from -180 and from 0.
    pub(super) fn parts(&self) -> [&[(i64, i64)]; 2] {
        [&self.plain.points, &self.turned.points]
    }

    /// A hull of such points; nothing when they are not as many as there are directions.
    pub(super) fn of(plain: Vec<(i64, i64)>, turned: Vec<(i64, i64)>) -> Option<Self> {
        let fits = |part: &[(i64, i64)]| part.is_empty() || part.len() == DIRECTIONS.len();
        (plain.len() == turned.len() && fits(&plain))
            .then(|| Self { plain: Outermost::of(plain), turned: Outermost::of(turned) })
    }

    /// The corners, counterclockwise, and how far beyond it a point may lie, in units of latitude; longitudes counted from
    /// 0 where the points cross the date line.
    pub(super) fn corners(&self, crosses: bool) -> (Vec<(i64, i64)>, f64) {
        let points = if crosses { &self.turned.points } else { &self.plain.points };
        let mut corners: Vec<(i64, i64)> = Vec::new();
        for point in points {
            if corners.last() != Some(point) && corners.first() != Some(point) {
                corners.push(*point);
            }
        }
        (corners, overhang(points))
    }
}

impl Outermost {
    fn of(points: Vec<(i64, i64)>) -> Self {
        let mut reaches = [0.0; DIRECTIONS.len()];
        for ((reach, point), direction) in reaches.iter_mut().zip(&points).zip(AS_DOUBLES) {
            *reach = reach_of(*point, direction);
        }
        Self { points, reaches }
    }

    fn add(&mut self, point: (i64, i64)) {
        if self.points.is_empty() {
            *self = Self::of(vec![point; DIRECTIONS.len()]);
            return;
        }
        // Nearly every point lies inside: one look at all directions at once tells.
        let mut outside = false;
        for (best, direction) in self.reaches.iter().zip(AS_DOUBLES) {
            outside |= reach_of(point, direction) >= *best;
        }
        if outside {
            self.widen(point);
        }
    }

    fn widen(&mut self, point: (i64, i64)) {
        for ((best, reach), direction) in self.points.iter_mut().zip(&mut self.reaches).zip(AS_DOUBLES) {
            let further = reach_of(point, direction);
            if further > *reach || further == *reach && point < *best {
                (*best, *reach) = (point, further);
            }
        }
    }
}

fn reach_of(point: (i64, i64), direction: (f64, f64)) -> f64 {
    point.0 as f64 * direction.0 + point.1 as f64 * direction.1
}

/// All points lie below the lines through the outermost ones; between two of those, none is farther out than where their
/// lines meet. The greatest such distance from the edge.
fn overhang(points: &[(i64, i64)]) -> f64 {
    let mut greatest: f64 = 0.0;
    for (index, point) in points.iter().enumerate() {
        let next = (index + 1) % points.len();
        if points[next] == *point {
            continue;
        }
        let (a, b) = (DIRECTIONS[index], DIRECTIONS[next]);
        let reach = |d: (i64, i64), p: &(i64, i64)| (p.0 * d.0 + p.1 * d.1) as f64;
        let (ra, rb) = (reach(a, point), reach(b, &points[next]));
        let cross = (a.0 * b.1 - a.1 * b.0) as f64;
        let meet = ((ra * b.1 as f64 - rb * a.1 as f64) / cross, (rb * a.0 as f64 - ra * b.0 as f64) / cross);
        greatest = greatest.max(distance(meet, *point, points[next]));
    }
    greatest
}

/// From a point to the line through two others.
fn distance(point: (f64, f64), from: (i64, i64), to: (i64, i64)) -> f64 {
    let (dx, dy) = ((to.0 - from.0) as f64, (to.1 - from.1) as f64);
    let (px, py) = (point.0 - from.0 as f64, point.1 - from.1 as f64);
    (dx * py - dy * px).abs() / dx.hypot(dy)
}
