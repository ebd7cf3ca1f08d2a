//! What kind of text a file holds, learnt from all of it.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use crate::bytes::Input;
use crate::error::Error;
use crate::warning::Warning;

/// How much text a guess of the encoding rests on, from the first byte on that is not UTF-8.
const GUESS_BYTES: usize = 4 << 20;

/// The encoding that the first bytes show without doubt: by a mark, or because every other byte is NUL.
pub(crate) fn marked_encoding(head: &[u8]) -> Option<&'static Encoding> {
    if let Some((encoding, _)) = Encoding::for_bom(head) {
        return Some(encoding);
    }
    let pairs = head.len() / 2;
    if pairs == 0 {
        return None;
    }
    let nul_at = |parity: usize| head[..pairs * 2].iter().skip(parity).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (nul_at(0), nul_at(1));
    if odd * 10 > pairs * 7 && even * 20 < pairs {
        return Some(UTF_16LE);
    }
    (even * 10 > pairs * 7 && odd * 20 < pairs).then_some(UTF_16BE)
}

/// Finds the encoding of text without a mark, by reading all of it.
///
/// What is UTF-8 but for a few places is UTF-8; what has bytes above 127 and next to no valid sequence is of an older
/// encoding, which is guessed and told. When `lines` is set, a line longer than the limit ends the survey at once.
pub(crate) fn find_encoding(
    input: &Input,
    lines: bool,
    warnings: &mut Vec<Warning>,
) -> Result<&'static Encoding, Error> {
    let mut bytes = input.bytes()?;
    let mut survey = Survey::new();
    let mut buffer = vec![0; 64 << 10];
    let mut line_start = 0;
    loop {
        let count = bytes.read(&mut buffer)?;
        let chunk = &buffer[..count];
        if lines {
            check_line(input, chunk, survey.offset, &mut line_start)?;
        }
        survey.take(chunk);
        if count == 0 {
            break;
        }
    }
    Ok(survey.decide(warnings))
}

fn check_line(input: &Input, chunk: &[u8], offset: u64, line_start: &mut u64) -> Result<(), Error> {
    let limit = input.limits.max_record_bytes;
    match chunk.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')) {
        Some(at) => *line_start = offset + at as u64 + 1,
        None if offset + chunk.len() as u64 - *line_start > limit as u64 + 1 => {
            return Err(Error::RecordTooLong { limit, offset: *line_start });
        }
        None => {}
    }
    Ok(())
}

struct Survey {
    offset: u64,
    decoder: encoding_rs::Decoder,
    scratch: Vec<u8>,
    detector: EncodingDetector,
    fed: usize,
    high: u64,
    malformed: u64,
    malformed_bytes: u64,
    /// Malformed places whose byte is a letter in no common encoding.
    implausible: u64,
    first: Option<u64>,
    in_sequence: bool,
}

impl Survey {
    fn new() -> Self {
        Self {
            offset: 0,
            decoder: UTF_8.new_decoder_without_bom_handling(),
            scratch: vec![0; 128 << 10],
            detector: EncodingDetector::new(Iso2022JpDetection::Deny),
            fed: 0,
            high: 0,
            malformed: 0,
            malformed_bytes: 0,
            implausible: 0,
            first: None,
            in_sequence: false,
        }
    }

    /// Takes the next bytes; none at the end.
    fn take(&mut self, chunk: &[u8]) {
        let last = chunk.is_empty();
        if !last && chunk.is_ascii() && !self.in_sequence {
            self.offset += chunk.len() as u64;
            return;
        }
        self.high += chunk.iter().filter(|byte| !byte.is_ascii()).count() as u64;
        self.validate(chunk, last);
        if self.malformed > 0 && self.fed < GUESS_BYTES && !last {
            self.detector.feed(chunk, false);
            self.fed += chunk.len();
        }
        self.in_sequence = chunk.last().is_some_and(|byte| !byte.is_ascii());
        self.offset += chunk.len() as u64;
    }

    fn validate(&mut self, chunk: &[u8], last: bool) {
        let mut at = 0;
        loop {
            let rest = &chunk[at..];
            let (result, read, _) = self.decoder.decode_to_utf8_without_replacement(rest, &mut self.scratch, last);
            at += read;
            match result {
                DecoderResult::InputEmpty => return,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(length, after) => {
                    self.note(chunk, at, usize::from(length), usize::from(after))
                }
            }
        }
    }

    fn note(&mut self, chunk: &[u8], end: usize, length: usize, after: usize) {
        let place = (self.offset + end as u64).saturating_sub((length + after) as u64);
        self.first.get_or_insert(place);
        self.malformed += 1;
        self.malformed_bytes += length as u64;
        let byte = end.checked_sub(length + after).and_then(|start| chunk.get(start));
        let odd = |byte: &u8| matches!(byte, 0x81 | 0x8d | 0x8f | 0x90 | 0x9d | 0xf7 | 0xfe | 0xff);
        self.implausible += u64::from(byte.is_some_and(odd));
    }

    fn decide(mut self, warnings: &mut Vec<Warning>) -> &'static Encoding {
        let valid = self.high.saturating_sub(self.malformed_bytes);
        if self.malformed == 0 || valid >= 2 * self.malformed || self.implausible * 2 >= self.malformed {
            return UTF_8;
        }
        self.detector.feed(&[], true);
        let encoding = self.detector.guess(None, Utf8Detection::Deny);
        warnings.push(Warning {
            reason: "ENCODING_GUESSED",
            message: format!("The text is not UTF-8; it was read as {}.", encoding.name()),
            count: self.malformed,
            first_row: None,
            first_byte: self.first,
        });
        encoding
    }
}
