//! Summaries as bytes.

/// No summary is asked for more keys or values than this.
pub const MOST_KEPT: usize = 1 << 16;

/// Bytes that hold no summary: cut short, or written by something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes hold no summary at {at} bytes before their end")]
pub struct Corrupt {
    /// How many bytes were left where reading failed.
    pub at: usize,
}

/// Appends figures to bytes.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Appends a whole number, in as few bytes as it needs.
    pub fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    /// Appends a whole number that may be negative.
    pub fn signed(&mut self, number: i64) {
        self.number((number << 1 ^ number >> 63) as u64);
    }

    /// Appends a great whole number.
    pub fn wide(&mut self, number: i128) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    /// Appends eight bytes as they are: a hash.
    pub fn word(&mut self, word: u64) {
        self.bytes.extend_from_slice(&word.to_le_bytes());
    }

    /// Appends a double, bit for bit.
    pub fn double(&mut self, number: f64) {
        self.word(number.to_bits());
    }

    /// Appends bytes and their length.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends a text and its length.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Appends what may be absent.
    pub fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.number(u64::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    /// All that was appended.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads back what a [`Writer`] appended, in the same order. Lengths are checked before anything is allocated.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the first of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Why the bytes cannot be what they should be.
    pub fn corrupt(&self) -> Corrupt {
        Corrupt { at: self.rest.len() }
    }

    /// Tells whether everything was read.
    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Corrupt> {
        if length > self.rest.len() {
            return Err(self.corrupt());
        }
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        Ok(taken)
    }

    /// Reads a whole number.
    pub fn number(&mut self) -> Result<u64, Corrupt> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(self.corrupt())
    }

    /// Reads a whole number that may be negative.
    pub fn signed(&mut self) -> Result<i64, Corrupt> {
        let number = self.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// Reads how many items follow, each of at least `least_bytes`.
    pub fn length(&mut self, least_bytes: usize) -> Result<usize, Corrupt> {
        let length = usize::try_from(self.number()?).map_err(|_| self.corrupt())?;
        let needed = length.checked_mul(least_bytes).ok_or(self.corrupt())?;
        if needed > self.rest.len() { Err(self.corrupt()) } else { Ok(length) }
    }

    /// Reads how many keys or values a summary keeps at most.
    pub(crate) fn kept(&mut self) -> Result<usize, Corrupt> {
        let kept = usize::try_from(self.number()?).map_err(|_| self.corrupt())?;
        if kept > MOST_KEPT { Err(self.corrupt()) } else { Ok(kept) }
    }

    /// Reads a great whole number.
    pub fn wide(&mut self) -> Result<i128, Corrupt> {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(self.take(16)?);
        Ok(i128::from_le_bytes(bytes))
    }

    /// Reads eight bytes as they are.
    pub fn word(&mut self) -> Result<u64, Corrupt> {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(self.take(8)?);
        Ok(u64::from_le_bytes(bytes))
    }

    /// Reads a double.
    pub fn double(&mut self) -> Result<f64, Corrupt> {
        self.word().map(f64::from_bits)
    }

    /// Reads bytes with their length.
    pub fn bytes(&mut self) -> Result<&'a [u8], Corrupt> {
        let length = self.length(1)?;
        self.take(length)
    }

    /// Reads a text with its length.
    pub fn text(&mut self) -> Result<&'a str, Corrupt> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|_| self.corrupt())
    }

    /// Reads what may be absent.
    pub fn optional<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Corrupt>) -> Result<Option<T>, Corrupt> {
        match self.number()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err(self.corrupt()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn figures_come_back(a in any::<u64>(), b in any::<i64>(), c in any::<i128>(), d in any::<f64>(), e in ".*") {
            let mut writer = Writer::default();
            writer.number(a);
            writer.signed(b);
            writer.wide(c);
            writer.double(d);
            writer.text(&e);
            writer.optional(Some(a), Writer::word);
            let bytes = writer.finish();
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.number(), Ok(a));
            prop_assert_eq!(reader.signed(), Ok(b));
            prop_assert_eq!(reader.wide(), Ok(c));
            prop_assert_eq!(reader.double().map(f64::to_bits), Ok(d.to_bits()));
            prop_assert_eq!(reader.text(), Ok(e.as_str()));
            prop_assert_eq!(reader.optional(Reader::word), Ok(Some(a)));
            prop_assert!(reader.is_at_end());
        }

        #[test]
        fn strange_bytes_end_in_an_error_and_not_in_an_allocation(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader::new(&bytes);
            while reader.text().is_ok() && !reader.is_at_end() {}
            prop_assert!(Reader::new(&[0xff; 9]).length(1).is_err());
        }
    }
}
