//! Texts of queries that vary: parts that are there or not, lists of values, several rows at once.

use serde::ser::{Error as _, Serialize, Serializer};

use crate::conn::Dialect;
use crate::query::{Bind, Kind, Query, QueryAs, QueryScalar, Value};
use crate::row::{Column, FromRow};

/// Builds a query out of constant texts and bound values.
///
/// ```
/// # use millrace_sql as sql;
/// let mut select = sql::Builder::new("SELECT id FROM work WHERE queue = ");
/// select.push_bind("jobs").push(" AND phase IN ").push_list(["queued", "waiting"]);
/// assert_eq!(select.text(), "SELECT id FROM work WHERE queue = ? AND phase IN (?, ?)");
/// ```
#[derive(Debug)]
pub struct Builder<'q> {
    text: String,
    values: Vec<Value<'q>>,
}

impl<'q> Builder<'q> {
    /// Begins with a text.
    pub fn new(text: &'static str) -> Self {
        Self { text: text.to_owned(), values: Vec::new() }
    }

    /// Adds a text.
    pub fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Adds a placeholder, and binds its value.
    pub fn push_bind(&mut self, value: impl Bind<'q>) -> &mut Self {
        self.text.push('?');
        self.values.push(value.value());
        self
    }

    /// Adds a list in parentheses; an empty one holds nothing that anything equals.
    pub fn push_list<T: Bind<'q>>(&mut self, values: impl IntoIterator<Item = T>) -> &mut Self {
        let before = self.values.len();
        self.text.push('(');
        for value in values {
            self.separate(before);
            self.push_bind(value);
        }
        if self.values.len() == before {
            self.text.push_str("NULL");
        }
        self.text.push(')');
        self
    }

    /// Adds rows for an `INSERT … VALUES`: each in parentheses, commas between.
    ///
    /// `bind` gives the values of one row. SQLite takes 32,766 values in a statement, PostgreSQL 65,535.
    pub fn push_rows<I: IntoIterator>(
        &mut self,
        rows: I,
        mut bind: impl FnMut(I::Item) -> Vec<Value<'q>>,
    ) -> &mut Self {
        let before = self.values.len();
        for row in rows {
            self.separate(before);
            let values = bind(row);
            self.text.push('(');
            self.text.push_str(&vec!["?"; values.len()].join(", "));
            self.text.push(')');
            self.values.extend(values);
        }
        self
    }

    /// Adds a table that holds `rows`, with columns of these kinds: what stands behind `INSERT INTO t (a, b)`, or between
    /// the parentheses of `WITH wanted (a, b) AS ()`.
    ///
    /// PostgreSQL takes each column as one array, so that the text, and with it the prepared statement, is the same
    /// for any number of rows; and so does SQLite, as one text, unless there are bytes among them: then it takes
    /// 32,766 values in a statement, and each number of rows is a statement of its own.
    ///
    /// ```
    /// # use millrace_sql as sql;
    /// # use sql::{Bind as _, Dialect, Kind};
    /// let mut select = sql::Builder::new("WITH wanted (id) AS (");
    /// select.push_table(Dialect::Postgres, [Kind::Text], ["a", "b"], |id| [id.value()]);
    /// select.push(") SELECT w.* FROM wanted CROSS JOIN work AS w WHERE w.id = wanted.id");
    /// assert!(select.text().starts_with("WITH wanted (id) AS (SELECT * FROM unnest(?::text[])) SELECT"));
    /// ```
    pub fn push_table<const N: usize, I: IntoIterator>(
        &mut self,
        dialect: Dialect,
        kinds: [Kind; N],
        rows: I,
        bind: impl FnMut(I::Item) -> [Value<'q>; N],
    ) -> &mut Self {
        let rows = rows.into_iter().map(bind);
        match dialect {
            Dialect::Postgres => self.push_arrays(kinds, rows),
            Dialect::Sqlite if kinds.contains(&Kind::Bytes) => self.push_values(rows),
            Dialect::Sqlite => self.push_json(rows),
        }
        self
    }

    fn push_arrays<const N: usize>(&mut self, kinds: [Kind; N], rows: impl Iterator<Item = [Value<'q>; N]>) {
        let mut columns: [Vec<Value<'q>>; N] = std::array::from_fn(|_| Vec::with_capacity(rows.size_hint().0));
        for row in rows {
            for (column, value) in columns.iter_mut().zip(row) {
                column.push(value);
            }
        }
        let arrays: Vec<_> = kinds.iter().map(|kind| format!("?::{}[]", kind.in_postgres())).collect();
        self.text.push_str(&format!("SELECT * FROM unnest({})", arrays.join(", ")));
        self.values.extend(kinds.into_iter().zip(columns).map(|(kind, column)| Value::Column(kind, column)));
    }

    fn push_values<const N: usize>(&mut self, rows: impl Iterator<Item = [Value<'q>; N]>) {
        let before = self.text.len();
        self.text.push_str("VALUES ");
        let values = self.values.len();
        self.push_rows(rows, Vec::from);
        if self.values.len() == values {
            self.text.truncate(before);
            self.text.push_str(&format!("SELECT {} WHERE 1 = 0", vec!["NULL"; N].join(", ")));
        }
    }

    /// The condition tells a following `ON CONFLICT` from that of a join.
    fn push_json<const N: usize>(&mut self, rows: impl Iterator<Item = [Value<'q>; N]>) {
        let columns: Vec<_> = (0..N).map(|number| format!("value ->> {number}")).collect();
        self.text.push_str(&format!("SELECT {} FROM json_each(?) WHERE 1 = 1", columns.join(", ")));
        let rows = rows.map(|row| row.into_iter().map(Json).collect::<Vec<_>>());
        self.values.push(list(rows).value());
    }

    fn separate(&mut self, before: usize) {
        if self.values.len() > before {
            self.text.push_str(", ");
        }
    }

    /// The text as it is.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The query.
    pub fn build(self) -> Query<'q> {
        Query::built(self.text, self.values)
    }

    /// The query, its rows read as `T`.
    pub fn build_as<T: FromRow>(self) -> QueryAs<'q, T> {
        self.build().read_as()
    }

    /// The query, the first column of its rows read as `T`.
    pub fn build_scalar<T: for<'r> Column<'r>>(self) -> QueryScalar<'q, T> {
        self.build().read_scalar()
    }
}

/// Turns rows of values into the one text that `json_each(?)` takes them from, in both databases.
///
/// A column is read as `wanted.value ->> 0`, a number as `CAST(wanted.value ->> 1 AS BIGINT)`. Write
/// `FROM json_each(?) AS wanted CROSS JOIN … WHERE …`: `CROSS JOIN` keeps SQLite to the order written
/// (<https://www.sqlite.org/optoverview.html#crossjoin>), each wanted row by its key; left to choose, it scans.
pub fn list<T: serde::Serialize>(rows: impl IntoIterator<Item = T>) -> String {
    serde_json::to_string(&rows.into_iter().collect::<Vec<_>>()).expect("texts and numbers always encode")
}

/// A value as one of JSON.
struct Json<'q>(Value<'q>);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Value::Int(value) => value.serialize(serializer),
            Value::Real(value) => value.serialize(serializer),
            Value::Text(value) => value.serialize(serializer),
            Value::Bytes(_) | Value::Column(..) => Err(S::Error::custom("JSON has no bytes")),
        }
    }
}
