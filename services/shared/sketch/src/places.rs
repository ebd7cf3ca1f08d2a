//! A uniform sample of rows.

use crate::codec::{Corrupt, Reader, Writer};
use crate::hash::mix;

/// A uniform sample of items without replacement: those with the least hash of their place.
///
/// An item's place is two numbers, its part and its index in there, so a sample depends on the seed and the places
/// alone, not on the order in which parts are read and merged.
#[derive(Debug, Clone)]
pub struct PlaceSample<T> {
    capacity: usize,
    seed: u64,
    /// By hash, the least first.
    items: Vec<(u64, u64, T)>,
}

impl<T: Clone> PlaceSample<T> {
    /// Makes a sample of at most `capacity` items.
    pub fn new(capacity: usize, seed: u64) -> Self {
        Self { capacity, seed, items: Vec::new() }
    }

    /// Offers the item at `index` of `part`; `make` is called only when it enters the sample.
    pub fn offer_at(&mut self, part: u64, index: u64, make: impl FnOnce() -> T) {
        let hash = mix(self.seed ^ mix(part).rotate_left(32) ^ mix(!index));
        let full = self.items.len() >= self.capacity;
        if full && self.items.last().is_none_or(|(greatest, ..)| hash >= *greatest) {
            return;
        }
        let item = make();
        self.insert(hash, index, item);
    }

    fn insert(&mut self, hash: u64, index: u64, item: T) {
        let at = self.items.partition_point(|(other, ..)| *other < hash);
        self.items.insert(at, (hash, index, item));
        self.items.truncate(self.capacity);
    }

    /// Takes the sample of what comes after this one's items, `shift` items further on.
    pub fn merge(&mut self, other: &Self, shift: u64) {
        self.capacity = self.capacity.min(other.capacity);
        self.items.truncate(self.capacity);
        for (hash, index, item) in &other.items {
            self.insert(*hash, index + shift, item.clone());
        }
    }

    /// The sample in the order of the items: the index of each, and the item.
    pub fn items(&self) -> Vec<(u64, T)> {
        let mut items: Vec<(u64, T)> = self.items.iter().map(|(_, index, item)| (*index, item.clone())).collect();
        items.sort_by_key(|(index, _)| *index);
        items
    }

    /// Appends the sample.
    pub fn encode(&self, out: &mut Writer, write: impl Fn(&mut Writer, &T)) {
        out.number(self.capacity as u64);
        out.word(self.seed);
        out.number(self.items.len() as u64);
        for (hash, index, item) in &self.items {
            out.word(*hash);
            out.number(*index);
            write(out, item);
        }
    }

    /// Reads an appended sample.
    pub fn decode(
        from: &mut Reader<'_>,
        read: impl Fn(&mut Reader<'_>) -> Result<T, Corrupt>,
    ) -> Result<Self, Corrupt> {
        let capacity = usize::try_from(from.number()?).map_err(|_| from.corrupt())?;
        let mut sample = Self::new(capacity, from.word()?);
        for _ in 0..from.length(9)? {
            let (hash, index) = (from.word()?, from.number()?);
            let item = read(from)?;
            sample.insert(hash, index, item);
        }
        Ok(sample)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(seed: u64, parts: &[std::ops::Range<u64>]) -> PlaceSample<u64> {
        let sample = |(part, range): (usize, &std::ops::Range<u64>)| {
            let mut sample = PlaceSample::new(10, seed);
            range.clone().for_each(|item| sample.offer_at(part as u64, item - range.start, || item));
            (sample, range.end - range.start)
        };
        let mut parts = parts.iter().enumerate().map(sample);
        let (mut whole, mut shift) = parts.next().unwrap();
        for (part, length) in parts {
            whole.merge(&part, shift);
            shift += length;
        }
        whole
    }

    #[test]
    fn every_item_is_as_likely_as_any_other() {
        let mut hits = [0u32; 50];
        for seed in 0..5_000 {
            of(seed, &[0..20, 20..50]).items().iter().for_each(|(_, item)| hits[*item as usize] += 1);
        }
        // 1,000 expected for each, with a standard deviation of 28.
        assert!(hits.iter().all(|count| (850..1_150).contains(count)), "{hits:?}");
    }

    #[test]
    fn items_keep_their_places() {
        let sample = of(3, &[0..100, 100..250, 250..300]);
        assert!(sample.items().iter().all(|(index, item)| index == item));
        assert_eq!(sample.items().len(), 10);
        let mut out = Writer::default();
        sample.encode(&mut out, |out, item| out.number(*item));
        let back = PlaceSample::decode(&mut Reader::new(&out.finish()), |from| from.number()).unwrap();
        assert_eq!(back.items(), sample.items());
    }

    #[test]
    fn a_short_stream_is_its_own_sample() {
        assert_eq!(of(1, &[0..1, 1..2]).items(), [(0, 0), (1, 1)]);
    }

    #[test]
    fn the_same_seed_gives_the_same_sample() {
        assert_eq!(of(7, &[0..400, 400..1_000]).items(), of(7, &[0..400, 400..1_000]).items());
        assert_ne!(of(7, &[0..400, 400..1_000]).items(), of(8, &[0..400, 400..1_000]).items());
    }
}
