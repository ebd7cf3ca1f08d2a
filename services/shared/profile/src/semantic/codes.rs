//! Codes that are listed.

use super::cell::Cell;
use super::lists::{
    ALPHA_2, ALPHA_3, COUNTRY_NUMBERS, CURRENCIES, FIPS_COUNTIES, HS, IATA, ICAO, LANGUAGES_2, LANGUAGES_3,
    LANGUAGES_3_ALL, List, MIME, NAICS, NUTS, STATE_CODES, STATE_FIPS, STATE_NAMES, SUBDIVISIONS, holds,
};

pub(super) fn alpha_2(cell: &Cell<'_>) -> bool {
    cell.text.len() == 2 && one_case(cell) && holds(&ALPHA_2, &cell.text.to_ascii_uppercase())
}

pub(super) fn alpha_3(cell: &Cell<'_>) -> bool {
    cell.text.len() == 3 && one_case(cell) && holds(&ALPHA_3, &cell.text.to_ascii_uppercase())
}

fn one_case(cell: &Cell<'_>) -> bool {
    cell.bytes().iter().all(u8::is_ascii_uppercase) || cell.bytes().iter().all(u8::is_ascii_lowercase)
}

pub(super) fn country_number(cell: &Cell<'_>) -> bool {
    padded(cell, 3, &COUNTRY_NUMBERS)
}

pub(super) fn fips_state(cell: &Cell<'_>) -> bool {
    padded(cell, 2, &STATE_FIPS)
}

pub(super) fn fips_county(cell: &Cell<'_>) -> bool {
    cell.text.len() >= 4 && padded(cell, 5, &FIPS_COUNTIES)
}

/// Looks a number up that may have lost its leading zeros.
fn padded(cell: &Cell<'_>, width: usize, list: &List) -> bool {
    let digits = cell.text.strip_suffix(".0").unwrap_or(cell.text);
    digits.len() <= width
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && holds(list, &format!("{digits:0>width$}"))
}

pub(super) fn subdivision(cell: &Cell<'_>) -> bool {
    (4..=6).contains(&cell.text.len()) && holds(&SUBDIVISIONS, &cell.text.to_ascii_uppercase())
}

pub(super) fn currency(cell: &Cell<'_>) -> bool {
    cell.text.len() == 3 && one_case(cell) && holds(&CURRENCIES, &cell.text.to_ascii_uppercase())
}

/// A language, or a language with a region or script: `pt-BR`, `zh_Hant`.
pub(super) fn language_2(cell: &Cell<'_>) -> bool {
    let mut parts = cell.text.split(['-', '_']);
    let language = parts.next().unwrap_or_default();
    let rest_fits = parts.all(|part| {
        part.len() == 2 && holds(&ALPHA_2, &part.to_ascii_uppercase())
            || part.len() == 4 && part.bytes().all(|byte| byte.is_ascii_alphabetic())
    });
    language.len() == 2
        && rest_fits
        && language.bytes().all(|b| b.is_ascii_lowercase())
        && holds(&LANGUAGES_2, language)
}

pub(super) fn language_3(cell: &Cell<'_>) -> bool {
    cell.text.len() == 3 && holds(&LANGUAGES_3, cell.text)
}

pub(super) fn language_3_all(cell: &Cell<'_>) -> bool {
    cell.text.len() == 3 && holds(&LANGUAGES_3_ALL, cell.text)
}

pub(super) fn us_state_code(cell: &Cell<'_>) -> bool {
    cell.text.len() == 2 && holds(&STATE_CODES, cell.text)
}

pub(super) fn us_state_name(cell: &Cell<'_>) -> bool {
    cell.text.len() >= 4 && holds(&STATE_NAMES, cell.folded())
}

pub(super) fn icao(cell: &Cell<'_>) -> bool {
    cell.text.len() == 4 && holds(&ICAO, cell.text)
}

pub(super) fn iata(cell: &Cell<'_>) -> bool {
    cell.text.len() == 3 && holds(&IATA, cell.text)
}

/// A listed media type, or any of a registered top-level type; parameters may follow.
pub(super) fn mime(cell: &Cell<'_>) -> bool {
    if !cell.text.contains('/') {
        return false;
    }
    const TOP: [&str; 10] =
        ["application", "audio", "example", "font", "haptics", "image", "message", "model", "multipart", "text"];
    let media = cell.text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let Some((top, rest)) = media.split_once('/') else { return false };
    let name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+*".contains(&byte);
    let spelled = !rest.is_empty() && rest.len() <= 127 && rest.bytes().all(name);
    holds(&MIME, &media) || (TOP.contains(&top) || top == "video") && spelled
}

pub(super) fn nuts(cell: &Cell<'_>) -> bool {
    (3..=5).contains(&cell.text.len()) && holds(&NUTS, cell.text)
}

/// Four or six digits, or longer national numbers whose first six are listed; dots may stand between.
pub(super) fn hs(cell: &Cell<'_>) -> bool {
    if !cell.bytes().iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b' ')) {
        return false;
    }
    let digits: String = cell.text.chars().filter(|c| !matches!(c, '.' | ' ')).collect();
    let fits = matches!(digits.len(), 4 | 6 | 8 | 10) && digits.bytes().all(|byte| byte.is_ascii_digit());
    fits && holds(&HS, &digits[..digits.len().min(6)])
}

pub(super) fn naics(cell: &Cell<'_>) -> bool {
    (2..=6).contains(&cell.text.len()) && holds(&NAICS, cell.text)
}
