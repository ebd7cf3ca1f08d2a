//! Texts of queries that vary: parts that are there or not, lists of values, several rows at once.

use crate::query::{Bind, Query, QueryAs, QueryScalar, Value};
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
