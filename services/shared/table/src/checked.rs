//! Text that is taken for UTF-8 until it shows that it is not.

use encoding_rs::{Encoding, UTF_8};
use simdutf8::compat::from_utf8;

use crate::bytes::Input;
use crate::error::Error;
use crate::survey;
use crate::text::TextStream;
use crate::warning::Warning;

const STEP: usize = 256 << 10;
const MARK: &[u8] = b"\xef\xbb\xbf";

/// What is known of an encoding before the text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) encoding: &'static Encoding,
    /// Nothing in the text can change it.
    pub(crate) certain: bool,
}

/// A text as UTF-8, read once: bytes that are UTF-8 are handed on as they are, and not before the first ones that are
/// not is all of the file looked at for its encoding.
pub(crate) struct CheckedText {
    input: Input,
    stream: TextStream,
    known: Known,
    /// Bytes are handed on as they are.
    direct: bool,
    /// The beginning of a character.
    tail: Vec<u8>,
    /// The length of the mark that was left out.
    mark: u64,
    given: u64,
    /// Up to where in the text places are those of the bytes.
    exact: u64,
    warnings: Vec<Warning>,
}

impl CheckedText {
    pub(crate) fn open(input: &Input, known: Known) -> Result<Self, Error> {
        let mut stream = TextStream::new(input.bytes()?, known.encoding);
        let direct = known.encoding == UTF_8;
        let mut tail = Vec::new();
        let mut mark = 0;
        if direct {
            tail.resize(MARK.len(), 0);
            let count = stream.bytes().read_full(&mut tail)?;
            tail.truncate(count);
            if tail == MARK {
                mark = tail.drain(..).count() as u64;
            }
        }
        let (input, exact) = (input.clone(), if direct { u64::MAX } else { 0 });
        Ok(Self { input, stream, known, direct, tail, mark, given: 0, exact, warnings: Vec::new() })
    }

    /// Appends text until `buffer` is about `length` bytes long, at most three short of it; tells whether there may be
    /// more. `length` is at least four more than there are.
    pub(crate) fn fill(&mut self, buffer: &mut Vec<u8>, length: usize) -> Result<bool, Error> {
        let mut more = true;
        while more && buffer.len() + self.tail.len() < length {
            more = if self.direct { self.check(buffer, length)? } else { self.decode(buffer, length)? };
        }
        Ok(more)
    }

    /// The encoding as it is known by now.
    pub(crate) fn encoding(&self) -> &'static Encoding {
        self.known.encoding
    }

    /// How many bytes of the file were read.
    pub(crate) fn read_bytes(&self) -> u64 {
        self.input.read_bytes()
    }

    /// The place in the decompressed bytes of a place in the text, where it is known: in UTF-8 above the first fault.
    pub(crate) fn places(&self) -> Places {
        Places { mark: self.mark, exact: self.exact }
    }

    /// What was odd about the bytes so far.
    pub(crate) fn warnings(&self) -> Vec<Warning> {
        let mut warnings = self.warnings.clone();
        warnings.extend(undecoded(&self.stream, self.known.encoding));
        warnings
    }

    fn check(&mut self, buffer: &mut Vec<u8>, length: usize) -> Result<bool, Error> {
        let start = buffer.len();
        buffer.append(&mut self.tail);
        let filled = buffer.len();
        buffer.resize(length.min(filled + STEP), 0);
        let count = self.stream.bytes().read(&mut buffer[filled..])?;
        buffer.truncate(filled + count);
        let Err(fault) = from_utf8(&buffer[start..]) else {
            self.given += (buffer.len() - start) as u64;
            return Ok(count > 0);
        };
        let rest = buffer.split_off(start + fault.valid_up_to());
        self.given += fault.valid_up_to() as u64;
        if fault.error_len().is_none() && count > 0 {
            self.tail = rest;
        } else {
            self.decode_from_here(rest)?;
        }
        Ok(true)
    }

    /// Looks at the whole file for its encoding, and decodes what was not given yet.
    fn decode_from_here(&mut self, rest: Vec<u8>) -> Result<(), Error> {
        if !self.known.certain {
            let encoding = survey::find_encoding(&self.input.apart(), true, &mut self.warnings)?;
            self.known = Known { encoding, certain: true };
        }
        self.direct = false;
        self.exact = self.given;
        self.stream.resume(self.known.encoding, rest, self.mark + self.given);
        Ok(())
    }

    fn decode(&mut self, buffer: &mut Vec<u8>, length: usize) -> Result<bool, Error> {
        let text = self.stream.fill()?;
        let count = text.len().min(length - buffer.len());
        buffer.extend_from_slice(&text[..count]);
        self.stream.consume(count);
        Ok(count > 0)
    }
}

/// Where text stands in the decompressed bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Places {
    mark: u64,
    exact: u64,
}

impl Places {
    /// The place in the bytes of a place in the text; nothing where the two may differ otherwise than by a mark.
    pub(crate) fn byte(self, place: u64) -> Option<u64> {
        (place < self.exact).then_some(self.mark + place)
    }
}

/// Warns of bytes that did not decode.
pub(crate) fn undecoded(stream: &TextStream, encoding: &'static Encoding) -> Option<Warning> {
    let (count, first_byte) = stream.malformed();
    let reason = if encoding == UTF_8 { "INVALID_UTF8" } else { "INVALID_ENCODING" };
    let message = format!("Bytes that are not {} were replaced by U+FFFD.", encoding.name());
    (count > 0).then_some(Warning { reason, message, count, first_row: None, first_byte })
}
