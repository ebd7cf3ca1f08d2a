//! SQL databases: one writer and many readers, migrations, and the tables that every service needs.
//!
//! A service owns one [`Database`]. It reads in snapshots, and changes state in transactions of one writer at a time:
//! a change and all that belongs to it (events, the last sequence applied, a reply that a repeated call will get) are
//! in one transaction or nowhere. On top of that stand:
//!
//! - [`next_change`]: numbers for changes, in the order of their commits. They are the resume tokens of watches.
//! - [`pages`]: lists pinned at their first page, so that paging is stable.
//! - [`requests`]: request ids, so that a repeated call is answered like the first.
//! - [`work`]: rows of long work, claimed by lease and fencing number.
//! - [`keeping`]: objects that rows name, so that those that none names can be swept.
//! - [`Freeze`]: copies of several databases as they were at one instant, for back-ups.
//! - [`Lease`]: what one process alone may do.
//!
//! Promises: what [`Database::write`] acknowledged survives a power cut (synchronous FULL); an error or a dropped
//! future leaves nothing behind; a reader sees one moment. Non-goals: building queries, mapping rows to structs.
//!
//! Two back ends stand behind the same types: SQLite, a file for one process, and PostgreSQL, a schema on a server that
//! many processes share. Statements are written once, for both; [`Conn`] runs them.

mod builder;
mod changes;
mod conn;
mod database;
mod error;
mod freeze;
pub mod keeping;
mod lease;
mod migrations;
pub mod pages;
mod placeholders;
mod postgres;
mod query;
pub mod requests;
mod row;
mod settings;
mod sqlite;
pub mod work;

#[cfg(test)]
mod conformance;

pub use builder::{Builder, list};
pub use changes::next_change;
pub use conn::{Conn, Dialect};
pub use database::Database;
pub use error::Error;
pub use freeze::{Freeze, Pinned};
pub use lease::Lease;
pub use migrations::Migrations;
pub use postgres::{Probe, probe};
pub use query::{Bind, Kind, Query, QueryAs, QueryScalar, Value, query, query_as, query_scalar};
pub use row::{Cell, Column, FromRow, Named, Row};
pub use settings::{Settings, Tls, problems};

/// The migrations of the tables that this crate owns, versions 1 to 99. [`Database::open`] applies them by itself.
pub static MIGRATIONS: Migrations = migrations!();
