//! Which values of a column stand for all its cells.

use std::borrow::Cow;
use std::collections::BTreeMap;

use proto::profiling::v1::ValueCount;

use crate::cell::classify;
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
    /// All values where all are known. Else the most frequent ones, each for its own cells, and a uniform sample of the
    /// others, each for as many times its own cells as there are values to one of the sample.
    pub(crate) fn of(summary: &'a Summary<'_>, top: &'a [ValueCount]) -> Self {
        if summary.is_exact() {
            let weighted: Vec<(Cow<'a, str>, u64)> = summary.values().collect();
            let cells = weighted.iter().map(|(_, count)| count).sum();
            return Self { weighted, cells, share_error: 0.0 };
        }
        let share = summary.sample.share();
        let mut frequent = frequent(top);
        let mut found = Self { weighted: Vec::new(), cells: 0, share_error: 0.0 };
        let mut squares = 0.0;
        for (hash, count, text) in summary.sample.entries() {
            let known = frequent.remove(&hash).is_some();
            let stands_for = if known { count } else { (count as f64 / share).round() as u64 };
            squares += if known { 0.0 } else { (count as f64).powi(2) };
            found.cells += count;
            found.weighted.push((Cow::Borrowed(text), stands_for));
        }
        for (text, count) in frequent.into_values() {
            found.cells += count;
            found.weighted.push((Cow::Borrowed(text), count));
        }
        // Horvitz and Thompson: a share of one half varies the most.
        let spread = ((1.0 - share) * squares).sqrt() / share;
        found.share_error = (1.96 / 2.0 * spread / summary.present().max(1) as f64).min(1.0);
        found
    }
}

/// The most frequent values by the hash of their normalised form.
fn frequent(top: &[ValueCount]) -> BTreeMap<u64, (&str, u64)> {
    let mut scratch = String::new();
    let mut found = BTreeMap::new();
    for top in top {
        let text = trimmed(&top.value);
        let (kind, value) = classify(text, false);
        let known = found.entry(normal_hash(text, kind, value, &mut scratch)).or_insert((top.value.as_str(), 0));
        known.1 += u64::try_from(top.count).unwrap_or_default();
    }
    found
}
