//! Profiles every row of every dataset that is announced or uploaded.
//!
//! **Owns** profiles, by tenant and digest, and jobs. A job is a row of work: what discovery announces or catalog takes
//! in upserts one, a worker claims it by lease, fetches the bytes to a spool file, keeps them as an object when they are
//! not too many, profiles all rows in one pass, and puts the profile as an object, with the state that it takes to go on
//! from there. A caller's request to append rows to a profile, or to merge several, queues a job that reads those states.
//!
//! **Publishes** `millrace.profiling.job.{advanced,succeeded,failed}.v1`, keyed by dataset; of a dataset's jobs only the
//! latest one publishes. **Consumes** `millrace.discovery.dataset.*` and `millrace.catalog.dataset.uploaded.v1`.
//!
//! **Promises.** The same bytes are profiled once per tenant and engine version. A killed worker's job is claimed
//! again; what it had put stays, and is taken. An attempt that may succeed later is tried again with back-off, a bounded
//! number of times. Cancelling, superseding and retracting stop a running profiler. Objects that nothing names are swept
//! after a grace time, and never while an attempt takes them up.
//!
//! **Non-goals.** It does not know what catalog makes of a profile, nor how sources are crawled.

#![cfg_attr(test, allow(clippy::disallowed_methods))]

mod config;
mod convert;
mod engine;
mod error;
mod events;
mod grpc;
mod job;
mod metrics;
mod service;
mod spool;
mod store;
mod tasks;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use ::events::{Consumer, DeadLetterStore, EventBus, Patience, topology};
use fetch::Fetcher;
use objects::ObjectStore;
use proto::profiling::v1::profiling_service_server::ProfilingServiceServer;
use runtime::{Service, Tasks};
use sql::work::{Backoff, Queue, WorkRow};
use sql::{Conn, Database};
use tonic::service::Routes;
use types::{OperateError, Queues, Timestamp};

pub use config::{Config, Consumers, Jobs};
pub use error::Error;

use crate::engine::Bounds;
use crate::job::{Job, QUEUE};
use crate::service::Profiling;
use crate::spool::Spool;
use crate::tasks::{Announcements, Backlog, Feed, Place, Relay, Sweep, Uploads, Worker, Workshop};

/// The role's name.
pub const ROLE: &str = "profiling";

/// What crosses the process boundary.
pub struct Deps {
    /// The state, opened with [`migrations`].
    pub database: Database,
    /// Whether this process alone uses the database, so that leases of an earlier process are void.
    pub sole_owner: bool,
    /// The event bus.
    pub bus: Arc<dyn EventBus>,
    /// Where profiles and kept bytes lie.
    pub objects: Arc<dyn ObjectStore>,
    /// How foreign bytes are got.
    pub fetcher: Fetcher,
    /// The folder of temporary files.
    pub spool: PathBuf,
    /// The program that profiles files whose parsers are not ours in processes of their own, see
    /// [`profile::Isolation::Child`]; without one they are profiled in this process.
    pub profiler: Option<PathBuf>,
}

