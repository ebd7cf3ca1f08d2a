//! What waits and what is dead, as metrics. Relays and consumers set them by themselves, every few seconds.
//!
//! Every process of a service tells the same of what its processes share, so take the greatest, not the sum.

use std::sync::Once;
use std::time::Duration;

use metrics::{Unit, describe_counter, describe_gauge, gauge};
use types::Timestamp;

use crate::{ConsumerSpec, Error, EventBus, dead_letters, outbox};

/// How often they are set.
const EVERY: Duration = Duration::from_secs(5);

/// When they are set again.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    last: Option<Timestamp>,
}

impl Pace {
    /// Whether it is time; counts as set then.
    pub fn is_due(&mut self, now: Timestamp) -> bool {
        describe();
        let due = self.last.is_none_or(|last| now.since(last) >= EVERY);
        if due {
            self.last = Some(now);
        }
        due
    }
}

fn describe() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        describe_gauge!(
            "outbox_waiting_events",
            Unit::Count,
            "Events in a service's outbox that were not published yet."
        );
        describe_gauge!("outbox_oldest_seconds", Unit::Seconds, "Age of the oldest of them; 0 when there is none.");
        describe_gauge!("consumer_lag_events", Unit::Count, "Events that a consumer has not acknowledged, out or not.");
        describe_gauge!("consumer_in_flight_events", Unit::Count, "Those of them that are out to its workers.");
        describe_gauge!("consumer_oldest_seconds", Unit::Seconds, "Age of the oldest of them; 0 when there is none.");
        describe_gauge!("dead_letters", Unit::Count, "Events that a consumer gave up, each of which blocks its key.");
        describe_gauge!(
            "dead_letters_oldest_seconds",
            Unit::Seconds,
            "Age of the oldest of them; 0 when there is none."
        );
        describe_gauge!("parked_events", Unit::Count, "Events that wait behind a consumer's dead letters.");
        describe_counter!("events_published_total", Unit::Count, "Events published from a service's outbox.");
        describe_counter!(
            "events_sent_again_total",
            Unit::Count,
            "Events that a stream lost, and that were sent again."
        );
        describe_counter!("events_lost_alarms_total", Unit::Count, "Losses that the outbox could not make good.");
        describe_counter!("events_consumed_total", Unit::Count, "Deliveries that a consumer settled, by result.");
        describe_counter!("events_foreign_total", Unit::Count, "Messages in a stream that are no events.");
    });
}

/// Sets those of an outbox.
pub(crate) async fn of_outbox(db: &sql::Database, service: &'static str) -> Result<(), Error> {
    let (waiting, oldest) = db.read(|conn| Box::pin(outbox::sent::waiting(conn))).await?;
    gauge!("outbox_waiting_events", "service" => service).set(float(waiting));
    gauge!("outbox_oldest_seconds", "service" => service).set(age(db, oldest));
    Ok(())
}

/// Sets those of a consumer.
pub(crate) async fn of_consumer(db: &sql::Database, bus: &dyn EventBus, spec: &ConsumerSpec) -> Result<(), Error> {
    let name = spec.name;
    let dead = db.read(move |conn| Box::pin(dead_letters::summary(conn, name))).await?;
    gauge!("dead_letters", "consumer" => name).set(float(dead.letters));
    gauge!("dead_letters_oldest_seconds", "consumer" => name).set(age(db, dead.oldest));
    gauge!("parked_events", "consumer" => name).set(float(dead.parked));
    let lag = bus.lag(spec).await?;
    gauge!("consumer_lag_events", "consumer" => name).set(float(lag.waiting + lag.in_flight));
    gauge!("consumer_in_flight_events", "consumer" => name).set(float(lag.in_flight));
    gauge!("consumer_oldest_seconds", "consumer" => name).set(age(db, lag.oldest));
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; what is beyond 2^53 may be rounded")]
fn float(count: u64) -> f64 {
    count as f64
}

fn age(db: &sql::Database, since: Option<Timestamp>) -> f64 {
    since.map_or(0.0, |since| db.now().since(since).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_set_at_once_and_then_every_few_seconds() {
        let (mut pace, start) = (Pace::default(), Timestamp::from_micros(0));
        assert!(pace.is_due(start));
        assert!(!pace.is_due(start + EVERY / 2));
        assert!(pace.is_due(start + EVERY));
    }
}
