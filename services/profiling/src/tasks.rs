//! The background loops: the relay, the consumers, and the workers that run jobs.

mod attempt;
mod backlog;
mod feed;
mod worker;

pub use attempt::guarded;
pub use backlog::Backlog;
pub use feed::{Announcements, Feed, Relay, Uploads};
pub use worker::{Worker, Workshop};
