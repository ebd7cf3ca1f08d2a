//! What points cover.

use std::collections::{BTreeMap, BTreeSet};

use h3o::{CellIndex, Resolution};
use types::BoundingBox;

use super::arc::Arc;
use super::cells::{Filled, Grid, Span};
use super::gazetteer::{Search, distance_metres};
use super::hull::Hull;
use super::{Position, SCALE, TURN, degrees};

/// Clusters beyond these are counted only.
const CLUSTERS: usize = 8;
/// Clusters are what hangs together at the finest resolution with at most as many cells.
const CLUSTER_CELLS: usize = 256;
/// Resolutions told, two steps apart.
const LEVELS: usize = 4;

/// Points, summed up in at most about 150 KiB.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Coverage {
    pub(super) points: u64,
    pub(super) outside: u64,
    pub(super) grid: Grid,
    pub(super) arc: Arc,
    pub(super) hull: Hull,
}

/// What the points of a coverage fill.
#[derive(Debug, Clone, PartialEq)]
pub struct Extent {
    /// Points on the globe.
    pub points: u64,
    /// Points that were not.
    pub outside: u64,
    /// The smallest box that holds all of them.
    pub bounds: BoundingBox,
    /// The breadth of the box along its middle parallel, in metres.
    pub width_metres: f64,
    /// The height of the box along a meridian, in metres.
    pub height_metres: f64,
    /// Groups of points, most points first, at most eight.
    pub clusters: Vec<Cluster>,
    /// How many groups there are.
    pub cluster_count: usize,
    /// The corners of the convex hull, latitude and longitude in degrees, counterclockwise.
    pub hull: Vec<(f64, f64)>,
    /// No point lies farther outside the hull, in metres.
    pub hull_error_metres: f64,
    /// Cells of the H3 grid, finest first.
    pub levels: Vec<Level>,
    /// Countries and regions of the towns next to the points, most points first.
    pub regions: Vec<Region>,
    /// Points with no town within 100 kilometres.
    pub unplaced: u64,
}

/// A group of points: neighbouring cells.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// The smallest box that holds them.
    pub bounds: BoundingBox,
    /// How many they are.
    pub points: u64,
}

/// The cells of one resolution.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// The resolution of the H3 grid, 0 to 15.
    pub resolution: u8,
    /// The mean length of an edge of its cells in metres.
    pub edge_metres: f64,
    /// The cells with points, by index, with the count of points.
    pub cells: Vec<(u64, u64)>,
}

/// A part of a country.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// The name of the first-level subdivision; empty when it is not known.
    pub region: String,
    /// Points next to towns of it.
    pub points: u64,
}

impl Coverage {
    /// Takes a point in degrees, longitudes from -180 or from 0 on. What is not on the globe is counted apart.
    pub fn add(&mut self, latitude: f64, longitude: f64) {
        self.add_many(latitude, longitude, 1);
    }

    /// Takes so many points of one place.
    pub fn add_many(&mut self, latitude: f64, longitude: f64, count: u64) {
        let Some(position) = Position::new(latitude, longitude) else {
            self.outside += count;
            return;
        };
        self.points += count;
        self.grid.add(position, count);
        self.arc.add(position.longitude);
        self.hull.add(position);
    }

    /// No points yet, of a coverage that will be merged into `earlier`. Its grid begins as coarse as that one, because
    /// the grid of both together is no finer.
    pub(crate) fn beside(earlier: &Self) -> Self {
        Self { grid: Grid::new(earlier.grid.resolution, BTreeMap::new()), ..Self::default() }
    }

    /// Takes all points of another coverage: the result is that of one that had taken both's points, in any order.
    pub fn merge(&mut self, other: &Self) {
        self.points += other.points;
        self.outside += other.outside;
        self.grid.merge(&other.grid);
        self.arc.merge(&other.arc);
        self.hull.merge(&other.hull);
    }

