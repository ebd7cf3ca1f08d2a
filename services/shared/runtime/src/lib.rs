//! Start-up, configuration, telemetry, supervised tasks and shutdown.
//!
//! A service's `build` returns a [`Service`]: routes, [`Tasks`] and [`Readiness`]; nothing of it runs until the binary
//! hands it to a [`Supervisor`]. This crate alone spawns Tokio tasks, reads the environment, tells the real time and
//! makes the [`SystemScope`] that loops over all tenants hold. It knows no gRPC and no SQL.
//!
//! Promises: a loop never runs twice at once; a panic in a loop is counted and the loop goes on; a poke is never lost,
//! at most joined with another; shutdown takes a bounded time and names what would not stop.

pub mod admin;
mod blocking;
mod clock;
pub mod config;
pub mod lock;
mod readiness;
mod rounds;
mod shutdown;
mod supervisor;
mod tasks;
pub mod telemetry;

pub use blocking::{block_on, blocking};
pub use clock::{SystemClock, SystemScope};
pub use readiness::Readiness;
pub use shutdown::{Grace, stop_signal};
pub use supervisor::{ServerError, Supervisor};
pub use tasks::{Period, Reconcile, Report, Tasks};

/// What a service's `build` returns: it is wired, and nothing of it runs yet.
pub struct Service<R> {
    /// The role: `catalog`.
    pub name: &'static str,
    /// What it serves; `tonic::service::Routes` for every service of the mesh.
    pub routes: R,
    /// Its background loops.
    pub tasks: Tasks,
    /// Whether it takes calls. The supervisor turns it on last, and off first.
    pub ready: Readiness,
}

impl<R> Service<R> {
    /// Puts a service together; its name and readiness are those of `tasks`.
    pub fn new(routes: R, tasks: Tasks) -> Self {
        Self { name: tasks.role(), routes, ready: tasks.readiness(), tasks }
    }
}
