//! A uniform sample of the distinct values.

use crate::codec::{Corrupt, MOST_KEPT, Reader, Writer};
use crate::distinct::Estimate;

/// A value of the sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sampled {
    /// The hash of the normalised value, as it was offered.
    pub hash: u64,
    /// How often the value occurred, exactly, all its spellings together.
    pub count: u64,
    /// The spelling that was offered first.
    pub text: Box<str>,
}

/// The values with the `k` least hashes, each with its exact count.
///
/// Hashes have nothing to do with values, so this is a uniform sample of the distinct values without replacement; all of
/// them as long as there are at most `k`. A hash that is among the least at the end was so all the time, so no
/// occurrence was missed. The order of values leaves no trace but the spelling, and merges are exact.
///
/// Source: Cohen and Kaplan, Summarizing Data using Bottom-k Sketches, 2007; Beyer et al., On Synopses for
/// Distinct-Value Estimation under Multiset Operations, 2007.
#[derive(Debug, Clone)]
pub struct DistinctSample {
    k: usize,
    kept: Kept,
    /// Hashes from here on were left out.
    limit: u64,
}

/// Values by hash. Their texts lie one behind the other, so that a value allocates nothing.
#[derive(Debug, Clone, Default)]
struct Kept {
    /// The places of the values in a table that is never more than half full, by hash; `NOWHERE` where there is none.
    slots: Vec<u32>,
    values: Vec<Value>,
    texts: String,
}

#[derive(Debug, Clone, Copy)]
struct Value {
    hash: u64,
    count: u64,
    start: usize,
    length: usize,
}

const NOWHERE: u32 = u32::MAX;

impl DistinctSample {
    /// Makes an empty sample of at most `k` values, 8 to [`MOST_KEPT`].
    pub fn new(k: usize) -> Self {
        Self { k: k.clamp(8, MOST_KEPT), kept: Kept::default(), limit: u64::MAX }
    }

    /// Tells whether a value with this hash would be kept now; asked before a text is made.
    #[inline]
    pub fn wants(&self, hash: u64) -> bool {
        hash < self.limit
    }

    /// Takes `count` occurrences of the value with this hash, seed and normalisation being the caller's.
    #[inline]
    pub fn offer(&mut self, hash: u64, count: u64, text: &str) {
        if hash < self.limit {
            self.kept.take(hash, count, text);
            if self.kept.values.len() >= 2 * self.k {
                self.prune();
            }
        }
    }

    /// Leaves the `k` least.
    fn prune(&mut self) {
        if self.kept.values.len() > self.k {
            self.limit = self.bound().0;
            self.kept.retain_below(self.limit);
        }
    }

    /// Takes what `other` has seen, whose values come later.
    pub fn merge(&mut self, other: &Self) {
        self.k = self.k.min(other.k);
        if other.limit < self.limit {
            self.limit = other.limit;
            self.kept.retain_below(self.limit);
        }
        for value in &other.kept.values {
            self.offer(value.hash, value.count, other.kept.text(value));
        }
        self.prune();
    }

    /// The sample by rising hash, at most `k` values.
    pub fn values(&self) -> Vec<Sampled> {
        let values = self.entries().into_iter();
        values.map(|(hash, count, text)| Sampled { hash, count, text: text.into() }).collect()
    }

    /// The same as hash, count and text, which is not copied.
    pub fn entries(&self) -> Vec<(u64, u64, &str)> {
        let values = self.kept.values.iter();
        let mut entries: Vec<(u64, u64, &str)> =
            values.map(|value| (value.hash, value.count, self.kept.text(value))).collect();
        entries.sort_unstable_by_key(|(hash, ..)| *hash);
        entries.truncate(self.k);
        entries
    }

    /// Which share of the distinct values is in the sample, about: hashes below it, of all. 1 when all are.
    pub fn share(&self) -> f64 {
        let (limit, complete) = self.bound();
        if complete { 1.0 } else { limit as f64 / u64::MAX as f64 }
    }

    /// Every value whose hash is below this is in the sample; the greatest number when all are.
    pub fn limit(&self) -> u64 {
        self.bound().0
    }

    /// The hash below which every value is kept, and whether that is all of them.
    pub(crate) fn bound(&self) -> (u64, bool) {
        if self.kept.values.len() <= self.k {
            return (self.limit, self.limit == u64::MAX);
        }
        let mut hashes: Vec<u64> = self.kept.values.iter().map(|value| value.hash).collect();
        let (_, limit, _) = hashes.select_nth_unstable(self.k);
        (*limit, false)
    }

    /// How many distinct values there were.
    pub fn distinct(&self) -> Estimate {
        let share = self.share();
        let kept = self.kept.values.len().min(self.k);
        if share >= 1.0 {
            return Estimate::exact(kept as u64);
        }
        let error = (1.0 / (kept.max(3) - 2) as f64).sqrt();
        Estimate { value: (kept as f64 / share).round(), relative_standard_error: error }
    }

