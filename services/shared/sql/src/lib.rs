//! SQL databases: one writer and many readers over one file, migrations, and the tables that every service needs.
//!
//! A service owns one [`Database`]. It reads in snapshots, and changes state in transactions of one writer at a time:
//! a change and all that belongs to it (events, the last sequence applied, a reply that a repeated call will get) are
//! in one transaction or nowhere. On top of that stand:
//!
//! - [`next_change`]: numbers for changes, in the order of their commits. They are the resume tokens of watches.
//! - [`pages`]: lists pinned at their first page, so that paging is stable.
//! - [`requests`]: request ids, so that a repeated call is answered like the first.
//! - [`work`]: rows of long work, claimed by lease and fencing number.
//! - [`Freeze`]: copies of several databases as they were at one instant, for back-ups.
//!
//! Promises: what [`Database::write`] acknowledged survives a power cut (synchronous FULL); an error or a dropped
//! future leaves nothing behind; a reader sees one moment. Non-goals: building queries, mapping rows to structs.
//!
//! SQLite is the only back end so far. PostgreSQL will stand behind the same types, so callers see [`Conn`] and
//! nothing else of the driver.

mod changes;
mod database;
mod error;
mod freeze;
pub mod pages;
pub mod requests;
pub mod work;

#[cfg(test)]
mod conformance;

pub use changes::next_change;
pub use database::{Conn, Database};
pub use error::Error;
pub use freeze::{Freeze, Pinned};

/// The migrations of the tables that this crate owns, versions 1 to 99. [`Database::open`] applies them by itself.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("migrations/sqlite");
