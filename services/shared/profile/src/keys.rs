//! Which columns tell rows apart, and which rows are alike.

use proto::profiling::v1::{CandidateKey, ColumnProfile, CountInterval, DuplicateRows};
use sketch::DistinctSample;

use crate::layout::Layout;
use crate::partial::Partial;

const KEYS: usize = 20;

/// Columns, and pairs of the first columns, that tell all rows apart.
pub(crate) fn candidates(layout: &Layout, partial: &Partial, columns: &[ColumnProfile]) -> Vec<CandidateKey> {
    // One row is told apart by anything.
    if partial.row_count < 2 {
        return Vec::new();
    }
    let complete = |index: usize| columns[index].missing_count == 0;
    let mut keys = Vec::new();
    let mut single = vec![false; columns.len()];
    for (index, column) in columns.iter().enumerate().filter(|(index, _)| complete(*index)) {
        let Some(uniqueness) = column.uniqueness.as_ref().filter(|uniqueness| uniqueness.unique) else { continue };
        single[index] = true;
        keys.push(key(&[&layout.names[index]], uniqueness.exact, 1.0 - uniqueness.once_share_low));
    }
    for (a, b, sample) in &partial.rows.pairs {
        if single[*a] || single[*b] || !complete(*a) || !complete(*b) {
            continue;
        }
        let entries = sample.entries();
        if entries.iter().all(|(_, count, _)| *count == 1) {
            let bound = 1.0 - sketch::share(entries.len() as u64, entries.len() as u64).low;
            keys.push(key(&[&layout.names[*a], &layout.names[*b]], sample.share() >= 1.0, bound));
        }
    }
    // The sort is stable: columns to the left come first.
    keys.sort_by_key(|key| (!key.exact, key.columns.len()));
    keys.truncate(KEYS);
    keys
}

fn key(columns: &[&String], exact: bool, bound: f64) -> CandidateKey {
    let repeated_share_bound = if exact { 0.0 } else { bound };
    CandidateKey { columns: columns.iter().map(ToString::to_string).collect(), exact, repeated_share_bound }
}

/// Rows that repeat earlier rows.
pub(crate) fn duplicates(partial: &Partial) -> Option<DuplicateRows> {
    let interval = |sample: &DistinctSample| {
        let found = sample.surplus();
        let rows = partial.row_count as f64;
        CountInterval { value: found.value.min(rows), low: found.low.min(rows), high: found.high.min(rows) }
    };
    (partial.row_count > 0).then(|| DuplicateRows {
        exact: Some(interval(&partial.rows.exact)),
        near: Some(interval(&partial.rows.normal)),
    })
}
