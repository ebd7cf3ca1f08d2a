//! The mesh harness: a real `millrace up` in a process of its own, clients that reach it over TCP with a credential,
//! and what lies around it: folders of files, a web site, a collector of traces.
//!
//! Each test starts its own [`Mesh`] on a free port with a data directory of its own, so tests share nothing and pass
//! in parallel. Nothing sleeps: a test waits for a condition it names.
// Tests read their environment and spawn what stands around the mesh.
#![allow(clippy::disallowed_methods)]

pub mod back_ends;
mod collector;
mod files;
mod mesh;
mod session;
mod web;

pub use collector::{Collector, SpanSeen};
pub use files::{csv, rows_of, write};
pub use mesh::{Finished, Mesh, Setup};
pub use session::{Session, crc32c, reason};
pub use web::Web;

use std::time::Duration;

/// How long a test waits for what takes a while in a debug build on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);
