//! The most frequent values.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use crate::codec::{Corrupt, Reader, Writer};
use crate::hash::Identity;

/// A value with its hash, how often it occurred, and how to come by its text, which is asked for when it is kept.
#[derive(Debug, Clone, Copy)]
pub struct Counted<T> {
    /// The hash of the whole value.
    pub hash: u64,
    /// How often it occurred.
    pub count: u64,
    /// Makes its text.
    pub text: T,
}

/// A frequent value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopValue {
    /// Its text.
    pub text: String,
    /// How often it occurred, at least.
    pub count: u64,
    /// It occurred at most `count` and this often; 0 when the count is exact.
    pub count_error: u64,
}

/// Counts the most frequent values, `capacity` of them.
///
/// A count is a lower bound; what may be missing is the same for all values, and at most the number of values taken
/// divided by `capacity + 1`. So a value that makes up more than that share is always among those kept. Values come in
/// batches of distinct ones, and each batch is pruned once: in a column whose values hardly repeat it costs next to
/// nothing, because nothing is kept. A merge depends on nothing but the two sketches.
///
/// Source: Misra and Gries, Finding Repeated Elements, 1982; merged as Agarwal et al., Mergeable Summaries, 2012.
#[derive(Debug, Clone)]
pub struct Frequent {
    capacity: usize,
    counts: HashMap<u64, (u64, Box<str>), BuildHasherDefault<Identity>>,
    /// What was taken from every count.
    taken: u64,
}

