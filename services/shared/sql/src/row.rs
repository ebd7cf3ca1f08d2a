//! Rows, and what their columns are read as.

use sqlx::error::BoxDynError;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{ColumnIndex, Decode, Postgres, Row as _, Sqlite, TypeInfo as _, ValueRef as _};

use crate::Error;

/// A row of a result.
pub struct Row(Driver);

enum Driver {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    pub(crate) fn of_sqlite(row: SqliteRow) -> Self {
        Self(Driver::Sqlite(row))
    }

    pub(crate) fn of_postgres(row: PgRow) -> Self {
        Self(Driver::Postgres(row))
    }

    /// Reads the column of this name or number, which counts from 0.
    pub fn get<'r, T: Column<'r>>(&'r self, column: impl Named) -> Result<T, Error> {
        let cell = column.cell(self)?;
        T::read(cell).ok_or_else(|| decode(&column, "it is of another type, out of range, or null".into()))
    }
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Row")
    }
}

fn decode(column: &impl Named, source: BoxDynError) -> Error {
    Error::Other(sqlx::Error::ColumnDecode { index: format!("{column:?}"), source })
}

/// The name of a column, or its number.
pub trait Named: std::fmt::Debug + Sized {
    #[doc(hidden)]
    fn cell<'r>(&self, row: &'r Row) -> Result<Cell<'r>, Error>;
}

impl Named for &str {
    fn cell<'r>(&self, row: &'r Row) -> Result<Cell<'r>, Error> {
        cell_at(row, *self)
    }
}

impl Named for usize {
    fn cell<'r>(&self, row: &'r Row) -> Result<Cell<'r>, Error> {
        cell_at(row, *self)
    }
}

fn cell_at<'r, I>(row: &'r Row, index: I) -> Result<Cell<'r>, Error>
where
    I: ColumnIndex<SqliteRow> + ColumnIndex<PgRow> + Named,
{
    match &row.0 {
        Driver::Sqlite(row) => {
            let index = index.index(row)?;
            of_sqlite(row.try_get_raw(index)?).map_err(|source| decode(&index, source))
        }
        Driver::Postgres(row) => {
            let index = index.index(row)?;
            of_postgres(row.try_get_raw(index)?).map_err(|source| decode(&index, source))
        }
    }
}

/// A value as it lies in a row.
#[derive(Debug, Clone, Copy)]
pub enum Cell<'r> {
    /// None.
    Null,
    /// A whole number, or truth.
    Int(i64),
    /// A number.
    Real(f64),
    /// A text.
    Text(&'r str),
    /// Bytes.
    Bytes(&'r [u8]),
}

fn of_sqlite(value: sqlx::sqlite::SqliteValueRef<'_>) -> Result<Cell<'_>, BoxDynError> {
    if value.is_null() {
        return Ok(Cell::Null);
    }
    let kind = value.type_info().into_owned();
    match kind.name() {
        "INTEGER" => <i64 as Decode<Sqlite>>::decode(value).map(Cell::Int),
        "REAL" => <f64 as Decode<Sqlite>>::decode(value).map(Cell::Real),
        "TEXT" => <&str as Decode<Sqlite>>::decode(value).map(Cell::Text),
        "BLOB" => <&[u8] as Decode<Sqlite>>::decode(value).map(Cell::Bytes),
        other => Err(format!("no column of ours is of the type {other}").into()),
    }
}

fn of_postgres(value: sqlx::postgres::PgValueRef<'_>) -> Result<Cell<'_>, BoxDynError> {
    if value.is_null() {
        return Ok(Cell::Null);
    }
    let kind = value.type_info().into_owned();
    match kind.name() {
        "INT8" | "INT4" | "INT2" => <i64 as Decode<Postgres>>::decode(value).map(Cell::Int),
        "BOOL" => <bool as Decode<Postgres>>::decode(value).map(|truth| Cell::Int(truth.into())),
        "FLOAT8" => <f64 as Decode<Postgres>>::decode(value).map(Cell::Real),
        "TEXT" => <&str as Decode<Postgres>>::decode(value).map(Cell::Text),
        "BYTEA" => <&[u8] as Decode<Postgres>>::decode(value).map(Cell::Bytes),
        other => Err(format!("no column of ours is of the type {other}").into()),
    }
}

/// What a column can be read as.
pub trait Column<'r>: Sized {
    #[doc(hidden)]
    fn read(cell: Cell<'r>) -> Option<Self>;
}

macro_rules! columns {
    ($($type:ty: $pattern:pat => $value:expr;)+) => {
        $(impl<'r> Column<'r> for $type {
            fn read(cell: Cell<'r>) -> Option<Self> {
                match cell {
                    $pattern => $value,
                    _ => None,
                }
            }
        })+
    };
}

columns! {
    i64: Cell::Int(value) => Some(value);
    i32: Cell::Int(value) => value.try_into().ok();
    u32: Cell::Int(value) => value.try_into().ok();
    bool: Cell::Int(value) => Some(value != 0);
    &'r str: Cell::Text(value) => Some(value);
    String: Cell::Text(value) => Some(value.to_owned());
    &'r [u8]: Cell::Bytes(value) => Some(value);
    Vec<u8>: Cell::Bytes(value) => Some(value.to_vec());
}

impl<'r> Column<'r> for f64 {
    fn read(cell: Cell<'r>) -> Option<Self> {
        match cell {
            Cell::Real(value) => Some(value),
            Cell::Int(value) => Some(value as f64),
            Cell::Null | Cell::Text(_) | Cell::Bytes(_) => None,
        }
    }
}

impl<'r, T: Column<'r>> Column<'r> for Option<T> {
    fn read(cell: Cell<'r>) -> Option<Self> {
        match cell {
            Cell::Null => Some(None),
            cell => T::read(cell).map(Some),
        }
    }
}

/// What a row can be read as. Tuples read the columns in their order.
pub trait FromRow: Sized {
    /// Reads the row.
    fn from_row(row: &Row) -> Result<Self, Error>;
}

macro_rules! tuples {
    ($(($($type:ident $number:tt),+))+) => {
        $(impl<$($type),+> FromRow for ($($type,)+)
        where
            $($type: for<'r> Column<'r>),+
        {
            fn from_row(row: &Row) -> Result<Self, Error> {
                Ok(($(row.get::<$type>($number as usize)?,)+))
            }
        })+
    };
}

tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8)
}
