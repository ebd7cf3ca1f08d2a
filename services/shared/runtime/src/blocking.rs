//! The Tokio runtime of the process, and its pool for code that blocks.

use std::future::Future;
use std::time::Duration;

/// How long the end of the process waits for code that still blocks a thread.
const LAST_GRACE: Duration = Duration::from_secs(2);

/// Runs code that blocks, on the pool for such code.
///
/// A panic in `work` goes on in the caller. Dropping the future does not stop `work`: long work takes a flag besides.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let span = tracing::Span::current();
    #[allow(clippy::disallowed_methods)] // This is the wrapper that everybody else uses.
    let task = tokio::task::spawn_blocking(move || span.in_scope(work));
    match task.await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The pool refuses work only once the process ends; nobody waits for the answer any more.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Starts the runtime, runs `main` on it to its end, and leaves threads that still block behind after a short while.
pub fn block_on<T>(main: impl Future<Output = T>) -> std::io::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("millrace").build()?;
    let result = runtime.block_on(main);
    runtime.shutdown_timeout(LAST_GRACE);
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn blocking_work_gives_its_value() {
        assert_eq!(blocking(|| 1 + 1).await, 2);
    }

    #[tokio::test]
    #[should_panic(expected = "inside")]
    async fn a_panic_of_blocking_work_reaches_the_caller() {
        blocking(|| panic!("inside")).await
    }
}
