//! Tables of an SQLite database.

use std::borrow::Cow;
use std::path::Path;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use crate::bytes::Input;
use crate::error::Error;
use crate::spool::Spool;

/// The first bytes of a database.
pub(crate) const MAGIC: &[u8] = b"SQLite format 3\0";
/// What has a meaning of its own in a URI.
const RESERVED: &AsciiSet = &CONTROLS.add(b'%').add(b'?').add(b'#').add(b' ');

/// The names of the tables, in the order of their creation; views, indexes and SQLite's own tables are none.
pub(crate) fn names(input: &Input) -> Result<Vec<String>, Error> {
    with_connection(input, |connection| {
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
        let mut statement = connection.prepare(sql).map_err(malformed)?;
        let names = statement.query_map([], |row| row.get(0)).map_err(malformed)?;
        names.collect::<Result<_, _>>().map_err(malformed)
    })
}

/// Writes out the rows of a table below a row with its names; gives them and the number of columns.
pub(crate) fn spool(input: &Input, table: &str) -> Result<(Input, usize), Error> {
    with_connection(input, |connection| {
        let sql = format!("SELECT * FROM \"{}\"", table.replace('"', "\"\""));
        let mut statement = connection.prepare(&sql).map_err(malformed)?;
        let names: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
        let mut out = Spool::new(input)?;
        out.row(names.iter().map(|name| Some(name.as_str())))?;
        let mut rows = statement.query([]).map_err(malformed)?;
        while let Some(row) = rows.next().map_err(malformed)? {
            let cells: Result<Vec<_>, _> = (0..names.len()).map(|index| row.get_ref(index).map(text)).collect();
            let cells = cells.map_err(malformed)?;
            out.row(cells.iter().map(|cell| cell.as_deref()))?;
        }
        out.finish(input)
    })
}

/// Opens the database, from the file itself or from an unpacked copy, as bytes that nobody changes.
fn with_connection<T>(input: &Input, read: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
    let copy = match input.path() {
        Some(_) => None,
        None => {
            let mut copy = tempfile::NamedTempFile::new().map_err(Error::Io)?;
            std::io::copy(&mut input.in_any_order()?, &mut copy).map_err(Error::Io)?;
            Some(copy)
        }
    };
    let path = copy.as_ref().map(|copy| copy.path()).or(input.path()).unwrap_or(Path::new(""));
    let path = path.to_string_lossy();
    let uri = format!("file:{}?immutable=1", utf8_percent_encode(&path, RESERVED));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri, flags).map_err(malformed)?;
    let longest = i32::try_from(input.limits.max_record_bytes).unwrap_or(i32::MAX);
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, longest).map_err(malformed)?;
    // A schema comes from strangers: nothing in it may run.
    connection
        .execute_batch("PRAGMA trusted_schema = OFF; PRAGMA query_only = ON; PRAGMA cell_size_check = ON;")
        .map_err(malformed)?;
    read(&connection)
}

/// A value as text: numbers in their shortest form, bytes in hexadecimal, nothing for NULL.
fn text(value: ValueRef<'_>) -> Option<Cow<'_, str>> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string().into()),
        ValueRef::Real(number) => Some(crate::workbook::number(number).into()),
        ValueRef::Text(bytes) => Some(String::from_utf8_lossy(bytes)),
        ValueRef::Blob(bytes) => Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()),
    }
}

fn malformed(error: rusqlite::Error) -> Error {
    Error::Malformed { format: "sqlite", message: error.to_string() }
}
