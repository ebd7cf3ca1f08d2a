//! Distinct values, and the most frequent ones.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use datasketches::hll::{HllSketch, HllType, HllUnion};

use crate::hash::hash;

/// How many bytes of a text are kept.
const TEXT_BYTES: usize = 256;

/// A figure with its relative standard error, 0 when it is exact.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// Its relative standard error.
    pub relative_standard_error: f64,
}

/// A frequent value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopValue {
    /// Its text, cut to 256 bytes at a character boundary.
    pub text: String,
    /// How often it occurred, at least.
    pub count: u64,
    /// It occurred at most `count` and this often; 0 when the count is exact.
    pub count_error: u64,
}

/// Counts values: how many distinct ones there are, and which are the most frequent.
///
/// Exact while there are at most `capacity` distinct values. Beyond, the distinct count comes from HyperLogLog, and
/// counts become lower bounds with an error that is the same for all. A value is known by the 64-bit hash of its whole
/// text, so two texts that differ only past what is kept are two values.
///
/// Source: Flajolet et al., HyperLogLog, 2007; Misra and Gries, Finding Repeated Elements, 1982, with the purge by
/// median of Anderson et al., A High-Performance Algorithm for Identifying Frequent Items, 2017.
#[derive(Debug, Clone)]
pub struct ValueCounts {
    capacity: usize,
    lg_k: u8,
    counts: HashMap<u64, Entry, BuildHasherDefault<Identity>>,
    /// What purges have taken from every count.
    purged: u64,
    /// Takes over the distinct count at the first purge.
    distinct: Option<Box<HllSketch>>,
}

#[derive(Debug, Clone)]
struct Entry {
    text: Box<str>,
    count: u64,
}

impl ValueCounts {
    /// Makes an empty summary that is exact up to `capacity` distinct values, at least 16, and then counts them with
    /// `2^lg_k` registers, 4 to 18.
    pub fn new(capacity: usize, lg_k: u8) -> Self {
        let capacity = capacity.max(16);
        Self { capacity, lg_k: lg_k.clamp(4, 18), counts: HashMap::default(), purged: 0, distinct: None }
    }

    /// Takes `count` occurrences of a value.
    pub fn add(&mut self, text: &str, count: u64) {
        self.add_hashed(hash(text.as_bytes()), text, count);
    }

    /// How many distinct values there were.
    pub fn distinct(&self) -> Estimate {
        match &self.distinct {
            None => Estimate { value: self.counts.len() as f64, relative_standard_error: 0.0 },
            Some(sketch) => Estimate {
                value: sketch.composite_estimate().round(),
                relative_standard_error: 1.04 / f64::from(1u32 << self.lg_k).sqrt(),
            },
        }
    }

    /// The most frequent values, at most `limit`: by falling count, then by text. Once counts have errors, only values
    /// that are surely more frequent than what was purged.
    pub fn top(&self, limit: usize) -> Vec<TopValue> {
        let mut sure: Vec<&Entry> = self.counts.values().filter(|entry| entry.count > self.purged).collect();
        let order = |a: &&Entry, b: &&Entry| b.count.cmp(&a.count).then_with(|| a.text.cmp(&b.text));
        if sure.len() > limit && limit > 0 {
            sure.select_nth_unstable_by(limit - 1, order);
        }
        sure.truncate(limit);
        sure.sort_by(order);
        let value =
            |entry: &Entry| TopValue { text: entry.text.to_string(), count: entry.count, count_error: self.purged };
        sure.into_iter().map(value).collect()
    }

    /// Takes what `other` has seen.
    pub fn merge(&mut self, other: &Self) {
        if let Some(theirs) = &other.distinct {
            let ours = self.sketch_so_far();
            self.lg_k = self.lg_k.min(other.lg_k);
            let mut union = HllUnion::new(self.lg_k).expect("lg_k is clamped to what the sketch takes");
            union.update(&ours);
            union.update(theirs);
            self.distinct = Some(Box::new(union.to_sketch(HllType::Hll8)));
        }
        for (hash, entry) in &other.counts {
            self.add_hashed(*hash, &entry.text, entry.count);
        }
        self.purged += other.purged;
    }

