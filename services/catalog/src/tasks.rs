//! The loops of catalog, one file each.

mod discovery;
mod indexer;
mod profiling;
mod rebuilds;

use std::sync::Arc;

use async_trait::async_trait;
use events::topology::{CATALOG_DISCOVERY, CATALOG_PROFILING};
use events::{Consumer, ConsumerSpec, EventBus, Handler, HandlerError, Patience, Relay};
use runtime::{Reconcile, Report, Tasks};
use types::{BoxError, ErrorKind, Fault};

use crate::Error;
use crate::service::Catalog;

use discovery::FromDiscovery;
use indexer::Indexer;
use profiling::FromProfiling;
use rebuilds::Rebuilds;

/// Registers every loop.
///
/// Each may be dropped at any time: what it had not committed is still to do when it runs again.
///
/// | loop | poked by | what its failure means |
/// |---|---|---|
/// | `catalog.relay` | a commit | events wait in the outbox |
/// | `catalog.discovery` | the bus | announcements wait on the bus |
/// | `catalog.profiling` | the bus | results of jobs wait on the bus |
/// | `catalog.indexer` | a commit | datasets stay in the state before `INDEXED` |
/// | `catalog.rebuilds` | a commit | the index stays as it is |
pub fn register(tasks: &mut Tasks, catalog: &Catalog, bus: &Arc<dyn EventBus>) {
    let config = catalog.config.clone();
    let (all, period) = (tasks.scope(), &config.period);
    let (database, committed) = (&catalog.database, || catalog.database.changed());

    // It is alone with its outbox even on a server of many processes, by the lease of the role.
    let relay = Relay::new(database.clone(), bus.clone(), "catalog", config.outbox_retention.as_duration());
    tasks.add_poked("relay", period.relay, committed(), Box::new(Publish(relay)));
    let discovery = consume(catalog, bus, &CATALOG_DISCOVERY, FromDiscovery::new(catalog.clone()));
    tasks.add_poked("discovery", period.consumers, bus.published(), Box::new(discovery));
    let profiling = consume(catalog, bus, &CATALOG_PROFILING, FromProfiling::new(catalog.clone()));
    tasks.add_poked("profiling", period.consumers, bus.published(), Box::new(profiling));
    tasks.add_poked("indexer", period.indexer, committed(), Box::new(Indexer::new(catalog.clone(), all)));
    tasks.add_poked("rebuilds", period.rebuilds, committed(), Box::new(Rebuilds::new(catalog.clone(), all)));
}

fn consume<H: Handler>(catalog: &Catalog, bus: &Arc<dyn EventBus>, spec: &ConsumerSpec, handler: H) -> Consume<H> {
    let settings = &catalog.config.consumers;
    let patience = Patience { max_attempts: settings.max_attempts, ..Patience::default() };
    let consumer = Consumer::new(spec, catalog.database.clone(), bus.clone(), handler);
    Consume(consumer.with_patience(patience).with_wait(settings.wait.as_duration()))
}

/// Why an event was not applied. A back end that cannot be reached is no fault of the event: it waits, uncounted.
fn refused(error: Error) -> HandlerError {
    match error.kind() {
        ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Exhausted => {
            tracing::warn!(reason = error.reason(), %error, "an event waits for a back end");
            HandlerError::NotYet(error.to_string())
        }
        _ => HandlerError::of(error),
    }
}

/// Publishes what waits in the outbox.
struct Publish(Relay);

#[async_trait]
impl Reconcile for Publish {
    async fn reconcile(&mut self) -> Result<Report, BoxError> {
        let round = self.0.reconcile().await?;
        Ok(Report { summary: round.to_string(), again: round.more })
    }
}

/// Gives the events of a consumer their effect.
struct Consume<H: Handler>(Consumer<H>);

#[async_trait]
impl<H: Handler> Reconcile for Consume<H> {
    async fn reconcile(&mut self) -> Result<Report, BoxError> {
        let round = self.0.reconcile().await?;
        Ok(Report { summary: round.to_string(), again: round.more })
    }

    /// Of several processes another takes at once what was on its way to this one.
    async fn end(&mut self) -> Result<(), BoxError> {
        Ok(self.0.end().await?)
    }
}
