//! Which values of a column stand for all its cells.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::cell::classify;
use crate::cells::CELL_BYTES;
use crate::normal::{normal_hash, trimmed};
use crate::summary::Summary;

/// Values, each with the cells that it stands for.
pub(crate) struct Values<'a> {
    pub(super) weighted: Vec<(Cow<'a, str>, u64)>,
    /// Cells that hold one of the values.
    pub(super) cells: u64,
    /// With 95 % confidence a share of the cells is off by at most this; 0 when all values are there.
    pub(super) share_error: f64,
}

impl<'a> Values<'a> {
    /// All values but those that stand for missing ones, where all are known. Else the frequent ones, each for its own
    /// cells, and a uniform sample of the others, which stands for all their cells.
    pub(crate) fn of(summary: &'a Summary<'_>, missing: &[(String, u64)]) -> Self {
        if summary.is_exact() {
            let is_missing = |text: &str| missing.iter().any(|(token, _)| token == text);
            let values = summary.values().filter(|(text, _)| !is_missing(text));
            let weighted: Vec<(Cow<'a, str>, u64)> = values.collect();
            let cells = weighted.iter().map(|(_, count)| count).sum();
            return Self { weighted, cells, share_error: 0.0 };
        }
        let present = summary.present() - missing.iter().map(|(_, count)| count).sum::<u64>();
        let missing: BTreeSet<u64> = missing.iter().map(|(token, _)| normal(token)).collect();
        let mut frequent = frequent(summary);
        frequent.retain(|hash, _| !missing.contains(hash));
        Self::sampled(summary, present, &missing, frequent)
    }

    fn sampled(
        summary: &'a Summary<'_>,
        present: u64,
        missing: &BTreeSet<u64>,
        mut frequent: BTreeMap<u64, (String, u64)>,
    ) -> Self {
        let mut weighted: Vec<(Cow<'a, str>, u64)> = Vec::new();
        let mut others = Vec::new();
        for (hash, count, text) in summary.sample.entries() {
            if frequent.remove(&hash).is_some() {
                weighted.push((Cow::Borrowed(text), count));
            } else if !missing.contains(&hash) {
                others.push((text, count));
            }
        }
        weighted.extend(frequent.into_values().map(|(text, count)| (Cow::Owned(text), count)));
        let known: u64 = weighted.iter().map(|(_, count)| count).sum();
        let sampled: u64 = others.iter().map(|(_, count)| count).sum();
        let rest = present.saturating_sub(known) as f64;
        let squares: f64 = others.iter().map(|(_, count)| (*count as f64).powi(2)).sum();
        // A ratio of sums over sampled values; a share of one half varies the most.
        let spread = ((1.0 - summary.sample.share()) * squares).sqrt() / sampled.max(1) as f64;
        let off = if sampled == 0 { 1.0 } else { (1.96 / 2.0 * spread).min(1.0) };
        let factor = rest / sampled.max(1) as f64;
        let mut before = 0;
        weighted.extend(others.into_iter().map(|(text, count)| {
            let after = before + count;
            // Rounded sum by sum, so that no cell is lost or added.
            let stands_for = (after as f64 * factor).round() - (before as f64 * factor).round();
            before = after;
            (Cow::Borrowed(text), stands_for as u64)
        }));
        Self { weighted, cells: known + sampled, share_error: off * rest / present.max(1) as f64 }
    }
}

/// The frequent values by the hash of their normalised form, each with no more cells than it has. One that may have been cut
/// has no such hash, and is left to the sample.
fn frequent(summary: &Summary<'_>) -> BTreeMap<u64, (String, u64)> {
    let mut found = BTreeMap::new();
    // A cut leaves out less than a character.
    for top in summary.top(usize::MAX).into_iter().filter(|top| top.text.len() + 4 <= CELL_BYTES) {
        let hash = normal(&top.text);
        let known = found.entry(hash).or_insert((top.text, 0));
        known.1 += top.count;
    }
    found
}

fn normal(text: &str) -> u64 {
    let text = trimmed(text);
    let (kind, value) = classify(text, false);
    normal_hash(text, kind, value, &mut String::new())
}
