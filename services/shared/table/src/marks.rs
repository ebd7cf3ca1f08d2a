//! Where certain bytes stand in a text, 64 bytes at a time.

/// Multiplied with a word of eight bytes that are 0 or 1, this gathers their bits in the highest byte.
const GATHER: u64 = 0x0102_0408_1020_4080;

/// The places of all bytes that are one of `N`.
#[derive(Clone)]
pub(crate) struct Marks<'a, const N: usize> {
    text: &'a [u8],
    wanted: [u8; N],
    /// Where the 64 bytes begin whose marks `mask` holds.
    base: usize,
    mask: u64,
    /// Where the next 64 bytes begin.
    next: usize,
}

impl<'a, const N: usize> Marks<'a, N> {
    /// Looks for `wanted`, which has no NUL, from the place `start` on.
    pub(crate) fn new(text: &'a [u8], start: usize, wanted: [u8; N]) -> Self {
        Self { text, wanted, base: start, mask: 0, next: start }
    }

    /// Takes the next 64 bytes; tells whether there were any.
    fn advance(&mut self) -> bool {
        let rest = &self.text[self.next.min(self.text.len())..];
        self.base = self.next;
        match rest.first_chunk::<64>() {
            Some(chunk) => {
                self.mask = mask(chunk, self.wanted);
                self.next += 64;
                true
            }
            None => {
                let mut chunk = [0; 64];
                chunk[..rest.len()].copy_from_slice(rest);
                self.mask = mask(&chunk, self.wanted);
                self.next = self.text.len();
                !rest.is_empty()
            }
        }
    }
}

impl<const N: usize> Iterator for Marks<'_, N> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.mask == 0 {
            if !self.advance() {
                return None;
            }
        }
        let bit = self.mask.trailing_zeros() as usize;
        self.mask &= self.mask - 1;
        Some(self.base + bit)
    }
}

/// A bit for each byte, the first one lowest, that is wanted. Written for the compiler to compare many bytes at once.
#[inline]
fn mask<const N: usize>(chunk: &[u8; 64], wanted: [u8; N]) -> u64 {
    let mut hits = [0u8; 64];
    for (hit, byte) in hits.iter_mut().zip(chunk) {
        for wanted in wanted {
            *hit |= u8::from(*byte == wanted);
        }
    }
    let mut mask = 0;
    for (index, word) in hits.as_chunks::<8>().0.iter().enumerate() {
        mask |= (u64::from_le_bytes(*word).wrapping_mul(GATHER) >> 56) << (8 * index);
    }
    mask
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn marks_are_those_that_a_plain_search_finds(text in "[a,;\"\n]{0,300}", start in 0usize..40) {
            let text = text.as_bytes();
            let found: Vec<usize> = Marks::new(text, start, *b",\n").collect();
            let plain: Vec<usize> = (start..text.len()).filter(|place| b",\n".contains(&text[*place])).collect();
            prop_assert_eq!(found, plain);
        }
    }
}
