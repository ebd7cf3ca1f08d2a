//! Labelled columns: every meaning in several styles and locales, a twentieth of the cells spoilt, a third of the
//! headers missing or those of another meaning. What is recognised is held against the labels.
//!
//! The values come from arithmetic and lists of these tests, never from the lists of the crate. The figures of the
//! recogniser were judged on the seeds in `TUNED`; the promise is held on one that was not looked at for them.

mod draw;
mod identifiers;
mod meanings;
mod values;

use std::collections::{BTreeMap, BTreeSet};

use draw::Draw;
use meanings::{LOCALES, MEANINGS, Meaning, NOTHING, Value};
use millrace_profile::semantic::{ColumnView, Finding, recognise};
use proto::profiling::v1::{PersonalData, SemanticType, StructuralType};

const TUNED: [u64; 2] = [1, 2];
const HELD_OUT: u64 = 7_402_933_518;
const COLUMNS_EACH: usize = 24;
/// The profiler keeps as many distinct values of a column.
const SAMPLE: usize = 1_024;

/// A column with its label.
struct Column {
    name: String,
    cells: Vec<String>,
    meaning: Option<SemanticType>,
}

fn columns(seed: u64) -> Vec<Column> {
    let mut d = Draw::new(seed);
    let mut columns = Vec::new();
    for meaning in MEANINGS {
        for _ in 0..COLUMNS_EACH {
            let name = header(&mut d, meaning);
            columns.push(Column { name, cells: cells(&mut d, meaning.value), meaning: Some(meaning.meaning) });
        }
    }
    for value in NOTHING {
        for _ in 0..COLUMNS_EACH / 2 {
            let name = d.one(&["code", "value", "x", "", "field_3", "ref"]).to_owned();
            columns.push(Column { name, cells: cells(&mut d, *value), meaning: None });
        }
    }
    columns
}

/// The meaning's own in two of three; else none, or another meaning's.
fn header(d: &mut Draw, meaning: &Meaning) -> String {
    let own = |d: &mut Draw, headers: &str| d.one(&headers.split(',').collect::<Vec<_>>()).to_owned();
    match d.range(0, 100) {
        0..67 => own(d, meaning.headers),
        67..85 => d.one(&["", "column_7", "Unnamed: 3", "field4", "x1"]).to_owned(),
        _ => {
            let other = &MEANINGS[d.next() as usize % MEANINGS.len()];
            own(d, other.headers)
        }
    }
}

fn cells(d: &mut Draw, value: Value) -> Vec<String> {
    let rows = d.range(0, 3);
    let rows = [60, 300, 1_500][rows as usize];
    let (style, locale) = (d.next() as usize % 6, LOCALES[d.next() as usize % LOCALES.len()]);
    (0..rows)
        .map(|_| {
            let cell = value(d, style, locale);
            if d.unit() < 0.05 { spoilt(d, cell) } else { cell }
        })
        .collect()
}

fn spoilt(d: &mut Draw, cell: String) -> String {
    match d.range(0, 6) {
        0 => "N/A".to_owned(),
        1 => "unknown".to_owned(),
        2 => format!("{cell}?"),
        3 => cell.chars().take(cell.chars().count() / 2).collect(),
        4 => d.pool("word"),
        _ => format!("xx{}", d.range(0, 9_999)),
    }
}

/// The sample a profile would hold: distinct values in the order of a hash, with their counts.
fn findings(column: &Column) -> Vec<Finding> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let present = column.cells.iter().filter(|cell| !cell.trim().is_empty());
    present.for_each(|cell| *counts.entry(cell).or_default() += 1);
    let mut sample: Vec<(&str, u64)> = counts.into_iter().collect();
    let distinct = sample.len() as f64;
    sample.sort_by_key(|(value, _)| value.bytes().fold(7, |h: u64, b| Draw::new(h ^ u64::from(b)).next()));
    sample.truncate(SAMPLE);
    let view = ColumnView {
        name: &column.name,
        structural: structural(&sample),
        present: column.cells.len() as u64,
        distinct,
        sample: &sample,
        top: &[],
        numeric: None,
    };
    recognise(&view)
}

fn structural(sample: &[(&str, u64)]) -> StructuralType {
    let total: u64 = sample.iter().map(|(_, count)| count).sum();
    let most = |fits: &dyn Fn(&str) -> bool| {
        sample.iter().filter(|(value, _)| fits(value)).map(|(_, count)| count).sum::<u64>() * 100 >= total * 95
    };
    if most(&|value| value.len() < 19 && value.parse::<i64>().is_ok()) {
        StructuralType::Integer
    } else if most(&|value| value.parse::<f64>().is_ok()) {
        StructuralType::Float
    } else {
        StructuralType::Text
    }
}

fn recognised(findings: &[Finding]) -> Option<SemanticType> {
    findings.first().filter(|finding| finding.confidence >= 0.5).map(|finding| finding.semantic_type)
}

/// Hits, columns of the meaning, columns that were taken for it.
#[derive(Default, Clone, Copy)]
struct Score {
    hits: usize,
    labelled: usize,
    found: usize,
}

impl Score {
    fn precision(&self) -> f64 {
        if self.found == 0 { 0.0 } else { self.hits as f64 / self.found as f64 }
    }

    fn recall(&self) -> f64 {
        self.hits as f64 / self.labelled as f64
    }

    fn f1(&self) -> f64 {
        let (p, r) = (self.precision(), self.recall());
        if p + r == 0.0 { 0.0 } else { 2.0 * p * r / (p + r) }
    }
}

struct Outcome {
    scores: BTreeMap<SemanticType, Score>,
    /// For each pair of label and finding that differ, how often.
    confused: BTreeMap<(String, String), usize>,
    /// Confidence of the first finding, and whether it was right.
    confidences: Vec<(f64, bool)>,
}