/// Why the service could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Settings are wrong, each named.
    #[error("the settings of profiling are wrong: {}", .0.join("; "))]
    Config(Vec<String>),
    /// The store failed.
    #[error("cannot use the profiling store")]
    Store(#[from] sql::Error),
    /// The spool folder cannot be used.
    #[error("cannot use the spool folder `{}`", path.display())]
    Spool {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// The migrations of the service's database, those of its events included.
pub fn migrations() -> Vec<&'static sql::Migrations> {
    vec![&::events::MIGRATIONS, &store::MIGRATIONS]
}

/// Builds the service; nothing runs until its tasks are supervised and its routes served.
pub async fn build(config: Config, deps: Deps) -> Result<Service<Routes>, BuildError> {
    let problems = config.validate();
    if !problems.is_empty() {
        return Err(BuildError::Config(problems));
    }
    let spool = Spool::open(&deps.spool).map_err(|source| BuildError::Spool { path: deps.spool.clone(), source })?;
    let queue = job_queue(&deps.database, &config);
    if deps.sole_owner {
        queue.release_all().await?;
    }
    let mut tasks = Tasks::new(ROLE);
    add_feeds(&mut tasks, &config, &deps);
    let domain =
        Profiling { db: deps.database.clone(), objects: deps.objects.clone(), config: Arc::new(config.clone()) };
    let bounds = Bounds::new(&config, deps.profiler.clone());
    add_workers(&mut tasks, &deps, &queue, &spool, &domain, &bounds);
    add_sweep(&mut tasks, &config, &deps);
    let handler = grpc::Handler::new(domain, spool, bounds);
    let letters = Arc::new(DeadLetterStore::new(deps.database.clone()));
    let status = Arc::new(Status { db: deps.database, bus: deps.bus, jobs: queue });
    let routes = Routes::new(ProfilingServiceServer::new(handler)).add_service(rpc::operator_service(
        ROLE,
        env!("CARGO_PKG_VERSION"),
        letters,
        tasks.states(),
        status,
    ));
    Ok(Service::new(routes, tasks))
}

fn job_queue(db: &Database, config: &Config) -> Queue {
    let jobs = &config.jobs;
    let backoff = Backoff { first: jobs.first_backoff.as_duration(), max: jobs.max_backoff.as_duration() };
    let hook: sql::work::SettledHook = Arc::new(|conn, row, now| Box::pin(tell_settled(conn, row, now)));
    Queue::new(db.clone(), QUEUE, jobs.lease.as_duration(), backoff).when_settled(hook)
}

/// A job whose worker is gone without a word waits or has failed all the same, and its dataset must show that.
async fn tell_settled(conn: &mut Conn, row: &WorkRow, now: Timestamp) -> Result<(), sql::Error> {
    let told = match Job::read(row.clone()) {
        Ok(job) => store::tell_end(conn, &job, now).await,
        Err(error) => Err(error),
    };
    match told {
        Err(Error::Store(error)) => Err(error),
        Err(error) => {
            tracing::error!(%error, job = row.id, "cannot publish what became of a job whose worker is gone");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

fn add_feeds(tasks: &mut Tasks, config: &Config, deps: &Deps) {
    let (db, bus) = (&deps.database, &deps.bus);
    let relay = ::events::Relay::new(db.clone(), bus.clone(), ROLE, config.outbox_retention.as_duration());
    let relay = if deps.sole_owner { relay } else { relay.shared() };
    tasks.add_poked("relay", config.period, db.changed(), Box::new(Relay(relay)));
    let patience = Patience { max_attempts: config.consumers.max_attempts, ..Patience::default() };
    let max_attempts = config.jobs.max_attempts;
    let announcements = Announcements { max_attempts };
    let found = Consumer::new(&topology::PROFILING_DISCOVERY, db.clone(), bus.clone(), announcements);
    let announced = bus.published_by(topology::PROFILING_DISCOVERY.service());
    tasks.add_poked("discovery", config.period, announced, Box::new(Feed(found.with_patience(patience))));
    let uploads = Consumer::new(&topology::PROFILING_UPLOADS, db.clone(), bus.clone(), Uploads { max_attempts });
    let uploaded = bus.published_by(topology::PROFILING_UPLOADS.service());
    tasks.add_poked("uploads", config.period, uploaded, Box::new(Feed(uploads.with_patience(patience))));
}

fn add_workers(tasks: &mut Tasks, deps: &Deps, queue: &Queue, spool: &Spool, domain: &Profiling, bounds: &Bounds) {
    let config = &domain.config;
    let shop = Arc::new(Workshop {
        queue: queue.clone(),
        objects: deps.objects.clone(),
        profiles: domain.clone(),
        fetcher: deps.fetcher.clone(),
        spool: spool.clone(),
        bounds: bounds.clone(),
        config: config.as_ref().clone(),
    });
    tasks.add("backlog", Backlog::PERIOD, Box::new(Backlog(queue.clone())));
    for number in 0..config.workers {
        let worker = Box::new(Worker(shop.clone()));
        tasks.add_poked(&format!("worker.{number}"), config.period, deps.database.changed(), worker);
    }
}

fn add_sweep(tasks: &mut Tasks, config: &Config, deps: &Deps) {
    let (db, objects, scope) = (deps.database.clone(), deps.objects.clone(), tasks.scope());
    let sweep = Sweep { db, objects, grace: config.sweep.grace, scope, place: Place::default() };
    tasks.add("sweep", config.sweep.period, Box::new(sweep));
}

/// The queues that `status` shows.
struct Status {
    db: Database,
    bus: Arc<dyn EventBus>,
    jobs: Queue,
}

impl Queues for Status {
    fn queues(&self) -> types::BoxFuture<'_, Result<Vec<types::Queue>, OperateError>> {
        Box::pin(async move {
            let consumers = [&topology::PROFILING_DISCOVERY, &topology::PROFILING_UPLOADS];
            let queues = ::events::queue_stats(&self.db, self.bus.as_ref(), ROLE, &consumers).await;
            let mut queues = queues.map_err(|error| OperateError::Store(error.into()))?;
            let jobs = self.jobs.stats().await.map_err(|error| OperateError::Store(error.into()))?;
            queues.push(types::Queue { name: format!("{ROLE}.{}", jobs.name), ..jobs });
            Ok(queues)
        })
    }
}
