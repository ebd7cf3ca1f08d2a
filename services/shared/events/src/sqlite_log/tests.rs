use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use testkit::ManualClock;

use super::*;
use crate::conformance::{Harness, event, every_promise};
use crate::topology::{CATALOG_DISCOVERY, PROFILING_DISCOVERY};

struct Folder {
    dir: tempfile::TempDir,
    clock: ManualClock,
}

impl Folder {
    fn new() -> Self {
        Self { dir: testkit::temp_dir(), clock: ManualClock::default() }
    }

    async fn log(&self) -> SqliteLog {
        let url = format!("sqlite:{}", self.dir.path().join("events.db").display());
        SqliteLog::open(&url, self.clock.shared()).await.unwrap()
    }
}

#[async_trait]
impl Harness for Folder {
    async fn open(&self) -> Arc<dyn EventBus> {
        Arc::new(self.log().await)
    }

    async fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }
}

every_promise!(|_test: &str| Some(Folder::new()));

async fn take_all(log: &SqliteLog, consumer: &ConsumerSpec) -> usize {
    let mut part = log.subscribe(consumer).await.unwrap();
    let got = part.fetch(100, Duration::ZERO).await.unwrap();
    part.ack(&got).await.unwrap();
    part.fetch(100, Duration::ZERO).await.unwrap();
    got.len()
}

#[tokio::test]
async fn what_a_declared_consumer_has_not_acknowledged_outlives_the_retention() {
    let folder = Folder::new();
    let log = folder.log().await;
    let events: Vec<_> = (1..=3).map(|n| event(topology::DATASET_ANNOUNCED, "d", n)).collect();
    log.publish(&events).await.unwrap();
    take_all(&log, &CATALOG_DISCOVERY).await;
    folder.clock.advance(Duration::from_secs(30 * 24 * 3600));
    assert_eq!(log.sweep().await.unwrap(), 0);
    assert_eq!(take_all(&log, &PROFILING_DISCOVERY).await, 3);
    assert_eq!(log.sweep().await.unwrap(), 2, "all but the last event of the stream");
}

#[tokio::test]
async fn what_is_younger_than_the_retention_stays() {
    let folder = Folder::new();
    let log = folder.log().await;
    log.publish(&[event(topology::DATASET_ANNOUNCED, "d", 1), event(topology::DATASET_ANNOUNCED, "d", 2)])
        .await
        .unwrap();
    take_all(&log, &CATALOG_DISCOVERY).await;
    take_all(&log, &PROFILING_DISCOVERY).await;
    assert_eq!(log.sweep().await.unwrap(), 0);
}

#[tokio::test]
async fn publishing_sweeps_now_and_then() {
    let folder = Folder::new();
    let log = folder.log().await;
    let first = event(topology::JOB_ADVANCED, "d", 1);
    let position = log.publish(std::slice::from_ref(&first)).await.unwrap()[0];
    take_all(&log, &crate::topology::CATALOG_PROFILING).await;
    folder.clock.advance(Duration::from_secs(30 * 24 * 3600));
    log.publish(&[event(topology::JOB_ADVANCED, "d", 2)]).await.unwrap();
    assert_eq!(log.stream_state("profiling", position).await.unwrap().id_at, None);
}
