//! Rows of JSON: the elements of an array, or one value after another.

use std::collections::{HashMap, HashSet};

use arrow::array::StringBuilder;

use crate::element::{Element, text_of};
use crate::error::Error;
use crate::limits::Limits;
use crate::reader::{Rows, TextBatch};
use crate::scan::Scanner;
use crate::warning::{Tally, Warning};

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
    fn next(&mut self) -> Result<bool, Error> {
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

    /// Parses the element in the buffer and hands on its members: name, and text or nothing.
    fn members(&self, mut take: impl FnMut(&str, Option<&str>) -> Result<(), Error>) -> Result<bool, Error> {
        let element: Element<'_> = serde_json::from_slice(&self.buffer).map_err(|error| Error::MalformedJson {
            offset: self.scanner.offset(),
            row: self.scanner.row - 1,
            message: error.to_string(),
        })?;
        let object = matches!(element, Element::Object(_));
        match &element {
            Element::Object(members) => {
                members.iter().try_for_each(|(name, value)| take(name, text_of(value).as_deref()))?
            }
            Element::Array(values) => {
                for (index, value) in values.iter().enumerate() {
                    take(&format!("column_{}", index + 1), text_of(value).as_deref())?;
                }
            }
            Element::Scalar(value) => take("value", text_of(value).as_deref())?,
        }
        Ok(object)
    }
}

/// Collects the names of all members of all elements, in the order of their first appearance.
pub(crate) fn collect_names(mut elements: Elements, limits: &Limits) -> Result<Vec<String>, Error> {
    let mut known: HashSet<String> = HashSet::new();
    let mut names: Vec<String> = Vec::new();
    let mut bytes = 0;
    while elements.next()? {
        let mut place = 0;
        let offset = elements.scanner.offset();
        elements.members(|name, _| {
            let expected = names.get(place).is_some_and(|expected| expected == name);
            place += 1;
            if expected || known.contains(name) {
                return Ok(());
            }
            if names.len() >= limits.max_columns {
                return Err(Error::TooManyColumns { limit: limits.max_columns });
            }
            bytes += name.len();
            if bytes > limits.max_record_bytes {
                return Err(Error::RecordTooLong { limit: limits.max_record_bytes, offset });
            }
            known.insert(name.to_owned());
            names.push(name.to_owned());
            Ok(())
        })?;
    }
    Ok(names)
}

/// Reads rows of JSON.
pub(crate) struct JsonRows {
    elements: Elements,
    names: Vec<String>,
    places: HashMap<String, usize>,
    /// The last row that each column has a cell of, plus one.
    filled: Vec<u64>,
    row: u64,
    repeated: Tally,
    not_objects: Tally,
}

impl JsonRows {
    /// `names` are those of the members, in the order of the columns.
    pub(crate) fn new(elements: Elements, names: Vec<String>) -> Self {
        let places = names.iter().cloned().enumerate().map(|(index, name)| (name, index)).collect();
        let filled = vec![0; names.len()];
        let (repeated, not_objects) = Default::default();
        Self { elements, names, places, filled, row: 0, repeated, not_objects }
    }

    fn append(&mut self, columns: &mut [StringBuilder]) -> Result<usize, Error> {
        let mark = self.row + 1;
        let Self { elements, names, places, filled, repeated, row, .. } = self;
        let (mut bytes, mut next) = (0, 0);
        let object = elements.members(|name, value| {
            let expected = names.get(next).is_some_and(|expected| expected == name);
            let place = if expected { Some(next) } else { places.get(name).copied() };
            let Some(place) = place else { return Ok(()) };
            next = place + 1;
            if filled[place] == mark {
                repeated.add(*row, None);
                return Ok(());
            }
            filled[place] = mark;
            match value.filter(|text| !text.is_empty()) {
                Some(text) => {
                    bytes += text.len();
                    columns[place].append_value(text);
                }
                None => columns[place].append_null(),
            }
            Ok(())
        })?;
        if !object {
            self.not_objects.add(self.row, None);
        }
        for (column, filled) in columns.iter_mut().zip(&self.filled) {
            if *filled != mark {
                column.append_null();
            }
        }
        Ok(bytes)
    }
}

impl Rows for JsonRows {
    fn fill(&mut self, batch: &mut TextBatch) -> Result<bool, Error> {
        while !batch.is_full() {
            if !self.elements.next()? {
                return Ok(false);
            }
            let bytes = self.append(&mut batch.columns)?;
            batch.count(bytes);
            self.row += 1;
        }
        Ok(true)
    }

    fn warnings(&self) -> Vec<Warning> {
        let repeated = self.repeated.warning("REPEATED_KEY", "Objects with a key twice: the first value was taken.");
        let message = "Elements that are not objects: their values became columns by position.";
        let not_objects = self.not_objects.warning("NOT_OBJECTS", message);
        repeated.into_iter().chain(not_objects).collect()
    }

    fn malformed(&self) -> (u64, Option<u64>) {
        self.elements.scanner.malformed()
    }
}
