//! Which columns are latitudes and longitudes, and what box their points fill.

use sketch::{Corrupt, Reader, Writer, mix};
use types::BoundingBox;

use crate::longitude::Arc;
use crate::place::Coverage;

/// How many places wait for points of the same place.
const WAITING: usize = 256;

/// What the name of a column says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) axis: Axis,
    /// The name stands for itself; else only beside its counterpart.
    pub(crate) plain: bool,
    /// What the name says besides, which a counterpart says, too.
    rest: String,
}

/// An axis of the globe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Axis {
    Latitude,
    Longitude,
}

/// A column of latitudes and its column of longitudes, by position, with what their points fill.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) latitude: usize,
    pub(crate) longitude: usize,
    pub(crate) points: u64,
    north_south: Option<(f64, f64)>,
    arc: Arc,
    pub(crate) coverage: Coverage,
}

/// Reads the name of a column.
pub(crate) fn named(name: &str) -> Option<Named> {
    const LATITUDES: [&str; 2] = ["latitude", "lat"];
    const LONGITUDES: [&str; 4] = ["longitude", "long", "lng", "lon"];
    let words = words(name);
    let find = |names: &[&str], axis: Axis| {
        let exact = words.iter().position(|word| names.contains(&word.as_str()));
        if let Some(at) = exact {
            let rest: Vec<&str> = words.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, w)| w.as_str()).collect();
            return Some(Named { axis, plain: words[at] != "long", rest: rest.join(" ") });
        }
        let whole = words.concat();
        let stem = names.iter().find_map(|ending| whole.strip_suffix(ending))?;
        Some(Named { axis, plain: false, rest: stem.to_owned() })
    };
    find(&LATITUDES, Axis::Latitude).or_else(|| find(&LONGITUDES, Axis::Longitude))
}

/// The words of a name in lower case: divided at what is no letter, and where capitals begin.
pub(crate) fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for character in name.chars() {
        let starts = character.is_uppercase() && after_lower;
        if starts || !character.is_alphabetic() {
            words.push(String::new());
        }
        after_lower = character.is_lowercase();
        if character.is_alphabetic()
            && let Some(word) = words.last_mut()
        {
            word.extend(character.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Finds the columns that belong together.
pub(crate) fn pairs(names: &[Option<Named>]) -> Vec<Pair> {
    let of = |axis: Axis| {
        let matching = names.iter().enumerate().filter_map(|(index, named)| Some((index, named.as_ref()?)));
        matching.filter(move |(_, named)| named.axis == axis)
    };
    let mut longitudes: Vec<(usize, &Named)> = of(Axis::Longitude).collect();
    let mut pairs = Vec::new();
    for (latitude, named) in of(Axis::Latitude) {
        if let Some(at) = longitudes.iter().position(|(_, other)| other.rest == named.rest) {
            let (longitude, _) = longitudes.remove(at);
            pairs.push(Pair {
                latitude,
                longitude,
                points: 0,
                north_south: None,
                arc: Arc::default(),
                coverage: Coverage::default(),
            });
        }
    }
    pairs
}

impl Pair {
    /// Takes the numbers of the next rows, NaN where a cell is none.
    pub(crate) fn add_all(&mut self, latitudes: &[f64], longitudes: &[f64]) {
        // Stations and shops come again and again: their points are taken together.
        let mut waiting = [(0.0, 0.0, 0); WAITING];
        for (latitude, longitude) in latitudes.iter().zip(longitudes) {
            if latitude.abs() <= 90.0 && longitude.abs() <= 360.0 {
                let hash = mix(latitude.to_bits() ^ longitude.to_bits().rotate_left(32));
                let slot = &mut waiting[hash as usize % WAITING];
                if (slot.0, slot.1) != (*latitude, *longitude) {
                    self.add(*slot);
                    *slot = (*latitude, *longitude, 0);
                }
                slot.2 += 1;
            }
        }
        waiting.into_iter().for_each(|place| self.add(place));
    }

    /// Takes the points of the same columns in other rows.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.points += other.points;
        self.north_south = match (self.north_south, other.north_south) {
            (Some(ours), Some(theirs)) => Some((ours.0.min(theirs.0), ours.1.max(theirs.1))),
            (ours, theirs) => ours.or(theirs),
        };
        self.arc.merge(&other.arc);
        self.coverage.merge(&other.coverage);
    }

    pub(crate) fn encode(&self, out: &mut Writer) {
        out.number(self.points);
        out.optional(self.north_south, |out, (south, north)| {
            out.double(south);
            out.double(north);
        });
        self.arc.encode(out);
        out.bytes(&self.coverage.encode());
    }

    pub(crate) fn decode(&mut self, from: &mut Reader<'_>) -> Result<(), Corrupt> {
        self.points = from.number()?;
        self.north_south = from.optional(|from| Ok((from.double()?, from.double()?)))?;
        self.arc = Arc::decode(from)?;
        self.coverage = Coverage::decode(from.bytes()?).ok_or(from.corrupt())?;
        Ok(())
    }

    fn add(&mut self, (latitude, longitude, count): (f64, f64, u64)) {
        // Some count longitudes from 0 to 360.
        let longitude = if longitude > 180.0 { longitude - 360.0 } else { longitude };
        if longitude < -180.0 || count == 0 {
            return;
        }
        self.points += count;
        self.coverage.add_many(latitude, longitude, count);
        let (south, north) = self.north_south.unwrap_or((latitude, latitude));
        self.north_south = Some((south.min(latitude), north.max(latitude)));
        self.arc.add(longitude);
    }

    /// The smallest box that holds every point; nothing when there is none.
    pub(crate) fn bounding_box(&self) -> Option<BoundingBox> {
        let (south, north) = self.north_south?;
        let (west, east) = self.arc.ends()?;
        Some(BoundingBox { west, south, east, north })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_axis() {
        for name in ["lat", "Latitude", "pickup_latitude", "decimalLatitude", "START LAT"] {
            assert!(named(name).is_some_and(|named| named.axis == Axis::Latitude && named.plain), "{name}");
        }
        for name in ["lng", "Lon", "longitude", "dropoff-longitude"] {
            assert!(named(name).is_some_and(|named| named.axis == Axis::Longitude && named.plain), "{name}");
        }
        for name in ["latency", "plate", "city", "salary", "belong to"] {
            assert_eq!(named(name), None, "{name}");
        }
        assert!(named("reclat").is_some_and(|named| !named.plain));
    }

    #[test]
    fn columns_of_one_place_belong_together() {
        let names = ["pickup_lat", "dropoff_lat", "dropoff_lon", "pickup_lon", "reclat", "reclong", "flat"];
        let found = pairs(&names.map(named));
        let places: Vec<(usize, usize)> = found.iter().map(|pair| (pair.latitude, pair.longitude)).collect();
        assert_eq!(places, [(0, 3), (1, 2), (4, 5)]);
    }
}
