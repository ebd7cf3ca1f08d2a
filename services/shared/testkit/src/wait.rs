//! Waiting for a condition instead of sleeping.

use std::fmt::Debug;
use std::future::Future;
use std::time::{Duration, Instant};

/// How long [`eventually!`](crate::eventually!) waits when it is not told.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Polls `attempt` until it gives `Ok`, and panics with the last `Err` once `deadline` has passed.
///
/// The macro [`eventually!`](crate::eventually!) is the usual way to call this.
pub async fn eventually<T, E: Debug, F: Future<Output = Result<T, E>>>(
    place: &str,
    deadline: Duration,
    mut attempt: impl FnMut() -> F,
) -> T {
    let begun = Instant::now();
    let mut pause = Duration::from_millis(2);
    loop {
        let last = match attempt().await {
            Ok(value) => return value,
            Err(error) => error,
        };
        assert!(begun.elapsed() < deadline, "{place}: not so after {deadline:?}: {last:?}");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

/// Waits until an expression, which may `.await`, is true; panics with its text when it is not in time.
///
/// ```
/// # use millrace_testkit as testkit;
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let mut rounds = 0;
/// testkit::eventually!({ rounds += 1; rounds == 3 });
/// testkit::eventually!(std::time::Duration::from_secs(1), async { true }.await);
/// # });
/// ```
///
/// # Panics
/// After [`DEADLINE`], or after the duration given first.
#[macro_export]
macro_rules! eventually {
    ($condition:expr $(,)?) => {
        $crate::eventually!($crate::DEADLINE, $condition)
    };
    ($deadline:expr, $condition:expr $(,)?) => {{
        let begun = ::std::time::Instant::now();
        let deadline: ::std::time::Duration = $deadline;
        let mut pause = ::std::time::Duration::from_millis(2);
        loop {
            if $condition {
                break;
            }
            assert!(begun.elapsed() < deadline, "not so after {:?}: {}", deadline, stringify!($condition));
            $crate::__pause(pause).await;
            pause = (pause * 2).min(::std::time::Duration::from_millis(100));
        }
    }};
}

/// The pause between two looks of `eventually!`; tests do not call it.
#[doc(hidden)]
pub async fn __pause(pause: Duration) {
    tokio::time::sleep(pause).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_condition_that_comes_true_ends_the_wait() {
        let mut rounds = 0;
        let mut next = async || {
            rounds += 1;
            rounds
        };
        crate::eventually!(next().await == 3);
        let mut left = 3;
        let value = eventually("here", DEADLINE, || {
            left -= 1;
            let result = if left == 0 { Ok("done") } else { Err(left) };
            async move { result }
        });
        assert_eq!(value.await, "done");
    }

    #[tokio::test]
    #[should_panic(expected = "not so after")]
    async fn a_condition_that_stays_false_fails_the_test() {
        crate::eventually!(Duration::from_millis(5), 1 + 1 == 3);
    }
}