    /// What the points fill; nothing when there are none.
    pub fn finish(&self) -> Option<Extent> {
        let (west, east) = self.arc.ends()?;
        let south = self.grid.cells.values().map(|filled| filled.span.south).min()?;
        let north = self.grid.cells.values().map(|filled| filled.span.north).max()?;
        let bounds = bounds(i64::from(south), i64::from(north), (i64::from(west), i64::from(east)));
        let (corners, overhang) = self.hull.corners(west > east);
        let (clusters, cluster_count) = self.clusters();
        let (regions, unplaced) = self.regions();
        let width =
            if west > east { i64::from(east) + TURN - i64::from(west) } else { i64::from(east) - i64::from(west) };
        Some(Extent {
            points: self.points,
            outside: self.outside,
            bounds,
            width_metres: arc_metres(width, (bounds.south + bounds.north) / 2.0),
            height_metres: distance_metres((bounds.south, 0.0), (bounds.north, 0.0)),
            clusters,
            cluster_count,
            hull: corners.into_iter().map(|(longitude, latitude)| (degrees(latitude), degrees(longitude))).collect(),
            hull_error_metres: arc_metres(overhang as i64, 0.0),
            levels: self.levels(),
            regions,
            unplaced,
        })
    }

    fn levels(&self) -> Vec<Level> {
        let finest = u8::from(self.grid.resolution);
        let wanted = (0..=finest).rev().step_by(2).take(LEVELS);
        let level = |resolution: Resolution| Level {
            resolution: resolution.into(),
            edge_metres: resolution.edge_length_m(),
            cells: self.grid.at(resolution).cells.iter().map(|(cell, f)| (u64::from(*cell), f.points)).collect(),
        };
        wanted.filter_map(|resolution| Resolution::try_from(resolution).ok()).map(level).collect()
    }

    /// Groups of neighbouring cells, the largest of them, and how many there are.
    fn clusters(&self) -> (Vec<Cluster>, usize) {
        let mut grid = self.grid.clone();
        while grid.cells.len() > CLUSTER_CELLS
            && let Some(coarser) = grid.resolution.pred()
        {
            grid = grid.at(coarser);
        }
        let mut left: BTreeSet<CellIndex> = grid.cells.keys().copied().collect();
        let mut groups: Vec<Filled> = Vec::new();
        while let Some(first) = left.pop_first() {
            let mut group = grid.cells[&first];
            let mut reached = vec![first];
            while let Some(cell) = reached.pop() {
                for neighbour in cell.grid_disk_safe(1).filter(|neighbour| *neighbour != cell) {
                    if left.remove(&neighbour) {
                        let filled = &grid.cells[&neighbour];
                        group.points += filled.points;
                        group.span.join(&filled.span);
                        reached.push(neighbour);
                    }
                }
            }
            groups.push(group);
        }
        groups.sort_by_key(|group| (std::cmp::Reverse(group.points), group.span.south, group.span.plain));
        let count = groups.len();
        groups.truncate(CLUSTERS);
        let cluster = |group: Filled| Cluster { bounds: span_bounds(&group.span), points: group.points };
        (groups.into_iter().map(cluster).collect(), count)
    }

    /// The regions of the nearest town of each cell, taken from the middle of its points.
    fn regions(&self) -> (Vec<Region>, u64) {
        let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        let mut unplaced = 0;
        let mut search = Search::default();
        for filled in self.grid.cells.values() {
            let (west, east) = filled.span.ends();
            let middle = (i64::from(filled.span.south) + i64::from(filled.span.north)) as f64 / 2.0 / SCALE;
            match search.nearest(middle, degrees((west + east) / 2)) {
                Some((town, _)) => *counts.entry((town.country, town.region)).or_default() += filled.points,
                None => unplaced += filled.points,
            }
        }
        let region = |((country, region), points): ((&str, &str), u64)| Region {
            country: country.to_owned(),
            region: region.to_owned(),
            points,
        };
        let mut regions: Vec<Region> = counts.into_iter().map(region).collect();
        regions.sort_by_key(|region| std::cmp::Reverse(region.points));
        (regions, unplaced)
    }
}

fn span_bounds(span: &Span) -> BoundingBox {
    bounds(i64::from(span.south), i64::from(span.north), span.ends())
}

fn bounds(south: i64, north: i64, (west, east): (i64, i64)) -> BoundingBox {
    BoundingBox { west: degrees(west), south: degrees(south), east: degrees(east), north: degrees(north) }
}

