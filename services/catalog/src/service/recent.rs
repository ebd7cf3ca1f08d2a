//! Lists that were pinned a moment ago.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use types::{Digest, Timestamp};

/// For how long a pinned list is given to whoever asks for the same. It is short beside the time that lists are kept,
/// so that a page token lasts as long as promised, or this much less.
const SHARED: Duration = Duration::from_secs(10);

/// Page tokens of lists that were pinned a moment ago.
///
/// A search that many ask at once gives the same list each time, and need be written but once. Only a list that is the
/// same entry by entry is shared, so this is no cache that could be stale.
#[derive(Debug, Default)]
pub struct RecentPins(Mutex<HashMap<Digest, (String, Timestamp)>>);

impl RecentPins {
    /// The token of a list with this digest, when it was pinned a moment ago.
    pub fn token(&self, list: &Digest, now: Timestamp) -> Option<String> {
        let pins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pins.get(list).filter(|(_, pinned)| now.since(*pinned) < SHARED).map(|(token, _)| token.clone())
    }

    /// Remembers a list, and forgets those of earlier.
    pub fn remember(&self, list: Digest, token: String, now: Timestamp) {
        let mut pins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pins.retain(|_, (_, pinned)| now.since(*pinned) < SHARED);
        pins.insert(list, (token, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_shared_for_a_moment_alone() {
        let (pins, list, start) = (RecentPins::default(), Digest::of(b"a"), Timestamp::from_micros(0));
        pins.remember(list, "token".to_owned(), start);
        assert_eq!(pins.token(&list, start + Duration::from_secs(9)).as_deref(), Some("token"));
        assert_eq!(pins.token(&list, start + SHARED), None);
        assert_eq!(pins.token(&Digest::of(b"b"), start), None);
    }
}
