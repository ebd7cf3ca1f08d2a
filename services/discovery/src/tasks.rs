//! The background loops of discovery.

mod backlog;
mod crawler;
mod history;
mod relay;
mod removal;
mod schedule;

pub use backlog::Backlog;
pub use crawler::Crawler;
pub use history::History;
pub use relay::RelayOutbox;
pub use removal::Removal;
pub use schedule::Schedule;
