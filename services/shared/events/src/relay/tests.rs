use testkit::ManualClock;
use types::TenantId;

use super::*;
use crate::outbox::sent;
use crate::{Event, SqliteLog, topology};

testkit::on_every_store! {
    what_commits_is_published_in_order_with_gapless_sequences_per_key,
    what_rolls_back_is_never_published_and_leaves_no_gap,
    an_event_that_no_bus_takes_is_refused_before_it_blocks_the_outbox,
    a_relay_that_died_before_it_took_note_publishes_nothing_twice,
    a_stream_that_was_made_anew_gets_again_what_is_kept,
    a_stream_restored_from_an_old_copy_gets_again_what_followed,
    a_loss_older_than_what_is_kept_raises_an_alarm_that_names_it,
    sent_rows_are_kept_for_the_retention_and_then_dropped,
    more_than_a_batch_is_published_whole,
    of_several_relays_one_publishes_and_another_takes_over_when_its_lease_is_over,
    a_relay_that_ends_in_order_is_not_waited_for,
    a_copy_older_than_what_is_kept_is_told_by_the_keys_that_it_lacks_alone,
}

const HOUR: Duration = Duration::from_secs(3600);

struct Fixture {
    dir: tempfile::TempDir,
    clock: ManualClock,
    db: sql::Database,
}

impl Fixture {
    async fn new() -> Self {
        let (dir, clock) = (testkit::temp_dir(), ManualClock::default());
        let db = crate::test_database(dir.path(), &clock).await;
        Self { dir, clock, db }
    }

    fn log_file(&self) -> std::path::PathBuf {
        self.dir.path().join("events.db")
    }

    async fn log(&self) -> Arc<SqliteLog> {
        let url = format!("sqlite:{}", self.log_file().display());
        Arc::new(SqliteLog::open(&url, self.clock.shared()).await.unwrap())
    }

    fn relay(&self, log: &Arc<SqliteLog>) -> Relay {
        Relay::new(self.db.clone(), log.clone(), "discovery", HOUR)
    }

    async fn append(&self, keys: &[&str]) {
        let (events, now) = (keys.iter().map(|key| event(key)).collect::<Vec<_>>(), self.db.now());
        self.db.write(move |conn| Box::pin(async move { outbox::append(conn, &events, now).await })).await.unwrap();
    }
}

fn event(key: &str) -> Event {
    let tenant: TenantId = "main".parse().unwrap();
    let message = proto::discovery::v1::DatasetAnnounced { dataset: key.to_owned(), ..Default::default() };
    let payload = "millrace.discovery.v1.DatasetAnnounced";
    Event::new(topology::DATASET_ANNOUNCED, key, tenant, "services/discovery", key, payload, &message)
}

/// What lies in the log, as a consumer that never came before sees it.
async fn published(log: &SqliteLog) -> Vec<(String, i64)> {
    let mut part = log.subscribe(&topology::CATALOG_DISCOVERY).await.unwrap();
    let got = part.fetch(1000, Duration::ZERO).await.unwrap();
    got.into_iter().map(|delivery| (delivery.event.key, delivery.event.sequence)).collect()
}

fn keys(list: &[(&str, i64)]) -> Vec<(String, i64)> {
    list.iter().map(|(key, sequence)| ((*key).to_owned(), *sequence)).collect()
}

async fn what_commits_is_published_in_order_with_gapless_sequences_per_key() {
    let fixture = Fixture::new().await;
    fixture.append(&["a", "b"]).await;
    fixture.append(&["a"]).await;
    let log = fixture.log().await;
    let mut relay = fixture.relay(&log);
    assert_eq!(relay.reconcile().await.unwrap().published, 3);
    assert_eq!(relay.reconcile().await.unwrap(), Relayed::default());
    assert_eq!(published(&log).await, keys(&[("a", 1), ("b", 1), ("a", 2)]));
}

async fn what_rolls_back_is_never_published_and_leaves_no_gap() {
    let fixture = Fixture::new().await;
    let now = fixture.db.now();
    let rolled_back: Result<(), Error> = fixture
        .db
        .write(move |conn| {
            Box::pin(async move {
                outbox::append(conn, &[event("a")], now).await?;
                Err(Error::Damaged { id: "on purpose".into() })
            })
        })
        .await;
    assert!(rolled_back.is_err());
    fixture.append(&["a"]).await;
    let log = fixture.log().await;
    fixture.relay(&log).reconcile().await.unwrap();
    assert_eq!(published(&log).await, keys(&[("a", 1)]));
}