    /// Appends the sample.
    pub fn encode(&self, out: &mut Writer) {
        let (limit, _) = self.bound();
        let entries = self.entries();
        out.number(self.k as u64);
        out.word(limit);
        out.number(entries.len() as u64);
        for (hash, count, text) in entries {
            out.word(hash);
            out.number(count);
            out.text(text);
        }
    }

    /// Reads an appended sample.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let k = from.kept()?;
        let mut sample = Self { limit: from.word()?, ..Self::new(k) };
        let values = from.length(10)?;
        sample.kept.values.reserve(values);
        for _ in 0..values {
            let (hash, count) = (from.word()?, from.number()?);
            sample.kept.take(hash, count, from.text()?);
        }
        let values = &sample.kept.values;
        let good = values.len() <= sample.k && values.iter().all(|value| value.hash < sample.limit);
        if good { Ok(sample) } else { Err(from.corrupt()) }
    }
}

impl Kept {
    fn text(&self, value: &Value) -> &str {
        &self.texts[value.start..value.start + value.length]
    }

    /// The slot of a hash, and the place of its value if there is one. There are slots.
    #[inline]
    fn find(&self, hash: u64) -> (usize, Option<usize>) {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let place = self.slots[slot] as usize;
            if place == NOWHERE as usize {
                return (slot, None);
            }
            if self.values[place].hash == hash {
                return (slot, Some(place));
            }
            slot = (slot + 1) & mask;
        }
    }

    fn take(&mut self, hash: u64, count: u64, text: &str) {
        if self.values.len() * 2 >= self.slots.len() {
            self.resize((self.slots.len() * 2).max(64));
        }
        match self.find(hash) {
            (_, Some(place)) => self.values[place].count += count,
            (slot, None) => {
                self.slots[slot] = self.values.len() as u32;
                self.values.push(Value { hash, count, start: self.texts.len(), length: text.len() });
                self.texts.push_str(text);
            }
        }
    }

    fn resize(&mut self, size: usize) {
        self.slots.clear();
        self.slots.resize(size, NOWHERE);
        for place in 0..self.values.len() {
            let (slot, _) = self.find(self.values[place].hash);
            self.slots[slot] = place as u32;
        }
    }

    fn retain_below(&mut self, limit: u64) {
        let texts = std::mem::take(&mut self.texts);
        self.values.retain_mut(|value| {
            let text = &texts[value.start..value.start + value.length];
            value.start = self.texts.len();
            let below = value.hash < limit;
            if below {
                self.texts.push_str(text);
            }
            below
        });
        self.resize(self.slots.len().max(64));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::hash::mix;

    fn of(k: usize, values: &[u16]) -> DistinctSample {
        let mut sample = DistinctSample::new(k);
        values.iter().for_each(|value| sample.offer(mix(u64::from(*value)), 1, &value.to_string()));
        sample
    }

    #[test]
    fn few_values_are_all_in_the_sample() {
        let sample = of(100, &[1, 2, 2, 3]);
        assert_eq!((sample.share(), sample.distinct()), (1.0, Estimate::exact(3)));
    }

    #[test]
    fn more_values_than_a_sample_may_have_are_refused() {
        for (k, good) in [(MOST_KEPT as u64, true), (MOST_KEPT as u64 + 1, false), (u64::MAX, false)] {
            let mut out = Writer::default();
            out.number(k);
            out.word(u64::MAX);
            out.number(0);
            assert_eq!(DistinctSample::decode(&mut Reader::new(&out.finish())).is_ok(), good, "{k}");
        }
    }

    #[test]
    fn the_share_tells_how_many_there_are() {
        let values: Vec<u16> = (0..60_000).collect();
        let sample = of(1_024, &values);
        let estimate = sample.distinct();
        assert!((estimate.value - 60_000.0).abs() < 4.0 * estimate.relative_standard_error * 60_000.0, "{estimate:?}");
        assert!(sample.values().len() == 1_024);
    }

    proptest! {
        #[test]
        fn counts_are_exact_however_the_stream_is_cut(values in prop::collection::vec(0u16..300, 1..3_000), cut in 0usize..3_000) {
            let cut = cut.min(values.len());
            let mut merged = of(32, &values[..cut]);
            merged.merge(&of(32, &values[cut..]));
            prop_assert_eq!(merged.values(), of(32, &values).values());
            let mut counts: HashMap<u64, u64> = HashMap::new();
            values.iter().for_each(|value| *counts.entry(mix(u64::from(*value))).or_default() += 1);
            let mut least: Vec<(u64, u64)> = counts.into_iter().collect();
            least.sort_unstable();
            least.truncate(32);
            let found: Vec<(u64, u64)> = merged.values().iter().map(|value| (value.hash, value.count)).collect();
            prop_assert_eq!(found, least);
            let mut out = Writer::default();
            merged.encode(&mut out);
            let back = DistinctSample::decode(&mut Reader::new(&out.finish())).unwrap();
            prop_assert_eq!(back.values(), merged.values());
            prop_assert_eq!(back.share(), merged.share());
        }
    }
}
