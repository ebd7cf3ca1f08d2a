//! Free text, its language, and categories: what is left when no test tells more.

use proto::profiling::v1::{PersonalData, SemanticType, StructuralType};

use super::cell::Cell;
use super::headers::Name;
use super::score::Tally;
use super::shape::Shape;
use super::{Finding, Share};

/// Bytes of text that the language is told from.
const LANGUAGE_BYTES: usize = 8_192;
/// A finding of this confidence leaves no room for these.
const SURE: f64 = 0.5;

/// Sentences: five words at least on the average, or as much of a script without spaces, mostly distinct.
pub(super) fn free_text(shape: &Shape, cells: &[Cell<'_>], name: &Name, findings: &[Finding]) -> Option<Finding> {
    if is_taken(findings) || shape.structural != StructuralType::Text {
        return None;
    }
    let is_prose = |cell: &Cell<'_>| words(cell.text) >= 4.0;
    let words = cells.iter().map(|cell| words(cell.text)).sum::<f64>() / cells.len() as f64;
    if words < 4.5 {
        return None;
    }
    let tally = Tally::of(cells, is_prose);
    if tally.distinct_share() < 0.6 {
        return None;
    }
    let language = language(cells);
    let said = if name.says(SemanticType::FreeText) > 0.0 { 0.1 } else { 0.0 };
    let told = if language.is_some() { 0.1 } else { 0.0 };
    let confidence = (0.45 + 0.04 * words.min(10.0) + said + told).min(0.98);
    let spoken = language.map_or("its language is open".to_owned(), |language| format!("its language is `{language}`"));
    Some(Finding {
        semantic_type: SemanticType::FreeText,
        confidence,
        matched: tally.matched_share(shape),
        tested: tally.tested,
        evidence: format!("{words:.0} words to a value, {:.0} characters; {spoken}", shape.mean_chars),
        personal: PersonalData::Unspecified,
        language,
    })
}

/// Words of a text; in scripts without spaces two characters count as one.
fn words(text: &str) -> f64 {
    if text.is_ascii() {
        return ascii_words(text) as f64;
    }
    let spaced = text.split_whitespace().filter(|word| word.chars().any(char::is_alphabetic)).count();
    let ideographs =
        text.chars().filter(|c| matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{e00}'..='\u{e7f}'));
    spaced as f64 + ideographs.count() as f64 / 2.0
}

/// Words with a letter.
fn ascii_words(text: &str) -> usize {
    let (mut words, mut counted) = (0, false);
    for byte in text.bytes() {
        if byte.is_ascii_alphabetic() {
            words += usize::from(!counted);
            counted = true;
        } else if matches!(byte, b' ' | b'\t'..=b'\r') {
            counted = false;
        }
    }
    words
}

fn language(cells: &[Cell<'_>]) -> Option<&'static str> {
    let mut text = String::new();
    for cell in cells {
        if text.len() + cell.text.len() > LANGUAGE_BYTES {
            break;
        }
        text.push_str(cell.text);
        text.push('\n');
    }
    whatlang::detect(&text).filter(whatlang::Info::is_reliable).map(|found| found.lang().code())
}

/// Few short values that repeat.
pub(super) fn categorical(shape: &Shape, findings: &[Finding]) -> Option<Finding> {
    let is_few = shape.core <= 60 && shape.mean_chars <= 40.0 && shape.mean_words <= 5.0;
    if !is_few || !shape.repeats() || is_taken(findings) {
        return None;
    }
    let confidence = match shape.structural {
        StructuralType::Text => 0.8,
        StructuralType::Integer if shape.core <= 12 => 0.5,
        _ => return None,
    };
    let share = Share { value: 1.0, low: 1.0, high: 1.0 };
    Some(Finding {
        semantic_type: SemanticType::Categorical,
        confidence,
        matched: share,
        tested: shape.core,
        evidence: format!(
            "{} values make up nine tenths of {} cells; {:.1} % of the cells are distinct",
            shape.core,
            shape.present,
            100.0 * shape.distinct_share()
        ),
        personal: PersonalData::Unspecified,
        language: None,
    })
}

fn is_taken(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.confidence >= SURE)
}
