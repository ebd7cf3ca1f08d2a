//! Decoded text, a buffer at a time.

use encoding_rs::{Decoder, DecoderResult, Encoding};

use crate::bytes::Bytes;
use crate::error::Error;

const RAW: usize = 64 << 10;
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// A stream of UTF-8, whatever the encoding of the bytes; what does not decode becomes U+FFFD and is counted.
pub(crate) struct TextStream {
    bytes: Bytes,
    decoder: Decoder,
    raw: Vec<u8>,
    raw_at: usize,
    raw_end: usize,
    /// Where `raw` begins in the decompressed bytes.
    raw_offset: u64,
    at_end: bool,
    finished: bool,
    out: Vec<u8>,
    out_at: usize,
    out_end: usize,
    /// How many bytes of text were consumed.
    consumed: u64,
    malformed: u64,
    first_malformed: Option<u64>,
}

impl TextStream {
    /// Decodes `bytes`; a byte order mark of this encoding is left out.
    pub(crate) fn new(bytes: Bytes, encoding: &'static Encoding) -> Self {
        Self {
            bytes,
            decoder: encoding.new_decoder_with_bom_removal(),
            raw: vec![0; RAW],
            raw_at: 0,
            raw_end: 0,
            raw_offset: 0,
            at_end: false,
            finished: false,
            out: vec![0; RAW + 16],
            out_at: 0,
            out_end: 0,
            consumed: 0,
            malformed: 0,
            first_malformed: None,
        }
    }

    /// The bytes before they are decoded, for who decodes them.
    pub(crate) fn bytes(&mut self) -> &mut Bytes {
        &mut self.bytes
    }

    /// Decodes from here on: first `pending`, bytes that were read and begin at `offset`, then what follows.
    pub(crate) fn resume(&mut self, encoding: &'static Encoding, pending: Vec<u8>, offset: u64) {
        self.decoder = encoding.new_decoder_without_bom_handling();
        (self.raw_at, self.raw_end, self.raw_offset) = (0, pending.len(), offset);
        self.raw = pending;
    }

    /// The next bytes of text; none at the end.
    pub(crate) fn fill(&mut self) -> Result<&[u8], Error> {
        while self.out_at == self.out_end && !self.finished {
            self.decode()?;
        }
        Ok(&self.out[self.out_at..self.out_end])
    }

    /// Marks `count` bytes of what `fill` gave as used.
    pub(crate) fn consume(&mut self, count: usize) {
        self.out_at += count;
        self.consumed += count as u64;
    }

    /// How many bytes of text were consumed.
    pub(crate) fn offset(&self) -> u64 {
        self.consumed
    }

    /// How many places did not decode so far, and the first of them in the decompressed bytes.
    pub(crate) fn malformed(&self) -> (u64, Option<u64>) {
        (self.malformed, self.first_malformed)
    }

    fn decode(&mut self) -> Result<(), Error> {
        if self.raw_at == self.raw_end && !self.at_end {
            self.raw_offset += self.raw_end as u64;
            self.raw_at = 0;
            self.raw.resize(RAW, 0);
            self.raw_end = self.bytes.read(&mut self.raw)?;
            self.at_end = self.raw_end == 0;
        }
        let room = self.out.len() - REPLACEMENT.len();
        let (source, target) = (&self.raw[self.raw_at..self.raw_end], &mut self.out[..room]);
        let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(source, target, self.at_end);
        self.raw_at += read;
        (self.out_at, self.out_end) = (0, written);
        match result {
            DecoderResult::InputEmpty => self.finished = self.at_end,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(length, after) => {
                self.out[written..written + REPLACEMENT.len()].copy_from_slice(REPLACEMENT);
                self.out_end += REPLACEMENT.len();
                self.malformed += 1;
                let end = self.raw_offset + self.raw_at as u64;
                let start = end.saturating_sub(u64::from(length) + u64::from(after));
                self.first_malformed.get_or_insert(start);
            }
        }
        Ok(())
    }
}
