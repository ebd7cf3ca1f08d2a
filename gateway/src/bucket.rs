//! Token buckets: a rate in the long run, and a burst after a quiet time.

use std::time::Duration;

use types::Timestamp;

/// One bucket. It starts full.
#[derive(Debug, Clone)]
pub struct Bucket {
    size: f64,
    per_second: f64,
    level: f64,
    at: Timestamp,
}

impl Bucket {
    /// Holds `size` tokens, and gets `per_second` back.
    pub fn new(size: u32, per_second: f64, now: Timestamp) -> Self {
        Self { size: f64::from(size), per_second, level: f64::from(size), at: now }
    }

    /// Holds `size` tokens from now on, and gets `per_second` back; what is beyond the size is lost, and nothing is won.
    pub fn resize(&mut self, size: u32, per_second: f64, now: Timestamp) {
        self.refill(now);
        self.size = f64::from(size);
        self.per_second = per_second;
        self.level = self.level.min(self.size);
    }

    /// Takes one token, or tells when there will be one.
    pub fn take(&mut self, now: Timestamp) -> Result<(), Duration> {
        self.refill(now);
        if self.level >= 1.0 {
            self.level -= 1.0;
            return Ok(());
        }
        // Whole milliseconds, and never none: a caller told to wait 0 would spin.
        let wait = ((1.0 - self.level) / self.per_second * 1000.0).ceil().max(1.0);
        Err(Duration::from_millis(wait as u64))
    }

    /// Gives one token back.
    pub fn give_back(&mut self) {
        self.level = (self.level + 1.0).min(self.size);
    }

    /// Tells whether the bucket is as good as new.
    pub fn is_full(&mut self, now: Timestamp) -> bool {
        self.refill(now);
        self.level >= self.size
    }

    /// A clock that was set back gives nothing and takes nothing.
    fn refill(&mut self, now: Timestamp) {
        self.level = (self.level + now.since(self.at).as_secs_f64() * self.per_second).min(self.size);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let start = Timestamp::from_micros(0);
        let mut bucket = Bucket::new(2, 10.0, start);
        assert!(bucket.take(start).is_ok() && bucket.take(start).is_ok());
        assert_eq!(bucket.take(start), Err(Duration::from_millis(100)));
        let later = start + Duration::from_millis(100);
        assert!(bucket.take(later).is_ok());
        assert!(bucket.take(later).is_err());
        assert!(bucket.is_full(later + Duration::from_secs(1)));
    }

    #[test]
    fn a_bucket_that_changes_its_size_gives_nothing_away() {
        let start = Timestamp::from_micros(0);
        let mut bucket = Bucket::new(4, 4.0, start);
        bucket.resize(2, 2.0, start);
        bucket.resize(4, 4.0, start);
        assert!(bucket.take(start).is_ok() && bucket.take(start).is_ok());
        assert_eq!(bucket.take(start), Err(Duration::from_millis(250)));
    }

    #[test]
    fn a_clock_that_is_set_back_does_no_harm() {
        let mut bucket = Bucket::new(1, 1.0, Timestamp::from_micros(10_000_000));
        bucket.take(Timestamp::from_micros(10_000_000)).unwrap();
        assert!(bucket.take(Timestamp::from_micros(0)).is_err());
        assert!(bucket.take(Timestamp::from_micros(1_000_000)).is_ok());
    }
}
