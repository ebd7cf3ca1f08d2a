//! Several columns of numbers by the values of one key column.

use crate::codec::{Corrupt, MOST_KEPT, Reader, Writer};
use crate::keyed::KeyedNumbers;
use crate::tally::Tally;

/// How many columns of numbers stand beside a key column.
pub const LANES: usize = 8;
/// No column of numbers.
const NOWHERE: u32 = u32::MAX;

/// Up to [`LANES`] columns of numbers by the values of a key column: what [`KeyedNumbers`] has for each of them, with
/// one look at the key for all.
///
/// Of each of the `k` keys with the least hashes it holds how many numbers each lane had, and their sum with what
/// rounding took from it. Which keys those are, and the counts, are exact however rows were cut and merged; means are
/// right to about 1e-15 of the greatest of their numbers.
#[derive(Debug, Clone)]
pub struct KeyedLanes {
    k: usize,
    /// Hashes from here on were left out.
    limit: u64,
    /// The places of keys in a table that is never more than half full, by hash; `NOWHERE` where there is none.
    slots: Vec<u32>,
    keys: Vec<u64>,
    sums: Vec<Sums>,
}

/// The numbers of one key, by lane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sums {
    tallies: [Tally; LANES],
}

impl Sums {
    /// No numbers.
    pub const NONE: Self = Self { tallies: [Tally::NONE; LANES] };

    /// Takes a number of a lane, which must be finite.
    #[inline]
    pub fn add(&mut self, lane: usize, number: f64) {
        self.tallies[lane].add(number);
    }

    fn merge(&mut self, other: &Self) {
        for (ours, theirs) in self.tallies.iter_mut().zip(&other.tallies) {
            ours.merge(theirs);
        }
    }

    fn rearrange(&mut self, from: &[Option<usize>; LANES]) {
        let old = std::mem::replace(self, Self::NONE);
        for (tally, from) in self.tallies.iter_mut().zip(from) {
            if let Some(from) = *from {
                *tally = old.tallies[from];
            }
        }
    }
}

impl KeyedLanes {
    /// What a summary of `k` keys takes at most, in bytes.
    pub const fn bytes(k: usize) -> usize {
        2 * k * (size_of::<Sums>() + size_of::<u64>() + 4 * size_of::<u32>())
    }

    /// Makes an empty summary of at most `k` keys, 8 to [`MOST_KEPT`].
    pub fn new(k: usize) -> Self {
        Self { k: k.clamp(8, MOST_KEPT), limit: u64::MAX, slots: Vec::new(), keys: Vec::new(), sums: Vec::new() }
    }

    /// Hashes from here on are left out: asked before the numbers of a row are looked up.
    #[inline]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Where the numbers of a row go whose key has this hash; nothing when it is left out.
    #[inline]
    pub fn of_key(&mut self, key: u64) -> Option<&mut Sums> {
        if key >= self.limit {
            return None;
        }
        if !self.slots.is_empty()
            && let (_, Some(place)) = self.find(key)
        {
            return Some(&mut self.sums[place]);
        }
        self.insert(key)
    }

    fn insert(&mut self, key: u64) -> Option<&mut Sums> {
        if self.keys.len() + 1 >= 2 * self.k {
            self.prune();
            if key >= self.limit {
                return None;
            }
        }
        if self.keys.len() * 2 >= self.slots.len() {
            self.resize((self.slots.len() * 2).max(64));
        }
        let (slot, _) = self.find(key);
        self.slots[slot] = self.keys.len() as u32;
        self.keys.push(key);
        self.sums.push(Sums::NONE);
        self.sums.last_mut()
    }

    /// The slot of a key, and its place if there is one. There are slots.
    #[inline]
    fn find(&self, key: u64) -> (usize, Option<usize>) {
        let mask = self.slots.len() - 1;
        let mut slot = key as usize & mask;
        loop {
            let place = self.slots[slot];
            if place == NOWHERE {
                return (slot, None);
            }
            if self.keys[place as usize] == key {
                return (slot, Some(place as usize));
            }
            slot = (slot + 1) & mask;
        }
    }

