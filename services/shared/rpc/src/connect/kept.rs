//! What is kept of a request for a second attempt, and the room that all requests share for it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::STREAM_WINDOW;

/// So much of a request is kept, and one more piece.
///
/// A peer that goes away may have said so while a whole window was on its way to it. hyper sends pieces until the window
/// is full, however far the last of them goes beyond it, and reads the next one ahead. 64 KiB are for the cost of pieces.
const LIMIT: usize = STREAM_WINDOW as usize + (64 << 10);
/// What a piece costs beside its bytes: its place in the list and in that of the next attempt, and its allocation.
const PIECE: usize = 128;
/// What comes off a network comes in frames of at most so many bytes (RFC 9113, 6.5.2).
const FRAME: usize = 16 << 10;
/// A request that costs no more needs no room, so that large ones keep no small one from a second attempt.
const SMALL: usize = 1 << 10;

/// The room of the process.
static ROOM: Room = Room(AtomicUsize::new(32 << 20));

/// How many bytes more may be kept.
struct Room(AtomicUsize);

impl Room {
    fn take(&self, bytes: usize) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// The pieces of one request; they have their room until this is dropped.
pub(super) struct Kept {
    pieces: Vec<Bytes>,
    cost: usize,
    /// The piece beyond the limit is here.
    full: bool,
    room: &'static Room,
}

impl Kept {
    pub(super) fn new() -> Self {
        Self::within(&ROOM)
    }

    fn within(room: &'static Room) -> Self {
        Self { pieces: Vec::new(), cost: 0, full: false, room }
    }

    /// Keeps one more piece; `false` where it is one too many.
    pub(super) fn add(&mut self, piece: &Bytes) -> bool {
        if piece.is_empty() {
            return true;
        }
        let cost = self.cost + PIECE + piece.len();
        if self.full || !self.room.take(room_for(cost) - room_for(self.cost)) {
            return false;
        }
        self.full = self.cost >= LIMIT;
        self.cost = cost;
        self.pieces.push(detached(piece));
        true
    }

    pub(super) fn pieces(&self) -> VecDeque<Bytes> {
        self.pieces.iter().cloned().collect()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.room.give_back(room_for(self.cost));
    }
}

fn room_for(cost: usize) -> usize {
    cost.saturating_sub(SMALL)
}

/// The same bytes, without the buffer they were read into: a piece that is a slice of it would keep all of it.
fn detached(piece: &Bytes) -> Bytes {
    if piece.len() <= FRAME { Bytes::copy_from_slice(piece) } else { piece.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(size: usize) -> Bytes {
        Bytes::from(vec![1; size])
    }

    #[test]
    fn a_window_is_kept_and_the_piece_read_ahead_whatever_the_size_of_pieces() {
        for size in [1 << 10, FRAME, 200_000, 256 << 10, 1 << 20] {
            let (mut kept, piece) = (Kept::new(), piece(size));
            let window = (STREAM_WINDOW as usize).div_ceil(size);
            assert!((0..=window).all(|_| kept.add(&piece)), "{size}");
            assert!(!(0..window).all(|_| kept.add(&piece)), "{size}");
        }
    }

    #[test]
    fn tiny_pieces_count_for_more_than_their_bytes() {
        let (mut kept, piece) = (Kept::new(), piece(1));
        let taken = (0..STREAM_WINDOW).take_while(|_| kept.add(&piece)).count();
        assert!(taken < LIMIT / 100, "{taken}");
    }

    #[test]
    fn a_piece_off_a_network_does_not_keep_the_buffer_it_came_in() {
        let (mut kept, buffer) = (Kept::new(), piece(64 << 10));
        assert!(kept.add(&buffer.slice(..FRAME)));
        assert!(buffer.is_unique());
        assert_eq!(kept.pieces(), [piece(FRAME)]);
    }

    #[test]
    fn all_requests_share_one_room_and_give_it_back() {
        static ROOM: Room = Room(AtomicUsize::new(100 << 10));
        let (mut first, mut second) = (Kept::within(&ROOM), Kept::within(&ROOM));
        assert!(first.add(&piece(60 << 10)));
        assert!(!second.add(&piece(60 << 10)));
        drop(first);
        assert!(second.add(&piece(60 << 10)));
        drop(second);
        assert_eq!(ROOM.0.load(Ordering::Relaxed), 100 << 10);
    }

    #[test]
    fn a_small_request_is_kept_where_there_is_no_room() {
        static ROOM: Room = Room(AtomicUsize::new(0));
        let mut kept = Kept::within(&ROOM);
        assert!(kept.add(&piece(SMALL - PIECE)));
        assert!(!kept.add(&piece(1)));
    }
}
