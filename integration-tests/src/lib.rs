//! The mesh harness: a real `millrace up` in a process of its own, clients that reach it over TCP with a credential,
//! and what lies around it: folders of files, a web site, a collector of traces; the servers beneath it, wires that can
//! be cut, disks that can be full, and an audit of what is left after a fault.
//!
//! Each test starts its own [`Mesh`] on a free port with a data directory of its own, so tests share nothing and pass
//! in parallel. Nothing sleeps: a test waits for a condition it names.
// Tests read their environment and spawn what stands around the mesh.
#![allow(clippy::disallowed_methods)]

mod audit;
pub mod back_ends;
mod collector;
mod corpus;
mod disk;
mod files;
mod guarded;
mod ledger;
mod mesh;
mod postgres;
mod process;
mod proxy;
mod rounds;
mod session;
mod setup;
mod shape;
mod shared;
mod web;
mod world;

pub use audit::{Counts, audit};
pub use collector::{Collector, SpanSeen};
pub use corpus::{Content, Corpus, Held, Sent};
pub use disk::Disk;
pub use files::{csv, rows_of, write};
pub use ledger::Ledger;
pub use mesh::{Finished, Mesh};
pub use postgres::Postgres;
pub use proxy::{Proxy, Wire};
pub use rounds::Rounds;
pub use session::{Session, crc32c, reason};
pub use setup::Setup;
pub use shape::Shape;
pub use web::Web;
pub use world::{Stored, Victim, World, pass};

use std::time::Duration;

/// How long a test waits for what takes a while in a debug build on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);
