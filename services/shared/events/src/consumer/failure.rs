//! What becomes of an event that could not be applied.

use std::time::Duration;

use proto::common::v1::EventEnvelope;

use super::{Consumer, Fate};
use crate::inbox::{self, Grave};
use crate::{Error, Handler, HandlerError, error};

/// How failed events are tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Tries before an event is given up.
    pub max_attempts: u32,
    /// The wait after the first failed try; it doubles with each.
    pub first_wait: Duration,
    /// The longest wait.
    pub max_wait: Duration,
}

impl Default for Patience {
    /// Ten tries within about three minutes.
    fn default() -> Self {
        Self { max_attempts: 10, first_wait: Duration::from_millis(200), max_wait: Duration::from_secs(60) }
    }
}

impl Patience {
    /// The wait after so many failed tries. None: give up.
    pub(super) fn after(&self, attempts: u32) -> Option<Duration> {
        (attempts < self.max_attempts).then(|| doubled(self.first_wait, attempts, self.max_wait))
    }
}

/// The wait before an event that came too early is looked at again.
pub(super) fn early(deliveries: u32) -> Duration {
    doubled(Duration::from_millis(50), deliveries, Duration::from_secs(5))
}

fn doubled(first: Duration, times: u32, max: Duration) -> Duration {
    let factor = 1u32.checked_shl(times.saturating_sub(1)).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(max)
}

impl<H: Handler> Consumer<H> {
    /// Counts a failed try, and gives the event up when that was the last or more tries would not help.
    pub(super) async fn fail(
        &self,
        event: &EventEnvelope,
        failure: HandlerError,
        deliveries: u32,
    ) -> Result<Fate, Error> {
        match failure {
            HandlerError::NotYet(cause) => {
                tracing::debug!(consumer = self.spec.name, event.id, event.key, cause, "the event waits for another");
                Ok(Fate::Early(early(deliveries)))
            }
            HandlerError::Retry { reason, source } => {
                let message = error::chain(&*source);
                let attempts = self.count_try(event, &reason, &message).await?;
                match self.patience.after(attempts) {
                    Some(wait) => {
                        tracing::warn!(
                            consumer = self.spec.name,
                            event.id,
                            event.key,
                            attempts,
                            reason,
                            message,
                            "an event could not be applied; it is tried again"
                        );
                        Ok(Fate::Failed(wait))
                    }
                    None => self.bury(event, reason, message, attempts).await,
                }
            }
            HandlerError::Poison { reason, message } => {
                let attempts = self.count_try(event, &reason, &message).await?;
                self.bury(event, reason, message, attempts).await
            }
        }
    }

    async fn count_try(&self, event: &EventEnvelope, reason: &str, message: &str) -> Result<u32, Error> {
        let (consumer, id) = (self.spec.name, event.id.clone());
        let (reason, message) = (reason.to_owned(), message.to_owned());
        self.db
            .write(move |conn| Box::pin(async move { inbox::count_try(conn, consumer, &id, &reason, &message).await }))
            .await
    }

    async fn bury(&self, event: &EventEnvelope, reason: String, message: String, attempts: u32) -> Result<Fate, Error> {
        tracing::error!(
            consumer = self.spec.name,
            event.id,
            event.subject,
            event.key,
            attempts,
            reason,
            message,
            "an event was given up and blocks its key; redrive or purge the dead letter"
        );
        let (consumer, now, event) = (self.spec.name, self.db.now(), event.clone());
        let grave = Grave { id: uuid::Uuid::now_v7().simple().to_string(), reason, message, attempts };
        self.db
            .write(move |conn| Box::pin(async move { inbox::bury(conn, consumer, &event, &grave, now).await }))
            .await?;
        Ok(Fate::Dead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_bound_and_ends_in_giving_up() {
        let patience =
            Patience { max_attempts: 4, first_wait: Duration::from_secs(1), max_wait: Duration::from_secs(3) };
        let waits: Vec<_> = (1..=4).map(|attempts| patience.after(attempts).map(|wait| wait.as_secs())).collect();
        assert_eq!(waits, [Some(1), Some(2), Some(3), None]);
        assert_eq!(early(u32::MAX), Duration::from_secs(5));
    }
}
