//! A table as CSV.

use std::io::{BufWriter, Write};

use arrow::array::{Array, AsArray};

use crate::error::Error;
use crate::limits::CancelFlag;
use crate::reader::TableReader;
use crate::render::to_text;

/// Writes a table as CSV by RFC 4180 with a header, in UTF-8, rows ended by a line feed; gives the number of rows.
///
/// A missing cell is an empty field. Fails with [`Error::Cancelled`] at the next batch once `cancel` is set.
pub fn write_csv(mut reader: TableReader, out: impl Write, cancel: &CancelFlag) -> Result<u64, Error> {
    let mut out = BufWriter::new(out);
    write_row(&mut out, reader.column_names().iter().map(|name| Some(name.as_str())))?;
    let mut rows = 0;
    while let Some(batch) = reader.next_batch()? {
        if cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let batch = to_text(&batch)?;
        let columns: Vec<_> = batch.columns().iter().map(|column| column.as_string::<i32>()).collect();
        for row in 0..batch.num_rows() {
            write_row(&mut out, columns.iter().map(|column| column.is_valid(row).then(|| column.value(row))))?;
        }
        rows += batch.num_rows() as u64;
    }
    out.flush().map_err(Error::Write)?;
    Ok(rows)
}

/// Writes a row; an only cell that is missing is quoted.
pub(crate) fn write_row<'a>(
    out: &mut impl Write,
    cells: impl ExactSizeIterator<Item = Option<&'a str>>,
) -> Result<(), Error> {
    // An only cell that is missing would leave a blank line, which readers skip.
    let alone = cells.len() == 1;
    for (index, cell) in cells.enumerate() {
        if index > 0 {
            out.write_all(b",").map_err(Error::Write)?;
        }
        match cell {
            None if alone => out.write_all(b"\"\"").map_err(Error::Write)?,
            None => {}
            Some(cell) => write_cell(out, cell).map_err(Error::Write)?,
        }
    }
    out.write_all(b"\n").map_err(Error::Write)
}

fn write_cell(out: &mut impl Write, cell: &str) -> std::io::Result<()> {
    if !cell.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
        return out.write_all(cell.as_bytes());
    }
    out.write_all(b"\"")?;
    out.write_all(cell.replace('"', "\"\"").as_bytes())?;
    out.write_all(b"\"")
}