    fn resize(&mut self, size: usize) {
        self.slots.clear();
        self.slots.resize(size, NOWHERE);
        for place in 0..self.keys.len() {
            let (slot, _) = self.find(self.keys[place]);
            self.slots[slot] = place as u32;
        }
    }

    /// Leaves the `k` least keys.
    pub fn prune(&mut self) {
        if self.keys.len() > self.k {
            self.keep_below(self.bound());
        }
    }

    fn keep_below(&mut self, limit: u64) {
        self.limit = limit;
        let mut kept = self.keys.iter().map(|key| *key < limit);
        self.sums.retain(|_| kept.next().unwrap_or_default());
        self.keys.retain(|key| *key < limit);
        self.resize(self.slots.len().max(64));
    }

    /// Takes what `other` has seen, whose lanes are of the same columns.
    pub fn merge(&mut self, other: &Self) {
        self.k = self.k.min(other.k);
        if other.limit < self.limit {
            self.keep_below(other.limit);
        }
        // Those beyond the `k` least too: the first of them may be where the limit is to be.
        for (key, sums) in other.keys.iter().zip(&other.sums) {
            if let Some(ours) = self.of_key(*key) {
                ours.merge(sums);
            }
        }
        self.prune();
    }

    /// Gives each lane the numbers of the lane that is named for it, or none.
    pub fn rearrange(&mut self, from: &[Option<usize>; LANES]) {
        self.sums.iter_mut().for_each(|sums| sums.rearrange(from));
    }

    /// How many keys are kept, and whether those are all that there were.
    pub fn keys(&self) -> (usize, bool) {
        (self.keys.len().min(self.k), self.bound() == u64::MAX)
    }

    /// One lane by itself.
    pub fn lane(&self, lane: usize) -> KeyedNumbers {
        let bound = self.bound();
        let tallies = self.keys.iter().zip(&self.sums).map(|(key, sums)| (*key, sums.tallies[lane]));
        KeyedNumbers::of(self.k, bound, tallies.filter(|(key, tally)| *key < bound && tally.count() > 0))
    }

    /// Every key whose hash is below this is kept; the greatest number when all are.
    fn bound(&self) -> u64 {
        if self.keys.len() <= self.k {
            return self.limit;
        }
        let mut hashes = self.keys.clone();
        *hashes.select_nth_unstable(self.k).1
    }

    /// Appends the first `lanes` lanes.
    pub fn encode(&self, lanes: usize, out: &mut Writer) {
        let bound = self.bound();
        let mut kept: Vec<(u64, &Sums)> = self.keys.iter().copied().zip(&self.sums).collect();
        kept.retain(|(key, _)| *key < bound);
        kept.sort_unstable_by_key(|(key, _)| *key);
        out.number(self.k as u64);
        out.word(bound);
        out.number(kept.len() as u64);
        for (key, sums) in kept {
            out.word(key);
            sums.tallies.iter().take(lanes).for_each(|tally| tally.encode(out));
        }
    }

