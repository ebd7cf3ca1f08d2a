//! The queues that an operator is shown.

use std::sync::Arc;

use events::{ConsumerSpec, EventBus};
use sql::Database;
use sql::work::Queue;
use types::{BoxFuture, OperateError};

/// The outbox, the consumers and the rebuilds.
pub struct Queues {
    database: Database,
    bus: Arc<dyn EventBus>,
    consumers: &'static [&'static ConsumerSpec],
    rebuilds: Queue,
}

impl Queues {
    /// The queues over these back ends.
    pub fn new(
        database: Database,
        bus: Arc<dyn EventBus>,
        consumers: &'static [&'static ConsumerSpec],
        rebuilds: Queue,
    ) -> Self {
        Self { database, bus, consumers, rebuilds }
    }
}

impl types::Queues for Queues {
    fn queues(&self) -> BoxFuture<'_, Result<Vec<types::Queue>, OperateError>> {
        Box::pin(async move {
            let queues = events::queue_stats(&self.database, &*self.bus, "catalog", self.consumers).await;
            let mut queues = queues.map_err(|error| OperateError::Store(error.into()))?;
            let rebuilds = self.rebuilds.stats().await.map_err(|error| OperateError::Store(error.into()))?;
            queues.push(types::Queue { name: "catalog.rebuilds".to_owned(), ..rebuilds });
            queues.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(queues)
        })
    }
}
