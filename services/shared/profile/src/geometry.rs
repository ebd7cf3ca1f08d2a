//! Points and shapes in cells.

/// What a cell describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Geometry {
    Point,
    /// A line, an area, or several of anything.
    Shape,
}

const SHAPES: [&str; 6] =
    ["LINESTRING", "POLYGON", "MULTIPOINT", "MULTILINESTRING", "MULTIPOLYGON", "GEOMETRYCOLLECTION"];

/// Reads the outline of well-known text: a name, then brackets to the end that hold numbers.
pub(crate) fn well_known(text: &str) -> Option<Geometry> {
    if !text.ends_with(')') {
        return None;
    }
    let open = text.find('(')?;
    let name = text[..open].trim_end();
    let name = ["ZM", "Z", "M"].iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name).trim_end();
    let name = name.rsplit_once(';').filter(|(head, _)| head.starts_with("SRID=")).map_or(name, |(_, name)| name);
    let shape = if name.eq_ignore_ascii_case("POINT") {
        Geometry::Point
    } else if SHAPES.iter().any(|shape| name.eq_ignore_ascii_case(shape)) {
        Geometry::Shape
    } else {
        return None;
    };
    let inner = text[open..].trim_start_matches(['(', ' ']);
    let first = inner.as_bytes().first()?;
    (first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.') || shape == Geometry::Shape).then_some(shape)
}

/// Tells whether a record of JSON is a geometry of GeoJSON, by its `type` and that there are coordinates.
pub(crate) fn geojson(text: &str) -> Option<Geometry> {
    if !text.starts_with('{') || !(text.contains("\"coordinates\"") || text.contains("\"geometries\"")) {
        return None;
    }
    let after = text.split_once("\"type\"")?.1.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    let (name, _) = after.split_once('"')?;
    match name {
        "Point" => Some(Geometry::Point),
        name if SHAPES.iter().any(|shape| name.eq_ignore_ascii_case(shape)) => Some(Geometry::Shape),
        _ => None,
    }
}

/// Tells whether a text is a latitude and a longitude with fractions: `47.37, 8.54`, `(47.37 8.54)`.
pub(crate) fn pair(text: &str) -> bool {
    let inner = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or(text).trim();
    let Some((first, second)) = inner.split_once(',').or_else(|| inner.split_once(' ')) else { return false };
    let within = |part: &str, limit: f64| {
        let part = part.trim();
        part.contains('.')
            && part.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+'))
            && part.parse().is_ok_and(|degrees: f64| degrees.abs() <= limit)
    };
    within(first, 90.0) && within(second, 180.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn geometries_are_told_by_their_outline() {
        for (text, found) in [
            ("POINT(8.5 47.4)", Some(Geometry::Point)),
            ("Point Z (1 2 3)", Some(Geometry::Point)),
            ("SRID=4326;POINT(8 47)", Some(Geometry::Point)),
            ("MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)))", Some(Geometry::Shape)),
            ("POINT (of no return)", None),
            ("Pointer (2)", None),
        ] {
            assert_eq!(well_known(text), found, "{text}");
        }
        assert_eq!(geojson("{\"type\": \"Polygon\", \"coordinates\": []}"), Some(Geometry::Shape));
        assert_eq!(geojson("{\"type\": \"Polygon\"}"), None);
    }

    #[test]
    fn a_pair_of_degrees_has_fractions_and_lies_on_the_globe() {
        assert!(pair("47.37, 8.54") && pair("(-47.37 178.5)"));
        assert!(!pair("47, 8") && !pair("147.37, 8.54") && !pair("1.5,2.5,3.5") && !pair("a"));
    }
}
