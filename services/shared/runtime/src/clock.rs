//! The real time, and the right to look across tenants.

use std::time::{SystemTime, UNIX_EPOCH};

use types::{Clock, Timestamp};

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros),
        };
        Timestamp::from_micros(micros)
    }
}

/// The right to look across tenants, for loops that serve all of them.
///
/// Store queries take a tenant or this. [`Tasks::scope`](crate::Tasks::scope) alone makes one, so that no handler of a
/// call comes by it.
#[derive(Debug, Clone, Copy)]
pub struct SystemScope(());

impl SystemScope {
    pub(crate) fn for_loops() -> Self {
        Self(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_tells_this_century() {
        assert!(SystemClock.now() > Timestamp::from_micros(1_700_000_000_000_000));
    }
}
