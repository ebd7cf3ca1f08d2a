//! A uniform sample of a stream.

use crate::rng::SplitMix;

/// A uniform sample without replacement of a stream whose length is not known, seeded.
///
/// The sample depends on the seed and the order of the items alone, not on how the stream was cut into batches.
///
/// Source: Vitter, Random Sampling with a Reservoir, 1985, algorithm R.
#[derive(Debug, Clone)]
pub struct Reservoir<T> {
    capacity: usize,
    seen: u64,
    items: Vec<(u64, T)>,
    rng: SplitMix,
}

impl<T> Reservoir<T> {
    /// Makes a sample of at most `capacity` items.
    pub fn new(capacity: usize, seed: u64) -> Self {
        Self { capacity, seen: 0, items: Vec::new(), rng: SplitMix::new(seed) }
    }

    /// Takes the next item; `make` is called only when the item enters the sample.
    pub fn offer(&mut self, make: impl FnOnce() -> T) {
        let index = self.seen;
        self.seen += 1;
        if self.items.len() < self.capacity {
            self.items.push((index, make()));
            return;
        }
        let slot = self.rng.below(self.seen) as usize;
        if slot < self.capacity {
            self.items[slot] = (index, make());
        }
    }

    /// The sample in the order of the stream: the index of each item, from 0, and the item.
    pub fn finish(mut self) -> Vec<(u64, T)> {
        self.items.sort_by_key(|(index, _)| *index);
        self.items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_as_likely_as_any_other() {
        let mut hits = [0u32; 50];
        for seed in 0..5_000 {
            let mut sample = Reservoir::new(10, seed);
            (0..50usize).for_each(|item| sample.offer(|| item));
            sample.finish().iter().for_each(|(_, item)| hits[*item] += 1);
        }
        // 1,000 expected for each, with a standard deviation of 28.
        assert!(hits.iter().all(|count| (850..1_150).contains(count)), "{hits:?}");
    }

    #[test]
    fn a_short_stream_is_its_own_sample() {
        let mut sample = Reservoir::new(10, 1);
        ["a", "b"].iter().for_each(|item| sample.offer(|| *item));
        assert_eq!(sample.finish(), [(0, "a"), (1, "b")]);
    }

    #[test]
    fn the_same_seed_gives_the_same_sample() {
        let run = |seed| {
            let mut sample = Reservoir::new(5, seed);
            (0..1_000).for_each(|item| sample.offer(|| item));
            sample.finish()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }
}
