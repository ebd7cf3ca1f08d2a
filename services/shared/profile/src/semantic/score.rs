//! From shares to confidence.

use std::collections::BTreeMap;

use proto::profiling::v1::SemanticType;

use super::cell::Cell;
use super::kinds::Kind;
use super::shape::Shape;
use super::{Finding, Share};

/// Values beyond these add no evidence: those of one column are alike.
const MOST_EVIDENCE: f64 = 20.0;
/// The odds, as a natural logarithm, that a column has a given meaning before anything is known.
const PRIOR: f64 = -2.3;
/// How much of the evidence goes into the choice between meanings that both pass.
const SPECIFICITY: f64 = 0.15;
/// What each hundredth takes from the odds that the share lacks of four fifths of what such columns have.
const LACK: f64 = 0.4;

/// How many cells passed a test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tally {
    /// Distinct values tested.
    pub(super) tested: usize,
    /// Distinct values that passed.
    pub(super) matched: usize,
    cells: u64,
    cells_matched: u64,
    /// The sum of the squares of the counts of values.
    squares: f64,
}

impl Tally {
    /// Tests each value; those that stand for missing ones count only where they pass.
    pub(super) fn of(cells: &[Cell<'_>], test: impl Fn(&Cell<'_>) -> bool) -> Self {
        let mut tally = Self { tested: 0, matched: 0, cells: 0, cells_matched: 0, squares: 0.0 };
        for cell in cells {
            let passes = test(cell);
            if !passes && cell.is_token() {
                continue;
            }
            tally.tested += 1;
            tally.matched += usize::from(passes);
            tally.cells += cell.count;
            tally.cells_matched += if passes { cell.count } else { 0 };
            tally.squares += (cell.count as f64).powi(2);
        }
        tally
    }

    /// The share of cells that passed.
    pub(super) fn share(&self) -> f64 {
        self.cells_matched as f64 / self.cells.max(1) as f64
    }

    /// The share of distinct values that passed.
    pub(super) fn distinct_share(&self) -> f64 {
        self.matched as f64 / self.tested.max(1) as f64
    }

    /// As many values of equal frequency would tell as much. Source: L. Kish, Survey Sampling, 1965.
    fn independent(&self) -> f64 {
        if self.squares > 0.0 { (self.cells as f64).powi(2) / self.squares } else { 0.0 }
    }

    /// The share with its interval: Wilson's, over as many values as tell independently.
    pub(super) fn matched_share(&self, shape: &Shape) -> Share {
        let share = self.share();
        if shape.complete {
            return Share { value: share, low: share, high: share };
        }
        let (low, high) = wilson(share, self.independent());
        Share { value: share, low, high }
    }
}

/// The 95 % interval of a share seen among `count` draws. Source: E. B. Wilson, Probable inference, 1927.
fn wilson(share: f64, count: f64) -> (f64, f64) {
    const Z: f64 = 1.96;
    if count <= 0.0 {
        return (0.0, 1.0);
    }
    let z2 = Z * Z / count;
    let middle = (share + z2 / 2.0) / (1.0 + z2);
    let half = Z * (share * (1.0 - share) / count + z2 / (4.0 * count)).sqrt() / (1.0 + z2);
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

/// A meaning that at least a fifth of the values pass.
pub(super) struct Candidate {
    kind: &'static Kind,
    tally: Tally,
    matched: Share,
    said: f64,
    /// The odds of the meaning, as a natural logarithm.
    odds: f64,
    /// What ranks it among meanings that exclude each other.
    weight: f64,
}

impl Candidate {
    pub(super) fn new(kind: &'static Kind, tally: Tally, fit: f64, said: f64, shape: &Shape) -> Self {
        let share = tally.share();
        let evidence = evidence_of(kind, share, tally.independent().min(tally.tested as f64).min(MOST_EVIDENCE));
        let lack = (0.8 * kind.expected - share).max(0.0) * 100.0 * LACK;
        let odds = (PRIOR + evidence).min(kind.ceiling) + fit + said - lack;
        let weight = odds + SPECIFICITY * evidence_of(kind, share, (tally.tested as f64).min(MOST_EVIDENCE));
        Self { kind, tally, matched: tally.matched_share(shape), said, odds, weight }
    }

    fn finding(&self, confidence: f64) -> Finding {
        Finding {
            semantic_type: self.kind.semantic_type,
            confidence,
            matched: self.matched,
            tested: self.tally.tested,
            evidence: self.evidence(),
            personal: self.kind.personal,
            language: None,
        }
    }

    fn evidence(&self) -> String {
        let said = match self.said {
            said if said > 0.0 => "; the name of the column says so, too",
            said if said < 0.0 => "; the name of the column says otherwise",
            _ => "",
        };
        format!(
            "{} of {} distinct values pass ({}), {} would by chance{said}",
            self.tally.matched,
            self.tally.tested,
            self.kind.how,
            percentage(self.kind.chance)
        )
    }
}

fn percentage(chance: f64) -> String {
    match chance * 100.0 {
        percent if percent >= 1.0 => format!("{percent:.0} %"),
        percent if percent >= 0.01 => format!("{percent:.2} %"),
        _ => "hardly any".to_owned(),
    }
}

/// How much likelier the share is in a column of the meaning than in another, as a natural logarithm.
fn evidence_of(kind: &Kind, share: f64, count: f64) -> f64 {
    let passing = (kind.expected / kind.chance).ln();
    let failing = ((1.0 - kind.expected) / (1.0 - kind.chance)).ln();
    count * (share * passing + (1.0 - share) * failing)
}

/// The meanings with their confidence: each has its own odds, and those that exclude each other share them.
pub(super) fn findings(candidates: Vec<Candidate>) -> Vec<Finding> {
    let mut best: BTreeMap<SemanticType, Candidate> = BTreeMap::new();
    for candidate in candidates {
        match best.get(&candidate.kind.semantic_type) {
            Some(other) if other.weight >= candidate.weight => {}
            _ => drop(best.insert(candidate.kind.semantic_type, candidate)),
        }
    }
    best.retain(|_, candidate| likely(candidate.odds) > 0.05);
    let Some(top) = best.values().map(|candidate| candidate.weight).max_by(f64::total_cmp) else { return Vec::new() };
    let weight = |candidate: &Candidate| (candidate.weight - top).exp();
    let total: f64 = best.values().map(weight).sum();
    best.values().map(|candidate| candidate.finding(likely(candidate.odds) * weight(candidate) / total)).collect()
}

fn likely(odds: f64) -> f64 {
    1.0 / (1.0 + (-odds).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_narrows_with_what_was_seen() {
        let (low, high) = wilson(0.95, 20.0);
        let (narrow_low, narrow_high) = wilson(0.95, 1_000.0);
        assert!(low < narrow_low && narrow_low < 0.95 && 0.95 < narrow_high && narrow_high < high);
        assert_eq!(wilson(0.5, 0.0), (0.0, 1.0));
        // E. B. Wilson's interval for 81 of 263: 0.2553 to 0.3662.
        let (low, high) = wilson(81.0 / 263.0, 263.0);
        assert!((low - 0.2553).abs() < 1e-4 && (high - 0.3662).abs() < 1e-4);
    }

    #[test]
    fn one_value_that_fills_the_column_tells_as_much_as_one() {
        let cells = [Cell::new("DE", 1_000).unwrap(), Cell::new("FR", 1).unwrap()];
        let tally = Tally::of(&cells, |_| true);
        assert!(tally.independent() < 1.01 && tally.share() == 1.0);
    }
}
