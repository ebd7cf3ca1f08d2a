//! Identifiers: most of them carry check digits.

use super::cell::Cell;
use super::checksum::{self, digits, luhn};
use super::lists::{ALPHA_2, holds};

/// Lengths of account numbers by country. Source: the IBAN registry of SWIFT.
const IBAN_LENGTHS: &str = "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 \
    DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 \
    JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 \
    PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 \
    XK20 YE30";

pub(super) fn uuid(cell: &Cell<'_>) -> bool {
    let text = cell.text.strip_prefix("urn:uuid:").unwrap_or(cell.text);
    let text = text.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')).unwrap_or(text);
    let fits = |(index, byte): (usize, u8)| match index {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.bytes().enumerate().all(fits)
}

pub(super) fn isbn_10(cell: &Cell<'_>) -> bool {
    let characters = characters(cell.text, 10);
    characters.is_some_and(|characters| characters.len() == 10 && checksum::modulo_11(&characters))
}

pub(super) fn isbn_13(cell: &Cell<'_>) -> bool {
    let number = without_label(cell.text);
    digits(number, &['-', ' '], 13).is_some_and(|digits| {
        digits.len() == 13
            && (digits.starts_with(&[9, 7, 8]) || digits.starts_with(&[9, 7, 9]))
            && checksum::gs1(&digits)
    })
}

pub(super) fn issn(cell: &Cell<'_>) -> bool {
    let text = without_label(cell.text);
    let hyphen_stands = text.len() == 8 || text.len() == 9 && text.as_bytes()[4] == b'-';
    let characters = characters(text, 8);
    hyphen_stands && characters.is_some_and(|characters| characters.len() == 8 && checksum::modulo_11(&characters))
}

/// The characters of a number that may end in `X`, without hyphens and spaces.
fn characters(text: &str, most: usize) -> Option<Vec<u8>> {
    let text = without_label(text);
    if text.len() > most + 4 {
        return None;
    }
    let characters: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'-' | b' ')).collect();
    characters.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'X' | b'x')).then_some(characters)
}

fn without_label(text: &str) -> &str {
    let label = ["ISBN", "isbn", "ISSN", "issn"].iter().find_map(|label| text.strip_prefix(label));
    label.map_or(text, |rest| rest.trim_start_matches(['-', ':', ' ']).trim_start_matches("13:").trim())
}

pub(super) fn doi(cell: &Cell<'_>) -> bool {
    let text = cell.text;
    let start = ["doi:", "DOI:", "https://doi.org/", "http://doi.org/", "https://dx.doi.org/", "http://dx.doi.org/"]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix));
    let Some(rest) = start.unwrap_or(text).trim_start().strip_prefix("10.") else { return false };
    let Some((registrant, suffix)) = rest.split_once('/') else { return false };
    let registrant = registrant.split('.').next().unwrap_or_default();
    let numbered = (4..=9).contains(&registrant.len()) && registrant.bytes().all(|byte| byte.is_ascii_digit());
    numbered && !suffix.is_empty() && !suffix.contains(char::is_whitespace)
}

pub(super) fn orcid(cell: &Cell<'_>) -> bool {
    let text = cell.text.rsplit('/').next().unwrap_or(cell.text);
    let grouped = text.len() == 19 && [4, 9, 14].iter().all(|at| text.as_bytes()[*at] == b'-');
    let plain: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
    grouped && plain.len() == 16 && checksum::modulo_11_2(&plain)
}

pub(super) fn iban(cell: &Cell<'_>) -> bool {
    let plain: Vec<u8> = cell.text.bytes().filter(|byte| *byte != b' ').map(|byte| byte.to_ascii_uppercase()).collect();
    if !(15..=34).contains(&plain.len()) || !plain[..2].iter().all(u8::is_ascii_uppercase) {
        return false;
    }
    let expected = IBAN_LENGTHS.split_whitespace().find(|entry| entry.as_bytes()[..2] == plain[..2]);
    let length_fits = expected.and_then(|entry| entry[2..].parse().ok()) == Some(plain.len());
    length_fits && checksum::modulo_97(plain[4..].iter().chain(&plain[..4]).copied()) == Some(1)
}

/// Prefixes of Visa, Mastercard, American Express, Diners Club, Discover, JCB, UnionPay and Maestro with the lengths of
/// their numbers. Source: ISO/IEC 7812 registrations as the schemes publish them.
pub(super) fn credit_card(cell: &Cell<'_>) -> bool {
    let Some(digits) = digits(cell.text, &[' ', '-'], 19) else { return false };
    if digits.len() < 13 || !luhn(&digits) {
        return false;
    }
    let prefix = digits[..4].iter().fold(0, |prefix, digit| prefix * 10 + u32::from(*digit));
    matches!(
        (digits.len(), prefix),
        (13 | 16 | 19, 4000..=4999)
            | (16, 2221..=2720 | 5100..=5599)
            | (15, 3400..=3499 | 3700..=3799)
            | (14, 3000..=3059 | 3600..=3699 | 3800..=3999)
            | (16..=19, 3528..=3589 | 6011 | 6440..=6599 | 6200..=6299)
            | (13..=19, 5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763)
    )
}

pub(super) fn vin(cell: &Cell<'_>) -> bool {
    cell.text.len() == 17
        && cell.bytes().iter().any(u8::is_ascii_alphabetic)
        && checksum::vin(cell.text.to_ascii_uppercase().as_bytes())
}