async fn an_event_that_no_bus_takes_is_refused_before_it_blocks_the_outbox() {
    let fixture = Fixture::new().await;
    let now = fixture.db.now();
    let large = Event { payload: vec![0; topology::MAX_ENVELOPE_BYTES], ..event("a") };
    let refused =
        fixture.db.write(move |conn| Box::pin(async move { outbox::append(conn, &[large], now).await })).await;
    assert!(matches!(refused, Err(Error::TooLarge { .. })));
}

async fn a_relay_that_died_before_it_took_note_publishes_nothing_twice() {
    let fixture = Fixture::new().await;
    fixture.append(&["a", "b"]).await;
    let log = fixture.log().await;
    let waiting =
        fixture.db.read(|conn| Box::pin(sent::unsent(conn, machine::Read { after: 0, gaps: true }, 1))).await.unwrap();
    log.publish(&[waiting.rows[0].envelope.clone()]).await.unwrap();
    assert_eq!(fixture.relay(&log).reconcile().await.unwrap().published, 2);
    assert_eq!(published(&log).await, keys(&[("a", 1), ("b", 1)]));
}

async fn a_stream_that_was_made_anew_gets_again_what_is_kept() {
    let fixture = Fixture::new().await;
    let log = fixture.log().await;
    fixture.append(&["a", "b"]).await;
    fixture.relay(&log).reconcile().await.unwrap();
    log.close().await;
    std::fs::remove_file(fixture.log_file()).unwrap();
    let log = fixture.log().await;
    let round = fixture.relay(&log).reconcile().await.unwrap();
    assert_eq!((round.again, round.published, round.lost.as_str()), (2, 2, ""));
    assert_eq!(published(&log).await, keys(&[("a", 1), ("b", 1)]));
}

async fn a_stream_restored_from_an_old_copy_gets_again_what_followed() {
    let fixture = Fixture::new().await;
    let log = fixture.log().await;
    fixture.append(&["a"]).await;
    fixture.relay(&log).reconcile().await.unwrap();
    log.close().await;
    let copy = std::fs::read(fixture.log_file()).unwrap();
    let log = fixture.log().await;
    fixture.append(&["b", "c"]).await;
    fixture.relay(&log).reconcile().await.unwrap();
    log.close().await;
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(fixture.dir.path().join(format!("events.db{suffix}")));
    }
    std::fs::write(fixture.log_file(), copy).unwrap();
    let log = fixture.log().await;
    let round = fixture.relay(&log).reconcile().await.unwrap();
    assert_eq!((round.again, round.published), (2, 2));
    assert_eq!(published(&log).await, keys(&[("a", 1), ("b", 1), ("c", 1)]));
}

async fn a_loss_older_than_what_is_kept_raises_an_alarm_that_names_it() {
    let fixture = Fixture::new().await;
    let logs = testkit::CapturedLogs::start();
    let log = fixture.log().await;
    let mut relay = fixture.relay(&log);
    fixture.append(&["a", "a"]).await;
    relay.reconcile().await.unwrap();
    fixture.clock.advance(2 * HOUR);
    fixture.append(&["a", "b"]).await;
    relay.reconcile().await.unwrap();
    log.close().await;
    std::fs::remove_file(fixture.log_file()).unwrap();
    let log = fixture.log().await;
    let round = fixture.relay(&log).reconcile().await.unwrap();
    assert_eq!((round.again, round.lost.as_str()), (2, "millrace.discovery.dataset a up to 2"));
    assert!(logs.has_line(&["ERROR", "a up to 2"]), "{}", logs.text());
    assert_eq!(published(&log).await, keys(&[("a", 3), ("b", 1)]));
}

