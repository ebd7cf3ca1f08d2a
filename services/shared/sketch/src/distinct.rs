//! How many distinct values there were.

use crate::codec::{Corrupt, Reader, Writer};

/// A figure with its relative standard error, 0 when it is exact.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// Its relative standard error.
    pub relative_standard_error: f64,
}

impl Estimate {
    /// A figure without error.
    pub fn exact(count: u64) -> Self {
        Self { value: count as f64, relative_standard_error: 0.0 }
    }
}

/// Estimates how many distinct values there were, from their hashes.
///
/// Takes `2^lg_k` bytes. The relative standard error is `1.04 / sqrt(2^lg_k)`, 0.81 % for 14. The order of values and
/// how they were parted before a merge leave no trace.
///
/// Source: Flajolet et al., HyperLogLog, 2007; the estimator of Ertl, New cardinality estimation algorithms for
/// HyperLogLog sketches, 2017, which needs no table of biases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distinct {
    lg_k: u8,
    registers: Box<[u8]>,
}

impl Distinct {
    /// Makes an empty sketch of `2^lg_k` registers, `lg_k` between 4 and 18.
    pub fn new(lg_k: u8) -> Self {
        let lg_k = lg_k.clamp(4, 18);
        Self { lg_k, registers: vec![0; 1 << lg_k].into() }
    }

    /// Takes the hash of a value.
    #[inline]
    pub fn add(&mut self, hash: u64) {
        let index = (hash >> (64 - self.lg_k)) as usize;
        // The bit set below keeps the rank within what is left of the hash.
        let rest = hash << self.lg_k | 1 << (self.lg_k - 1);
        let rank = rest.leading_zeros() as u8 + 1;
        let register = &mut self.registers[index];
        *register = (*register).max(rank);
    }

    /// Takes what `other` has seen. The error is that of the smaller sketch.
    pub fn merge(&mut self, other: &Self) {
        if other.lg_k < self.lg_k {
            *self = self.folded(other.lg_k);
        }
        let folded;
        let theirs = if other.lg_k > self.lg_k {
            folded = other.folded(self.lg_k);
            &folded
        } else {
            other
        };
        for (ours, theirs) in self.registers.iter_mut().zip(&theirs.registers) {
            *ours = (*ours).max(*theirs);
        }
    }

    /// The same values in fewer registers: the bits that leave the index become the first bits of the rank.
    fn folded(&self, lg_k: u8) -> Self {
        let mut folded = Self::new(lg_k);
        let gone = u32::from(self.lg_k - folded.lg_k);
        for (index, rank) in self.registers.iter().enumerate().filter(|(_, rank)| **rank > 0) {
            let low = (index as u64) & ((1 << gone) - 1);
            let rank = if low == 0 { rank + gone as u8 } else { (gone - low.ilog2()) as u8 };
            let register = &mut folded.registers[index >> gone];
            *register = (*register).max(rank);
        }
        folded
    }

    /// How many distinct values there were.
    pub fn estimate(&self) -> Estimate {
        let m = self.registers.len() as f64;
        let highest = 64 - usize::from(self.lg_k) + 1;
        let mut counts = [0u32; 66];
        self.registers.iter().for_each(|rank| counts[usize::from(*rank)] += 1);
        let mut z = m * tau(1.0 - f64::from(counts[highest]) / m);
        for count in counts[1..highest].iter().rev() {
            z = 0.5 * (z + f64::from(*count));
        }
        z += m * sigma(f64::from(counts[0]) / m);
        let value = m * m / (2.0 * std::f64::consts::LN_2 * z);
        Estimate { value: value.round(), relative_standard_error: 1.04 / m.sqrt() }
    }

    /// Appends the sketch.
    pub fn encode(&self, out: &mut Writer) {
        out.number(self.lg_k.into());
        out.bytes(&self.registers);
    }

    /// Reads an appended sketch.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let lg_k = u8::try_from(from.number()?).map_err(|_| from.corrupt())?;
        let registers: Box<[u8]> = from.bytes()?.into();
        let good =
            (4..=18).contains(&lg_k) && registers.len() == 1 << lg_k && registers.iter().all(|r| *r <= 65 - lg_k);
        if good { Ok(Self { lg_k, registers }) } else { Err(from.corrupt()) }
    }
}

fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hash::mix;

    fn of(lg_k: u8, range: std::ops::Range<u64>) -> Distinct {
        let mut sketch = Distinct::new(lg_k);
        range.for_each(|n| sketch.add(mix(n)));
        sketch
    }

    #[test]
    fn counts_of_every_size_lie_within_four_standard_errors() {
        assert_eq!(Distinct::new(12).estimate().value, 0.0);
        for n in [1u64, 10, 100, 1_000, 5_000, 20_000, 100_000, 1_000_000] {
            let estimate = of(12, 0..n).estimate();
            let off = (estimate.value - n as f64).abs() / n as f64;
            assert!(off <= 4.0 * estimate.relative_standard_error, "{n}: {estimate:?}");
        }
    }

    #[test]
    fn ninety_five_of_a_hundred_estimates_lie_within_two_percent() {
        let near = (0..100u64).filter(|run| {
            let estimate = of(14, run << 32..(run << 32) + 30_000).estimate();
            (estimate.value - 30_000.0).abs() <= 600.0
        });
        assert!(near.count() >= 95);
    }

    proptest! {
        #[test]
        fn a_merge_is_the_sketch_of_both(a in 0u64..3_000, b in 0u64..3_000, ours in 4u8..13, theirs in 4u8..13) {
            let mut merged = of(ours, 0..a);
            merged.merge(&of(theirs, 1_000..1_000 + b));
            let mut whole = of(ours.min(theirs), 0..a);
            (1_000..1_000 + b).for_each(|n| whole.add(mix(n)));
            prop_assert_eq!(&merged, &whole);
            let mut out = Writer::default();
            merged.encode(&mut out);
            prop_assert_eq!(Distinct::decode(&mut Reader::new(&out.finish())), Ok(merged));
        }
    }
}
