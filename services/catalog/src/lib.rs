//! Keeps dataset records and their versions, searches and serves them.
//!
//! **State it owns:** one record per dataset with its full history of versions ([`record`]), in its own database; the
//! search index, which holds nothing that the records do not hold; the bytes of uploads, as objects.
//!
//! **What it consumes:** announcements and retractions of discovery, progress and results of profiling. **What it
//! publishes:** `millrace.catalog.dataset.uploaded.v1`, which profiling takes like an announcement, and
//! `millrace.catalog.dataset.indexed.v1`.
//!
//! **What it promises:**
//! - A dataset can be seen from its announcement on, in the state of its latest attempt; which of the two streams of
//!   events came first makes no difference.
//! - A version takes the place of the one before at one moment: a reader sees the old one or the new one.
//! - Every version that was recorded is found by search sooner or later, whatever is killed meanwhile; what was retracted
//!   or hidden is not.
//! - What a person edited survives new announcements.
//! - A download gives the bytes that were profiled, or says why not.
//!
//! **Not here:** finding and profiling datasets, permissions (the gateway's), and analysing text (`search` does that).
//! Uploads are not swept: what a kill between the object and its record leaves stays. Profiling sweeps what it keeps.
//!
//! Reading order: [`record`] for what the facts mean, `service.rs` for what is done with them, `store.rs` for how they are
//! kept, `grpc.rs` and `tasks.rs` for who calls.

pub mod config;
mod convert;
mod document;
mod error;
mod events;
mod grpc;
mod metrics;
pub mod record;
mod service;
mod status;
pub mod store;
mod tasks;

use std::path::PathBuf;
use std::sync::Arc;

use ::events::topology::{CATALOG_DISCOVERY, CATALOG_PROFILING};
use ::events::{DeadLetterStore, EventBus};
use ::search::{SearchIndex, State};
use fetch::Fetcher;
use objects::ObjectStore;
use proto::catalog::v1::catalog_service_server::CatalogServiceServer;
use runtime::{Service, Tasks};
use sql::Database;
use tonic::service::Routes;

pub use config::{Config, WhenHeld};
pub use error::Error;
pub use service::{Catalog, Dataset};

/// The migrations of the tables that catalog owns, versions 1000 and up.
static MIGRATIONS: sql::Migrations = sql::migrations!();

/// The largest message that is taken: a chunk of an upload, and its frame.
const MAX_MESSAGE: usize = (1 << 20) + (64 << 10);

/// Every migration that catalog's database needs, for [`Database::open`].
pub fn migrations() -> Vec<&'static sql::Migrations> {
    vec![&MIGRATIONS, &::events::MIGRATIONS]
}

/// What catalog stands on.
#[derive(Debug, Clone)]
pub struct Deps {
    /// Its own database, opened with [`migrations`].
    pub database: Database,
    /// Whether this process alone uses the database, so that leases in it are of a process that is gone.
    pub sole_owner: bool,
    /// The lease by which this process alone is catalog, where others could be.
    pub lease: Option<sql::Lease>,
    /// The bus of events.
    pub bus: Arc<dyn EventBus>,
    /// Where profiles are read, and bytes are kept.
    pub objects: Arc<dyn ObjectStore>,
    /// The search index.
    pub index: Arc<dyn SearchIndex>,
    /// How the index was found when it was opened.
    pub index_state: State,
    /// Reaches sources for downloads whose bytes were not kept.
    pub fetcher: Fetcher,
    /// A folder for bytes on their way; catalog makes its own in it.
    pub spool: PathBuf,
}

/// Why catalog cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Settings make no sense.
    #[error("bad settings of catalog: {}", .0.join("; "))]
    Config(Vec<String>),
    /// A back end failed.
    #[error("catalog cannot start")]
    BackEnd(#[from] Error),
}

/// Puts the service together. Nothing runs yet; a rebuild of an index that was not found whole is queued.
pub async fn build(config: Config, deps: Deps) -> Result<Service<Routes>, BuildError> {
    let problems = config.validate();
    if !problems.is_empty() {
        return Err(BuildError::Config(problems));
    }
    metrics::describe();
    let (index_state, sole_owner) = (deps.index_state.clone(), deps.sole_owner);
    let (catalog, bus) = wire(config, deps);
    service::spool::prepare(&catalog.spool).await?;
    let mut tasks = Tasks::new("catalog");
    if sole_owner {
        catalog.rebuild_queue().release_all().await.map_err(Error::from)?;
    }
    catalog.catch_up(tasks.scope(), &index_state).await?;
    tasks::register(&mut tasks, &catalog, &bus);

    let database = catalog.database.clone();
    let queues =
        status::Queues::new(database.clone(), bus, &[&CATALOG_DISCOVERY, &CATALOG_PROFILING], catalog.rebuild_queue());
    let operator = rpc::operator_service(
        "catalog",
        env!("CARGO_PKG_VERSION"),
        Arc::new(DeadLetterStore::new(database)),
        tasks.states(),
        Arc::new(queues),
    );
    let service = CatalogServiceServer::new(grpc::Grpc::new(catalog)).max_decoding_message_size(MAX_MESSAGE);
    Ok(Service::new(Routes::new(service).add_service(operator), tasks))
}

fn wire(config: Config, deps: Deps) -> (Catalog, Arc<dyn EventBus>) {
    let pins = Arc::new(service::Pins::new(config.search_pins_bytes.as_bytes() as usize, deps.database.now()));
    let catalog = Catalog {
        database: deps.database,
        lease: deps.lease,
        store: Arc::new(store::Tables),
        objects: deps.objects,
        index: deps.index,
        fetcher: deps.fetcher,
        spool: deps.spool.join("catalog").into(),
        config: Arc::new(config),
        pins,
    };
    (catalog, deps.bus)
}

#[cfg(test)]
mod tests;
