//! Numbers that look random and are not.

/// SplitMix64: one addition and a mixer per number.
///
/// Source: Steele, Lea, Flood, Fast Splittable Pseudorandom Number Generators, 2014.
#[derive(Debug, Clone)]
pub(crate) struct SplitMix(u64);

impl SplitMix {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// What [`SplitMix::new`] takes to go on from here.
    pub(crate) fn state(&self) -> u64 {
        self.0
    }
}
