//! The cells of a JSON element: one level of nesting makes columns of its own.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use serde_json::value::RawValue;

use crate::element::{Element, Members, text_of};
use crate::error::Error;
use crate::json::{Elements, Place};
use crate::limits::Limits;

/// What an element is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nature {
    Object,
    /// An object that is a feature of GeoJSON.
    Feature,
    /// An array or a scalar.
    Other,
}

/// Parses an element and hands on its cells: name, and text or nothing.
///
/// The members of a member that is an object become cells of their own, named `outer.inner`; what is nested deeper, an
/// empty object or a geometry of GeoJSON is JSON text. Of a feature of GeoJSON the cells are its properties, its geometry,
/// and its other members as `feature.id` and the like. Source: RFC 7946, section 3.2.
pub(crate) fn cells(
    element: &[u8],
    place: Place,
    mut take: impl FnMut(&str, Option<&str>) -> Result<(), Error>,
) -> Result<Nature, Error> {
    let Place { offset, row } = place;
    let element: Element<'_> = serde_json::from_slice(element).map_err(|error| Error::MalformedJson {
        offset,
        row,
        message: error.to_string(),
    })?;
    match &element {
        Element::Object(members) => match properties(members) {
            Some(properties) => {
                properties.iter().try_for_each(|(name, value)| cell(name, value, &mut take))?;
                let others = members.iter().filter(|(name, _)| !matches!(name.as_ref(), "type" | "properties"));
                others.into_iter().try_for_each(|(name, value)| match name.as_ref() {
                    "geometry" => take(name, text_of(value).as_deref()),
                    name => take(&format!("feature.{name}"), text_of(value).as_deref()),
                })?;
                return Ok(Nature::Feature);
            }
            None => {
                members.iter().try_for_each(|(name, value)| cell(name, value, &mut take))?;
                return Ok(Nature::Object);
            }
        },
        Element::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                take(&format!("column_{}", index + 1), text_of(value).as_deref())?;
            }
        }
        Element::Scalar(value) => take("value", text_of(value).as_deref())?,
    }
    Ok(Nature::Other)
}

type Member<'a> = (Cow<'a, str>, &'a RawValue);

/// Hands on a member, or the members of a member that is an object.
fn cell(
    name: &str,
    value: &RawValue,
    take: &mut impl FnMut(&str, Option<&str>) -> Result<(), Error>,
) -> Result<(), Error> {
    let inner = object(value).filter(|inner| !inner.is_empty() && !is_geometry(inner));
    let Some(inner) = inner else { return take(name, text_of(value).as_deref()) };
    let mut full = format!("{name}.");
    let stem = full.len();
    for (name, value) in inner {
        full.truncate(stem);
        full.push_str(&name);
        take(&full, text_of(value).as_deref())?;
    }
    Ok(())
}

/// The members of a value, where it is an object.
fn object(value: &RawValue) -> Option<Vec<Member<'_>>> {
    let source = value.get();
    source.starts_with('{').then(|| serde_json::from_str::<Members<'_>>(source).ok().map(|members| members.0)).flatten()
}

fn member<'a>(members: &[Member<'a>], wanted: &str) -> Option<&'a RawValue> {
    members.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value)
}

/// The properties of a feature, none for null; nothing for any other object.
fn properties<'a>(members: &[Member<'a>]) -> Option<Vec<Member<'a>>> {
    let is_feature = member(members, "type")?.get() == "\"Feature\"" && member(members, "geometry").is_some();
    let properties = member(members, "properties").filter(|_| is_feature)?;
    if properties.get() == "null" { Some(Vec::new()) } else { object(properties) }
}

/// Tells whether an object is a geometry of GeoJSON.
fn is_geometry(members: &[Member<'_>]) -> bool {
    let kind = member(members, "type").map(RawValue::get);
    let of_points = ["Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"];
    let known = kind.is_some_and(|kind| of_points.contains(&kind.trim_matches('"')));
    known && member(members, "coordinates").is_some()
        || kind == Some("\"GeometryCollection\"") && member(members, "geometries").is_some()
}

/// The columns of elements.
#[derive(Debug)]
pub(crate) struct Columns {
    /// The names of all cells, in the order of their first appearance.
    pub(crate) names: Vec<String>,
    /// There is an element, and all of them are features of GeoJSON.
    pub(crate) features: bool,
}

/// Collects the names of the cells of all elements. A member that is an object or null has no column of its own.
pub(crate) fn columns(elements: &mut Elements, limits: &Limits) -> Result<Columns, Error> {
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut names: Vec<(String, bool)> = Vec::new();
    let (mut bytes, mut elements_seen, mut features) = (0, 0u64, 0u64);
    while elements.next()? {
        let mut next = 0;
        let place = elements.place();
        let nature = cells(elements.element(), place, |name, text| {
            let expected = names.get(next).is_some_and(|(expected, _)| expected == name);
            let column = if expected { Some(next) } else { known.get(name).copied() };
            if let Some(column) = column {
                names[column].1 |= text.is_some();
                next = column + 1;
                return Ok(());
            }
            if names.len() >= limits.max_columns {
                return Err(Error::TooManyColumns { limit: limits.max_columns });
            }
            bytes += name.len();
            if bytes > limits.max_record_bytes {
                return Err(Error::RecordTooLong { limit: limits.max_record_bytes, offset: place.offset });
            }
            known.insert(name.to_owned(), names.len());
            names.push((name.to_owned(), text.is_some()));
            next = names.len();
            Ok(())
        })?;
        elements_seen += 1;
        features += u64::from(nature == Nature::Feature);
    }
    Ok(Columns { names: without_parents(names), features: elements_seen > 0 && features == elements_seen })
}

/// Leaves out the names of members that are objects wherever they are not null.
fn without_parents(names: Vec<(String, bool)>) -> Vec<String> {
    let sorted: BTreeSet<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
    let has_children = |name: &str| {
        let stem = format!("{name}.");
        sorted.range(stem.as_str()..).next().is_some_and(|first| first.starts_with(&stem))
    };
    let kept = names.iter().filter(|(name, filled)| *filled || !has_children(name));
    kept.map(|(name, _)| name.clone()).collect()
}
