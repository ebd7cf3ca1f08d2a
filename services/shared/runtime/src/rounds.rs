//! How one loop runs: rounds on a period and when poked, back-off after failures.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use rand::Rng;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use types::{BoxError, Clock};

use crate::tasks::{Board, Entry};
use crate::{Period, Report};

const FIRST_BACK_OFF: Duration = Duration::from_millis(100);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(30);

/// Runs rounds of `entry` until `stop`, and ends it. A round that is under way then is finished; the supervisor drops it
/// when it takes too long.
pub(crate) async fn run(mut entry: Entry, board: Arc<Board>, clock: Arc<dyn Clock>, stop: CancellationToken) {
    let mut failures = 0;
    while !stop.is_cancelled() {
        // What changes from here on pokes the round after this one.
        if let Some(poke) = &mut entry.poke {
            poke.borrow_and_update();
        }
        let begun = Instant::now();
        let result = round(&mut entry).await;
        failures = if result.is_ok() { 0 } else { failures + 1 };
        record(&entry.name, &board, clock.as_ref(), begun.elapsed(), &result, failures);
        let again = result.is_ok_and(|report| report.again);
        if again {
            tokio::task::yield_now().await;
            continue;
        }
        wait(&mut entry, failures, &stop).await;
    }
    if let Err(error) = entry.task.end().await {
        tracing::warn!(loop.name = entry.name, error = chain(error.as_ref()), "a loop did not end in order");
    }
}

async fn round(entry: &mut Entry) -> Result<Report, BoxError> {
    let span = tracing::debug_span!("round", loop.name = %entry.name);
    let attempt = AssertUnwindSafe(entry.task.reconcile()).catch_unwind().instrument(span);
    attempt.await.unwrap_or_else(|panic| Err(format!("panicked: {}", panic_text(panic.as_ref())).into()))
}

fn record(
    name: &str,
    board: &Board,
    clock: &dyn Clock,
    took: Duration,
    result: &Result<Report, BoxError>,
    failures: u32,
) {
    let label = name.to_owned();
    metrics::counter!("loop_runs_total", "loop" => label.clone()).increment(1);
    metrics::histogram!("loop_duration_seconds", "loop" => label.clone()).record(took.as_secs_f64());
    let error = result.as_ref().err().map(|error| chain(error.as_ref()));
    if let Some(error) = &error {
        metrics::counter!("loop_failures_total", "loop" => label).increment(1);
        tracing::warn!(loop.name = name, failures, error, "a round failed and will be tried again");
    }
    board.update(name, |state| {
        state.last_run = Some(clock.now());
        state.last_duration = Some(took);
        if let Ok(report) = result {
            state.last_report.clone_from(&report.summary);
        }
        state.last_error = error.unwrap_or_default();
        state.consecutive_failures = failures;
    });
}

async fn wait(entry: &mut Entry, failures: u32, stop: &CancellationToken) {
    let pause = pause(entry.period, failures);
    // A poke does not shorten a back-off: what fails at once would otherwise fail as often as it is poked.
    let poked = async {
        match &mut entry.poke {
            Some(poke) if failures == 0 => changed(poke).await,
            _ => std::future::pending().await,
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = poked => {}
        () = tokio::time::sleep(pause) => {}
    }
}

/// Waits for a poke. One whose sender is gone never comes again.
async fn changed(poke: &mut watch::Receiver<u64>) {
    if poke.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn pause(period: Period, failures: u32) -> Duration {
    let base = match failures {
        0 => period.as_duration(),
        _ => FIRST_BACK_OFF.saturating_mul(1 << (failures - 1).min(10)).min(LONGEST_BACK_OFF),
    };
    base.mul_f64(rand::rng().random_range(0.9..1.1))
}

/// An error with its causes, on one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_off_doubles_up_to_its_limit() {
        let period = Period::secs(60);
        let within = |pause: Duration, base: f64| (pause.as_secs_f64() / base - 1.0).abs() <= 0.1;
        assert!(within(pause(period, 0), 60.0));
        assert!(within(pause(period, 1), 0.1));
        assert!(within(pause(period, 3), 0.4));
        assert!(within(pause(period, 4_000_000_000), 30.0));
    }
}
