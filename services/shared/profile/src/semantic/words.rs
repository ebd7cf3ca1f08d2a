//! Answers, degrees and texts with a syntax of their own.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;

use super::cell::Cell;
use super::lists::{Words, words};
use super::quantities::is_grouped;

/// Opposite answers, folded.
pub(super) const ANSWERS: [(&str, &str); 26] = [
    ("yes", "no"),
    ("y", "n"),
    ("true", "false"),
    ("t", "f"),
    ("1", "0"),
    ("on", "off"),
    ("ja", "nein"),
    ("j", "n"),
    ("wahr", "falsch"),
    ("oui", "non"),
    ("vrai", "faux"),
    ("si", "no"),
    ("s", "n"),
    ("verdadero", "falso"),
    ("sim", "nao"),
    ("ja", "nee"),
    ("ja", "nej"),
    ("tak", "nie"),
    ("да", "нет"),
    ("evet", "hayir"),
    ("是", "否"),
    ("はい", "いいえ"),
    ("pass", "fail"),
    ("active", "inactive"),
    ("enabled", "disabled"),
    ("open", "closed"),
];

pub(super) fn answer(cell: &Cell<'_>) -> bool {
    let answer = cell.folded();
    ANSWERS.iter().any(|(yes, no)| *yes == answer || *no == answer)
}

pub(super) fn gender(cell: &Cell<'_>) -> bool {
    static GENDERS: Words = LazyLock::new(|| {
        words(
            "m f x d w h male female man woman men women boy girl nonbinary other diverse mannlich weiblich divers \
        mann frau homme femme masculin feminin hombre mujer masculino femenino maschio femmina uomo donna feminino man vrouw \
        mannelijk vrouwelijk kvinna kvinde мужской женский муж жен м ж kobieta mezczyzna 男 女 男性 女性 masc fem u \
        transgender intersex unspecified",
        )
    });
    GENDERS.contains(cell.folded()) || matches!(cell.folded(), "non binary" | "not specified")
}

/// Ordered scales, folded; each degree of a scale in its place.
pub(super) const SCALES: [&str; 25] = [
    "very low|low|medium|high|very high|moderate|critical|none|extreme",
    "very small|small|medium|large|very large|extra large",
    "xs|s|m|l|xl|xxl|xxxl|2xl|3xl",
    "strongly disagree|disagree|neutral|agree|strongly agree|neither agree nor disagree|somewhat agree|somewhat disagree",
    "very dissatisfied|dissatisfied|neutral|satisfied|very satisfied",
    "very poor|poor|fair|average|good|very good|excellent|bad|very bad|terrible|great",
    "never|rarely|seldom|sometimes|often|usually|always|very often|occasionally",
    "not at all|slightly|moderately|very|extremely|somewhat",
    "beginner|elementary|intermediate|upper intermediate|advanced|expert|novice|proficient",
    "bronze|silver|gold|platinum|diamond",
    "minor|moderate|major|severe|critical|mild|trivial|blocker|normal",
    "first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|last",
    "1st|2nd|3rd|4th|5th|6th|7th|8th|9th|10th",
    "a|b|c|d|e|f|a b|c d|a+|b+|c+",
    "i|ii|iii|iv|v|vi|vii|viii|ix|x",
    "debug|info|notice|warning|warn|error|critical|fatal|trace",
    "junior|mid|senior|lead|principal|associate|staff|intern|executive",
    "sehr gut|gut|befriedigend|ausreichend|mangelhaft|ungenugend|schlecht|sehr schlecht|mittel",
    "sehr niedrig|niedrig|gering|mittel|hoch|sehr hoch",
    "tres faible|faible|moyen|moyenne|eleve|elevee|fort|tres eleve",
    "muy bajo|bajo|medio|alto|muy alto|muito baixo|baixo|muito alto",
    "primary|secondary|tertiary|high school|bachelor|bachelors|master|masters|doctorate|phd|associate|some college",
    "freshman|sophomore|junior|senior|graduate",
    "p1|p2|p3|p4|p5|p0",
    "tier 1|tier 2|tier 3|tier 4|level 1|level 2|level 3|level 4|level 5|grade 1|grade 2|grade 3|grade 4|grade 5",
];

