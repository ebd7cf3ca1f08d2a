//! Numbers with what stands around them.

use std::sync::LazyLock;

use super::cell::Cell;
use super::lists::{CURRENCIES, Words, holds, words};
use super::numbers::{leading, plain, written};

static SYMBOLS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "$ € £ ¥ ￥ ₹ ₽ ₩ ￦ ₪ ₫ ₴ ₺ ฿ ₱ ₦ ₡ ₲ ₵ ₸ ₼ ₾ ₭ ₮ ¢ R$ US$ A$ C$ CA$ AU$ NZ$ HK$ S$ Rs Rs. kr kr. zł Kč Ft \
    лв лв. руб руб. р. грн lei CHF Fr. 元 円 원"
        .split_whitespace()
        .collect()
});

/// Units of length, area, volume, mass, time, speed, temperature, pressure, energy, power, electricity, light, angle,
/// rates and counts. Source: the SI brochure, with customary units of the United States.
static UNITS: Words = LazyLock::new(|| {
    words(
        "m km cm mm µm μm nm mi mile miles yd yard yards ft foot feet in inch inches nmi m² m2 km² km2 cm² cm2 \
    mm² ha acre acres sqft ft² ft2 m³ m3 cm³ cm3 l L ml mL cl dl hl gal gallon gallons qt pt kg g mg µg μg ug ng t lb lbs oz \
    stone tonne tonnes ton tons gram grams kilogram kilograms s sec secs second seconds ms µs ns min mins minute minutes h hr \
    hrs hour hours d day days week weeks month months yr year years km/h kmh kph mph m/s kn kt kts knots °C °F ° K C F Pa hPa \
    kPa MPa bar mbar psi atm mmHg inHg J kJ MJ GJ cal kcal Wh kWh MWh GWh W kW MW GW hp PS V mV kV A mA kA Ah mAh Ω ohm Hz kHz \
    MHz GHz rpm lm lx cd dB dBm deg rad mol mmol mmol/L mg/L mg/dL g/L g/mol µg/m³ ug/m3 ppm ppb bpm N kN Nm px pt em dpi fps \
    people persons units pcs pc items USD/kg kg/m³ kg/m2 L/100km mpg CO2e",
    )
});
static FILE_UNITS: Words =
    LazyLock::new(|| words("b byte bytes kb mb gb tb pb kib mib gib tib pib kbyte mbyte gbyte k m g t"));

pub(super) fn currency_amount(cell: &Cell<'_>) -> bool {
    let text = cell.text.trim_start_matches(['-', '+', '(', ' ', '−']).trim_end_matches([')', '-']).trim();
    // A bare number has neither symbol nor code, and a text without digits no number.
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let bytes = text.as_bytes();
    if is_digit(bytes.first()) && is_digit(bytes.last()) || !bytes.iter().any(u8::is_ascii_digit) {
        return false;
    }
    let number_end = |rest: &str| written(rest.trim().trim_end_matches(['k', 'K', 'M', 'm', 'B', 'n']).trim());
    let before = SYMBOLS.iter().any(|symbol| text.strip_prefix(*symbol).is_some_and(number_end));
    let after = || SYMBOLS.iter().any(|symbol| text.strip_suffix(*symbol).is_some_and(number_end));
    let code_before = || text.get(..3).is_some_and(|code| holds(&CURRENCIES, code)) && number_end(&text[3..]);
    let code_after = || {
        let at = text.len().checked_sub(3).filter(|at| text.is_char_boundary(*at));
        at.is_some_and(|at| holds(&CURRENCIES, &text[at..]) && number_end(&text[..at]))
    };
    before || after() || code_before() || code_after()
}

pub(super) fn percent(cell: &Cell<'_>) -> bool {
    let text = cell.text;
    let number = ["%", "％", "percent", "pct", "Prozent", "pour cent"].iter().find_map(|sign| text.strip_suffix(sign));
    number.is_some_and(written)
}

pub(super) fn percent_number(cell: &Cell<'_>) -> bool {
    cell.number().is_some_and(|number| (-100.0..=100.0).contains(&number.value))
}

pub(super) fn number_with_unit(cell: &Cell<'_>) -> bool {
    leading(cell.text).is_some_and(|(_, unit)| UNITS.contains(unit))
}

/// Digits in groups of three; a number below a thousand has none to show and passes, too.
pub(super) fn grouped_number(cell: &Cell<'_>) -> bool {
    let text = cell.text.strip_prefix(['-', '+', '−']).unwrap_or(cell.text);
    if plain(text).is_some_and(|number| number.value < 1_000.0 && number.decimals != 3) {
        return true;
    }
    is_grouped(text)
}

