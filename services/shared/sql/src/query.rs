//! Queries: a text, the values bound to it, and what comes back.

use std::borrow::Cow;
use std::marker::PhantomData;

use sqlx::error::BoxDynError;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments as _, AssertSqlSafe};

use crate::conn::{Conn, Link};
use crate::row::{Column, FromRow, Row};
use crate::{Error, placeholders};

/// A value to bind.
///
/// Numbers are 64 bits wide in both databases, and truth is the number 0 or 1.
#[derive(Debug, Clone)]
pub enum Value<'q> {
    /// A whole number.
    Int(Option<i64>),
    /// A number.
    Real(Option<f64>),
    /// A text.
    Text(Option<Cow<'q, str>>),
    /// Bytes.
    Bytes(Option<Cow<'q, [u8]>>),
    /// A column of a table that [`Builder::push_table`](crate::Builder::push_table) made for PostgreSQL: values of one
    /// kind.
    Column(Kind, Vec<Value<'q>>),
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Whole numbers.
    Int,
    /// Numbers.
    Real,
    /// Texts.
    Text,
    /// Bytes.
    Bytes,
}

impl Kind {
    pub(crate) fn in_postgres(self) -> &'static str {
        match self {
            Self::Int => "bigint",
            Self::Real => "float8",
            Self::Text => "text",
            Self::Bytes => "bytea",
        }
    }
}

/// What can be bound: whole numbers, truth, numbers, texts, bytes, references to these, and `Option`s of them.
pub trait Bind<'q> {
    /// This as a value.
    fn value(self) -> Value<'q>;
    /// The value that stands for none of these.
    fn none() -> Value<'q>;
}

macro_rules! bind {
    ($($type:ty => $variant:ident, |$value:ident| $convert:expr;)+) => {
        $(impl<'q> Bind<'q> for $type {
            fn value(self) -> Value<'q> {
                let $value = self;
                Value::$variant(Some($convert))
            }
            fn none() -> Value<'q> {
                Value::$variant(None)
            }
        })+
    };
}

bind! {
    i64 => Int, |value| value;
    i32 => Int, |value| value.into();
    u32 => Int, |value| value.into();
    bool => Int, |value| value.into();
    &'q i64 => Int, |value| *value;
    f64 => Real, |value| value;
    &'q str => Text, |value| value.into();
    &'q String => Text, |value| value.as_str().into();
    String => Text, |value| value.into();
    &'q [u8] => Bytes, |value| value.into();
    &'q Vec<u8> => Bytes, |value| value.as_slice().into();
    Vec<u8> => Bytes, |value| value.into();
}

impl<'q, T: Bind<'q>> Bind<'q> for Option<T> {
    fn value(self) -> Value<'q> {
        self.map_or_else(T::none, T::value)
    }
    fn none() -> Value<'q> {
        T::none()
    }
}

impl<'q> Bind<'q> for &'q Option<String> {
    fn value(self) -> Value<'q> {
        self.as_deref().value()
    }
    fn none() -> Value<'q> {
        Value::Text(None)
    }
}

/// A query and the values bound to it. Its text is written as for SQLite: placeholders are `?`, or `?1`, `?2`.
#[derive(Debug, Clone)]
#[must_use = "a query does nothing until it runs"]
pub struct Query<'q> {
    text: Cow<'static, str>,
    values: Vec<Value<'q>>,
}

/// A query. Its text is a constant, so that nothing that somebody sent gets into it; see [`Builder`](crate::Builder)
/// for texts that vary.
pub fn query<'q>(text: &'static str) -> Query<'q> {
    Query { text: text.into(), values: Vec::new() }
}

/// A query whose rows are read as `T`: a tuple, or what else implements [`FromRow`].
pub fn query_as<'q, T: FromRow>(text: &'static str) -> QueryAs<'q, T> {
    query(text).read_as()
}

/// A query of which the first column alone is read.
pub fn query_scalar<'q, T: for<'r> Column<'r>>(text: &'static str) -> QueryScalar<'q, T> {
    query(text).read_scalar()
}

impl<'q> Query<'q> {
    pub(crate) fn built(text: String, values: Vec<Value<'q>>) -> Self {
        Self { text: text.into(), values }
    }

