//! How much each column may remember.

use sketch::{Corrupt, KeyedLanes, Reader, Writer};

use crate::correlate::KEYS;

/// About what a distinct cell takes, with a text of usual length.
const VALUE_BYTES: usize = 112;
/// About what a kept value takes that has its own text.
const KEPT_BYTES: usize = 96;
/// A quantile sketch keeps about three numbers for each of its `k`; a column has one, rarely two of them.
const RANK_BYTES: usize = 24;
/// As many summaries of parts of a file may be in memory at once: each thread's, and those that wait to be merged.
const PARTS: usize = 8;
/// This share of the memory is for numbers by key, of whole tables.
const KEYED_SHARE: usize = 16;

/// The sizes of a column's summaries, so that all columns together stay within the memory given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    /// Distinct cells up to which every figure is exact.
    pub(crate) values: usize,
    /// Of a column with more: values in the sample of distinct ones.
    pub(crate) sample: usize,
    /// Frequent values that are counted.
    pub(crate) frequent: usize,
    /// The logarithm of the number of registers for distinct values.
    pub(crate) lg_k: u8,
    /// The size of the quantile sketch.
    pub(crate) ranks: usize,
    /// Keys of each column beside which numbers are kept.
    pub(crate) keys: usize,
}

impl Budget {
    /// The most values in the sample of distinct ones.
    pub(crate) const SAMPLE: usize = 1_024;

    /// The most keys of a column beside which numbers are kept.
    pub(crate) const KEYS: usize = 256;

    /// Depends on the memory and the number of columns alone, so that it is the same on every machine.
    pub(crate) fn new(memory_bytes: usize, columns: usize) -> Self {
        let part = memory_bytes / PARTS;
        let keyed = part / KEYED_SHARE;
        let each = (part - keyed) / columns.max(1);
        Self {
            values: (each / VALUE_BYTES).clamp(16, 8_192),
            sample: (each / 4 / KEPT_BYTES).clamp(16, Self::SAMPLE),
            frequent: (each / 4 / KEPT_BYTES).clamp(16, 1_024),
            lg_k: ((each / 4).max(1).ilog2() as u8).clamp(6, 14),
            ranks: (each / 4 / RANK_BYTES).clamp(16, 2_048),
            keys: (keyed / KEYS / KeyedLanes::bytes(1)).clamp(16, Self::KEYS),
        }
    }

    /// The lesser of each size.
    pub(crate) fn least(self, other: Self) -> Self {
        Self {
            values: self.values.min(other.values),
            sample: self.sample.min(other.sample),
            frequent: self.frequent.min(other.frequent),
            lg_k: self.lg_k.min(other.lg_k),
            ranks: self.ranks.min(other.ranks),
            keys: self.keys.min(other.keys),
        }
    }

    pub(crate) fn encode(&self, out: &mut Writer) {
        for size in [self.values, self.sample, self.frequent, usize::from(self.lg_k), self.ranks, self.keys] {
            out.number(size as u64);
        }
    }

    pub(crate) fn decode(from: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let mut size = |most: u64| match from.number() {
            Ok(size) if size <= most => Ok(size as usize),
            Ok(_) => Err(from.corrupt()),
            Err(corrupt) => Err(corrupt),
        };
        let (values, sample, frequent) = (size(8_192)?, size(1_024)?, size(1_024)?);
        let (lg_k, ranks, keys) = (size(14)? as u8, size(2_048)?, size(Self::KEYS as u64)?);
        Ok(Self { values, sample, frequent, lg_k, ranks, keys })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usual_table_is_remembered_in_full_and_a_wide_one_within_the_memory() {
        let memory = 128 << 20;
        let full = Budget { values: 8_192, sample: 1_024, frequent: 1_024, lg_k: 14, ranks: 2_048, keys: 256 };
        assert_eq!(Budget::new(memory, 17), full);
        let wide = Budget::new(memory, 10_000);
        let bytes = wide.values * VALUE_BYTES + (1 << wide.lg_k) + wide.ranks * RANK_BYTES;
        assert!(bytes * 10_000 <= 2 * memory / PARTS, "{wide:?}");
    }
}
