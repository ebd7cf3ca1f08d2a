//! What `tokio-console` shows: every task and what it waits for, while the process runs.

use std::net::SocketAddr;

use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;

/// Serves the console at `address`, on a thread of its own; nothing without an address.
pub(super) fn layer<S>(address: Option<SocketAddr>) -> Option<impl Layer<S>>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let tasks = Targets::new().with_target("tokio", LevelFilter::TRACE).with_target("runtime", LevelFilter::TRACE);
    address.map(|address| console_subscriber::ConsoleLayer::builder().server_addr(address).spawn().with_filter(tasks))
}
