//! Damage at random.

use std::io::{Cursor, Read, Write};

use crate::Target;

/// No input is longer.
const LONGEST: usize = 128 << 10;

/// Numbers that a seed determines (SplitMix64, by Steele, Lea and Flood, 2014).
pub struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, or 0.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % (end.max(1) as u64)) as usize
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

/// What begins files, ends them, and structures text.
const WORDS: [&[u8]; 39] = [
    b"\"",
    b"\"\"",
    b",",
    b";",
    b"\t",
    b"|",
    b"\n",
    b"\r\n",
    b"\r",
    b"\0",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b"\\u0000",
    b"\\ud800",
    b"null",
    b"1e999",
    b"-0",
    b"99999999999999999999",
    b"9999-12-31",
    b"24:00",
    b"12:34:56.789Z",
    b"NaN",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xfe\xff",
    b"\xe2\x80",
    b"POLYGON ((0 0, 1 1",
    b"PAR1",
    b"ARROW1\0\0",
    b"Obj\x01",
    b"ORC",
    b"<stata_dta><header><release>118</release>",
    b"GSO",
    b"SQLite format 3\0",
    b"PK\x03\x04",
    b"\x1f\x8b\x08",
];

/// The input of this number: the same for the same seed, always.
pub fn input(target: Target, seeds: &[Vec<u8>], seed: u64, index: u64) -> Vec<u8> {
    let name = target.name.bytes().fold(seed, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
    let mut random = Random(name.wrapping_mul(0xd129_8a2a_5f6b_9c31) ^ index.wrapping_mul(0xa076_1d64_78bd_642f));
    if target.name == "recognition" && random.below(2) == 0 {
        let word = random.one(&WORDS).to_vec();
        let noise = (0..random.below(600)).map(|_| random.next() as u8).collect();
        return [word, noise].concat();
    }
    let original = &seeds[random.below(seeds.len())];
    if original.starts_with(b"PK\x03\x04")
        && random.below(4) > 0
        && let Some(packed) = within_zip(original, seeds, &mut random)
    {
        return packed;
    }
    damaged(original.clone(), seeds, &mut random)
}

/// An archive with one member damaged: archives check their members, so damage from outside seldom comes through.
fn within_zip(archive: &[u8], seeds: &[Vec<u8>], random: &mut Random) -> Option<Vec<u8>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(archive)).ok()?;
    let chosen = random.below(archive.len());
    let mut packed = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).ok()?;
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).ok()?;
        if index == chosen {
            bytes = damaged(bytes, seeds, random);
        }
        let name = String::from_utf8_lossy(member.name_raw()).into_owned();
        packed.start_file(name, zip::write::SimpleFileOptions::default()).ok()?;
        packed.write_all(&bytes).ok()?;
    }
    packed.finish().ok().map(Cursor::into_inner)
}

fn damaged(mut bytes: Vec<u8>, seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    for _ in 0..=random.below(6) {
        damage(&mut bytes, seeds, random);
        bytes.truncate(LONGEST);
    }
    bytes
}

fn damage(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    let longest = random_length(bytes.len(), random);
    let length = 1 + random.below(longest);
    let end = (at + length).min(bytes.len());
    match random.below(12) {
        0 | 1 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        2 if at < bytes.len() => bytes[at] = random.next() as u8,
        3 | 4 => overwrite_number(bytes, at, random),
        5 => drop(bytes.drain(at..end)),
        6 => {
            let copy = bytes[at..end].to_vec();
            let to = random.below(bytes.len() + 1);
            drop(bytes.splice(to..to, copy));
        }
        7 => {
            let times = 1 + random.below(2_000);
            let room = LONGEST.saturating_sub(bytes.len()) / (end - at).max(1);
            let copy = bytes[at..end].repeat(times.min(room));
            drop(bytes.splice(at..at, copy));
        }
        8 | 9 => {
            let word = random.one(&WORDS).to_vec();
            drop(bytes.splice(at..at, word));
        }
        10 => {
            let other = &seeds[random.below(seeds.len())];
            let from = random.below(other.len() + 1);
            let piece = other[from..(from + length).min(other.len())].to_vec();
            drop(bytes.splice(at..end, piece));
        }
        _ => bytes.truncate(at),
    }
}

/// Mostly a few bytes, at times any length.
fn random_length(whole: usize, random: &mut Random) -> usize {
    if random.below(4) == 0 { whole.max(1) } else { 16 }
}

/// Puts a number where one may have stood: lengths that lie.
fn overwrite_number(bytes: &mut [u8], at: usize, random: &mut Random) {
    let numbers = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff, i64::MAX as u64, u64::MAX];
    let number = numbers[random.below(numbers.len())];
    let width = [1, 2, 4, 8][random.below(4)].min(bytes.len() - at);
    let (little, big) = (number.to_le_bytes(), number.to_be_bytes());
    let written = if random.below(2) == 0 { &little[..width] } else { &big[8 - width..] };
    bytes[at..at + width].copy_from_slice(written);
}
