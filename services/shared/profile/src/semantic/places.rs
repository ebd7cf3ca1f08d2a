//! Places, as far as one value tells.

use std::sync::LazyLock;

use serde_json::Value;

use super::cell::Cell;
use super::fold::fold;
use super::lists::{COUNTRY_NAMES, REGIONS, STATE_NAMES, TIME_ZONES, US_STATES, Words, holds, words};
use crate::place::gazetteer::{self, knows};

pub(super) fn latitude(cell: &Cell<'_>) -> bool {
    cell.number().is_some_and(|number| number.value.abs() <= 90.0)
}

pub(super) fn longitude(cell: &Cell<'_>) -> bool {
    cell.number().is_some_and(|number| number.value.abs() <= 180.0)
}

/// A point of two decimal numbers in one cell: latitude first, longitude second, with a fraction at least.
pub(crate) fn lat_lon(text: &str) -> Option<(f64, f64)> {
    let text = text.trim();
    let inner = text.strip_prefix(['(', '[']).and_then(|inner| inner.strip_suffix([')', ']'])).unwrap_or(text);
    let (first, second) = inner
        .split_once([';', '|'])
        .or_else(|| inner.split_once(", "))
        .or_else(|| inner.split_once(','))
        .or_else(|| inner.split_once(' '))?;
    let (latitude, longitude) = (degrees(first, ['N', 'S'])?, degrees(second, ['E', 'W'])?);
    let fits = latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
    (fits && (first.contains('.') || second.contains('.'))).then_some((latitude, longitude))
}

/// A decimal number with a sign or the letter of a hemisphere, the second of them being negative.
fn degrees(text: &str, hemispheres: [char; 2]) -> Option<f64> {
    let text = text.trim();
    let number = text.trim_end_matches(hemispheres).trim_end_matches(['°', ' ']);
    let value: f64 = number.parse().ok().filter(|value: &f64| value.is_finite())?;
    number.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+')).then_some(())?;
    Some(if text.ends_with(hemispheres[1]) { -value } else { value })
}

pub(super) fn is_lat_lon(cell: &Cell<'_>) -> bool {
    lat_lon(cell.text).is_some()
}

pub(super) fn wkt(cell: &Cell<'_>) -> bool {
    const SHAPES: [&str; 7] =
        ["POINT", "LINESTRING", "POLYGON", "MULTIPOINT", "MULTILINESTRING", "MULTIPOLYGON", "GEOMETRYCOLLECTION"];
    let text =
        cell.text.split_once(';').filter(|(id, _)| id.starts_with("SRID=")).map_or(cell.text, |(_, shape)| shape);
    let upper = text.get(..text.len().min(40)).unwrap_or(text).to_ascii_uppercase();
    let Some(word) = upper.split(|c: char| !c.is_ascii_alphabetic()).next() else { return false };
    let rest = text[word.len()..].trim_start().trim_start_matches(['Z', 'M']).trim_start();
    let closed = rest.starts_with('(') && (rest.ends_with(')') || cell.is_cut());
    SHAPES.contains(&word) && (closed || rest.eq_ignore_ascii_case("EMPTY"))
}

pub(super) fn geojson(cell: &Cell<'_>) -> bool {
    if !cell.text.starts_with('{') || !cell.text.contains("\"type\"") {
        return false;
    }
    if cell.is_cut() {
        return cell.text.contains("\"coordinates\"") || cell.text.contains("\"geometry\"");
    }
    let Ok(Value::Object(object)) = serde_json::from_str(cell.text) else { return false };
    let shape = |name: &str| object.get(name).is_some();
    object.get("type").is_some_and(Value::is_string)
        && (shape("coordinates") || shape("geometry") || shape("geometries"))
}

/// Source: G. Niemeyer's geohash: base 32 without a, i, l and o.
pub(super) fn geohash(cell: &Cell<'_>) -> bool {
    let bytes = cell.bytes();
    let spelled = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_lowercase() && !b"ailo".contains(byte);
    (4..=12).contains(&bytes.len())
        && bytes.iter().all(spelled)
        && bytes.iter().any(u8::is_ascii_digit)
        && bytes.iter().any(u8::is_ascii_lowercase)
}

pub(super) fn h3_cell(cell: &Cell<'_>) -> bool {
    cell.text.len() == 15 && cell.text.parse::<h3o::CellIndex>().is_ok()
}

