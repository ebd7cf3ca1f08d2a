//! A fast 64-bit hash with a fixed result.

use std::hash::Hasher;

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
const FIRST: u64 = 0xa076_1d64_78bd_642f;
const SECOND: u64 = 0xe703_7ed1_a0b4_28db;

/// Hashes bytes to 64 bits, the same on every machine and in every release.
///
/// Not for keys that an attacker chooses: two texts with one hash count as one value.
///
/// Source: the folded multiply of Wang Yi's wyhash, with its overlapping reads of short keys.
#[inline]
pub fn hash(bytes: &[u8]) -> u64 {
    let length = bytes.len();
    let mut state = SEED ^ (length as u64).wrapping_mul(FIRST);
    let (low, high) = if length <= 16 {
        short(bytes)
    } else {
        for chunk in bytes[..length - 1].chunks_exact(16) {
            state = fold(eight(chunk, 0) ^ FIRST ^ state, eight(chunk, 8) ^ SECOND);
        }
        (eight(bytes, length - 16), eight(bytes, length - 8))
    };
    state = fold(low ^ FIRST ^ state, high ^ SECOND);
    fold(state ^ SECOND, FIRST ^ length as u64)
}

/// Hashes a number to 64 bits, the same on every machine and in every release.
#[inline]
pub fn mix(number: u64) -> u64 {
    fold(fold(number ^ FIRST, SEED) ^ SECOND, FIRST)
}

/// At most 16 bytes as two words that no other bytes of this length have.
fn short(bytes: &[u8]) -> (u64, u64) {
    let length = bytes.len();
    if length >= 8 {
        return (eight(bytes, 0), eight(bytes, length - 8));
    }
    if length >= 4 {
        return (four(bytes, 0), four(bytes, length - 4));
    }
    let at = |index: usize| u64::from(bytes[index]);
    if length == 0 { (0, 0) } else { (at(0) << 16 | at(length / 2) << 8 | at(length - 1), 0) }
}

fn eight(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

fn four(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u64::from(u32::from_le_bytes(word))
}

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

/// For tables whose keys are hashes already.
#[derive(Debug, Clone, Default)]
pub(crate) struct Identity(u64);

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
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn different_texts_have_different_hashes() {
        let hashes: HashSet<u64> = (0..100_000).map(|n: u32| hash(n.to_string().as_bytes())).collect();
        assert_eq!(hashes.len(), 100_000);
        assert_ne!(hash(b"a"), hash(b"a\0"));
        let long: HashSet<u64> = (0..200).flat_map(|n| [b'a', b'b'].map(|byte| hash(&vec![byte; n + 1]))).collect();
        assert_eq!(long.len(), 400);
    }

    #[test]
    fn every_byte_counts() {
        for length in 1..70usize {
            let zeros = vec![0; length];
            for index in 0..length {
                let mut other = zeros.clone();
                other[index] = 1;
                assert_ne!(hash(&zeros), hash(&other), "byte {index} of {length}");
            }
        }
    }

    #[test]
    fn every_bit_is_used_about_half_of_the_time() {
        for bit in 0..64 {
            for hash_of in [|n: u32| hash(&n.to_le_bytes()), |n: u32| mix(u64::from(n))] {
                let ones = (0..10_000u32).filter(|n| hash_of(*n) >> bit & 1 == 1).count();
                assert!((4_700..5_300).contains(&ones), "bit {bit}: {ones}");
            }
        }
    }
}