/// Whether a number has its digits in groups.
pub(super) fn is_grouped(text: &str) -> bool {
    // Nothing but digits and marks; marks beyond ASCII are looked at below.
    let fits = |byte: u8| matches!(byte, b'0'..=b'9' | b',' | b'.' | b' ' | b'\'') || !byte.is_ascii();
    if !text.bytes().all(fits) {
        return false;
    }
    let bare = text.bytes().all(|byte| byte.is_ascii_digit());
    // One point among digits divides a fraction.
    let mut marks = text.bytes().filter(|byte| !byte.is_ascii_digit());
    if marks.next() == Some(b'.') && marks.next().is_none() {
        return false;
    }
    const MARKS: [char; 7] = [',', '.', ' ', '\'', '’', '\u{a0}', '\u{202f}'];
    let marks = if text.is_ascii() { &MARKS[..4] } else { &MARKS[..] };
    text.starts_with(|c: char| c.is_ascii_digit())
        && !bare
        && marks.iter().any(|mark| text.contains(*mark) && groups_by(text, *mark))
}

fn groups_by(text: &str, mark: char) -> bool {
    let decimal = if mark == ',' { '.' } else { ',' };
    let (whole, fraction) = match text.rsplit_once(if mark == '.' || mark == ',' { decimal } else { '.' }) {
        Some((whole, fraction)) if whole.contains(mark) => (whole, fraction),
        _ => text.split_once(decimal).filter(|(whole, _)| whole.contains(mark)).unwrap_or((text, "0")),
    };
    let mut groups = whole.split(mark);
    let first = groups.next().unwrap_or_default();
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let rest: Vec<&str> = groups.collect();
    // One group behind a point reads as thousandths.
    let is_fraction = mark == '.' && rest.len() == 1 && fraction == "0" && !text.contains(decimal);
    digits(first)
        && first.len() <= 3
        && !rest.is_empty()
        && !is_fraction
        && rest.iter().all(|group| group.len() == 3 && digits(group))
        && digits(fraction)
}

pub(super) fn scientific(cell: &Cell<'_>) -> bool {
    let Some((mantissa, exponent)) = cell.text.split_once(['e', 'E']) else { return false };
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    let digits = (1..=3).contains(&exponent.len()) && exponent.bytes().all(|byte| byte.is_ascii_digit());
    digits
        && plain(mantissa).is_some()
        && (mantissa.contains('.') || cell.text.contains(['+', '-']) || mantissa.len() <= 2)
}

pub(super) fn file_size(cell: &Cell<'_>) -> bool {
    leading(cell.text).is_some_and(|(_, unit)| {
        let unit = unit.to_ascii_lowercase();
        unit.len() > 1 && FILE_UNITS.contains(unit.as_str()) || unit == "b" || cell.text.ends_with('K')
    })
}

/// Amounts of units of time in a row, or ISO 8601.
pub(super) fn duration(cell: &Cell<'_>) -> bool {
    static SPANS: Words = LazyLock::new(|| {
        words(
            "ms s sec secs second seconds m min mins minute minutes h hr hrs hour hours d day days w wk week weeks \
        mo month months y yr yrs year years stunde stunden tag tage minuten sekunden woche wochen monate jahre heure heures \
        jour jours semaine semaines mois ans hora horas dia dias semana semanas",
        )
    });
    let text = cell.text;
    if iso_duration(text) {
        return true;
    }
    let mut rest = text.trim_start_matches(['-', '+']).trim();
    let mut parts = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        if digits == 0 {
            return false;
        }
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
        let unit = rest[..letters].to_lowercase();
        if !SPANS.contains(unit.as_str()) {
            return false;
        }
        rest = rest[letters..].trim_start_matches([',', ' ']);
        rest = rest.strip_prefix("and ").unwrap_or(rest);
        parts += 1;
    }
    parts > 0
}

fn iso_duration(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('P').or_else(|| text.strip_prefix("-P")) else { return false };
    let mut has_unit = false;
    let mut digits = 0;
    for byte in rest.bytes() {
        match byte {
            b'0'..=b'9' | b'.' | b',' => digits += 1,
            b'T' if digits == 0 => {}
            b'Y' | b'M' | b'W' | b'D' | b'H' | b'S' if digits > 0 => {
                has_unit = true;
                digits = 0;
            }
            _ => return false,
        }
    }
    has_unit && digits == 0
}
