//! How much each column may remember.

/// About what a counted value takes, with a text of usual length.
const VALUE_BYTES: usize = 160;
/// A quantile sketch keeps about three numbers for each of its `k`; a column has one, rarely two of them.
const RANK_BYTES: usize = 24;

/// The sizes of a column's summaries, so that all columns together stay within the memory given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    /// Distinct values that are counted exactly.
    pub(crate) values: usize,
    /// The logarithm of the number of registers for distinct values.
    pub(crate) lg_k: u8,
    /// Numbers that are ranked exactly.
    pub(crate) ranks: usize,
}

impl Budget {
    pub(crate) fn new(memory_bytes: usize, columns: usize) -> Self {
        let each = memory_bytes / columns.max(1);
        let registers = each / 4;
        Self {
            values: (each / 2 / VALUE_BYTES).clamp(64, 8_192),
            lg_k: (registers.max(1).ilog2() as u8).clamp(10, 14),
            ranks: (each / 4 / RANK_BYTES).clamp(128, 4_096),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usual_table_is_remembered_in_full_and_a_wide_one_within_the_memory() {
        let memory = 192 << 20;
        assert_eq!(Budget::new(memory, 20), Budget { values: 8_192, lg_k: 14, ranks: 4_096 });
        let wide = Budget::new(memory, 10_000);
        let bytes = wide.values * VALUE_BYTES + (1 << wide.lg_k) + wide.ranks * RANK_BYTES;
        assert!(bytes * 10_000 <= memory * 5 / 4, "{wide:?}");
    }
}