    /// Reads an appended summary of as many lanes.
    pub fn decode(lanes: usize, from: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let k = from.kept()?;
        let mut found = Self { limit: from.word()?, ..Self::new(k) };
        let keys = from.length(8)?;
        if keys > found.k || lanes > LANES {
            return Err(from.corrupt());
        }
        for _ in 0..keys {
            let key = from.word()?;
            let mut sums = Sums::NONE;
            for tally in &mut sums.tallies[..lanes] {
                *tally = Tally::decode(from)?;
            }
            if key >= found.limit {
                return Err(from.corrupt());
            }
            if let Some(ours) = found.of_key(key) {
                ours.merge(&sums);
            }
        }
        if found.keys.len() == keys { Ok(found) } else { Err(from.corrupt()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hash::mix;

    /// Keys with two numbers, the second of which is there for even ones.
    fn of(k: usize, rows: &[(u64, i32)]) -> KeyedLanes {
        let mut lanes = KeyedLanes::new(k);
        for (key, number) in rows {
            let Some(sums) = lanes.of_key(mix(*key)) else { continue };
            sums.add(0, f64::from(*number));
            if number % 2 == 0 {
                sums.add(1, f64::from(-number));
            }
        }
        lanes
    }

    fn bytes(lanes: &KeyedLanes) -> Vec<u8> {
        let mut out = Writer::default();
        lanes.encode(2, &mut out);
        out.finish()
    }

    #[test]
    fn sums_beyond_a_double_read_back_with_the_others() {
        let mut lanes = of(8, &[(1, 2), (2, 5)]);
        for number in [f64::MAX, f64::MAX, -f64::MAX] {
            lanes.of_key(mix(2)).unwrap().add(1, number);
        }
        let whole = bytes(&lanes);
        let back = KeyedLanes::decode(2, &mut Reader::new(&whole)).unwrap();
        assert_eq!(bytes(&back), whole);
        let mut numbers = Writer::default();
        back.lane(1).encode(&mut numbers);
        assert_eq!(KeyedNumbers::decode(&mut Reader::new(&numbers.finish())).unwrap().len(), 2);
    }

    #[test]
    fn more_keys_than_a_summary_may_have_are_refused() {
        for (k, good) in [(MOST_KEPT as u64, true), (MOST_KEPT as u64 + 1, false), (u64::MAX, false)] {
            let mut out = Writer::default();
            out.number(k);
            out.word(u64::MAX);
            out.number(0);
            assert_eq!(KeyedLanes::decode(2, &mut Reader::new(&out.finish())).is_ok(), good, "{k}");
        }
        let wide = bytes(&KeyedLanes::new(usize::MAX));
        assert!(KeyedLanes::decode(2, &mut Reader::new(&wide)).is_ok());
    }

    proptest! {
        #[test]
        fn merging_is_as_taking_all_and_bytes_read_back(
            rows in prop::collection::vec((0u64..300, -1_000i32..1_000), 1..1_500), cut in any::<prop::sample::Index>(),
        ) {
            let cut = cut.index(rows.len());
            let mut merged = of(32, &rows[..cut]);
            merged.merge(&of(32, &rows[cut..]));
            // Whole numbers add up exactly.
            let whole = bytes(&of(32, &rows));
            prop_assert_eq!(bytes(&merged), whole.clone());
            let back = KeyedLanes::decode(2, &mut Reader::new(&whole)).unwrap();
            prop_assert_eq!(bytes(&back), whole.clone());
            prop_assert!(KeyedLanes::decode(2, &mut Reader::new(&whole[..whole.len() - 1])).is_err());
            // Once read back it goes on as before.
            let mut again = KeyedLanes::decode(2, &mut Reader::new(&bytes(&of(32, &rows[..cut])))).unwrap();
            again.merge(&of(32, &rows[cut..]));
            prop_assert_eq!(bytes(&again), whole);
        }

        #[test]
        fn a_lane_is_what_its_numbers_alone_are(rows in prop::collection::vec((0u64..300, -1_000i32..1_000), 1..1_500)) {
            let mut alone = KeyedNumbers::new(32);
            rows.iter().for_each(|(key, number)| alone.offer(mix(*key), f64::from(*number)));
            let mut moved = of(32, &rows);
            let mut from = [None; LANES];
            from[3] = Some(0);
            moved.rearrange(&from);
            let (mut ours, mut theirs) = (Writer::default(), Writer::default());
            moved.lane(3).encode(&mut ours);
            alone.encode(&mut theirs);
            prop_assert_eq!(ours.finish(), theirs.finish());
            prop_assert_eq!(moved.lane(0).len(), 0);
        }
    }
}
