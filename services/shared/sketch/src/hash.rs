//! A fast 64-bit hash with a fixed result.

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
const FIRST: u64 = 0xa076_1d64_78bd_642f;
const SECOND: u64 = 0xe703_7ed1_a0b4_28db;

/// Hashes bytes to 64 bits, the same on every machine and in every release.
///
/// Not for keys that an attacker chooses: two texts with one hash count as one value.
///
/// Source: the folded multiply of Wang Yi's wyhash.
pub fn hash(bytes: &[u8]) -> u64 {
    let mut state = SEED ^ (bytes.len() as u64).wrapping_mul(FIRST);
    let mut chunks = bytes.chunks_exact(16);
    for chunk in &mut chunks {
        state = fold(word(&chunk[..8]) ^ FIRST ^ state, word(&chunk[8..]) ^ SECOND);
    }
    let rest = chunks.remainder();
    let (low, high) = rest.split_at(rest.len().min(8));
    state = fold(word(low) ^ FIRST ^ state, word(high) ^ SECOND);
    fold(state ^ SECOND, FIRST ^ bytes.len() as u64)
}

fn word(bytes: &[u8]) -> u64 {
    if let Ok(whole) = <[u8; 8]>::try_from(bytes) {
        return u64::from_le_bytes(whole);
    }
    let mut padded = [0; 8];
    padded[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(padded)
}

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
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
    }

    #[test]
    fn every_bit_is_used_about_half_of_the_time() {
        for bit in 0..64 {
            let ones = (0..10_000u32).filter(|n| hash(&n.to_le_bytes()) >> bit & 1 == 1).count();
            assert!((4_700..5_300).contains(&ones), "bit {bit}: {ones}");
        }
    }
}
