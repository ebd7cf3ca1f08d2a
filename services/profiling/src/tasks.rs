//! The background loops: the relay, the consumers, and the workers that run jobs.

mod attempt;
mod feed;
mod worker;

pub use attempt::guarded;
pub use feed::{Announcements, Feed, Relay, Uploads};
pub use worker::{Worker, Workshop};