impl Frequent {
    /// Makes an empty sketch of `capacity` values, at least 1.
    pub fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), counts: HashMap::default(), taken: 0 }
    }

    /// Takes a batch of values, in which none may occur twice.
    pub fn absorb<T: FnOnce() -> Box<str>>(&mut self, batch: impl Iterator<Item = Counted<T>> + Clone) {
        let mut fresh: Vec<u64> = Vec::new();
        for value in batch.clone() {
            // The common case of a column without frequent values.
            let known = if self.counts.is_empty() { None } else { self.counts.get_mut(&value.hash) };
            match known {
                Some((count, _)) => *count += value.count,
                None => fresh.push(value.count),
            }
        }
        let surplus = self.surplus(&fresh);
        let mut kept: Vec<Counted<T>> = Vec::new();
        if fresh.iter().any(|count| *count > surplus) {
            let is_fresh = |value: &Counted<T>| value.count > surplus && !self.counts.contains_key(&value.hash);
            kept.extend(batch.filter(is_fresh));
        }
        if surplus > 0 {
            self.taken += surplus;
            self.counts.retain(|_, (count, _)| {
                *count = count.saturating_sub(surplus);
                *count > 0
            });
        }
        for value in kept {
            self.counts.insert(value.hash, (value.count - surplus, (value.text)()));
        }
    }

    /// The greatest count that does not fit any more.
    fn surplus(&self, fresh: &[u64]) -> u64 {
        if self.counts.len() + fresh.len() <= self.capacity {
            return 0;
        }
        // Where what is here fits, which it may not since a merge, the first that does not is one of those.
        if self.counts.len() <= self.capacity && fresh.iter().all(|count| *count == 1) {
            return 1;
        }
        let ours = self.counts.values().map(|(count, _)| *count);
        let mut all: Vec<u64> = ours.chain(fresh.iter().copied()).collect();
        let (_, surplus, _) = all.select_nth_unstable_by(self.capacity, |a, b| b.cmp(a));
        *surplus
    }

    /// Takes what `other` has seen.
    pub fn merge(&mut self, other: &Self) {
        self.capacity = self.capacity.min(other.capacity);
        self.absorb(other.counts.iter().map(|(hash, (count, text))| Counted {
            hash: *hash,
            count: *count,
            text: || text.clone(),
        }));
        self.taken += other.taken;
    }

    /// What every count may be short of.
    pub fn count_error(&self) -> u64 {
        self.taken
    }

    /// The most frequent values, at most `limit`: by falling count, then by text. Only values that are surely more
    /// frequent than any that was left out.
    pub fn top(&self, limit: usize) -> Vec<TopValue> {
        let mut sure: Vec<_> = self.counts.values().filter(|(count, _)| *count > self.taken).collect();
        sure.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        sure.truncate(limit);
        let value = |(count, text): &(u64, Box<str>)| TopValue {
            text: text.to_string(),
            count: *count,
            count_error: self.taken,
        };
        sure.into_iter().map(value).collect()
    }

    /// Appends the sketch.
    pub fn encode(&self, out: &mut Writer) {
        out.number(self.capacity as u64);
        out.number(self.taken);
        out.number(self.counts.len() as u64);
        let mut sorted: Vec<_> = self.counts.iter().collect();
        sorted.sort_by_key(|(hash, _)| **hash);
        for (hash, (count, text)) in sorted {
            out.word(*hash);
            out.number(*count);
            out.text(text);
        }
    }

    /// Reads an appended sketch.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let mut sketch = Self::new(usize::try_from(from.number()?).map_err(|_| from.corrupt())?);
        sketch.taken = from.number()?;
        let values = from.length(10)?;
        sketch.counts.reserve(values);
        for _ in 0..values {
            let (hash, count) = (from.word()?, from.number()?);
            sketch.counts.insert(hash, (count, from.text()?.into()));
        }
        if sketch.counts.len() > sketch.capacity { Err(from.corrupt()) } else { Ok(sketch) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::hash::hash;

    /// Feeds values in batches of `size`.
    fn of(capacity: usize, values: &[u16], size: usize) -> Frequent {
        let mut sketch = Frequent::new(capacity);
        for batch in values.chunks(size) {
            let mut counts: HashMap<u16, u64> = HashMap::new();
            batch.iter().for_each(|value| *counts.entry(*value).or_default() += 1);
            sketch.absorb(counts.iter().map(|(value, count)| {
                let text = value.to_string();
                Counted { hash: hash(text.as_bytes()), count: *count, text: || text.into() }
            }));
        }
        sketch
    }

    #[test]
    fn a_column_of_unique_values_keeps_nothing() {
        let mut sketch = Frequent::new(100);
        for batch in 0..50u64 {
            let numbers = batch * 1_000..(batch + 1) * 1_000;
            sketch.absorb(numbers.map(|n| Counted { hash: crate::mix(n), count: 1, text: || "".into() }));
        }
        assert!(sketch.counts.is_empty());
        assert_eq!(sketch.count_error(), 50);
    }

    #[test]
    fn a_merge_with_a_smaller_sketch_leaves_as_many_values_as_that_holds() {
        let values: Vec<u16> = (0..60).flat_map(|value| vec![value; 1 + usize::from(value) % 3]).collect();
        for theirs in [&[][..], &[100], &[7, 100, 101, 102]] {
            let mut merged = of(64, &values, 500);
            merged.merge(&of(16, theirs, 500));
            assert!(merged.counts.len() <= 16, "{}", merged.counts.len());
            let mut out = Writer::default();
            merged.encode(&mut out);
            let back = Frequent::decode(&mut Reader::new(&out.finish())).unwrap();
            assert_eq!(back.top(16), merged.top(16));
        }
    }

    proptest! {
        #[test]
        fn a_merge_keeps_no_more_than_the_smaller_capacity(
            ours in prop::collection::vec(0u16..400, 0..300), theirs in prop::collection::vec(0u16..400, 0..300),
            ours_capacity in 1usize..80, theirs_capacity in 1usize..80,
        ) {
            let mut merged = of(ours_capacity, &ours, 100);
            merged.merge(&of(theirs_capacity, &theirs, 100));
            let capacity = ours_capacity.min(theirs_capacity);
            prop_assert!(merged.counts.len() <= capacity);
            prop_assert!(merged.count_error() <= (ours.len() + theirs.len()) as u64 / (capacity as u64 + 1));
            let mut out = Writer::default();
            merged.encode(&mut out);
            prop_assert!(Frequent::decode(&mut Reader::new(&out.finish())).is_ok());
        }

        #[test]
        fn counts_lie_within_the_error_however_the_stream_is_cut(
            values in prop::collection::vec(0u16..400, 1..3_000), cut in 0usize..3_000, size in 1usize..500,
        ) {
            let cut = cut.min(values.len());
            let mut merged = of(32, &values[..cut], size);
            merged.merge(&of(32, &values[cut..], size));
            prop_assert!(merged.count_error() <= values.len() as u64 / 33);
            let mut out = Writer::default();
            merged.encode(&mut out);
            let back = Frequent::decode(&mut Reader::new(&out.finish())).unwrap();
            prop_assert_eq!(back.top(32), merged.top(32));
            for top in merged.top(32) {
                let truth = values.iter().filter(|v| v.to_string() == top.text).count() as u64;
                prop_assert!(top.count <= truth && truth <= top.count + top.count_error);
            }
        }
    }
}
