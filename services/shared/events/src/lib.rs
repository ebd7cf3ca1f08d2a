//! Events: facts that one service tells and others act on, each with its effect exactly once and in order per key.
//!
//! A service writes its events into its **outbox** in the transaction that changes its state. A [`Relay`] publishes them
//! on an [`EventBus`]. A [`Consumer`] of another service takes them, and stores, in the transaction of their effect, the
//! last sequence that it applied of their key. The bus may double, lose and reorder deliveries; the sequence mends it.
//!
//! State: tables in each service's own database ([`MIGRATIONS`]); for the embedded bus [`SqliteLog`], one file with the
//! events of all services; for [`JetStream`], streams and consumers on its servers. What exists on the bus is declared
//! in [`topology`]; [`open()`] opens the one that a URL names.
//!
//! Promises, each kept by a test:
//! - An event is published if, and only if, the transaction that wrote it committed.
//! - An event has its effect once, after all earlier events of its key, whatever the bus does.
//! - An event that cannot be applied blocks its own key and nothing else, until it is redriven or purged.
//! - The trace of the cause goes on in the effect.
//!
//! Non-goals: work (that is rows, in `sql::work`), large payloads (those are objects), order between keys.

#![cfg_attr(test, allow(clippy::disallowed_methods))]

mod bus;
#[cfg(test)]
mod conformance;
mod consumer;
mod dead_letters;
mod error;
mod event;
mod gauges;
mod handler;
mod inbox;
mod jetstream;
mod open;
pub mod outbox;
mod relay;
mod rows;
#[cfg(test)]
mod simulation;
mod sqlite_log;
mod stats;
pub mod topology;
pub mod trace;

pub use bus::{ConsumerSpec, Delivery, EventBus, Lag, StreamState, Subscription};
pub use consumer::{Consumer, Patience, Progress};
pub use dead_letters::DeadLetterStore;
pub use error::{BusError, Error, HandlerError};
pub use event::{Event, service, thing};
pub use handler::{Applying, Handler};
pub use jetstream::{JetStream, Settings};
pub use open::{open, probe, problems};
pub use relay::{Relay, Relayed};
pub use sqlite_log::SqliteLog;
pub use stats::queue_stats;

/// The tables that a service's database holds for its events; versions 100 to 149.
pub static MIGRATIONS: sql::Migrations = sql::migrations!();

/// The database of a service, for the test that runs.
#[cfg(test)]
async fn test_database(dir: &std::path::Path, clock: &testkit::ManualClock) -> sql::Database {
    test_database_of(&MIGRATIONS, dir, clock).await
}

#[cfg(test)]
async fn test_database_of(
    migrations: &'static sql::Migrations,
    dir: &std::path::Path,
    clock: &testkit::ManualClock,
) -> sql::Database {
    let url = testkit::database_url(&dir.join("service.db"));
    let settings =
        sql::Settings { schema: "service".into(), user: "postgres".into(), server_clock: false, ..Default::default() };
    sql::Database::open_with(&url, &settings, &[migrations], clock.shared()).await.unwrap()
}
