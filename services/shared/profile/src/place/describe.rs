//! From columns to the coverage that their profile tells.

use std::collections::BTreeMap;

use proto::profiling::v1::{GeoPoint, SemanticType, SpaceCell, SpaceCluster, SpaceCoverage, SpaceLevel, SpaceRegion};

use super::shapes::{self, Point};
use super::{Coverage, Extent, Region, Values};
use crate::semantic::{country_of, region_of};

/// Regions beyond these are counted only.
const REGIONS: usize = 100;

/// The coverage of a pair of columns whose points fill this.
pub(crate) fn of_pair(latitudes: &str, longitudes: &str, extent: Extent) -> SpaceCoverage {
    let columns = vec![latitudes.to_owned(), longitudes.to_owned()];
    let value_count = signed(extent.points + extent.outside);
    SpaceCoverage { columns, value_count, ..message(SemanticType::Latitude, extent) }
}

/// The coverage of a column that holds places in single cells, if this is what it means.
pub(crate) fn of_column<'a>(
    column: &str,
    meaning: SemanticType,
    values: impl FnOnce() -> Values<'a>,
) -> Option<SpaceCoverage> {
    if !holds_places(meaning) {
        return None;
    }
    let values = values();
    let weighted = values.weighted.iter().map(|(text, count)| (text.as_ref(), *count));
    let found = match points_of(meaning) {
        Some(points) => by_points(meaning, weighted, points),
        None => by_country(meaning, weighted),
    };
    let (value_count, share_error) = (signed(values.cells), values.share_error);
    found.map(|coverage| SpaceCoverage { columns: vec![column.to_owned()], value_count, share_error, ..coverage })
}

fn holds_places(meaning: SemanticType) -> bool {
    points_of(meaning).is_some() || is_of_countries(meaning)
}

fn points_of(meaning: SemanticType) -> Option<fn(&str) -> Vec<Point>> {
    Some(match meaning {
        SemanticType::LatLon => shapes::of_pair,
        SemanticType::Wkt => shapes::of_wkt,
        SemanticType::Geojson => shapes::of_geojson,
        SemanticType::Geohash => shapes::of_geohash,
        SemanticType::H3Cell => shapes::of_h3,
        SemanticType::City => shapes::of_town,
        _ => return None,
    })
}

fn is_of_countries(meaning: SemanticType) -> bool {
    matches!(
        meaning,
        SemanticType::Country
            | SemanticType::CountryCodeAlpha2
            | SemanticType::CountryCodeAlpha3
            | SemanticType::CountryCodeNumeric
            | SemanticType::SubdivisionCode
            | SemanticType::Region
            | SemanticType::UsState
    )
}

fn by_points<'a>(
    meaning: SemanticType,
    values: impl Iterator<Item = (&'a str, u64)>,
    points: fn(&str) -> Vec<Point>,
) -> Option<SpaceCoverage> {
    let mut coverage = Coverage::default();
    let mut unknown = 0;
    for (value, count) in values {
        let points = points(value);
        unknown += if points.is_empty() { count } else { 0 };
        points.into_iter().for_each(|(latitude, longitude)| coverage.add_many(latitude, longitude, count));
    }
    let extent = coverage.finish()?;
    Some(SpaceCoverage { unknown_count: signed(unknown), ..message(meaning, extent) })
}

/// Names and codes of countries and regions have no point; they count by themselves.
fn by_country<'a>(meaning: SemanticType, values: impl Iterator<Item = (&'a str, u64)>) -> Option<SpaceCoverage> {
    let mut counts: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut unknown = 0;
    for (value, count) in values {
        let found = match meaning {
            SemanticType::Region | SemanticType::UsState => region_of(value),
            _ => country_of(value).map(|country| (country.to_owned(), String::new())),
        };
        match found {
            Some(found) => *counts.entry(found).or_default() += count,
            None => unknown += count,
        }
    }
    let mut regions: Vec<Region> =
        counts.into_iter().map(|((country, region), points)| Region { country, region, points }).collect();
    regions.sort_by_key(|region| std::cmp::Reverse(region.points));
    let first = regions.first()?;
    debug_assert!(first.points > 0);
    Some(SpaceCoverage {
        semantic_type: meaning.into(),
        unknown_count: signed(unknown),
        region_count: whole(regions.len()),
        regions: regions.into_iter().take(REGIONS).map(region).collect(),
        ..SpaceCoverage::default()
    })
}

fn message(meaning: SemanticType, extent: Extent) -> SpaceCoverage {
    let cell = |(index, points): (u64, u64)| SpaceCell { index, point_count: signed(points) };
    let levels = extent.levels.into_iter().map(|level| SpaceLevel {
        resolution: i32::from(level.resolution),
        edge_metres: level.edge_metres,
        cells: level.cells.into_iter().map(cell).collect(),
    });
    let clusters = extent
        .clusters
        .into_iter()
        .map(|cluster| SpaceCluster { r#box: Some(cluster.bounds.into()), point_count: signed(cluster.points) });
    SpaceCoverage {
        columns: Vec::new(),
        semantic_type: meaning.into(),
        point_count: signed(extent.points),
        outside_count: signed(extent.outside),
        value_count: 0,
        share_error: 0.0,
        unknown_count: 0,
        r#box: Some(extent.bounds.into()),
        width_metres: extent.width_metres,
        height_metres: extent.height_metres,
        clusters: clusters.collect(),
        cluster_count: whole(extent.cluster_count),
        hull: extent.hull.into_iter().map(|(latitude, longitude)| GeoPoint { latitude, longitude }).collect(),
        hull_error_metres: extent.hull_error_metres,
        levels: levels.collect(),
        region_count: whole(extent.regions.len()),
        regions: extent.regions.into_iter().take(REGIONS).map(region).collect(),
        remote_count: signed(extent.unplaced),
    }
}

fn region(region: Region) -> SpaceRegion {
    SpaceRegion { country_code: region.country, region: region.region, point_count: signed(region.points) }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn whole(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
