//! A uniform sample of the distinct values.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use crate::codec::{Corrupt, Reader, Writer};
use crate::distinct::Estimate;
use crate::hash::Identity;

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
    values: HashMap<u64, (u64, Box<str>), BuildHasherDefault<Identity>>,
    /// Hashes from here on were left out.
    limit: u64,
}

impl DistinctSample {
    /// Makes an empty sample of at most `k` values, at least 8.
    pub fn new(k: usize) -> Self {
        Self { k: k.max(8), values: HashMap::default(), limit: u64::MAX }
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
            self.take(hash, count, text);
        }
    }

    fn take(&mut self, hash: u64, count: u64, text: &str) {
        match self.values.get_mut(&hash) {
            Some((known, _)) => *known += count,
            None => {
                self.values.insert(hash, (count, text.into()));
                if self.values.len() >= 2 * self.k {
                    self.prune();
                }
            }
        }
    }

    /// Leaves the `k` least.
    fn prune(&mut self) {
        if self.values.len() <= self.k {
            return;
        }
        let mut hashes: Vec<u64> = self.values.keys().copied().collect();
        let (_, limit, _) = hashes.select_nth_unstable(self.k);
        self.limit = *limit;
        self.values.retain(|hash, _| *hash < self.limit);
    }

    /// Takes what `other` has seen, whose values come later.
    pub fn merge(&mut self, other: &Self) {
        self.k = self.k.min(other.k);
        self.limit = self.limit.min(other.limit);
        self.values.retain(|hash, _| *hash < self.limit);
        for (hash, (count, text)) in &other.values {
            self.offer(*hash, *count, text);
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
        let values = self.values.iter();
        let mut entries: Vec<(u64, u64, &str)> =
            values.map(|(hash, (count, text))| (*hash, *count, text.as_ref())).collect();
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
        if self.values.len() <= self.k {
            return (self.limit, self.limit == u64::MAX);
        }
        let mut hashes: Vec<u64> = self.values.keys().copied().collect();
        let (_, limit, _) = hashes.select_nth_unstable(self.k);
        (*limit, false)
    }

    /// How many distinct values there were.
    pub fn distinct(&self) -> Estimate {
        let share = self.share();
        let kept = self.values.len().min(self.k);
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
        let k = usize::try_from(from.number()?).map_err(|_| from.corrupt())?;
        let mut sample = Self { limit: from.word()?, ..Self::new(k) };
        for _ in 0..from.length(10)? {
            let (hash, count) = (from.word()?, from.number()?);
            sample.values.insert(hash, (count, from.text()?.into()));
        }
        let good = sample.values.len() <= sample.k && sample.values.keys().all(|hash| *hash < sample.limit);
        if good { Ok(sample) } else { Err(from.corrupt()) }
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
