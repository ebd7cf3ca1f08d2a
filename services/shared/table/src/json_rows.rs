//! Elements of JSON as rows.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringBuilder};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use encoding_rs::Encoding;

use crate::block::{Rows, Source};
use crate::bytes::Input;
use crate::checked::undecoded;
use crate::error::Error;
use crate::json::{Elements, Place};
use crate::json_cells::{self, Nature};
use crate::reader::{BATCH_BYTES, batch_rows};
use crate::warning::{Tally, Warning};

/// How much text the elements of a block have, about.
const BLOCK: usize = 8 << 20;

/// Blocks of JSON: runs of elements.
pub(crate) struct JsonSource {
    elements: Elements,
    layout: Arc<Layout>,
    encoding: &'static Encoding,
    input: Input,
}

/// Which member goes into which column.
struct Layout {
    schema: SchemaRef,
    names: Vec<String>,
    places: HashMap<String, usize>,
}

impl JsonSource {
    /// `names` are those of the members, in the order of the columns.
    pub(crate) fn new(
        elements: Elements,
        names: Vec<String>,
        schema: SchemaRef,
        encoding: &'static Encoding,
        input: &Input,
    ) -> Self {
        let places = names.iter().cloned().enumerate().map(|(index, name)| (name, index)).collect();
        Self { elements, layout: Arc::new(Layout { schema, names, places }), encoding, input: input.clone() }
    }
}

impl Source for JsonSource {
    fn next(&mut self) -> Result<Option<Box<dyn Rows>>, Error> {
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        while text.len() < BLOCK && self.elements.next()? {
            text.extend_from_slice(self.elements.element());
            ends.push((text.len(), self.elements.place()));
        }
        let rows = || Box::new(JsonRows::new(text, ends.clone(), self.layout.clone())) as Box<dyn Rows>;
        Ok((!ends.is_empty()).then(rows))
    }

    fn warnings(&self) -> Vec<Warning> {
        undecoded(self.elements.text(), self.encoding).into_iter().collect()
    }

    fn read_bytes(&self) -> u64 {
        self.input.read_bytes()
    }
}

/// Rows of JSON.
struct JsonRows {
    text: Vec<u8>,
    /// Where each element ends here, and where it stands in the file.
    ends: Vec<(usize, Place)>,
    layout: Arc<Layout>,
    row: usize,
    /// The last row that each column has a cell of, plus one.
    filled: Vec<usize>,
    repeated: Tally,
    not_objects: Tally,
}

impl JsonRows {
    fn new(text: Vec<u8>, ends: Vec<(usize, Place)>, layout: Arc<Layout>) -> Self {
        let filled = vec![0; layout.names.len()];
        let (repeated, not_objects) = Default::default();
        Self { text, ends, layout, row: 0, filled, repeated, not_objects }
    }

    /// Where the text of a row begins.
    fn start(&self, row: usize) -> usize {
        row.checked_sub(1).map_or(0, |above| self.ends[above].0)
    }

    fn append(&mut self, columns: &mut [StringBuilder]) -> Result<(), Error> {
        let mark = self.row + 1;
        let (end, place) = self.ends[self.row];
        let start = self.start(self.row);
        let Self { text, layout, filled, repeated, row, .. } = self;
        let mut next = 0;
        let nature = json_cells::cells(&text[start..end], place, |name, value| {
            let expected = layout.names.get(next).is_some_and(|expected| expected == name);
            let column = if expected { Some(next) } else { layout.places.get(name).copied() };
            let Some(column) = column else { return Ok(()) };
            next = column + 1;
            if filled[column] == mark {
                repeated.add(*row as u64, None);
                return Ok(());
            }
            filled[column] = mark;
            columns[column].append_option(value.filter(|text| !text.is_empty()));
            Ok(())
        })?;
        if nature == Nature::Other {
            self.not_objects.add(self.row as u64, None);
        }
        for (column, filled) in columns.iter_mut().zip(&self.filled) {
            if *filled != mark {
                column.append_null();
            }
        }
        Ok(())
    }
}

impl Rows for JsonRows {
    fn next(&mut self) -> Result<Option<RecordBatch>, Error> {
        let layout = self.layout.clone();
        let width = layout.names.len();
        let (first, most) = (self.row, batch_rows(width));
        let start = self.start(first);
        let mut columns: Vec<StringBuilder> = (0..width).map(|_| StringBuilder::with_capacity(64, 256)).collect();
        while self.row < self.ends.len() && self.row - first < most && self.start(self.row) - start < BATCH_BYTES {
            self.append(&mut columns)?;
            self.row += 1;
        }
        let rows = self.row - first;
        if rows == 0 {
            return Ok(None);
        }
        let columns = columns.into_iter().map(|mut column| Arc::new(column.finish()) as ArrayRef).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(layout.schema.clone(), columns, &options).map(Some).map_err(Error::Arrow)
    }

    fn warnings(&self) -> Vec<Warning> {
        let repeated = self.repeated.warning("REPEATED_KEY", "Objects with a key twice: the first value was taken.");
        let message = "Elements that are not objects: their values became columns by position.";
        let not_objects = self.not_objects.warning("NOT_OBJECTS", message);
        repeated.into_iter().chain(not_objects).collect()
    }
}
