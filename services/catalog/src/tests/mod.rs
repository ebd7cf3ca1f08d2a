//! The service whole, on the embedded back ends, driven round by round.

mod downloads;
mod flow;
mod harness;
mod lists;
mod operating;
mod rebuilds;
mod search;
mod uploads;
mod watch;
