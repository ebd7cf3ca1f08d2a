//! Waiting for what is not there yet, and saying for what.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use runtime::Readiness;
use tokio::time::{sleep, timeout};
use types::{ErrorKind, Fault};

use super::line;
use crate::failure::Failure;

/// What answers within this time is not worth a line.
const SOON: Duration = Duration::from_secs(2);
/// How long until the next try.
const NEXT_TRY: Duration = Duration::from_secs(1);

/// How a start waits for what it needs.
#[derive(Clone)]
pub struct Waiting {
    start: Readiness,
    limit: Option<Duration>,
}

impl Waiting {
    /// Says at `start` what is waited for, and gives up after `limit`; without one never.
    pub fn new(start: Readiness, limit: Option<Duration>) -> Self {
        Self { start, limit }
    }

    /// Says what is waited for.
    pub fn say(&self, what: String) {
        self.start.set_not_ready(what);
    }

    /// Opens what is here and now: it opens at once, or the start fails.
    pub async fn not<T, E: Fault>(what: &str, opening: impl Future<Output = Result<T, E>>) -> Result<T, Failure> {
        opening.await.map_err(|error| fatal(what, &error))
    }

    /// Tries until it answers, and says once what is waited for. Gives up at once on what no wait mends.
    pub async fn until<T, E, F>(&self, what: &str, url: &str, open: impl Fn() -> F) -> Result<T, Failure>
    where
        E: Fault,
        F: Future<Output = Result<T, E>>,
    {
        let last = Mutex::new("no answer yet".to_owned());
        let told = || last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.start.set_not_ready(format!("waiting for the {what} at {url}"));
        let trying = async {
            loop {
                match open().await {
                    Err(error) if error.kind() == ErrorKind::Unavailable => {
                        let why = reasoned(&error);
                        self.start.set_not_ready(format!("waiting for the {what} at {url}: {why}"));
                        *last.lock().unwrap_or_else(PoisonError::into_inner) = why;
                        sleep(NEXT_TRY).await;
                    }
                    done => return done.map_err(|error| fatal(what, &error)),
                }
            }
        };
        let telling = async {
            sleep(SOON).await;
            let limit = self.limit.map_or_else(String::new, |limit| format!("up to {limit:?} "));
            tracing::warn!("waiting {limit}for the {what} at {url}: {}", told());
            std::future::pending().await
        };
        let tried = async {
            tokio::select! {
                done = trying => done,
                never = telling => never,
            }
        };
        let done = match self.limit {
            Some(limit) => timeout(limit, tried).await.map_err(|_| {
                Failure::unreachable(format!("gave up after {limit:?} on the {what} at {url}: {}", told()))
            })??,
            None => tried.await?,
        };
        self.start.set_not_ready("starting");
        Ok(done)
    }
}

fn fatal(what: &str, error: &impl Fault) -> Failure {
    Failure::other(format!("cannot use the {what}: {}", reasoned(error)))
}

/// An error with its causes and its reason, on one line.
pub fn reasoned(error: &impl Fault) -> String {
    format!("{} ({})", line(error), error.reason())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn waiting(limit: Option<u64>) -> (Readiness, Waiting) {
        let start = Readiness::new();
        (start.clone(), Waiting::new(start, limit.map(Duration::from_secs)))
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_answer_is_waited_for_and_what_is_wrong_is_not() {
        let absent = || async { Err::<(), _>(events::BusError::Unavailable("refused".into())) };
        let (start, waits) = waiting(Some(30));
        let begun = tokio::time::Instant::now();
        assert!(waits.until("event bus", "nats://h:1", absent).await.is_err());
        assert_eq!(begun.elapsed().as_secs(), 30);
        let said = start.get().unwrap_err();
        assert!(said.contains("waiting for the event bus at nats://h:1") && said.contains("refused"), "{said}");

        let tries = AtomicU32::new(0);
        let late = || async {
            match tries.fetch_add(1, Ordering::Relaxed) {
                200 => Ok(()),
                _ => absent().await,
            }
        };
        let (start, waits) = waiting(None);
        assert!(waits.until("event bus", "nats://h:1", late).await.is_ok());
        assert_eq!(start.get(), Err("starting".to_owned()), "nothing is waited for any more");

        let begun = tokio::time::Instant::now();
        let old = || async { Err::<(), _>(events::BusError::WithoutJetStream { server: "s".to_owned() }) };
        assert!(waits.until("event bus", "nats://h:1", old).await.is_err());
        assert!(begun.elapsed().is_zero());
    }
}
