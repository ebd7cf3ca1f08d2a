//! Seeded draws, and the pools of names.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// SplitMix64: the same seed draws the same values everywhere.
pub struct Draw(u64);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` to below `high`.
    pub fn range(&mut self, low: i64, high: i64) -> i64 {
        low + (self.next() % (high - low) as u64) as i64
    }

    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn float(&mut self, low: f64, high: f64) -> f64 {
        low + self.unit() * (high - low)
    }

    pub fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.next() as usize % of.len()]
    }

    pub fn word(&mut self, of: &str) -> String {
        let words: Vec<&str> = of.split_whitespace().collect();
        self.one(&words).to_owned()
    }

    pub fn from(&mut self, alphabet: &str, length: usize) -> String {
        let bytes = alphabet.as_bytes();
        (0..length).map(|_| char::from(bytes[self.next() as usize % bytes.len()])).collect()
    }

    pub fn digits(&mut self, length: usize) -> String {
        self.from("0123456789", length)
    }

    pub fn hex(&mut self, length: usize) -> String {
        self.from("0123456789abcdef", length)
    }

    pub fn upper(&mut self, length: usize) -> String {
        self.from("ABCDEFGHIJKLMNOPQRSTUVWXYZ", length)
    }

    /// A value of the pool, for the locale of the column where the pool has locales.
    pub fn pool(&mut self, name: &str) -> String {
        let pool = POOLS.get(name).unwrap_or_else(|| panic!("no pool {name}"));
        self.one(pool).to_owned()
    }
}

static POOLS: LazyLock<BTreeMap<&'static str, Vec<&'static str>>> = LazyLock::new(|| {
    let mut pools: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut name = "";
    for line in include_str!("pools.txt").lines().filter(|line| !line.starts_with("# ")) {
        match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            Some(section) => name = section,
            None => pools.entry(name).or_default().push(line),
        }
    }
    pools
});
