//! Partial results that merge in a fixed order, whoever finishes first.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Merges results of numbered runs pairwise: 0 with 1, 2 with 3, then those pairs, and so on.
///
/// Which results merge with which depends on their numbers alone, so the outcome is the same on one thread and on many.
/// At most one result per level waits, and one per thread is under way.
#[derive(Debug)]
pub(crate) struct Tree<T> {
    waiting: Mutex<BTreeMap<(u32, u64), T>>,
}

impl<T> Default for Tree<T> {
    fn default() -> Self {
        Self { waiting: Mutex::default() }
    }
}

impl<T> Tree<T> {
    /// Takes the result of the run of this number, and merges all that is complete by now on the calling thread.
    pub(crate) fn complete(&self, number: u64, result: T, merge: impl Fn(&mut T, T)) {
        let (mut level, mut place, mut result) = (0u32, number, result);
        loop {
            let sibling = {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                match waiting.remove(&(level, place ^ 1)) {
                    Some(sibling) => sibling,
                    None => {
                        waiting.insert((level, place), result);
                        return;
                    }
                }
            };
            let (mut left, right) = if place & 1 == 1 { (sibling, result) } else { (result, sibling) };
            merge(&mut left, right);
            (level, place, result) = (level + 1, place / 2, left);
        }
    }

    /// Merges what is left, once all runs are complete: in the order of the runs.
    pub(crate) fn finish(self, merge: impl Fn(&mut T, T)) -> Option<T> {
        let waiting = self.waiting.into_inner().unwrap_or_else(PoisonError::into_inner);
        // What waits on a higher level stands for earlier runs.
        let mut left = waiting.into_iter().rev().map(|(_, result)| result);
        let mut whole = left.next()?;
        left.for_each(|result| merge(&mut whole, result));
        Some(whole)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn merged(order: &[u64]) -> Option<String> {
        let tree = Tree::default();
        let merge = |left: &mut String, right: String| *left = format!("({left}{right})");
        order.iter().for_each(|number| tree.complete(*number, format!("{number:x}"), merge));
        tree.finish(merge)
    }

    #[test]
    fn the_shape_is_that_of_a_binary_tree() {
        assert_eq!(merged(&[0, 1, 2, 3, 4]).as_deref(), Some("(((01)(23))4)"));
        assert_eq!(merged(&[0, 1, 2, 3, 4, 5, 6]).as_deref(), Some("((((01)(23))(45))6)"));
        assert_eq!(merged(&[]), None);
    }

    proptest! {
        #[test]
        fn the_order_of_completion_leaves_no_trace(order in Just((0..13u64).collect::<Vec<u64>>()).prop_shuffle()) {
            let sorted: Vec<u64> = (0..13).collect();
            prop_assert_eq!(merged(&order), merged(&sorted));
        }
    }
}