pub(super) fn degree(cell: &Cell<'_>) -> bool {
    scales_of(cell) != 0
}

/// The scales that a value is a degree of, a bit for each.
pub(super) fn scales_of(cell: &Cell<'_>) -> u32 {
    static SCALES_OF: LazyLock<HashMap<&str, u32>> = LazyLock::new(|| {
        let mut scales_of = HashMap::new();
        for (place, scale) in SCALES.iter().enumerate() {
            scale.split('|').for_each(|degree| *scales_of.entry(degree).or_default() |= 1 << place);
        }
        scales_of
    });
    SCALES_OF.get(cell.folded()).copied().unwrap_or(0)
}

pub(super) fn hex_color(cell: &Cell<'_>) -> bool {
    let digits = cell.text.strip_prefix('#').unwrap_or_default();
    matches!(digits.len(), 3 | 6 | 8) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Two to four numbers below 10,000 with points between them, a suffix perhaps; two numbers need the `v`.
pub(super) fn version(cell: &Cell<'_>) -> bool {
    let (marked, text) = match cell.text.strip_prefix(['v', 'V']) {
        Some(rest) => (true, rest),
        None => (false, cell.text),
    };
    let core = text.split(['-', '+']).next().unwrap_or_default();
    let parts: Vec<&str> = core.split('.').collect();
    let number = |part: &&str| (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let suffix_fits = text[core.len()..].chars().all(|c| c.is_ascii_alphanumeric() || "-+.".contains(c));
    let date = parts.len() == 3 && parts[2].len() == 4;
    let least = if marked { 1 } else { 3 };
    (least..=4).contains(&parts.len()) && parts.iter().all(number) && suffix_fits && !date && !is_grouped(cell.text)
}

pub(super) fn json(cell: &Cell<'_>) -> bool {
    let text = cell.text;
    if cell.is_cut() {
        let inner = text.strip_prefix(['{', '[']).map(str::trim_start);
        return inner.is_some_and(|inner| inner.starts_with(['"', '{', '[']) && inner.contains(':'));
    }
    let framed = text.starts_with('{') && text.ends_with('}') || text.starts_with('[') && text.ends_with(']');
    framed && serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object() || value.is_array())
}

/// A tag that opens and one that closes, or a document.
pub(super) fn html(cell: &Cell<'_>) -> bool {
    let text = cell.text;
    let opens = text.find('<').and_then(|at| text[at + 1..].chars().next());
    let tagged = opens.is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '!' | '?'));
    tagged
        && (text.contains("</")
            || text.contains("/>")
            || text.contains("<br")
            || text.contains("<!")
            || text.contains("<img"))
}

/// Sixteen characters at least, in fours, of both cases or padded.
pub(super) fn base64(cell: &Cell<'_>) -> bool {
    let bytes = cell.bytes();
    let body = cell.text.trim_end_matches('=').as_bytes();
    let spelled = body.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte));
    let mixed = body.iter().any(u8::is_ascii_lowercase) && body.iter().any(u8::is_ascii_uppercase);
    bytes.len() >= 16
        && (bytes.len().is_multiple_of(4) || cell.is_cut())
        && bytes.len() - body.len() <= 2
        && spelled
        && mixed
        && !camel(body)
}

/// Words run together have few changes between cases and digits.
fn camel(body: &[u8]) -> bool {
    let class = |byte: &u8| (byte.is_ascii_uppercase(), byte.is_ascii_digit());
    let changes = body.windows(2).filter(|pair| class(&pair[0]) != class(&pair[1])).count();
    changes * 4 < body.len()
}

pub(super) fn age(cell: &Cell<'_>) -> bool {
    cell.text.len() <= 5 && cell.whole().is_some_and(|age| age <= 115)
}
