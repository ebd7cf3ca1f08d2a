//! Slows down who guesses passwords.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use types::Clock;

use crate::Error;
use crate::bucket::Bucket;
use crate::config::Login;
use crate::fleet::Share;

/// Above so many entries, those that are full again are forgotten.
const SWEEP_ABOVE: usize = 10_000;

/// Counts failed logins, by user and address together, and by address.
#[derive(Clone)]
pub struct Throttle {
    buckets: Arc<Mutex<HashMap<String, Bucket>>>,
    clock: Arc<dyn Clock>,
    settings: Login,
    share: Share,
}

impl Throttle {
    /// None has failed so far.
    pub fn new(settings: Login, share: Share, clock: Arc<dyn Clock>) -> Self {
        Self { buckets: Arc::default(), clock, settings, share }
    }

    /// Takes one attempt off what is left; fails with [`Error::LoginThrottled`] when nothing is.
    pub fn begin(&self, user: &str, address: &str) -> Result<(), Error> {
        let now = self.clock.now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() > SWEEP_ABOVE {
            buckets.retain(|_, bucket| !bucket.is_full(now));
        }
        for (key, name, count) in self.keys(user, address) {
            let (size, rate) = (self.share.of(count), self.share.of_rate(f64::from(count) / 60.0));
            let bucket = buckets.entry(key).or_insert_with(|| Bucket::new(size, rate, now));
            bucket.resize(size, rate, now);
            bucket.take(now).map_err(|retry_after| Error::LoginThrottled {
                limit: name,
                value: format!("{count} failures per minute"),
                retry_after,
            })?;
        }
        Ok(())
    }

    /// Gives the attempt back: it was no guess.
    pub fn succeeded(&self, user: &str, address: &str) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, _, _) in self.keys(user, address) {
            if let Some(bucket) = buckets.get_mut(&key) {
                bucket.give_back();
            }
        }
    }

    fn keys(&self, user: &str, address: &str) -> [(String, &'static str, u32); 2] {
        let Login { failures_per_user, failures_per_address, .. } = self.settings;
        [
            (format!("{user} {address}"), "gateway.login.failures_per_user", failures_per_user),
            (address.to_owned(), "gateway.login.failures_per_address", failures_per_address),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn guesses_run_out_and_come_back() {
        let clock = testkit::ManualClock::default();
        let settings = Login { failures_per_user: 3, failures_per_address: 5, concurrent_checks: 1 };
        let throttle = Throttle::new(settings, Share::whole(), clock.shared());
        for _ in 0..3 {
            throttle.begin("main/ada", "10.0.0.1").unwrap();
        }
        assert!(throttle.begin("main/ada", "10.0.0.1").is_err());
        // Another address is not held up, so that nobody can lock somebody else out.
        throttle.begin("main/ada", "10.0.0.2").unwrap();
        throttle.begin("main/bob", "10.0.0.1").unwrap();
        throttle.begin("main/bob", "10.0.0.1").unwrap();
        throttle.begin("main/bob", "10.0.0.1").unwrap_err();
        clock.advance(Duration::from_secs(20));
        throttle.begin("main/ada", "10.0.0.1").unwrap();
    }

    #[test]
    fn a_success_costs_nothing() {
        let clock = testkit::ManualClock::default();
        let settings = Login { failures_per_user: 1, failures_per_address: 1, concurrent_checks: 1 };
        let throttle = Throttle::new(settings, Share::whole(), clock.shared());
        for _ in 0..10 {
            throttle.begin("main/ada", "10.0.0.1").unwrap();
            throttle.succeeded("main/ada", "10.0.0.1");
        }
    }
}
