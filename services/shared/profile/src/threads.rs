//! Work that threads share.

use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::finish::joined;

/// Does the work of each item on as many threads, this one among them; which thread takes which item leaves no trace
/// where an item holds all that its work changes.
pub(crate) fn side_by_side<T: Send>(threads: usize, items: Vec<T>, work: impl Fn(T) + Sync) {
    let others = threads.min(items.len()).saturating_sub(1);
    let waiting = Mutex::new(items.into_iter());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    let run = || {
        while let Some(item) = next() {
            work(item);
        }
    };
    thread::scope(|scope| {
        let others: Vec<_> = (0..others).map(|_| scope.spawn(run)).collect();
        run();
        others.into_iter().for_each(joined);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_once() {
        for threads in 1..4 {
            let mut squares = vec![0u64; 100];
            side_by_side(threads, squares.iter_mut().enumerate().collect(), |(index, square)| {
                *square += (index * index) as u64;
            });
            assert!(squares.iter().enumerate().all(|(index, square)| *square == (index * index) as u64));
        }
        side_by_side(2, Vec::<u8>::new(), |_| unreachable!("there is nothing to do"));
    }
}
