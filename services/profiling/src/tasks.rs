//! The background loops: the relay, the consumers, the workers that run jobs, and the sweep.

mod attempt;
mod backlog;
mod feed;
mod sweep;
mod worker;

pub use attempt::guarded;
pub use backlog::Backlog;
pub use feed::{Announcements, Feed, Relay, Uploads};
pub use sweep::{Place, Sweep};
pub use worker::{Worker, Workshop};
