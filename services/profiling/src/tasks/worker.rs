//! Workers: each claims one job at a time and runs one attempt at it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ::events::trace;
use async_trait::async_trait;
use fetch::Fetcher;
use futures::future::{Either, select};
use objects::ObjectStore;
use prost::Message;
use runtime::{Reconcile, Report};
use sql::work::{Claim, Outcome, Queue};
use tracing::Instrument;
use types::{BoxError, Fault, WorkError, WorkPhase};

use super::attempt::{Attempt, Done, Progress};
use crate::config::Config;
use crate::engine::Bounds;
use crate::job::{Detail, Job};
use crate::service::Profiling;
use crate::spool::Spool;
use crate::{Error, metrics, store};

/// What all workers of a process share.
pub struct Workshop {
    /// The queue of jobs.
    pub queue: Queue,
    /// Where profiles and kept bytes lie.
    pub objects: Arc<dyn ObjectStore>,
    /// Profiles that were made.
    pub profiles: Profiling,
    /// How foreign bytes are got.
    pub fetcher: Fetcher,
    /// Where bytes lie while they are profiled.
    pub spool: Spool,
    /// What a profile may take.
    pub bounds: Bounds,
    /// The settings.
    pub config: Config,
}

/// One worker.
pub struct Worker(pub Arc<Workshop>);

#[async_trait]
impl Reconcile for Worker {
    async fn reconcile(&mut self) -> Result<Report, BoxError> {
        let Some(claim) = self.0.queue.claim().await? else { return Ok(Report::idle()) };
        let job = Job::read(claim.row.clone())?;
        let dataset = job.dataset().map(tracing::field::display);
        let span = tracing::info_span!("job", job.name = %job.name, dataset.name = dataset, role = crate::ROLE);
        trace::adopt(&span, &job.traceparent);
        let summary = self.0.run(claim, job).instrument(span).await?;
        Ok(Report::more(summary))
    }
}

/// Why the heartbeat of a job stopped.
enum Stop {
    /// A caller asked for it.
    Cancelled,
    /// Somebody else has the job now.
    Lost,
}

impl Workshop {
    async fn run(&self, claim: Claim, job: Job) -> Result<String, Error> {
        if claim.row.cancel_requested {
            return self.give_up(claim, &job, None).await;
        }
        let progress = Arc::new(Progress::default());
        let ended = {
            let attempt = pin!(Attempt { shop: self, claim: &claim, job: &job, progress: progress.clone() }.run());
            let heartbeat = pin!(self.heartbeat(&claim, &progress));
            match select(attempt, heartbeat).await {
                Either::Left((done, _)) => Ok(done),
                Either::Right((stop, _)) => Err(stop),
            }
        };
        // A profiler that still runs on its thread sees this and ends.
        progress.stop();
        match ended {
            Ok(Ok(done)) => self.succeed(claim, &job, done, &progress).await,
            Ok(Err(Error::Cancelled)) | Err(Stop::Cancelled) => self.give_up(claim, &job, None).await,
            Ok(Err(error)) => self.give_up(claim, &job, Some(error)).await,
            Err(Stop::Lost) => Ok(format!("lost the lease of {}", job.name)),
        }
    }

    /// Renews the lease while the attempt runs, and notices when it should stop.
    async fn heartbeat(&self, claim: &Claim, progress: &Progress) -> Stop {
        let rhythm = (self.queue.lease() / 3).min(Duration::from_secs(1));
        let mut failed_for = Duration::ZERO;
        loop {
            tokio::time::sleep(rhythm).await;
            let detail = Detail { stage: progress.stage().into(), ..Detail::default() };
            match claim.renew(&self.queue, progress.fraction(), progress.counts(), detail.encode_to_vec()).await {
                Ok(renewed) if renewed.cancel_requested => return Stop::Cancelled,
                Ok(_) => failed_for = Duration::ZERO,
                Err(sql::Error::LostLease { .. }) => return Stop::Lost,
                // A store that cannot be written may come back before the lease ends.
                Err(error) => {
                    tracing::warn!(%error, "cannot renew the lease of a job");
                    failed_for += rhythm;
                    if failed_for >= self.queue.lease() {
                        return Stop::Lost;
                    }
                }
            }
        }
    }

    async fn succeed(&self, claim: Claim, job: &Job, done: Done, progress: &Progress) -> Result<String, Error> {
        let (db, counts) = (self.queue.database(), progress.counts());
        let (now, reused) = (db.now(), done.profile.reused);
        let Done { profile, result } = done;
        db.write(move |conn| Box::pin(store::succeed(conn, claim, profile, counts, result, now))).await?;
        metrics::job_ended(WorkPhase::Succeeded);
        tracing::info!(reused, "profiled");
        Ok(format!("profiled {}", job.asked.resource()))
    }

    /// Ends the attempt with `error`, or as cancelled without one.
    async fn give_up(&self, claim: Claim, job: &Job, error: Option<Error>) -> Result<String, Error> {
        let db = self.queue.database();
        let now = db.now();
        let summary = match &error {
            Some(error) => format!("{}: {error}", job.asked.resource()),
            None => format!("cancelled {}", job.name),
        };
        let outcome = match &error {
            None => Outcome::Cancelled,
            Some(error) if error.is_of_our_stores() => Outcome::Postponed(WorkError::of(error)),
            Some(error) => Outcome::Failed(WorkError::of(error)),
        };
        let phase = db.write(move |conn| Box::pin(store::fail(conn, claim, outcome, now))).await?;
        metrics::job_ended(phase);
        if let Some(error) = error {
            log_failure(job, &error, phase);
        }
        Ok(summary)
    }
}

fn log_failure(job: &Job, error: &Error, phase: WorkPhase) {
    let cause = std::error::Error::source(error).map(tracing::field::display);
    let (reason, phase) = (error.reason(), phase.as_str());
    tracing::warn!(job = %job.name, resource = job.asked.resource(), reason, phase, %error, cause, "a job's attempt failed");
}
