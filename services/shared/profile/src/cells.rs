//! The distinct cells of a column, each with its count and what it is.

use sketch::{Corrupt, Reader, Writer};

use crate::cell::{Kind, Value};

/// How many bytes of a cell are kept.
pub(crate) const CELL_BYTES: usize = 256;

/// Tables of as many slots are worth a look beforehand.
const FAR: usize = 2_048;

/// A distinct cell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell {
    /// The hash of the cell as it stands.
    pub(crate) hash: u64,
    /// The hash of its normalised value.
    pub(crate) normal: u64,
    pub(crate) count: u64,
    pub(crate) value: Value,
    pub(crate) kind: Kind,
    /// Its length in bytes; only the first 256 are kept.
    pub(crate) length: u32,
    /// Its length in characters.
    pub(crate) characters: u32,
    start: u32,
    kept: u16,
}

/// The distinct cells of a run of rows, in the order of their first occurrence.
///
/// Most cells of most columns have been seen before: they are hashed and counted, and neither read nor copied again.
/// Each cell's text lies in one buffer, so a new cell allocates nothing either.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cells {
    /// The upper half of a cell's hash, and one more than its place; 0 where there is none.
    slots: Vec<u64>,
    cells: Vec<Cell>,
    texts: String,
}

impl Cells {
    /// No cells, and room for so many.
    pub(crate) fn with_room(cells: usize) -> Self {
        let slots = (cells * 2).next_power_of_two().max(64);
        Self { slots: vec![0; slots], cells: Vec::with_capacity(cells), texts: String::new() }
    }

    /// The place of the cell with this hash, or the slot that it would take.
    pub(crate) fn find(&self, hash: u64) -> Result<usize, usize> {
        if self.slots.is_empty() {
            return Err(0);
        }
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let found = self.slots[slot];
            if found == 0 {
                return Err(slot);
            }
            let place = (found as u32 - 1) as usize;
            if found >> 32 == hash >> 32 && self.cells[place].hash == hash {
                return Ok(place);
            }
            slot = (slot + 1) & mask;
        }
    }

    /// Where the cells with these hashes most likely are: the places, from 1, that stand first in the way of each.
    ///
    /// A table of many cells lies far from the processor. One look at all of them beforehand, none of which has to wait
    /// for another, costs about as much as a single one.
    pub(crate) fn guess(&self, hashes: &[u64], guesses: &mut [u32]) {
        if self.slots.len() < FAR {
            return guesses.fill(0);
        }
        let mask = self.slots.len() - 1;
        for (guess, hash) in guesses.iter_mut().zip(hashes) {
            *guess = self.slots[*hash as usize & mask] as u32;
        }
        let near = guesses.iter().filter_map(|guess| self.cells.get((*guess as usize).wrapping_sub(1)));
        std::hint::black_box(near.fold(0, |touched, cell| touched ^ cell.hash));
    }

    /// The place of the cell with this hash, or the slot that it would take; `guess` is what [`Cells::guess`] gave.
    pub(crate) fn find_near(&self, hash: u64, guess: u32) -> Result<usize, usize> {
        let place = (guess as usize).wrapping_sub(1);
        match self.cells.get(place) {
            Some(cell) if cell.hash == hash => Ok(place),
            _ => self.find(hash),
        }
    }

    /// Adds a cell that is not there; `slot` is what [`Cells::find`] gave. Returns its place.
    pub(crate) fn insert(&mut self, slot: usize, cell: Cell, text: &str) -> usize {
        let kept = &text[..text.floor_char_boundary(CELL_BYTES)];
        let start = self.texts.len() as u32;
        self.texts.push_str(kept);
        let place = self.cells.len();
        self.cells.push(Cell { start, kept: kept.len() as u16, ..cell });
        if self.cells.len() * 2 > self.slots.len() {
            self.rehash();
        } else {
            self.slots[slot] = key(cell.hash, place);
        }
        place
    }

    fn rehash(&mut self) {
        let size = (self.slots.len() * 2).max(64);
        self.slots.clear();
        self.slots.resize(size, 0);
        for (place, cell) in self.cells.iter().enumerate() {
            let mut slot = cell.hash as usize & (size - 1);
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (size - 1);
            }
            self.slots[slot] = key(cell.hash, place);
        }
    }

    pub(crate) fn get(&self, place: usize) -> &Cell {
        &self.cells[place]
    }

    /// Counts a cell again.
    pub(crate) fn count(&mut self, place: usize, times: u64) -> &Cell {
        let cell = &mut self.cells[place];
        cell.count += times;
        cell
    }

    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    /// What is kept of a cell's text.
    pub(crate) fn text(&self, cell: &Cell) -> &str {
        &self.texts[cell.start as usize..cell.start as usize + usize::from(cell.kept)]
    }

    /// The cells in the order of their first occurrence, with their texts.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Cell, &str)> + Clone {
        self.cells.iter().map(|cell| (cell, self.text(cell)))
    }

    /// The same in runs of so many, the last of them perhaps shorter.
    pub(crate) fn runs(&self, size: usize) -> impl Iterator<Item = impl Iterator<Item = (&Cell, &str)> + Clone> {
        self.cells.chunks(size.max(1)).map(|run| run.iter().map(|cell| (cell, self.text(cell))))
    }

    /// Forgets all cells and keeps the memory for `room` others; a small table stays near the processor.
    pub(crate) fn clear(&mut self, room: usize) {
        self.cells.clear();
        self.texts.clear();
        self.slots.clear();
        self.slots.resize((2 * room).next_power_of_two().max(64), 0);
    }

    /// Gives back memory that is not used.
    pub(crate) fn shrink(&mut self) {
        self.cells.shrink_to_fit();
        self.texts.shrink_to_fit();
    }
}

