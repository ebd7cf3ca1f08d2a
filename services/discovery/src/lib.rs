//! Discovery finds datasets: it keeps sources, crawls them, and announces what is there.
//!
//! State: *sources* (places where datasets lie), their *crawls*, and for each path what was last announced of it. A
//! crawl lists its source page by page. Each page is one transaction: what is new or changed, the events that say so,
//! and the checkpoint from which a crawl that was killed goes on. Change shows by version token first (size and time,
//! ETag); what bytes have changed is for profiling to tell, by digest.
//!
//! It publishes `millrace.discovery.dataset.announced.v1` and `….retracted.v1`, and consumes nothing.
//!
//! Promises:
//! - A file keeps its dataset's name as long as its source lives; its announcements count 1, 2, 3.
//! - A crawl that was killed goes on from its last page, and announces nothing twice.
//! - Only a complete listing retracts. One that lost more than is plausible retracts nothing, unless each missing
//!   dataset is proved gone, or the caller accepts the losses.
//! - A source reaches no further than the operator's policy, whatever links and redirects say.
//! - Deleting a source retracts all that it announced, in batches, whatever happens meanwhile.
//!
//! A new kind of place is one file that implements [`discoverer::Discoverer`], and one line in [`discoverer::all`].
//! Reading what the bytes say is no affair of discovery.

pub mod config;
mod convert;
pub mod discoverer;
mod error;
mod events;
mod grpc;
mod metadata;
mod metrics;
mod service;
mod source;
mod store;
mod tasks;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use ::events::{DeadLetterStore, EventBus, Relay};
use fetch::Fetcher;
use proto::discovery::v1::discovery_service_server::DiscoveryServiceServer;
use runtime::{Period, Service, Tasks};
use sql::work::{Backoff, Queue};
use tonic::service::Routes;
use types::{BoxFuture, OperateError, Queues};

pub use config::Config;
pub use error::Error;

use service::{Discovery, Kinds};
use source::CRAWLS;
use store::Store;
use tasks::{Backlog, Crawler, History, RelayOutbox, Removal, Schedule};

/// The role.
pub const ROLE: &str = "discovery";

static OWN_MIGRATIONS: sql::Migrations = sql::migrations!();

/// The migrations of discovery's database.
pub fn migrations() -> Vec<&'static sql::Migrations> {
    vec![&::events::MIGRATIONS, &OWN_MIGRATIONS]
}

/// What crosses the boundary of the process.
pub struct Deps {
    /// Discovery's own database, opened with [`migrations`].
    pub database: sql::Database,
    /// Whether this process alone uses the database, so that leases in it are of a process that is gone.
    pub sole_owner: bool,
    /// Where events go.
    pub bus: Arc<dyn EventBus>,
    /// Reaches sources.
    pub fetcher: Fetcher,
}

/// Why discovery cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Settings are wrong; all of them are told.
    #[error("wrong settings: {}", .0.join("; "))]
    Settings(Vec<String>),
    /// The store failed.
    #[error("cannot take over the crawls of an earlier process")]
    Store(#[from] sql::Error),
}

/// Wires discovery; nothing runs until the runtime takes the result.
pub async fn build(config: Config, deps: Deps) -> Result<Service<Routes>, BuildError> {
    let (database, bus) = (deps.database.clone(), deps.bus.clone());
    let (discovery, queue, tasks) = assemble(config, deps).await?;
    let dead_letters = Arc::new(DeadLetterStore::new(database.clone()));
    let queues = Arc::new(Work { database, queue, bus });
    let operator = rpc::operator_service(ROLE, env!("CARGO_PKG_VERSION"), dead_letters, tasks.states(), queues);
    let routes = Routes::new(DiscoveryServiceServer::new(grpc::Grpc(discovery))).add_service(operator);
    Ok(Service::new(routes, tasks))
}

async fn assemble(config: Config, deps: Deps) -> Result<(Discovery, Queue, Tasks), BuildError> {
    let problems = config.validate();
    if !problems.is_empty() {
        return Err(BuildError::Settings(problems));
    }
    let config = Arc::new(config);
    let Deps { database, sole_owner, bus, fetcher } = deps;
    let backoff = Backoff { first: config.backoff_first.as_duration(), max: config.backoff_max.as_duration() };
    let queue = Queue::new(database.clone(), CRAWLS, config.lease.as_duration(), backoff);
    if sole_owner {
        queue.release_all().await?;
    }
    let store = Store::new(database.clone(), config.max_attempts);
    let kinds = Kinds::default();
    let discovery = Discovery::new(store.clone(), fetcher.clone(), kinds.clone(), config.clone());

    let mut tasks = Tasks::new(ROLE);
    let scope = tasks.scope();
    for number in 1..=config.crawlers {
        let (store, queue, fetcher, kinds) = (store.clone(), queue.clone(), fetcher.clone(), kinds.clone());
        let crawler = Crawler { store, queue, fetcher, kinds, config: config.clone(), scope };
        tasks.add_poked(&format!("crawler-{number}"), Period::secs(1), database.changed(), Box::new(crawler));
    }
    tasks.add("schedule", config.schedule_every, Box::new(Schedule { store: store.clone(), scope }));
    let removal = Removal { store: store.clone(), scope };
    tasks.add_poked("removal", Period::secs(5), database.changed(), Box::new(removal));
    tasks.add("history", Period::secs(600), Box::new(History { store, kept: config.kept_crawls, scope }));
    tasks.add("backlog", Backlog::PERIOD, Box::new(Backlog(queue.clone())));
    let relay = Relay::new(database.clone(), bus, ROLE, config.outbox_retention.as_duration());
    let relay = if sole_owner { relay } else { relay.shared() };
    tasks.add_poked("relay", config.relay_every, database.changed(), Box::new(RelayOutbox(relay)));
    Ok((discovery, queue, tasks))
}

/// What waits in discovery.
struct Work {
    database: sql::Database,
    queue: Queue,
    bus: Arc<dyn EventBus>,
}

impl Queues for Work {
    fn queues(&self) -> BoxFuture<'_, Result<Vec<types::Queue>, OperateError>> {
        Box::pin(async move {
            let crawls = self.queue.stats().await.map_err(|error| OperateError::Store(error.into()))?;
            let crawls = types::Queue { name: format!("{ROLE}.{}", crawls.name), ..crawls };
            let outbox = ::events::queue_stats(&self.database, self.bus.as_ref(), ROLE, &[]).await;
            let mut queues = outbox.map_err(|error| OperateError::Store(error.into()))?;
            queues.push(crawls);
            Ok(queues)
        })
    }
}
