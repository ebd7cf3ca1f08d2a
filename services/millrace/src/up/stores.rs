//! The event bus and the object store that the settings name. One that does not answer yet is waited for.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use events::EventBus;
use objects::ObjectStore;
use runtime::lock::DataDir;
use runtime::{Period, Reconcile, Report, Tasks};
use tokio::time::{sleep, timeout};
use types::{BoxError, Clock, ErrorKind, Fault};

use super::settings::Settings;
use super::{line, mesh};
use crate::failure::Failure;

/// What answers within this time is not worth a line.
const SOON: Duration = Duration::from_secs(2);
/// How long until the next try.
const NEXT_TRY: Duration = Duration::from_secs(1);
/// How often what was left unfinished is looked for.
const SWEEP: Period = Period::secs(60 * 60);

/// What all roles share.
pub struct Stores {
    /// Where events go.
    pub bus: Arc<dyn EventBus>,
    /// Where objects lie.
    pub objects: Arc<dyn ObjectStore>,
    /// The loop that sweeps the object store, where it has something to sweep while it runs.
    pub sweep: Option<Tasks>,
}

/// Opens both. What lies in the data directory opens at once or fails; what is elsewhere is waited for.
pub async fn open(settings: &Settings, dir: &DataDir, clock: Arc<dyn Clock>) -> Result<Stores, Failure> {
    let (wait, bus, bucket) = (settings.wait_for_stores.as_duration(), &settings.events, &settings.objects);
    let bus = match bus.url.as_str() {
        "" => events::open(&mesh::url(dir, "events"), &bus.jetstream, clock)
            .await
            .map_err(|error| fatal("event bus", &error))?,
        url => waited("event bus", url, wait, || events::open(url, &bus.jetstream, clock.clone())).await?,
    };
    let objects = match bucket.url.as_str() {
        "" => {
            let folder = dir.folder("objects").map_err(|error| mesh::unusable(dir, error))?;
            let opened = objects::open(&format!("file:{}", folder.display())).await;
            opened.map_err(|error| fatal("object store", &error))?
        }
        url => waited("object store", url, wait, || objects::open_with(url, &bucket.s3)).await?,
    };
    let sweep = bucket.url.starts_with("s3:").then(|| sweeping(objects.clone()));
    Ok(Stores { bus, objects, sweep })
}

/// Tries until it answers, and says once what is waited for. Gives up after `wait`, and at once on what no wait mends.
async fn waited<T, E, F>(what: &str, url: &str, wait: Duration, open: impl Fn() -> F) -> Result<T, Failure>
where
    E: Fault,
    F: Future<Output = Result<T, E>>,
{
    let last = Mutex::new("no answer yet".to_owned());
    let told = || last.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let trying = async {
        loop {
            match open().await {
                Err(error) if error.kind() == ErrorKind::Unavailable => {
                    *last.lock().unwrap_or_else(PoisonError::into_inner) = reasoned(&error);
                    sleep(NEXT_TRY).await;
                }
                done => return done.map_err(|error| fatal(what, &error)),
            }
        }
    };
    let telling = async {
        sleep(SOON).await;
        tracing::warn!("waiting up to {wait:?} for the {what} at {url}: {}", told());
        std::future::pending().await
    };
    let tried = timeout(wait, async {
        tokio::select! {
            done = trying => done,
            never = telling => never,
        }
    });
    let gave_up = |_| Failure::unreachable(format!("gave up after {wait:?} on the {what} at {url}: {}", told()));
    tried.await.map_err(gave_up)?
}

fn fatal(what: &str, error: &impl Fault) -> Failure {
    Failure::other(format!("cannot use the {what}: {}", reasoned(error)))
}

fn reasoned(error: &impl Fault) -> String {
    format!("{} ({})", line(error), error.reason())
}

fn sweeping(objects: Arc<dyn ObjectStore>) -> Tasks {
    let mut tasks = Tasks::new("objects");
    tasks.add("sweep", SWEEP, Box::new(Sweep(objects)));
    tasks
}

/// Removes what puts of processes that died left unfinished. Where it fails, that takes room, and nothing else.
struct Sweep(Arc<dyn ObjectStore>);

#[async_trait]
impl Reconcile for Sweep {
    async fn reconcile(&mut self) -> Result<Report, BoxError> {
        let removed = self.0.sweep().await?;
        Ok(Report::done(format!("{removed} unfinished uploads removed")))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_does_not_answer_is_waited_for_and_what_is_wrong_is_not() {
        let absent = || async { Err::<(), _>(events::BusError::Unavailable("refused".into())) };
        let begun = tokio::time::Instant::now();
        assert!(waited("event bus", "nats://h:1", Duration::from_secs(30), absent).await.is_err());
        assert_eq!(begun.elapsed().as_secs(), 30);

        let tries = AtomicU32::new(0);
        let third = || async {
            match tries.fetch_add(1, Ordering::Relaxed) {
                2 => Ok(()),
                _ => absent().await,
            }
        };
        assert!(waited("event bus", "nats://h:1", Duration::from_secs(30), third).await.is_ok());

        let begun = tokio::time::Instant::now();
        let old = || async { Err::<(), _>(events::BusError::WithoutJetStream { server: "s".to_owned() }) };
        assert!(waited("event bus", "nats://h:1", Duration::from_secs(30), old).await.is_err());
        assert!(begun.elapsed().is_zero());
    }
}