async fn sent_rows_are_kept_for_the_retention_and_then_dropped() {
    let fixture = Fixture::new().await;
    let log = fixture.log().await;
    let mut relay = fixture.relay(&log);
    fixture.append(&["a"]).await;
    relay.reconcile().await.unwrap();
    let rows = || {
        fixture.db.read(|conn| {
            Box::pin(async move {
                Ok::<i64, Error>(sql::query_scalar("SELECT COUNT(*) FROM outbox").fetch_one(conn).await?)
            })
        })
    };
    fixture.clock.advance(HOUR / 2);
    relay.reconcile().await.unwrap();
    assert_eq!(rows().await.unwrap(), 1);
    fixture.clock.advance(HOUR);
    relay.reconcile().await.unwrap();
    assert_eq!(rows().await.unwrap(), 0);
    // What was dropped is not missed: the stream still holds it.
    assert_eq!(fixture.relay(&log).reconcile().await.unwrap(), Relayed::default());
}

async fn more_than_a_batch_is_published_whole() {
    let fixture = Fixture::new().await;
    let many: Vec<String> = (0..4600).map(|n| format!("k{n}")).collect();
    fixture.append(&many.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let log = fixture.log().await;
    let round = fixture.relay(&log).reconcile().await.unwrap();
    assert_eq!((round.published, round.more), (4600, false));
    let stats = crate::queue_stats(&fixture.db, &*log, "discovery", &[&topology::CATALOG_DISCOVERY]).await.unwrap();
    assert_eq!((stats[0].name.as_str(), stats[0].waiting), ("discovery.outbox", 0));
    assert_eq!((stats[1].name.as_str(), stats[1].waiting), ("catalog.discovery", 4600));
}

async fn of_several_relays_one_publishes_and_another_takes_over_when_its_lease_is_over() {
    let fixture = Fixture::new().await;
    let log = fixture.log().await;
    let (mut one, mut two) = (fixture.relay(&log).shared(), fixture.relay(&log).shared());
    fixture.append(&["a"]).await;
    assert_eq!(one.reconcile().await.unwrap().published, 1);
    fixture.append(&["a"]).await;
    let round = two.reconcile().await.unwrap();
    assert_eq!((round.published, round.stands_by), (0, true));
    // The first one is gone.
    fixture.clock.advance(LEASE);
    assert_eq!(two.reconcile().await.unwrap().published, 1);
    fixture.append(&["a"]).await;
    assert!(one.reconcile().await.unwrap().stands_by, "it woke up again");
    two.release().await.unwrap();
    fixture.clock.advance(LEASE);
    assert_eq!(one.reconcile().await.unwrap().published, 1);
    assert_eq!(published(&log).await, keys(&[("a", 1), ("a", 2), ("a", 3)]));
}

async fn a_relay_that_ends_in_order_is_not_waited_for() {
    let fixture = Fixture::new().await;
    let log = fixture.log().await;
    let mut first = fixture.relay(&log).shared();
    first.reconcile().await.unwrap();
    fixture.append(&["a"]).await;
    assert!(fixture.relay(&log).shared().reconcile().await.unwrap().stands_by);
    first.release().await.unwrap();
    assert_eq!(fixture.relay(&log).shared().reconcile().await.unwrap().published, 1);
    assert_eq!(published(&log).await, keys(&[("a", 1)]));
}

async fn a_copy_older_than_what_is_kept_is_told_by_the_keys_that_it_lacks_alone() {
    let fixture = Fixture::new().await;
    let log = fixture.log().await;
    let mut relay = fixture.relay(&log);
    fixture.append(&["a"]).await;
    relay.reconcile().await.unwrap();
    fixture.clock.advance(2 * HOUR);
    relay.reconcile().await.unwrap();
    log.close().await;
    let copy = std::fs::read(fixture.log_file()).unwrap();
    let log = fixture.log().await;
    let mut relay = fixture.relay(&log);
    fixture.append(&["b"]).await;
    relay.reconcile().await.unwrap();
    fixture.clock.advance(2 * HOUR);
    relay.reconcile().await.unwrap();
    fixture.append(&["c"]).await;
    relay.reconcile().await.unwrap();
    log.close().await;
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(fixture.dir.path().join(format!("events.db{suffix}")));
    }
    std::fs::write(fixture.log_file(), copy).unwrap();
    let log = fixture.log().await;
    let round = fixture.relay(&log).reconcile().await.unwrap();
    assert_eq!((round.again, round.lost.as_str()), (1, "millrace.discovery.dataset b up to 1"));
    assert_eq!(published(&log).await, keys(&[("a", 1), ("c", 1)]));
}