/// The length of so much of a parallel.
fn arc_metres(width: i64, latitude: f64) -> f64 {
    let quarter = distance_metres((0.0, 0.0), (0.0, 90.0));
    width as f64 / SCALE / 90.0 * quarter * latitude.to_radians().cos()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(points: &[(f64, f64)]) -> Coverage {
        let mut coverage = Coverage::default();
        points.iter().for_each(|(latitude, longitude)| coverage.add(*latitude, *longitude));
        coverage
    }

    #[test]
    fn a_box_crosses_the_date_line_where_that_is_shorter() {
        let extent = of(&[(-17.0, 179.0), (-18.0, -179.5), (-17.5, 178.5)]).finish().unwrap();
        let bounds = extent.bounds;
        assert_eq!((bounds.west, bounds.south, bounds.east, bounds.north), (178.5, -18.0, -179.5, -17.0));
        assert!((extent.width_metres - 212_000.0).abs() < 1_000.0, "{}", extent.width_metres);
        assert!((extent.height_metres - 111_195.0).abs() < 10.0);
        assert_eq!(extent.hull.len(), 3);
        assert!(of(&[(91.0, 0.0)]).finish().is_none());
    }

    #[test]
    fn cities_apart_are_clusters_with_their_countries() {
        let berlin = (0..300).map(|i| (52.5 + f64::from(i % 17) * 1e-3, 13.4 + f64::from(i % 19) * 1e-3));
        let tokyo = (0..100).map(|i| (35.68 + f64::from(i % 7) * 1e-3, 139.76 + f64::from(i % 11) * 1e-3));
        let extent = of(&berlin.chain(tokyo).collect::<Vec<_>>()).finish().unwrap();
        assert_eq!(extent.cluster_count, 2);
        assert_eq!(extent.clusters.iter().map(|cluster| cluster.points).collect::<Vec<_>>(), [300, 100]);
        let first = &extent.regions[0];
        assert_eq!((first.country.as_str(), first.points), ("DE", 300));
        assert_eq!(extent.levels.len(), 4);
        for level in &extent.levels {
            assert_eq!(level.cells.iter().map(|(_, points)| points).sum::<u64>(), 400);
        }
        assert_eq!(extent.unplaced, 0);
    }

    #[test]
    fn memory_is_bounded_and_the_grid_coarsens() {
        let points: Vec<(f64, f64)> = (0..20_000)
            .map(|i| (f64::from(i * 7_919 % 18_000) / 100.0 - 90.0, f64::from(i * 104_729 % 36_000) / 100.0 - 180.0))
            .collect();
        let coverage = of(&points);
        assert!(coverage.grid.cells.len() <= 1_024 && u8::from(coverage.grid.resolution) <= 2);
        assert_eq!(coverage.finish().unwrap().points, 20_000);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn merging_parts_is_as_taking_all(
            points in prop::collection::vec((-90.0..90.0f64, -180.0..360.0f64), 1..1_500),
            cut in 0.0..1.0f64,
            narrow in any::<bool>(),
        ) {
            let scale = if narrow { 1e-3 } else { 1.0 };
            let points: Vec<(f64, f64)> = points.iter().map(|(a, b)| (a * scale + 20.0 * (1.0 - scale), b * scale + 179.9 * (1.0 - scale))).collect();
            let (first, second) = points.split_at((points.len() as f64 * cut) as usize);
            let mut forth = of(first);
            forth.merge(&of(second));
            let mut back = of(second);
            back.merge(&of(first));
            let whole = of(&points);
            prop_assert_eq!(&forth, &whole);
            prop_assert_eq!(&back, &whole);
            let mut beside = of(first);
            let mut later = Coverage::beside(&beside);
            second.iter().for_each(|(latitude, longitude)| later.add(*latitude, *longitude));
            beside.merge(&later);
            prop_assert_eq!(&beside, &whole);
            prop_assert_eq!(Coverage::decode(&whole.encode()), Some(whole));
        }

        #[test]
        fn every_point_lies_in_the_hull_but_for_its_error(points in prop::collection::vec((-60.0..60.0f64, -100.0..100.0f64), 3..200)) {
            let extent = of(&points).finish().unwrap();
            for (latitude, longitude) in points {
                let outside = extent.hull.iter().enumerate().map(|(index, a)| {
                    let b = extent.hull[(index + 1) % extent.hull.len()];
                    let (dx, dy) = (b.1 - a.1, b.0 - a.0);
                    (dy * (longitude - a.1) - dx * (latitude - a.0)) / dx.hypot(dy)
                });
                let metres = outside.fold(f64::NEG_INFINITY, f64::max) * 111_195.0;
                prop_assert!(metres <= extent.hull_error_metres + 0.1, "{metres} {}", extent.hull_error_metres);
            }
        }
    }
}