impl Outcome {
    fn of(seed: u64) -> Self {
        let mut scores: BTreeMap<SemanticType, Score> = BTreeMap::new();
        let mut confused: BTreeMap<(String, String), usize> = BTreeMap::new();
        let mut confidences = Vec::new();
        for column in columns(seed) {
            let findings = findings(&column);
            let found = recognised(&findings);
            confidences.extend(findings.first().map(|f| (f.confidence, Some(f.semantic_type) == column.meaning)));
            if let Some(meaning) = column.meaning {
                let score = scores.entry(meaning).or_default();
                score.labelled += 1;
                score.hits += usize::from(found == Some(meaning));
            }
            if let Some(found) = found.filter(|found| MEANINGS.iter().any(|known| known.meaning == *found)) {
                scores.entry(found).or_default().found += 1;
            }
            if found != column.meaning {
                let name = |meaning: Option<SemanticType>| meaning.map_or("none".to_owned(), |m| format!("{m:?}"));
                *confused.entry((name(column.meaning), name(found))).or_default() += 1;
            }
        }
        Self { scores, confused, confidences }
    }

    fn macro_f1(&self) -> f64 {
        self.scores.values().map(Score::f1).sum::<f64>() / self.scores.len() as f64
    }

    fn print(&self, title: &str) {
        println!("\n{title}: {} meanings, macro F1 {:.4}", self.scores.len(), self.macro_f1());
        println!("{:<24} {:>9} {:>7} {:>7}", "meaning", "precision", "recall", "F1");
        for (meaning, score) in &self.scores {
            let (name, p, r, f) = (format!("{meaning:?}"), score.precision(), score.recall(), score.f1());
            println!("{name:<24} {p:>9.3} {r:>7.3} {f:>7.3}");
        }
        let mut confused: Vec<_> = self.confused.iter().collect();
        confused.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for ((label, found), count) in confused.iter().take(60) {
            println!("{count:>4} {label} taken for {found}");
        }
    }
}

#[test]
fn dirty_columns_are_recognised() {
    let outcome = Outcome::of(HELD_OUT);
    outcome.print("held out");
    assert!(outcome.scores.len() >= 60 && outcome.macro_f1() >= 0.92, "macro F1 {}", outcome.macro_f1());
}

#[test]
#[ignore = "prints the figures that the recogniser was judged on, for a person to read"]
fn the_seeds_it_was_judged_on() {
    for seed in TUNED {
        let outcome = Outcome::of(seed);
        outcome.print(&format!("seed {seed}"));
        assert!(outcome.macro_f1() >= 0.92);
    }
}

/// In each fifth of confidences, the share that is right is near what they say.
#[test]
fn confidence_is_calibrated() {
    let outcome = Outcome::of(HELD_OUT);
    let mut error = 0.0;
    for bin in 0..5 {
        let (low, high) = (f64::from(bin) * 0.2, f64::from(bin + 1) * 0.2);
        let inside: Vec<&(f64, bool)> = outcome.confidences.iter().filter(|(c, _)| *c > low && *c <= high).collect();
        if inside.is_empty() {
            continue;
        }
        let said = inside.iter().map(|(c, _)| c).sum::<f64>() / inside.len() as f64;
        let right = inside.iter().filter(|(_, right)| *right).count() as f64 / inside.len() as f64;
        println!("{low:.1} to {high:.1}: {} columns, said {said:.3}, right {right:.3}", inside.len());
        error += (said - right).abs() * inside.len() as f64 / outcome.confidences.len() as f64;
    }
    println!("expected calibration error {error:.3}");
    assert!(error < 0.08, "expected calibration error {error}");
}

#[test]
fn a_header_alone_makes_no_meaning_and_breaks_none() {
    let words: Vec<String> = (0..300).map(|i| format!("item {}", i * 7_919 % 1_000)).collect();
    let mut d = Draw::new(3);
    let emails: Vec<String> = (0..300).map(|i| format!("{i}{}", d.pool("email"))).collect();
    for name in MEANINGS.iter().flat_map(|meaning| meaning.headers.split(',')) {
        let column = Column { name: name.to_owned(), cells: words.clone(), meaning: None };
        let made: BTreeSet<SemanticType> = recognised(&findings(&column)).into_iter().collect();
        assert!(made.is_empty(), "{name} made {made:?}");
        let column = Column { name: name.to_owned(), cells: emails.clone(), meaning: None };
        assert_eq!(recognised(&findings(&column)), Some(SemanticType::Email), "{name}");
    }
}

#[test]
fn personal_data_is_marked_with_its_kind() {
    let personal = |meaning: SemanticType| {
        let known = MEANINGS.iter().find(|known| known.meaning == meaning).unwrap();
        let mut d = Draw::new(11);
        let cells = (0..60).map(|_| (known.value)(&mut d, 3, "en")).collect();
        let name = known.headers.split(',').next().unwrap().to_owned();
        let findings = findings(&Column { name, cells, meaning: Some(meaning) });
        assert_eq!(recognised(&findings), Some(meaning));
        findings[0].personal
    };
    assert_eq!(personal(SemanticType::Email), PersonalData::Contact);
    assert_eq!(personal(SemanticType::PersonName), PersonalData::Name);
    assert_eq!(personal(SemanticType::Iban), PersonalData::Financial);
    assert_eq!(personal(SemanticType::UsSsn), PersonalData::Identity);
    assert_eq!(personal(SemanticType::StreetAddress), PersonalData::Address);
    assert_eq!(personal(SemanticType::Gender), PersonalData::Demographic);
    assert_eq!(personal(SemanticType::Ipv4), PersonalData::Device);
    assert_eq!(personal(SemanticType::Isbn13), PersonalData::Unspecified);
}
