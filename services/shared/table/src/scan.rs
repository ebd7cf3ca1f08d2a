//! JSON values found in a stream, without parsing them.

use crate::error::Error;
use crate::limits::Limits;
use crate::text::TextStream;

/// Finds where JSON values begin and end, one byte at a time.
pub(crate) struct Scanner {
    text: TextStream,
    max_bytes: usize,
    max_depth: usize,
    /// How many elements were found.
    pub(crate) row: u64,
}

impl Scanner {
    pub(crate) fn new(text: TextStream, limits: &Limits) -> Self {
        Self { text, max_bytes: limits.max_record_bytes, max_depth: limits.max_depth, row: 0 }
    }

    /// The place of the next byte, in the text.
    pub(crate) fn offset(&self) -> u64 {
        self.text.offset()
    }

    /// The text, and what is known of it.
    pub(crate) fn text(&self) -> &TextStream {
        &self.text
    }

    /// Takes the byte that was peeked.
    pub(crate) fn bump(&mut self) {
        self.text.consume(1);
    }

    /// The next byte that is not white space, left where it is; nothing at the end.
    pub(crate) fn peek_token(&mut self) -> Result<Option<u8>, Error> {
        loop {
            let input = self.text.fill()?;
            let Some(space) = input.iter().position(|byte| !byte.is_ascii_whitespace()) else {
                let count = input.len();
                if count == 0 {
                    return Ok(None);
                }
                self.text.consume(count);
                continue;
            };
            let token = input[space];
            self.text.consume(space);
            return Ok(Some(token));
        }
    }

    /// Takes the next token, which must be `wanted`.
    pub(crate) fn expect(&mut self, wanted: u8) -> Result<(), Error> {
        match self.peek_token()? {
            Some(token) if token == wanted => {
                self.bump();
                Ok(())
            }
            Some(_) => Err(self.malformed_at(format!("`{}` expected", char::from(wanted)))),
            None => Err(Error::TruncatedJson { offset: self.offset() }),
        }
    }

    /// Goes to a place further on.
    pub(crate) fn skip_to(&mut self, offset: u64) -> Result<(), Error> {
        while self.offset() < offset {
            let count = self.text.fill()?.len().min((offset - self.text.offset()) as usize);
            if count == 0 {
                return Err(Error::TruncatedJson { offset: self.offset() });
            }
            self.text.consume(count);
        }
        Ok(())
    }

    /// Takes the value that begins at the next byte, appending it to `value` when that is given.
    pub(crate) fn take_value(&mut self, mut value: Option<&mut Vec<u8>>) -> Result<(), Error> {
        let start = self.offset();
        let mut state = State::default();
        loop {
            let input = self.text.fill()?;
            if input.is_empty() {
                let scalar = state.depth == 0 && !state.in_string && self.offset() > start;
                return if scalar { Ok(()) } else { Err(Error::TruncatedJson { offset: self.offset() }) };
            }
            let end = input.iter().position(|byte| state.ends_before(*byte));
            let count = end.unwrap_or(input.len());
            if let Some(value) = value.as_deref_mut() {
                if value.len() + count > self.max_bytes {
                    return Err(Error::RecordTooLong { limit: self.max_bytes, offset: start });
                }
                value.extend_from_slice(&input[..count]);
            }
            self.text.consume(count);
            if state.deepest > self.max_depth {
                return Err(Error::TooDeep { limit: self.max_depth, offset: self.offset() });
            }
            if end.is_some() {
                return Ok(());
            }
        }
    }

    pub(crate) fn malformed_at(&self, message: String) -> Error {
        Error::MalformedJson { offset: self.offset(), row: self.row, message }
    }
}

/// Where in a value we are.
#[derive(Default)]
struct State {
    depth: usize,
    deepest: usize,
    in_string: bool,
    escaped: bool,
    /// The value ended with the byte before.
    complete: bool,
    scalar: bool,
}

impl State {
    /// Takes a byte; tells whether the value ended before it.
    fn ends_before(&mut self, byte: u8) -> bool {
        if self.complete {
            return true;
        }
        if self.in_string {
            self.string_byte(byte);
            return false;
        }
        match byte {
            b'"' if !self.scalar => self.in_string = true,
            b'{' | b'[' if !self.scalar => {
                self.depth += 1;
                self.deepest = self.deepest.max(self.depth);
            }
            b'}' | b']' | b',' if self.depth == 0 => return true,
            b'}' | b']' => {
                self.depth -= 1;
                self.complete = self.depth == 0;
            }
            byte if self.depth == 0 && (byte.is_ascii_whitespace() || matches!(byte, b'{' | b'[' | b'"')) => {
                return true;
            }
            _ => self.scalar = self.depth == 0,
        }
        false
    }

    fn string_byte(&mut self, byte: u8) {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' => self.escaped = true,
            b'"' => {
                self.in_string = false;
                self.complete = self.depth == 0;
            }
            _ => {}
        }
    }
}