    fn add_hashed(&mut self, hash: u64, text: &str, count: u64) {
        if let Some(entry) = self.counts.get_mut(&hash) {
            entry.count += count;
            return;
        }
        if let Some(sketch) = &mut self.distinct {
            sketch.update(hash);
        }
        if self.counts.len() >= self.capacity {
            self.purge();
        }
        self.counts.insert(hash, Entry { text: cut(text, TEXT_BYTES).into(), count });
        // The value that caused the first purge is in no sketch yet.
        if let Some(sketch) = &mut self.distinct {
            sketch.update(hash);
        }
    }

    /// Takes the median from every count and forgets what is left without one.
    fn purge(&mut self) {
        self.distinct = Some(self.sketch_so_far());
        let mut all: Vec<u64> = self.counts.values().map(|entry| entry.count).collect();
        let middle = all.len() / 2;
        let (_, median, _) = all.select_nth_unstable(middle);
        let median = *median;
        self.purged += median;
        self.counts.retain(|_, entry| {
            entry.count = entry.count.saturating_sub(median);
            entry.count > 0
        });
    }

    fn sketch_so_far(&self) -> Box<HllSketch> {
        if let Some(sketch) = &self.distinct {
            return sketch.clone();
        }
        let mut sketch = HllSketch::new(self.lg_k, HllType::Hll8).expect("lg_k is clamped to what the sketch takes");
        self.counts.keys().for_each(|hash| sketch.update(hash));
        Box::new(sketch)
    }
}

/// Cuts a text to at most `bytes` bytes, at a character boundary.
fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// The keys are hashes already.
#[derive(Debug, Clone, Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash(bytes);
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn few_values_are_counted_exactly() {
        let mut counts = ValueCounts::new(100, 12);
        ["b", "a", "b", "c", "b", "a"].iter().for_each(|text| counts.add(text, 1));
        assert_eq!(counts.distinct(), Estimate { value: 3.0, relative_standard_error: 0.0 });
        let top: Vec<(String, u64)> = counts.top(2).into_iter().map(|value| (value.text, value.count)).collect();
        assert_eq!(top, [("b".to_owned(), 3), ("a".to_owned(), 2)]);
    }

    #[test]
    fn many_values_are_counted_within_four_standard_errors() {
        let mut counts = ValueCounts::new(1_000, 14);
        (0..200_000u32).for_each(|n| counts.add(&n.to_string(), 1));
        let estimate = counts.distinct();
        assert!(estimate.relative_standard_error > 0.0);
        let off = (estimate.value - 200_000.0).abs() / 200_000.0;
        assert!(off < 4.0 * estimate.relative_standard_error, "{estimate:?}");
        assert!(counts.top(20).is_empty());
    }

    #[test]
    fn a_frequent_value_is_found_among_many_rare_ones() {
        let mut counts = ValueCounts::new(100, 12);
        for n in 0..50_000u32 {
            counts.add(if n % 5 == 0 { "often" } else { "sometimes" }, u64::from(n % 5 < 2));
            counts.add(&n.to_string(), 1);
        }
        let top = &counts.top(1)[0];
        assert!(top.count <= 10_000 && 10_000 <= top.count + top.count_error, "{top:?}");
    }

    #[test]
    fn texts_that_differ_only_at_the_end_are_two_values() {
        let mut counts = ValueCounts::new(100, 12);
        let long = "x".repeat(1_000);
        counts.add(&format!("{long}1"), 1);
        counts.add(&format!("{long}2"), 1);
        assert_eq!(counts.distinct().value, 2.0);
        assert_eq!(counts.top(1)[0].text.len(), 256);
    }

    proptest! {
        #[test]
        fn bounds_hold_however_the_stream_is_cut(values in prop::collection::vec(0u16..400, 1..3_000), cut in 0usize..3_000) {
            let cut = cut.min(values.len());
            let mut left = ValueCounts::new(32, 12);
            let mut right = ValueCounts::new(32, 12);
            values[..cut].iter().for_each(|v| left.add(&v.to_string(), 1));
            values[cut..].iter().for_each(|v| right.add(&v.to_string(), 1));
            left.merge(&right);
            for top in left.top(32) {
                let truth = values.iter().filter(|v| v.to_string() == top.text).count() as u64;
                prop_assert!(top.count <= truth && truth <= top.count + top.count_error);
            }
        }
    }
}
