//! Events on their way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use events::topology::CATALOG_DISCOVERY;
use events::{Consumer, EventBus, Relay};
use millrace_integration_tests::back_ends::Nats;

use super::service::{self, Effects, IN_A_TRANSACTION, Store};

const RETENTION: Duration = Duration::from_secs(3600);
/// How long a relay or a consumer rests that found nothing to do, in place of the pokes that a service gives it.
const REST: Duration = Duration::from_millis(2);
/// A run that takes longer ends the bench.
const LIMIT: Duration = Duration::from_secs(300);

/// Events per second from the first commit to the last effect, with writer, relay and consumer at work at once.
pub async fn rate(store: &Store<'_>, bus: Arc<dyn EventBus>, count: usize) -> Result<f64> {
    let (from, to) = (store.database().await?, store.database().await?);
    service::make_effects(&to).await?;
    let mut relay = Relay::new(from.clone(), bus.clone(), "discovery", RETENTION);
    let mut consumer = Consumer::new(&CATALOG_DISCOVERY, to.clone(), bus, Effects).with_wait(REST);
    let begun = Instant::now();
    let publish = async {
        relay_all(&mut relay, count, begun).await?;
        Ok(())
    };
    let consume = async {
        let mut applied = 0;
        while applied < count {
            applied += consumer.reconcile().await?.applied;
            ensure!(begun.elapsed() < LIMIT, "{applied} of {count} events had their effect in {LIMIT:?}");
        }
        Ok(begun.elapsed())
    };
    let ((), (), took) = futures::try_join!(service::tell(&from, count, IN_A_TRANSACTION), publish, consume)?;
    let stored = "SELECT count(*) FROM effects";
    let stored: i64 = to.read(move |conn| Box::pin(sql::query_scalar(stored).fetch_one(conn))).await?;
    ensure!(stored.unsigned_abs() == count as u64, "{stored} effects of {count} events");
    from.close().await;
    to.close().await;
    Ok(count as f64 / took.as_secs_f64())
}

async fn relay_all(relay: &mut Relay, count: usize, begun: Instant) -> Result<()> {
    let mut published = 0;
    while published < count {
        match relay.reconcile().await {
            Ok(round) if round.published > 0 || round.more => published += round.published,
            // Nothing waits, or the broker is away.
            Ok(_) | Err(_) => tokio::time::sleep(REST).await,
        }
        ensure!(begun.elapsed() < LIMIT, "{published} of {count} events were published in {LIMIT:?}");
    }
    Ok(())
}

/// How long it takes from the return of a broker that lost all to the last event that it has again.
pub async fn repair(store: &Store<'_>, bus: Arc<dyn EventBus>, nats: &Nats, count: usize) -> Result<Duration> {
    let db = store.database().await?;
    service::tell(&db, count, 1000).await?;
    let mut relay = Relay::new(db.clone(), bus.clone(), "discovery", RETENTION);
    relay_all(&mut relay, count, Instant::now()).await?;
    nats.kill().await;
    std::fs::remove_dir_all(nats.store())?;
    nats.launch().await;
    let back = Instant::now();
    relay_all(&mut relay, count, back).await?;
    let took = back.elapsed();
    let held = bus.stream_state("discovery", 0).await?.last_position;
    ensure!(held == count as u64, "the stream holds {held} of {count} events");
    db.close().await;
    Ok(took)
}
