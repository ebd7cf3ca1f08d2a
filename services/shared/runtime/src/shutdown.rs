//! When the process is asked to stop, and how long each step may take.

use std::time::Duration;

/// How long each step of the shutdown may take. What takes longer is dropped, and named in the log.
#[derive(Debug, Clone, Copy)]
pub struct Grace {
    /// For requests under way to end.
    pub drain: Duration,
    /// For rounds of loops under way to end.
    pub loops: Duration,
    /// For each of the last steps: events flushed, stores closed.
    pub close: Duration,
}

impl Default for Grace {
    fn default() -> Self {
        Self { drain: Duration::from_secs(10), loops: Duration::from_secs(5), close: Duration::from_secs(5) }
    }
}

/// Waits until the process is asked to stop, and tells how: `SIGINT` or `SIGTERM`.
///
/// The signals are caught from the first call on, also before the future is polled; a second signal while the shutdown
/// runs ends the process at once with code 130.
pub fn stop_signal() -> std::io::Result<impl Future<Output = &'static str>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        let name = tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        };
        #[allow(clippy::disallowed_methods)] // This crate is where tasks are spawned; this one lives to the end.
        tokio::spawn(async move {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            std::process::exit(130);
        });
        name
    })
}