pub(super) fn country(cell: &Cell<'_>) -> bool {
    cell.text.len() >= 2
        && cell.text.chars().count() > 1
        && !is_short_latin(cell.text)
        && holds(&COUNTRY_NAMES, cell.folded())
}

fn is_short_latin(text: &str) -> bool {
    text.len() <= 2 && text.is_ascii()
}

/// Words for kinds of subdivisions that may follow their names.
const KINDS: [&str; 12] = [
    " province",
    " region",
    " state",
    " oblast",
    " county",
    " prefecture",
    " district",
    " department",
    " governorate",
    " canton",
    " voivodeship",
    " parish",
];

/// The name of a subdivision, with the word for its kind or without.
pub(super) fn region(cell: &Cell<'_>) -> bool {
    let name = cell.folded();
    if name.len() < 3 {
        return false;
    }
    let plain = KINDS.iter().find_map(|kind| name.strip_suffix(kind)).unwrap_or(name);
    holds(&REGIONS, name) || holds(&STATE_NAMES, name) || plain.len() >= 3 && holds(&REGIONS, plain)
}

/// The country and the name of a region: of a US state by code or name, else of the subdivision that the gazetteer knows.
pub(crate) fn region_of(value: &str) -> Option<(String, String)> {
    let name = fold(value);
    let state = US_STATES.iter().find(|line| {
        let mut parts = line.split('|');
        parts.next() == Some(value.trim()) || parts.nth(1) == Some(name.as_str())
    });
    let found = match state.and_then(|line| line.split('|').nth(2)) {
        Some(state) => gazetteer::region(state, Some("US")),
        None => {
            let plain = KINDS.iter().find_map(|kind| name.strip_suffix(kind)).unwrap_or(&name);
            gazetteer::region(&name, None).or_else(|| gazetteer::region(plain, None))
        }
    };
    found.map(|(country, region)| (country.to_owned(), region.to_owned()))
}

/// A town of the gazetteer; what follows a comma (a state, a country) is left out.
pub(super) fn city(cell: &Cell<'_>) -> bool {
    let spelled = cell.text.chars().count() > 1 && !cell.text.bytes().any(|byte| byte.is_ascii_digit());
    if !spelled || cell.text.len() > 80 || cell.text.len() <= 3 && cell.text.is_ascii() {
        return false;
    }
    if knows(cell.folded()) {
        return true;
    }
    let first = cell.text.split([',', '(']).next().unwrap_or_default();
    first.len() < cell.text.len() && knows(&fold(first))
        || cell.text.strip_suffix('市').is_some_and(|name| knows(&fold(name)))
}

/// A zone of the database, or an offset such as `UTC+02:00`.
pub(super) fn time_zone(cell: &Cell<'_>) -> bool {
    let text = cell.text;
    let offset = ["UTC", "GMT"].iter().find_map(|zone| text.strip_prefix(zone));
    let is_offset = offset.is_some_and(|offset| {
        offset.starts_with(['+', '-', '±'])
            && offset.len() > 1
            && offset[1..].bytes().all(|b| b.is_ascii_digit() || b == b':')
    });
    is_offset || text.len() > 2 && holds(&TIME_ZONES, text)
}

/// Formats that hardly anything else has: letters and digits in fixed places, or digits with a hyphen in its place.
/// Source: the addressing standards that the Universal Postal Union publishes.
pub(super) fn postal_code_with_marks(cell: &Cell<'_>) -> bool {
    const FORMATS: [&str; 18] = [
        "A9 9AA",
        "A99 9AA",
        "AA9 9AA",
        "AA99 9AA",
        "A9A 9AA",
        "AA9A 9AA", // United Kingdom
        "A9A 9A9",
        "A9A9A9", // Canada
        "9999 AA",
        "9999AA",     // Netherlands
        "99999-9999", // United States
        "999-9999",   // Japan
        "99999-999",  // Brazil
        "99-999",     // Poland
        "9999-999",   // Portugal
        "999 99",     // Sweden, Czechia, Slovakia, Greece
        "A99 A9A9",   // Ireland
        "A9999AAA",   // Argentina
    ];
    let form = form(cell.text);
    FORMATS.contains(&form.as_str())
        || matches!(cell.text.split_once([' ', '-']), Some((prefix, rest)) if is_prefixed(prefix, rest))
}

