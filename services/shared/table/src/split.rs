//! Delimited text cut into blocks.

use crate::checked::{CheckedText, Places};
use crate::error::Error;
use crate::records::{self, MAX_TEXT, Separators};

/// How much text a block holds at most, unless a single record is longer.
const BLOCK: usize = 8 << 20;
/// How far the text is looked at beyond a block, to see whether it is the last one.
const AHEAD: usize = 64;

/// Whole records.
pub(crate) struct Piece {
    pub(crate) text: Vec<u8>,
    /// Where it begins in the text.
    pub(crate) offset: u64,
    pub(crate) places: Places,
    /// Nothing follows.
    pub(crate) last: bool,
}

/// Cuts text at the last end of a record within each 8 MiB.
pub(crate) struct Splitter {
    text: CheckedText,
    separators: Separators,
    max_record: usize,
    /// What stands behind the last cut.
    rest: Vec<u8>,
    offset: u64,
    more: bool,
}

impl Splitter {
    pub(crate) fn new(text: CheckedText, separators: Separators, max_record_bytes: usize) -> Self {
        let max_record = max_record_bytes.min(MAX_TEXT - 2 * BLOCK);
        Self { text, separators, max_record, rest: Vec::new(), offset: 0, more: true }
    }

    pub(crate) fn text(&self) -> &CheckedText {
        &self.text
    }

    /// The next whole records, nothing after the last ones.
    pub(crate) fn next(&mut self) -> Result<Option<Piece>, Error> {
        let mut text = Vec::with_capacity(BLOCK + AHEAD);
        text.append(&mut self.rest);
        self.fill(&mut text, BLOCK + AHEAD)?;
        if text.is_empty() {
            return Ok(None);
        }
        let whole = !self.more && text.len() <= BLOCK;
        let block = &text[..text.len().min(BLOCK)];
        let mut cut = if whole { Some(text.len()) } else { records::last_end(block, self.separators) };
        while cut.is_none() {
            if text.len() > self.max_record {
                return Err(Error::RecordTooLong { limit: self.max_record, offset: self.offset });
            }
            let length = text.len() * 2;
            self.fill(&mut text, length)?;
            // The end of the text ends the record, too.
            cut = records::first_end(&text, self.separators).or((!self.more).then_some(text.len()));
        }
        self.rest = text.split_off(cut.unwrap_or(text.len()));
        let offset = self.offset;
        self.offset += text.len() as u64;
        let last = !self.more && self.rest.is_empty();
        Ok(Some(Piece { text, offset, places: self.text.places(), last }))
    }

    fn fill(&mut self, text: &mut Vec<u8>, length: usize) -> Result<(), Error> {
        if self.more {
            self.more = self.text.fill(text, length)?;
        }
        Ok(())
    }
}