    /// Binds the next value.
    pub fn bind(mut self, value: impl Bind<'q>) -> Self {
        self.values.push(value.value());
        self
    }

    /// Reads rows as `T`.
    pub fn read_as<T: FromRow>(self) -> QueryAs<'q, T> {
        QueryAs { query: self, of: PhantomData }
    }

    /// Reads the first column alone.
    pub fn read_scalar<T: for<'r> Column<'r>>(self) -> QueryScalar<'q, T> {
        QueryScalar { query: self, of: PhantomData }
    }

    /// Runs it, and tells how many rows it changed.
    pub async fn execute(self, conn: &mut Conn) -> Result<u64, Error> {
        let Self { text, values } = self;
        let done = match &mut conn.link {
            Link::Sqlite(lent) => match for_sqlite(values) {
                Ok(values) => with(text, values).execute(&mut *lent.conn).await.map(|done| done.rows_affected()),
                Err(error) => Err(error),
            }
            .map_err(Error::from),
            Link::Postgres(lent) => match for_postgres(values) {
                Ok(values) => {
                    let query = with(Cow::Owned(placeholders::numbered(&text)), values);
                    lent.run(async |conn| query.execute(conn).await.map(|done| done.rows_affected())).await
                }
                Err(error) => Err(error.into()),
            },
        };
        done.inspect_err(|_| conn.failed = true)
    }

    /// Runs it, and gives all rows.
    pub async fn fetch_all(self, conn: &mut Conn) -> Result<Vec<Row>, Error> {
        let Self { text, values } = self;
        let rows = match &mut conn.link {
            Link::Sqlite(lent) => match for_sqlite(values) {
                Ok(values) => with(text, values).fetch_all(&mut *lent.conn).await,
                Err(error) => Err(error),
            }
            .map(|rows| rows.into_iter().map(Row::of_sqlite).collect())
            .map_err(Error::from),
            Link::Postgres(lent) => match for_postgres(values) {
                Ok(values) => {
                    let query = with(Cow::Owned(placeholders::numbered(&text)), values);
                    let rows = lent.run(async |conn| query.fetch_all(conn).await).await;
                    rows.map(|rows| rows.into_iter().map(Row::of_postgres).collect())
                }
                Err(error) => Err(error.into()),
            },
        };
        rows.inspect_err(|_| conn.failed = true)
    }

    /// Runs it, and gives the first row, when there is one.
    pub async fn fetch_optional(self, conn: &mut Conn) -> Result<Option<Row>, Error> {
        let Self { text, values } = self;
        let row = match &mut conn.link {
            Link::Sqlite(lent) => match for_sqlite(values) {
                Ok(values) => with(text, values).fetch_optional(&mut *lent.conn).await,
                Err(error) => Err(error),
            }
            .map(|row| row.map(Row::of_sqlite))
            .map_err(Error::from),
            Link::Postgres(lent) => match for_postgres(values) {
                Ok(values) => {
                    let query = with(Cow::Owned(placeholders::numbered(&text)), values);
                    let row = lent.run(async |conn| query.fetch_optional(conn).await).await;
                    row.map(|row| row.map(Row::of_postgres))
                }
                Err(error) => Err(error.into()),
            },
        };
        row.inspect_err(|_| conn.failed = true)
    }

    /// Runs it, and gives the first row; none is an error.
    pub async fn fetch_one(self, conn: &mut Conn) -> Result<Row, Error> {
        self.fetch_optional(conn).await?.ok_or_else(|| sqlx::Error::RowNotFound.into())
    }
}

fn with<DB: sqlx::Database>(
    text: Cow<'static, str>,
    values: DB::Arguments,
) -> sqlx::query::Query<'static, DB, DB::Arguments>
where
    DB::Arguments: sqlx::IntoArguments<DB>,
{
    sqlx::query_with(AssertSqlSafe(text), values)
}