/// `D-10115`, `LV-1010`, `MD 2012`.
fn is_prefixed(prefix: &str, rest: &str) -> bool {
    const PREFIXES: [&str; 14] = ["D", "A", "CH", "F", "B", "L", "LV", "LT", "MD", "SI", "HR", "FI", "AZ", "AD"];
    PREFIXES.contains(&prefix) && (4..=5).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_digit())
}

fn form(text: &str) -> String {
    let letter = |byte: u8| match byte {
        b'0'..=b'9' => '9',
        b'A'..=b'Z' | b'a'..=b'z' => 'A',
        other => char::from(other),
    };
    if text.len() > 10 { String::new() } else { text.bytes().map(letter).collect() }
}

pub(super) fn postal_code_of_digits(cell: &Cell<'_>) -> bool {
    (4..=6).contains(&cell.text.len()) && cell.bytes().iter().all(u8::is_ascii_digit)
}

/// Words for streets in folded form, in the singular: whole words, then endings of compounds. Source of the English
/// ones: Publication 28 of the US Postal Service.
static STREET_WORDS: Words = LazyLock::new(|| {
    words(
        "alley annex arcade avenue av ave avda bayou beach bend bluff boulevard blvd blv branch bridge brook \
    burg bypass camp canyon cape causeway center centre circle cir cliff close club common corner course court ct cove creek \
    crescent crest crossing crossroad curve dale dam divide drive dr estate expressway extension fall ferry field flat ford \
    forest forge fork fort freeway garden gateway glen green grove harbor haven height highway hwy hill hollow inlet island \
    isle junction key knoll lake land landing lane ln light loaf lock lodge loop mall manor meadow mew mill mission motorway \
    mount mountain neck orchard oval overpass park parkway pkwy pass passage path pike pine place pl plain plaza point port \
    prairie ramp ranch rapid rest ridge river road rd roundabout route row run shoal shore skyway spring spur square sq station \
    stream street st summit terrace ter throughway trace track trafficway trail trl tunnel turnpike underpass union valley \
    viaduct view village ville vista walk wall way well wy apt apartment suite unit floor studio rue chemin allee impasse quai \
    cour calle avenida carrera cuesta paseo pasaje camino glorieta rambla ronda travesia urbanizacion callejon acceso via viale \
    piazza corso largo vicolo strada contrada borgo rotonda incrocio rua travessa estrada alameda praca ulica ul aleja al plac \
    osiedle os strasse str platz weg gasse ring ufer laan straat plein gracht kade singel dreef vagen gatan gata vej gade veien \
    katu tie ulitsa prospekt per pereulok shosse utca ut sokak sokagi caddesi cad mahallesi bulvari jalan jl cesta namesti trida \
    vul улица ул проспект пр переулок пер шоссе ш бульвар бул наб набережная аллея алл",
    )
});
const STREET_ENDINGS: [&str; 16] = [
    "strasse", "str", "weg", "platz", "gasse", "allee", "ring", "straat", "laan", "plein", "gatan", "vagen", "vej",
    "gade", "katu", "utca",
];

/// A house number and a word for a street, or a house number and two words at least; a comma and more may follow.
pub(super) fn street_address(cell: &Cell<'_>) -> bool {
    let name = cell.folded();
    if name.len() < 6 || name.len() > 160 {
        return false;
    }
    let has_number = |word: &str| word.bytes().any(|byte| byte.is_ascii_digit()) && word.len() <= 6;
    let is_far_eastern = || !name.is_ascii() && (name.contains("丁目") || name.contains("番地"));
    if name.starts_with("po box ") || name.starts_with("postfach ") || is_far_eastern() {
        return true;
    }
    if !name.contains(' ') || !name.bytes().any(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let words: Vec<&str> = name.split(' ').collect();
    if words.len() < 2 || words.len() > 20 || !words.iter().any(|word| has_number(word)) {
        return false;
    }
    let is_street = |word: &str| {
        let singular = word.strip_suffix('s').unwrap_or(word);
        STREET_WORDS.contains(word)
            || STREET_WORDS.contains(singular)
            || word.len() > 5 && STREET_ENDINGS.iter().any(|ending| word.ends_with(ending))
    };
    let letters = cell.text.chars().filter(|c| c.is_alphabetic()).count();
    letters >= 4 && words.iter().any(|word| is_street(word))
}
