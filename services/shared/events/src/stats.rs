//! The state of a service's outbox and consumers.

use types::Queue;

use crate::{ConsumerSpec, Error, EventBus, dead_letters, outbox};

/// Tells what waits in the outbox of `service`, and for each of its consumers.
pub async fn queue_stats(
    db: &sql::Database,
    bus: &dyn EventBus,
    service: &str,
    consumers: &[&ConsumerSpec],
) -> Result<Vec<Queue>, Error> {
    let (waiting, oldest) = db.read(|conn| Box::pin(outbox::sent::waiting(conn))).await?;
    let now = db.now();
    let name = format!("{service}.outbox");
    let mut queues =
        vec![Queue { name, waiting, oldest_age: oldest.map(|since| now.since(since)), ..Queue::default() }];
    for consumer in consumers {
        let lag = bus.lag(consumer).await?;
        let name = consumer.name;
        let dead = db.read(move |conn| Box::pin(dead_letters::summary(conn, name))).await?.letters;
        queues.push(Queue {
            name: name.to_owned(),
            waiting: lag.waiting,
            running: lag.in_flight,
            dead,
            oldest_age: lag.oldest.map(|since| now.since(since)),
        });
    }
    Ok(queues)
}
