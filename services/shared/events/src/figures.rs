//! Figures, measured by hand: `cargo test --release -p millrace-events figures -- --ignored --nocapture --test-threads 1`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use proto::common::v1::EventEnvelope;
use sql::Bind;
use types::{Clock, TenantId, Timestamp};

use crate::jetstream::tests_nats::Nats;
use crate::topology::{CATALOG_DISCOVERY, DATASET_ANNOUNCED};
use crate::{Applying, Consumer, Event, EventBus, Handler, HandlerError, Relay, SqliteLog, outbox, rows};

const HOUR: Duration = Duration::from_secs(3600);

struct Wall;

impl Clock for Wall {
    fn now(&self) -> Timestamp {
        let since = std::time::UNIX_EPOCH.elapsed().unwrap();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap())
    }
}

struct Service {
    dir: tempfile::TempDir,
    db: sql::Database,
}

impl Service {
    async fn new() -> Self {
        let dir = testkit::temp_dir();
        let url = format!("sqlite:{}", dir.path().join("service.db").display());
        let db = sql::Database::open(&url, &[&crate::MIGRATIONS], Arc::new(Wall)).await.unwrap();
        Self { dir, db }
    }

    /// Appends so many events, `batch` in a transaction, each of one of 1000 keys.
    async fn append(&self, count: usize, batch: usize) {
        let tenant: TenantId = "main".parse().unwrap();
        let message = proto::discovery::v1::DatasetAnnounced::default();
        let payload = "millrace.discovery.v1.DatasetAnnounced";
        for first in (0..count).step_by(batch) {
            let events: Vec<_> = (first..(first + batch).min(count))
                .map(|n| format!("tenants/main/datasets/{}", n % 1000))
                .map(|key| {
                    Event::new(DATASET_ANNOUNCED, key.clone(), tenant.clone(), "services/t", key, payload, &message)
                })
                .collect();
            let now = self.db.now();
            self.db.write(move |conn| Box::pin(async move { outbox::append(conn, &events, now).await })).await.unwrap();
        }
    }
}

#[derive(Clone, Copy)]
struct Effects;

#[async_trait]
impl Handler for Effects {
    type Prepared = ();

    async fn prepare(&self, _event: &EventEnvelope) -> Result<(), HandlerError> {
        Ok(())
    }

    async fn handle(&self, conn: &mut sql::Conn, event: &EventEnvelope, (): &()) -> Result<(), HandlerError> {
        let insert = "INSERT INTO effects (key, sequence) VALUES (?, ?)";
        sql::query(insert).bind(&event.key).bind(event.sequence).execute(conn).await?;
        Ok(())
    }

    async fn handle_all(&self, conn: &mut sql::Conn, events: &[Applying<'_, ()>]) -> Result<(), HandlerError> {
        for part in rows::parts(events) {
            let mut insert = sql::Builder::new("INSERT INTO effects (key, sequence) VALUES ");
            insert.push_rows(part, |one| vec![(&one.event.key).value(), one.event.sequence.value()]);
            insert.build().execute(&mut *conn).await?;
        }
        Ok(())
    }
}

async fn relay_all(relay: &mut Relay, wanted: usize) {
    let mut published = 0;
    while published < wanted {
        match relay.reconcile().await {
            Ok(round) => published += round.published,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// From the first commit to the last effect, with relay and consumer at work meanwhile.
async fn throughput(name: &str, bus: Arc<dyn EventBus>, count: usize) {
    let (from, to) = (Service::new().await, Service::new().await);
    let make = "CREATE TABLE effects (key TEXT, sequence BIGINT, PRIMARY KEY (key, sequence))";
    let made = to.db.write(move |conn| {
        Box::pin(async move {
            sql::query(make).execute(conn).await?;
            Ok::<_, crate::Error>(())
        })
    });
    made.await.unwrap();
    let mut relay = Relay::new(from.db.clone(), bus.clone(), "discovery", HOUR);
    let mut consumer =
        Consumer::new(&CATALOG_DISCOVERY, to.db.clone(), bus, Effects).with_wait(Duration::from_millis(5));
    let start = Instant::now();
    let produce = async {
        from.append(count, 64).await;
        start.elapsed()
    };
    let publish = async {
        relay_all(&mut relay, count).await;
        start.elapsed()
    };
    let consume = async {
        let mut applied = 0;
        while applied < count {
            applied += consumer.reconcile().await.unwrap().applied;
        }
        start.elapsed()
    };
    let stages: [Duration; 3] = futures::join!(produce, publish, consume).into();
    let rate = f64::from(u32::try_from(count).unwrap()) / stages[2].as_secs_f64();
    println!(
        "{name}: {count} events, {rate:.0}/s from commit to effect; appended, published, applied after {stages:.2?}"
    );
    drop(from.dir);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures and judges nothing; run by hand, as the module says"]
async fn figures_durable_events_from_commit_to_effect() {
    let dir = testkit::temp_dir();
    let url = format!("sqlite:{}", dir.path().join("events.db").display());
    throughput("SQLite log", Arc::new(SqliteLog::open(&url, Arc::new(Wall)).await.unwrap()), 100_000).await;
    let Some(server) = Nats::start("figures_durable_events_from_commit_to_effect") else { return };
    throughput("JetStream", Arc::new(server.bus().await), 100_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures and judges nothing; run by hand, as the module says"]
async fn figures_a_broker_that_lost_300000_events_is_repaired() {
    const LOST: usize = 300_000;
    let Some(server) = Nats::start("figures_a_broker_that_lost_300000_events_is_repaired") else { return };
    let (service, bus) = (Service::new().await, server.bus().await);
    service.append(LOST, 1000).await;
    let mut relay = Relay::new(service.db.clone(), Arc::new(bus.clone()), "discovery", HOUR);
    let start = Instant::now();
    relay_all(&mut relay, LOST).await;
    println!("published {LOST} in {:.2?}", start.elapsed());
    server.kill();
    std::fs::remove_dir_all(server.store()).unwrap();
    server.launch();
    let back = Instant::now();
    relay_all(&mut relay, LOST).await;
    println!("repaired {LOST} in {:.2?} after the broker's return", back.elapsed());
    assert_eq!(bus.stream_state("discovery", 0).await.unwrap().last_position, LOST as u64);
}