fn for_sqlite(values: Vec<Value<'_>>) -> Result<SqliteArguments, sqlx::Error> {
    let mut arguments = SqliteArguments::default();
    for value in values {
        let added = match value {
            Value::Int(value) => arguments.add(value),
            Value::Real(value) => arguments.add(value),
            Value::Text(value) => arguments.add(value.map(Cow::into_owned)),
            Value::Bytes(value) => arguments.add(value.map(Cow::into_owned)),
            Value::Column(..) => Err("SQLite has no arrays; the table was made for PostgreSQL".into()),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

fn for_postgres(values: Vec<Value<'_>>) -> Result<PgArguments, sqlx::Error> {
    let mut arguments = PgArguments::default();
    for value in values {
        let added = match value {
            Value::Int(value) => arguments.add(value),
            Value::Real(value) => arguments.add(value),
            Value::Text(value) => arguments.add(value.as_deref()),
            Value::Bytes(value) => arguments.add(value.as_deref()),
            Value::Column(kind, values) => add_column(&mut arguments, kind, &values),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

fn add_column(arguments: &mut PgArguments, kind: Kind, values: &[Value<'_>]) -> Result<(), BoxDynError> {
    macro_rules! of_kind {
        ($variant:ident) => {{
            let column = values.iter().map(|value| match value {
                Value::$variant(value) => Some(value.as_ref()),
                _ => None,
            });
            column.collect::<Option<Vec<_>>>()
        }};
    }
    let added = match kind {
        Kind::Int => of_kind!(Int).map(|column| arguments.add(column)),
        Kind::Real => of_kind!(Real).map(|column| arguments.add(column)),
        Kind::Text => of_kind!(Text).map(|column| arguments.add(derefs(column))),
        Kind::Bytes => of_kind!(Bytes).map(|column| arguments.add(derefs(column))),
    };
    added.unwrap_or_else(|| Err(format!("a column of the kind {kind:?} holds a value of another").into()))
}

fn derefs<'v, T: ToOwned + ?Sized>(column: Vec<Option<&'v Cow<'_, T>>>) -> Vec<Option<&'v T>> {
    column.into_iter().map(|value| value.map(|value| &**value)).collect()
}

/// A query whose rows are read as `T`.
#[derive(Debug)]
#[must_use = "a query does nothing until it runs"]
pub struct QueryAs<'q, T> {
    pub(crate) query: Query<'q>,
    of: PhantomData<fn() -> T>,
}

impl<'q, T: FromRow> QueryAs<'q, T> {
    /// Binds the next value.
    pub fn bind(mut self, value: impl Bind<'q>) -> Self {
        self.query = self.query.bind(value);
        self
    }

    /// Runs it, and reads all rows.
    pub async fn fetch_all(self, conn: &mut Conn) -> Result<Vec<T>, Error> {
        self.query.fetch_all(conn).await?.iter().map(T::from_row).collect()
    }

    /// Runs it, and reads the first row, when there is one.
    pub async fn fetch_optional(self, conn: &mut Conn) -> Result<Option<T>, Error> {
        self.query.fetch_optional(conn).await?.as_ref().map(T::from_row).transpose()
    }

    /// Runs it, and reads the first row; none is an error.
    pub async fn fetch_one(self, conn: &mut Conn) -> Result<T, Error> {
        T::from_row(&self.query.fetch_one(conn).await?)
    }
}

/// A query of which the first column alone is read.
#[derive(Debug)]
#[must_use = "a query does nothing until it runs"]
pub struct QueryScalar<'q, T> {
    query: Query<'q>,
    of: PhantomData<fn() -> T>,
}

impl<'q, T: for<'r> Column<'r>> QueryScalar<'q, T> {
    /// Binds the next value.
    pub fn bind(mut self, value: impl Bind<'q>) -> Self {
        self.query = self.query.bind(value);
        self
    }

    /// Runs it, and reads all rows.
    pub async fn fetch_all(self, conn: &mut Conn) -> Result<Vec<T>, Error> {
        self.query.fetch_all(conn).await?.iter().map(|row| row.get(0)).collect()
    }

    /// Runs it, and reads the first row, when there is one.
    pub async fn fetch_optional(self, conn: &mut Conn) -> Result<Option<T>, Error> {
        self.query.fetch_optional(conn).await?.as_ref().map(|row| row.get(0)).transpose()
    }

    /// Runs it, and reads the first row; none is an error.
    pub async fn fetch_one(self, conn: &mut Conn) -> Result<T, Error> {
        self.query.fetch_one(conn).await?.get(0)
    }
}
