//! Test support: `eventually!`, a manual clock, captured logs, back-end look-up, a PostgreSQL server.
//!
//! A dev-dependency alone: nothing of the product links it. Tests wait for conditions instead of sleeping, set domain
//! time by hand, read what was logged, and report themselves skipped where their back end is missing.

pub mod archive;
mod backends;
mod clock;
pub mod hostile;
mod logs;
mod postgres;
mod stores;
mod wait;

pub use backends::{Backend, backend, command};
pub use clock::ManualClock;
pub use logs::CapturedLogs;
pub use postgres::Postgres;
pub use stores::{database_url, on_postgres};
pub use wait::{__pause, DEADLINE, eventually};

/// A folder of its own for one test; it goes when the value is dropped.
pub fn temp_dir() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("millrace-test-").tempdir().expect("the system's temporary folder takes folders")
}