impl Cell {
    /// A cell that occurred once.
    pub(crate) fn new(hash: u64, normal: u64, (kind, value): (Kind, Value), text: &str) -> Self {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let characters = if text.is_ascii() { length } else { text.chars().count() as u32 };
        Self { hash, normal, count: 1, value, kind, length, characters, start: 0, kept: 0 }
    }

    pub(crate) fn encode(&self, text: &str, out: &mut Writer) {
        out.word(self.hash);
        out.word(self.normal);
        out.number(self.count);
        out.number(self.kind as u64);
        self.value.encode(out);
        out.number(self.length.into());
        out.number(self.characters.into());
        out.text(text);
    }

    pub(crate) fn decode<'a>(from: &mut Reader<'a>) -> Result<(Self, &'a str), Corrupt> {
        let (hash, normal, count) = (from.word()?, from.word()?, from.number()?);
        let kind = *usize::try_from(from.number()?).ok().and_then(|kind| Kind::ALL.get(kind)).ok_or(from.corrupt())?;
        let value = Value::decode(from)?;
        let length = u32::try_from(from.number()?).map_err(|_| from.corrupt())?;
        let characters = u32::try_from(from.number()?).map_err(|_| from.corrupt())?;
        let text = from.text()?;
        if text.len() > CELL_BYTES || count == 0 {
            return Err(from.corrupt());
        }
        Ok((Self { hash, normal, count, value, kind, length, characters, start: 0, kept: 0 }, text))
    }
}

fn key(hash: u64, place: usize) -> u64 {
    hash >> 32 << 32 | (place as u64 + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_cell_is_found_again(values in prop::collection::vec(0u64..500, 1..2_000)) {
            let mut cells = Cells::default();
            for value in &values {
                let hash = sketch::mix(*value);
                match cells.find(hash) {
                    Ok(place) => { cells.count(place, 1); }
                    Err(slot) => {
                        let text = value.to_string();
                        cells.insert(slot, Cell::new(hash, hash, (Kind::Text, Value::Nothing), &text), &text);
                    }
                }
            }
            let total: u64 = cells.iter().map(|(cell, _)| cell.count).sum();
            prop_assert_eq!(total, values.len() as u64);
            for (cell, text) in cells.iter() {
                prop_assert_eq!(sketch::mix(text.parse().unwrap()), cell.hash);
                prop_assert_eq!(values.iter().filter(|value| value.to_string() == text).count() as u64, cell.count);
            }
        }
    }
}
