//! What the code under test logged.

use std::io;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use tracing::Dispatch;
use tracing::subscriber::{DefaultGuard, NoSubscriber};
use tracing_subscriber::fmt::MakeWriter;

/// While there is one subscriber alone, `tracing` asks the thread that comes to a line first whether anybody wants it, and
/// keeps a no for all threads. With a second it asks each time.
static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::new()));

/// Collects what this thread logs, from debug level on, until it is dropped.
///
/// Captures are per thread: a test on Tokio's current-thread runtime, the default of `#[tokio::test]`, sees all of its
/// own lines and none of another test's.
pub struct CapturedLogs {
    lines: Buffer,
    _guard: DefaultGuard,
}

impl CapturedLogs {
    /// Begins to collect.
    pub fn start() -> Self {
        LazyLock::force(&SECOND);
        let lines = Buffer::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_ansi(false)
            .with_writer(lines.clone())
            .finish();
        Self { lines, _guard: tracing::subscriber::set_default(subscriber) }
    }

    /// All that was logged so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.lines.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Tells whether some line holds every one of `parts`.
    pub fn has_line(&self, parts: &[&str]) -> bool {
        self.text().lines().any(|line| parts.iter().all(|part| line.contains(part)))
    }
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Buffer {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_logged_can_be_read() {
        let logs = CapturedLogs::start();
        tracing::warn!(dataset.id = "d1", "cannot fetch");
        assert!(logs.has_line(&["WARN", "cannot fetch", "d1"]), "{}", logs.text());
        assert!(!logs.has_line(&["ERROR"]));
    }
}
