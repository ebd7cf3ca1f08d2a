//! The tables of a version's file, as its row keeps them.

use serde::{Deserialize, Serialize};
use types::WorkError;

use super::rows;
use crate::record::{Table, Tables};

#[derive(Serialize, Deserialize)]
struct Stored {
    count: u32,
    #[serde(default)]
    profiled: u32,
    shown: Vec<StoredTable>,
}

#[derive(Serialize, Deserialize)]
struct StoredTable {
    table: String,
    /// Rows and columns.
    figures: Option<(u64, u32)>,
    /// Reason and message.
    error: Option<(String, String)>,
}

pub(super) fn to_json(tables: &Tables) -> String {
    let table = |table: &Table| StoredTable {
        table: table.name.clone(),
        figures: table.figures,
        error: table.error.as_ref().map(|error| (error.reason.clone(), error.message.clone())),
    };
    rows::to_json(&Stored {
        count: tables.count,
        profiled: tables.profiled,
        shown: tables.shown.iter().map(table).collect(),
    })
}

pub(super) fn from_json(text: &str) -> Result<Tables, sql::Error> {
    let stored: Stored = rows::from_json(text, "versions.tables")?;
    // What may pass ends an attempt; it is never told of a table.
    let error = |(reason, message)| WorkError { reason, message, retryable: false };
    let table = |one: StoredTable| Table { name: one.table, figures: one.figures, error: one.error.map(error) };
    let shown = stored.shown.into_iter().map(table).collect();
    Ok(Tables { count: stored.count, profiled: stored.profiled, shown })
}