/// Luhn over the number with the prefix 80840. Source: 45 CFR 162.406.
pub(super) fn npi(cell: &Cell<'_>) -> bool {
    let Some(number) = digits(cell.text, &[], 10) else { return false };
    number.len() == 10 && matches!(number[0], 1 | 2) && luhn(&[&[8, 0, 8, 4, 0], number.as_slice()].concat())
}

pub(super) fn gtin(cell: &Cell<'_>) -> bool {
    let digits = digits(cell.text, &[' ', '-'], 14);
    digits.is_some_and(|digits| {
        matches!(digits.len(), 8 | 12 | 13 | 14) && checksum::gs1(&digits) && digits.iter().any(|digit| *digit != 0)
    })
}

pub(super) fn lei(cell: &Cell<'_>) -> bool {
    let bytes = cell.bytes();
    bytes.len() == 20
        && bytes[18..].iter().all(u8::is_ascii_digit)
        && bytes[..18].iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
        && checksum::modulo_97(bytes.iter().copied()) == Some(1)
}

pub(super) fn isin(cell: &Cell<'_>) -> bool {
    let bytes = cell.bytes();
    bytes.len() == 12
        && bytes[..2].iter().all(u8::is_ascii_uppercase)
        && bytes[11].is_ascii_digit()
        && checksum::isin(bytes)
}

pub(super) fn cusip(cell: &Cell<'_>) -> bool {
    cell.text.len() == 9 && checksum::cusip(cell.bytes())
}

/// Fifteen digits that begin as the reporting bodies' do. Source: 3GPP TS 23.003, annex B; GSMA TS.06.
pub(super) fn imei(cell: &Cell<'_>) -> bool {
    let Some(number) = digits(cell.text, &['-', ' ', '/'], 15) else { return false };
    let body = u32::from(number.first().copied().unwrap_or(0)) * 10 + u32::from(number.get(1).copied().unwrap_or(0));
    number.len() == 15 && matches!(body, 1 | 10 | 30 | 33 | 35 | 44 | 45 | 49..=54 | 86 | 91 | 98 | 99) && luhn(&number)
}

/// Source: the US Social Security Administration: no area 000, 666 or 9xx, no group 00, no serial 0000.
pub(super) fn us_ssn(cell: &Cell<'_>) -> bool {
    let bytes = cell.bytes();
    if bytes.len() != 11 || !matches!(bytes[3], b'-' | b' ') || bytes[6] != bytes[3] {
        return false;
    }
    let number = |from: usize, to: usize| {
        let part = &bytes[from..to];
        part.iter().all(u8::is_ascii_digit).then(|| part.iter().fold(0u32, |n, d| n * 10 + u32::from(d - b'0')))
    };
    let (Some(area), Some(group), Some(serial)) = (number(0, 3), number(4, 6), number(7, 11)) else { return false };
    !matches!(area, 0 | 666 | 900..) && group != 0 && serial != 0
}

pub(super) fn bic(cell: &Cell<'_>) -> bool {
    let bytes = cell.bytes();
    matches!(bytes.len(), 8 | 11)
        && bytes[..6].iter().all(u8::is_ascii_uppercase)
        && bytes[6..].iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        && holds(&ALPHA_2, &cell.text[4..6])
}

/// Patterns of the member states' numbers: country, digits at least, characters at most. Source: the European
/// Commission's VIES.
const VAT: &str = "AT8-9 BE9-10 BG9-10 CY8-9 CZ8-10 DE9-9 DK8-8 EE9-9 EL9-9 ES7-9 FI8-8 FR9-11 GB9-12 HR11-11 HU8-8 \
    IE7-9 IT11-11 LT9-12 LU8-8 LV11-11 MT8-8 NL10-12 PL10-10 PT9-9 RO2-10 SE12-12 SI8-8 SK10-10 XI9-12";

pub(super) fn vat_number(cell: &Cell<'_>) -> bool {
    let mut left = cell.bytes().iter().filter(|byte| !matches!(byte, b' ' | b'.' | b'-')).enumerate();
    if !left.all(|(index, byte)| index < 15 && byte.is_ascii()) {
        return false;
    }
    let plain: String = cell.text.chars().filter(|c| !matches!(c, ' ' | '.' | '-')).collect();
    if plain.len() < 4 || plain.len() > 15 || !plain.is_ascii() {
        return false;
    }
    let (country, body) = plain.split_at(2);
    let Some(entry) = VAT.split_whitespace().find(|entry| entry.starts_with(country)) else { return false };
    let Some((least, most)) = entry[2..].split_once('-') else { return false };
    let (Ok(least), Ok(most)) = (least.parse::<usize>(), most.parse::<usize>()) else { return false };
    let digits = body.bytes().filter(u8::is_ascii_digit).count();
    (least..=most).contains(&body.len())
        && digits + 3 > body.len()
        && digits >= 2
        && body.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
}

pub(super) fn md5(cell: &Cell<'_>) -> bool {
    digest(cell, 32)
}

pub(super) fn sha1(cell: &Cell<'_>) -> bool {
    digest(cell, 40)
}

pub(super) fn sha256(cell: &Cell<'_>) -> bool {
    digest(cell, 64)
}

/// Hexadecimal digits in one case, with letters and digits among them.
fn digest(cell: &Cell<'_>, length: usize) -> bool {
    let bytes = cell.bytes();
    bytes.len() == length
        && bytes.iter().all(u8::is_ascii_hexdigit)
        && bytes.iter().any(u8::is_ascii_alphabetic)
        && bytes.iter().any(u8::is_ascii_digit)
        && !(bytes.iter().any(u8::is_ascii_uppercase) && bytes.iter().any(u8::is_ascii_lowercase))
}
