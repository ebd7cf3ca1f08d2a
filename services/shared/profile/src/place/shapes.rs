//! The points of one cell: a pair, a shape, a cell of a grid, a name.

use h3o::{CellIndex, LatLng};
use serde_json::Value;

use super::gazetteer::named;
use crate::semantic::lat_lon;

/// A point: latitude and longitude in degrees.
pub(super) type Point = (f64, f64);

pub(super) fn of_pair(text: &str) -> Vec<Point> {
    lat_lon(text).into_iter().collect()
}

/// The corners of a shape in well-known text: groups of numbers, longitude first. One that is cut off has none.
pub(super) fn of_wkt(text: &str) -> Vec<Point> {
    let Some(start) = text.find('(').filter(|_| text.trim_end().ends_with(')')) else { return Vec::new() };
    let corner = |group: &str| {
        let mut numbers = group.split_whitespace().map(str::parse::<f64>);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(longitude)), Some(Ok(latitude))) => Some((latitude, longitude)),
            _ => None,
        }
    };
    let plain = |c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | 'e' | 'E' | ' '));
    text[start..].split(plain).filter_map(corner).collect()
}

/// The corners of a shape, a feature or a collection in GeoJSON.
pub(super) fn of_geojson(text: &str) -> Vec<Point> {
    let mut points = Vec::new();
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        collect(&value, &mut points);
    }
    points
}

/// `serde_json` refuses what is nested deeper than 128 levels.
fn collect(value: &Value, points: &mut Vec<Point>) {
    match value {
        Value::Object(object) => {
            let parts = ["coordinates", "geometry", "geometries", "features"];
            parts.iter().filter_map(|part| object.get(*part)).for_each(|part| collect(part, points));
        }
        Value::Array(items) => match (items.first().and_then(Value::as_f64), items.get(1).and_then(Value::as_f64)) {
            (Some(longitude), Some(latitude)) => points.push((latitude, longitude)),
            _ => items.iter().for_each(|item| collect(item, points)),
        },
        _ => {}
    }
}

/// The middle of a geohash.
pub(super) fn of_geohash(text: &str) -> Vec<Point> {
    const ALPHABET: &str = "0123456789bcdefghjkmnpqrstuvwxyz";
    let mut spans = [(-180.0, 180.0), (-90.0, 90.0)];
    let mut axis = 0;
    for character in text.trim().chars() {
        let Some(value) = ALPHABET.find(character) else { return Vec::new() };
        for bit in (0..5).rev() {
            let (low, high): (f64, f64) = spans[axis];
            let middle = (low + high) / 2.0;
            spans[axis] = if value >> bit & 1 == 1 { (middle, high) } else { (low, middle) };
            axis = 1 - axis;
        }
    }
    let middle = |(low, high): (f64, f64)| (low + high) / 2.0;
    vec![(middle(spans[1]), middle(spans[0]))]
}

/// The middle of an H3 cell.
pub(super) fn of_h3(text: &str) -> Vec<Point> {
    let cell = text.trim().parse::<CellIndex>();
    cell.map(LatLng::from).map(|point| vec![(point.lat(), point.lng())]).unwrap_or_default()
}

/// The most populous town of a name.
pub(super) fn of_town(text: &str) -> Vec<Point> {
    let name = text.split(',').next().unwrap_or(text);
    named(text).or_else(|| named(name)).map(|town| (town.latitude, town.longitude)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(points: Vec<Point>, expected: &[Point]) {
        assert_eq!(points.len(), expected.len(), "{points:?}");
        for (point, expected) in points.iter().zip(expected) {
            assert!((point.0 - expected.0).abs() < 0.01 && (point.1 - expected.1).abs() < 0.01, "{points:?}");
        }
    }

    #[test]
    fn shapes_give_their_corners() {
        near(of_wkt("POINT (13.4 52.5)"), &[(52.5, 13.4)]);
        near(of_wkt("SRID=4326;POLYGON((1 2, 3 4, 1 2))"), &[(2.0, 1.0), (4.0, 3.0), (2.0, 1.0)]);
        near(
            of_geojson(r#"{"type":"Feature","geometry":{"type":"Point","coordinates":[13.4,52.5,7]}}"#),
            &[(52.5, 13.4)],
        );
        near(of_geojson(r#"{"type":"LineString","coordinates":[[1,2],[3,4]]}"#), &[(2.0, 1.0), (4.0, 3.0)]);
        near(of_geohash("u33db2"), &[(52.51, 13.37)]);
        near(of_h3("8928308280fffff"), &[(37.776, -122.418)]);
        near(of_pair("52.5° N, 13.4° E"), &[(52.5, 13.4)]);
        near(of_pair("33.9 S, 18.4 E"), &[(-33.9, 18.4)]);
        assert!(
            of_wkt("POLYGON EMPTY").is_empty()
                && of_wkt("POLYGON ((1 2, 3 4").is_empty()
                && of_h3("x").is_empty()
                && of_geohash("a").is_empty()
        );
    }
}
