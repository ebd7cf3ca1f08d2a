//! What is out to one consumer: pure bookkeeping, without I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use types::Timestamp;

/// The deliveries of one consumer. All positions up to the cursor were delivered; those that are not `out` are
/// acknowledged.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    cursor: i64,
    /// The highest position that was acknowledged.
    acknowledged: i64,
    out: BTreeMap<i64, Out>,
    stored: Stored,
}

#[derive(Debug, Clone, Copy)]
struct Out {
    /// When it comes again.
    due: Timestamp,
    count: u32,
}

/// What the file says.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub cursor: i64,
    pub pending: BTreeSet<i64>,
}

impl Deliveries {
    /// Goes on from what the file says; what was out is due at once.
    pub fn restore(stored: Stored, now: Timestamp) -> Self {
        let out = stored.pending.iter().map(|&position| (position, Out { due: now, count: 0 })).collect();
        Self { cursor: stored.cursor, acknowledged: stored.cursor, out, stored }
    }

    pub fn cursor(&self) -> i64 {
        self.cursor
    }

    pub fn oldest(&self) -> Option<i64> {
        self.out.keys().next().copied()
    }

    pub fn len(&self) -> u64 {
        self.out.len() as u64
    }

    /// How many more may be out.
    pub fn room(&self, max_in_flight: usize) -> usize {
        max_in_flight.saturating_sub(self.out.len())
    }

    /// Positions that are due again, at most `max`, the oldest first.
    pub fn due(&self, now: Timestamp, max: usize) -> Vec<i64> {
        self.out.iter().filter(|(_, out)| out.due <= now).map(|(&position, _)| position).take(max).collect()
    }

    /// How long until something is due again.
    pub fn next_due(&self, now: Timestamp) -> Option<Duration> {
        self.out.values().map(|out| out.due.since(now)).min()
    }

    /// Hands a position out, for the first time or again. Gives how often that was.
    pub fn deliver(&mut self, position: i64, due: Timestamp) -> u32 {
        self.cursor = self.cursor.max(position);
        let out = self.out.entry(position).or_insert(Out { due, count: 0 });
        (out.due, out.count) = (due, out.count.saturating_add(1));
        out.count
    }

    pub fn ack(&mut self, position: i64) {
        if self.out.remove(&position).is_some() {
            self.acknowledged = self.acknowledged.max(position);
        }
    }

    pub fn nak(&mut self, position: i64, due: Timestamp) {
        if let Some(out) = self.out.get_mut(&position) {
            out.due = due;
        }
    }

    /// What to write so that the file knows what is acknowledged; nothing when it knows. What is out beyond the last
    /// acknowledgement is left out: after a restart it comes by itself.
    pub fn unstored(&self) -> Option<Stored> {
        let pending = self.out.range(..=self.acknowledged).map(|(&position, _)| position).collect();
        let wanted = Stored { cursor: self.acknowledged, pending };
        (wanted != self.stored).then_some(wanted)
    }

    /// What the file says.
    pub fn stored(&self) -> &Stored {
        &self.stored
    }

    /// The file says this now.
    pub fn note_stored(&mut self, stored: Stored) {
        self.stored = stored;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WAIT: Duration = Duration::from_secs(30);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(0) + Duration::from_secs(seconds)
    }

    proptest! {
        /// Whatever was acknowledged, refused and stored in between: after a crash, the file and the log together hold
        /// every event that was not acknowledged.
        #[test]
        fn nothing_that_was_not_acknowledged_is_forgotten(steps in prop::collection::vec((0u8..4, 1i64..40), 0..200)) {
            let mut deliveries = Deliveries::default();
            let mut acknowledged = BTreeSet::new();
            for (time, (step, position)) in steps.into_iter().enumerate() {
                match step {
                    0 => {
                        let next = deliveries.cursor() + 1;
                        deliveries.deliver(next, at(time as u64) + WAIT);
                    }
                    1 if position <= deliveries.cursor() => {
                        deliveries.ack(position);
                        acknowledged.insert(position);
                    }
                    2 => deliveries.nak(position, at(time as u64)),
                    _ => {
                        if let Some(stored) = deliveries.unstored() {
                            deliveries.note_stored(stored);
                        }
                    }
                }
                let restored = Deliveries::restore(deliveries.stored().clone(), at(0));
                for position in (1..=deliveries.cursor()).filter(|position| !acknowledged.contains(position)) {
                    prop_assert!(position > restored.cursor() || restored.out.contains_key(&position));
                }
            }
        }
    }

    #[test]
    fn a_refused_delivery_holds_back_no_other() {
        let mut deliveries = Deliveries::default();
        deliveries.deliver(1, at(30));
        deliveries.deliver(2, at(30));
        deliveries.nak(1, at(10));
        assert_eq!(deliveries.due(at(9), 9), Vec::<i64>::new());
        assert_eq!(deliveries.due(at(10), 9), [1]);
        assert_eq!(deliveries.deliver(1, at(40)), 2);
        deliveries.ack(2);
        assert_eq!(deliveries.due(at(39), 9), Vec::<i64>::new());
        assert_eq!((deliveries.oldest(), deliveries.cursor()), (Some(1), 2));
    }
}
