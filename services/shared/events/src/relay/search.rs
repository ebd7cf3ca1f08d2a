//! How far a stream that lost something is still as it was.

use crate::StreamState;
use crate::relay::machine::{Action, Sent};

/// Looks for the last row, kept or remembered when it was pruned, that the stream holds where it was
/// published; by halves, since what is lost is a tail.
///
/// Positions alone do not tell: others may have published over the gap.
#[derive(Debug)]
pub(super) struct Search {
    seen: StreamState,
    low: i64,
    high: i64,
    intact: Option<Sent>,
    row: Option<Sent>,
}

/// What was found.
#[derive(Debug)]
pub(super) struct Sought {
    /// The stream.
    pub seen: StreamState,
    /// It holds what was published up to here.
    pub after: i64,
    /// The last row that it holds.
    pub intact: Option<Sent>,
}

impl Search {
    /// Begins with the stream as it is now.
    pub fn begin(seen: StreamState) -> Result<(Self, Action), Sought> {
        let last = i64::try_from(seen.last_position).unwrap_or(i64::MAX - 1);
        Self { seen, low: 1, high: last + 1, intact: None, row: None }.step()
    }

    fn step(self) -> Result<(Self, Action), Sought> {
        if self.low >= self.high {
            return Err(self.end());
        }
        let action = Action::Find { from: self.middle(), before: self.high };
        Ok((self, action))
    }

    fn middle(&self) -> i64 {
        self.low + (self.high - self.low) / 2
    }

    /// Where no row is found in the stream, nothing is known of it: an old copy, or others published over all of it.
    fn end(self) -> Sought {
        let after = self.intact.as_ref().map_or(0, |row| row.stream_position);
        Sought { seen: self.seen, after, intact: self.intact }
    }

    pub fn found(mut self, row: Option<Sent>) -> Result<(Self, Action), Sought> {
        match row {
            Some(row) => {
                let position = row.stream_position;
                self.row = Some(row);
                Ok((self, Action::Look { position }))
            }
            None => {
                self.high = self.middle();
                self.step()
            }
        }
    }

    pub fn saw(mut self, seen: &StreamState) -> Result<(Self, Action), Sought> {
        match self.row.take() {
            Some(row) if seen.id_at.as_deref() == Some(&row.id) => {
                self.low = row.stream_position + 1;
                self.intact = Some(row);
            }
            _ => self.high = self.middle(),
        }
        self.step()
    }
}
