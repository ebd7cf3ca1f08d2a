//! What becomes of an event that could not be applied.

use std::time::Duration;

use proto::common::v1::EventEnvelope;

use super::apply::Cause;
use crate::inbox::{Trouble, Verdict};
use crate::{HandlerError, error};

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
    pub(crate) fn after(&self, attempts: u32) -> Option<Duration> {
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

/// What is judged of a failure, and what is told of it.
pub(super) fn cause(failure: HandlerError) -> Cause {
    match failure {
        HandlerError::NotYet(message) => Cause { trouble: Trouble::NotYet, reason: String::new(), message },
        HandlerError::Retry { reason, source } => {
            Cause { trouble: Trouble::Retry, reason, message: error::chain(&*source) }
        }
        HandlerError::Poison { reason, message } => Cause { trouble: Trouble::Poison, reason, message },
    }
}

/// Logs what became of a failure.
pub(super) fn tell(consumer: &'static str, event: &EventEnvelope, cause: &Cause, verdict: Verdict) {
    let Cause { reason, message, .. } = cause;
    match verdict {
        Verdict::Before | Verdict::Park => {}
        Verdict::TooEarly => tracing::debug!(consumer, event.id, event.key, message, "the event waits for another"),
        Verdict::Again { attempts, .. } => tracing::warn!(
            consumer,
            event.id,
            event.key,
            attempts,
            reason,
            message,
            "an event could not be applied; it is tried again"
        ),
        Verdict::Bury { attempts } => tracing::error!(
            consumer,
            event.id,
            event.subject,
            event.key,
            attempts,
            reason,
            message,
            "an event was given up and blocks its key; redrive or purge the dead letter"
        ),
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
