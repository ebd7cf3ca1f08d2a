//! Rows of JSON: the elements of an array, or one value after another.

use crate::error::Error;
use crate::scan::Scanner;
use crate::text::TextStream;

/// Where the rows are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The elements of the array that begins here; it is the whole text, or a member of the only object.
    Array { start: u64, member: Option<String> },
    /// One value after another.
    Lines,
    /// The only object is the only row.
    Single,
}

/// Finds where the rows are.
pub(crate) fn find_shape(scanner: &mut Scanner) -> Result<Shape, Error> {
    if scanner.peek_token()? == Some(b'[') {
        let start = scanner.offset();
        return Ok(Shape::Array { start, member: None });
    }
    let mut arrays = Vec::new();
    scanner.expect(b'{')?;
    let mut first = true;
    while scanner.peek_token()? != Some(b'}') {
        if !first {
            scanner.expect(b',')?;
        }
        first = false;
        arrays.extend(array_member(scanner)?);
    }
    scanner.bump();
    if scanner.peek_token()?.is_some() {
        return Ok(Shape::Lines);
    }
    let only = if arrays.len() == 1 { arrays.pop() } else { None };
    Ok(only.map_or(Shape::Single, |(member, start)| Shape::Array { start, member: Some(member) }))
}

/// Takes a member of an object; gives its name and place when it is an array of objects.
fn array_member(scanner: &mut Scanner) -> Result<Option<(String, u64)>, Error> {
    if scanner.peek_token()? != Some(b'"') {
        return Err(scanner.malformed_at("the name of a member expected".to_owned()));
    }
    let mut name = Vec::new();
    scanner.take_value(Some(&mut name))?;
    scanner.expect(b':')?;
    let token = scanner.peek_token()?;
    let start = scanner.offset();
    if token != Some(b'[') {
        scanner.take_value(None)?;
        return Ok(None);
    }
    scanner.bump();
    let objects = scanner.peek_token()? == Some(b'{');
    while scanner.peek_token()? != Some(b']') {
        scanner.take_value(None)?;
        if scanner.peek_token()? == Some(b',') {
            scanner.bump();
        } else if scanner.peek_token()? != Some(b']') {
            return Err(scanner.malformed_at("`,` or `]` expected".to_owned()));
        }
    }
    scanner.bump();
    let name = serde_json::from_slice(&name).unwrap_or_default();
    Ok(objects.then_some((name, start)))
}

/// The elements of JSON, one by one.
pub(crate) struct Elements {
    scanner: Scanner,
    shape: Shape,
    started: bool,
    finished: bool,
    buffer: Vec<u8>,
}

impl Elements {
    pub(crate) fn new(scanner: Scanner, shape: Shape) -> Self {
        Self { scanner, shape, started: false, finished: false, buffer: Vec::new() }
    }

    /// Reads the next element into the buffer; tells whether there was one.
    pub(crate) fn next(&mut self) -> Result<bool, Error> {
        self.buffer.clear();
        if self.finished || !self.find_next()? {
            self.finished = true;
            return Ok(false);
        }
        let start = self.scanner.offset();
        self.scanner.take_value(Some(&mut self.buffer))?;
        if self.buffer.is_empty() {
            return Err(self.scanner.malformed_at("a value expected".to_owned()));
        }
        debug_assert!(self.scanner.offset() > start);
        self.scanner.row += 1;
        Ok(true)
    }

    fn find_next(&mut self) -> Result<bool, Error> {
        let first = !std::mem::replace(&mut self.started, true);
        let Shape::Array { start, member } = &self.shape else {
            return Ok(self.scanner.peek_token()?.is_some());
        };
        if first {
            self.scanner.skip_to(*start)?;
            self.scanner.expect(b'[')?;
        }
        match self.scanner.peek_token()? {
            Some(b']') => {
                self.scanner.bump();
                if member.is_none() && self.scanner.peek_token()?.is_some() {
                    return Err(self.scanner.malformed_at("text after the end of the array".to_owned()));
                }
                return Ok(false);
            }
            Some(_) if first => {}
            Some(_) => self.scanner.expect(b',')?,
            None => {}
        }
        match self.scanner.peek_token()? {
            Some(_) => Ok(true),
            None => Err(Error::TruncatedJson { offset: self.scanner.offset() }),
        }
    }

    /// The element that was read last.
    pub(crate) fn element(&self) -> &[u8] {
        &self.buffer
    }

    /// Where it stands.
    pub(crate) fn place(&self) -> Place {
        Place { offset: self.scanner.offset(), row: self.scanner.row - 1 }
    }

    /// The text that elements are read from.
    pub(crate) fn text(&self) -> &TextStream {
        self.scanner.text()
    }
}

/// Where an element stands: where it ends in the text, and how many are above it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) offset: u64,
    pub(crate) row: u64,
}
