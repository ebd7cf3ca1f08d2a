//! What the values of a column mean.
//!
//! [`recognise`] is a pure function of what a profile holds of a column: a sample of its distinct values with their
//! counts, its name and a few figures. Every meaning has a test for a single value, and three figures that its row in
//! `kinds` states: how many values of such a column pass, how many other values of like shape pass by chance, and how
//! sure the values alone can make anyone. From those and the share that passed follow the odds, by Bayes' rule; the
//! name of the column adds to them or takes from them, within bounds that neither make nor break a meaning.
//!
//! Where several meanings pass, the one whose test passes fewer other values explains them better: an ISBN is a trade
//! item number, too, but few trade item numbers are ISBNs. Near ties stay as alternatives.
//!
//! | part | holds |
//! |---|---|
//! | `kinds` | the meanings, their tests and figures |
//! | `identifiers`, `codes`, `network`, `places`, `times`, `quantities`, `names`, `words` | the tests of single values |
//! | `shape`, `prose` | what only the column as a whole tells |
//! | `headers` | what the name of a column says, in several languages |
//! | `score` | from shares to confidence |

mod cell;
mod checksum;
mod codes;
mod describe;
mod fold;
mod headers;
mod identifiers;
mod kinds;
mod lists;
mod names;
mod network;
mod numbers;
mod places;
mod prose;
mod quantities;
mod score;
mod shape;
mod times;
mod words;

use proto::profiling::v1::{PersonalData, SemanticType, StructuralType};

use cell::Cell;
pub(crate) use describe::{describe, findings, meaning};
pub(crate) use fold::fold;
use kinds::{KINDS, Kind};
pub(crate) use lists::country_of;
pub(crate) use places::{lat_lon, region_of};
use score::{Candidate, Tally};
use shape::Shape;

/// Findings beyond these are left out.
const FINDINGS: usize = 5;
/// Findings of less confidence are left out.
const LEAST_CONFIDENCE: f64 = 0.2;
/// Values that decide whether a test is worth going on with.
const TRIAL: usize = 64;

/// What is known of a column.
#[derive(Debug, Clone)]
pub struct ColumnView<'a> {
    /// Its name; empty when it has none.
    pub name: &'a str,
    /// Its structural type.
    pub structural: StructuralType,
    /// Its cells with a value.
    pub present: u64,
    /// How many distinct values those hold, exactly or estimated.
    pub distinct: f64,
    /// Distinct values with the count of each: a uniform sample of them, or all.
    pub sample: &'a [(&'a str, u64)],
    /// The most frequent values with their counts; read where `sample` is empty.
    pub top: &'a [(&'a str, u64)],
    /// The spread of all its numbers, for a column of numbers; without it that of the sample is taken.
    pub numeric: Option<Numbers>,
}

/// The spread of numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Numbers {
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// The arithmetic mean.
    pub mean: f64,
}

/// A meaning that a column may have.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The meaning.
    pub semantic_type: SemanticType,
    /// The probability of that meaning, 0 to 1.
    pub confidence: f64,
    /// The share of cells that match.
    pub matched: Share,
    /// Distinct values tested.
    pub tested: usize,
    /// A sentence for people: what passed, how likely that is by chance, what the name says.
    pub evidence: String,
    /// The personal data that such a column holds; unspecified for none.
    pub personal: PersonalData,
    /// The language of free text, in ISO 639-3.
    pub language: Option<&'static str>,
}

/// A share with its 95 % interval, each 0 to 1; all three equal when every cell was seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// The share seen.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// Tells what the values of a column may mean, most likely first, at most five meanings.
///
/// The confidence of the first is the probability that the column has that meaning at all; meanings that explain the
/// same values nearly as well share it. Nothing is found in a column without values. The work is linear in the length
/// of the sample; nothing is read beside it.
pub fn recognise(view: &ColumnView<'_>) -> Vec<Finding> {
    let values = if view.sample.is_empty() { view.top } else { view.sample };
    let cells: Vec<Cell<'_>> = values.iter().filter_map(|(value, count)| Cell::new(value, *count)).collect();
    if cells.is_empty() {
        return Vec::new();
    }
    let shape = Shape::of(view, &cells);
    let name = headers::read(view.name);
    let candidates: Vec<Candidate> = KINDS.iter().filter_map(|kind| candidate(kind, &cells, &shape, &name)).collect();
    let mut findings = score::findings(candidates);
    findings.extend(prose::free_text(&shape, &cells, &name, &findings));
    findings.extend(prose::categorical(&shape, &findings));
    findings.retain(|finding| finding.confidence >= LEAST_CONFIDENCE);
    findings.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    findings.truncate(FINDINGS);
    findings
}

fn candidate(kind: &'static Kind, cells: &[Cell<'_>], shape: &Shape, name: &headers::Name) -> Option<Candidate> {
    let trial = Tally::of(&cells[..cells.len().min(TRIAL)], kind.test);
    if trial.matched == 0 || trial.share() < 0.2 && trial.distinct_share() < 0.2 {
        return None;
    }
    let fit = shape.fit(kind)?;
    let tally = if cells.len() > TRIAL { Tally::of(cells, kind.test) } else { trial };
    Some(Candidate::new(kind, tally, fit, name.says(kind.semantic_type), shape))
}
