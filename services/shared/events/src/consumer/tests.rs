use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Mutex;
use std::task::Poll;

use async_trait::async_trait;
use proto::common::v1::EventEnvelope;
use testkit::ManualClock;
use types::{DeadLetters, OperateError};

use super::*;
use crate::topology::{self, CATALOG_DISCOVERY};
use crate::{DeadLetterStore, Event, HandlerError, Relay, SqliteLog, outbox};

mod unkind;

testkit::on_every_store! {
    each_event_has_its_effect_once_and_in_order,
    a_death_between_effect_and_acknowledgement_has_no_second_effect,
    a_round_dropped_at_any_moment_loses_and_doubles_nothing,
    a_consumer_that_ends_gives_back_what_is_ahead_of_it_and_may_go_on,
    several_workers_on_an_unkind_bus_give_each_effect_once_and_in_order,
    poison_blocks_its_key_alone,
    a_redriven_letter_is_applied_and_then_what_was_parked_in_order,
    a_redriven_letter_that_fails_again_stays_under_its_id,
    a_purged_letter_counts_as_applied_and_its_key_goes_on,
    a_parked_event_that_fails_becomes_the_letter_of_its_key,
    a_failing_event_is_tried_again_and_given_up_after_its_last_try,
    a_failing_event_undoes_none_of_its_batch_and_is_applied_once_mended,
    an_event_that_waits_for_another_comes_back_without_being_counted,
}

/// What the handler of these tests does with (key, sequence); otherwise it writes both into a table.
#[derive(Clone, Copy, PartialEq)]
enum Trouble {
    Poison,
    Retry,
    NotYet,
    Unprepared,
}

#[derive(Clone, Default)]
struct Script(Arc<Mutex<HashMap<(String, i64), Trouble>>>);

impl Script {
    fn set(&self, key: &str, sequence: i64, trouble: Trouble) {
        self.0.lock().unwrap().insert((key.to_owned(), sequence), trouble);
    }

    fn mend(&self) {
        self.0.lock().unwrap().clear();
    }

    fn of(&self, event: &EventEnvelope) -> Option<Trouble> {
        self.0.lock().unwrap().get(&(event.key.clone(), event.sequence)).copied()
    }
}

#[async_trait]
impl Handler for Script {
    type Prepared = i64;

    async fn prepare(&self, event: &EventEnvelope) -> Result<i64, HandlerError> {
        if self.of(event) == Some(Trouble::Unprepared) {
            return Err(retry());
        }
        Ok(event.sequence)
    }

    async fn handle(&self, conn: &mut sql::Conn, event: &EventEnvelope, prepared: &i64) -> Result<(), HandlerError> {
        assert_eq!(*prepared, event.sequence);
        // Written first: a failure after it must take it back.
        let insert = "INSERT INTO effects SELECT COALESCE(MAX(position), 0) + 1, ?, ? FROM effects";
        sql::query(insert).bind(&event.key).bind(event.sequence).execute(conn).await?;
        match self.of(event) {
            Some(Trouble::Poison) => Err(HandlerError::malformed("no such thing")),
            Some(Trouble::Retry) => Err(retry()),
            Some(Trouble::NotYet) => Err(HandlerError::NotYet("the dataset is not known".into())),
            Some(Trouble::Unprepared) | None => Ok(()),
        }
    }
}

fn retry() -> HandlerError {
    HandlerError::Retry { reason: "STORE_UNAVAILABLE".into(), source: "it is away".into() }
}

struct Fixture {
    _dir: tempfile::TempDir,
    clock: ManualClock,
    db: sql::Database,
    log: Arc<SqliteLog>,
    script: Script,
}

impl Fixture {
    async fn new() -> Self {
        let (dir, clock) = (testkit::temp_dir(), ManualClock::default());
        let url = |file: &str| format!("sqlite:{}", dir.path().join(file).display());
        let db = crate::test_database(dir.path(), &clock).await;
        let log = Arc::new(SqliteLog::open(&url("events.db"), clock.shared()).await.unwrap());
        let table = "CREATE TABLE effects (position BIGINT, key TEXT, sequence BIGINT)";
        db.write(move |conn| {
            Box::pin(async move {
                sql::query(table).execute(conn).await?;
                Ok::<_, Error>(())
            })
        })
        .await
        .unwrap();
        Self { _dir: dir, clock, db, log, script: Script::default() }
    }

    async fn publish(&self, keys: &[&str]) {
        let tenant: types::TenantId = "main".parse().unwrap();
        let payload = "millrace.discovery.v1.DatasetAnnounced";
        let message = proto::discovery::v1::DatasetAnnounced::default();
        let events: Vec<_> = keys
            .iter()
            .map(|key| {
                Event::new(topology::DATASET_ANNOUNCED, *key, tenant.clone(), "services/t", *key, payload, &message)
            })
            .collect();
        let now = self.db.now();
        self.db.write(move |conn| Box::pin(async move { outbox::append(conn, &events, now).await })).await.unwrap();
        let mut relay = Relay::new(self.db.clone(), self.log.clone(), "discovery", Duration::from_secs(3600));
        relay.reconcile().await.unwrap();
    }

    fn consumer(&self) -> Consumer<Script> {
        self.consumer_on(self.log.clone())
    }

    fn consumer_on(&self, bus: Arc<dyn EventBus>) -> Consumer<Script> {
        Consumer::new(&CATALOG_DISCOVERY, self.db.clone(), bus, self.script.clone())
            .with_wait(Duration::ZERO)
            .with_patience(Patience { max_attempts: 3, ..Patience::default() })
    }

    /// Lets so many rounds pass, with time between them for what comes again.
    async fn rounds(&self, consumer: &mut Consumer<Script>, count: usize) -> Progress {
        let mut total = Progress::default();
        for _ in 0..count {
            let round = consumer.reconcile().await.unwrap();
            total.applied += round.applied;
            total.duplicates += round.duplicates;
            total.dead += round.dead;
            total.parked += round.parked;
            self.clock.advance(Duration::from_secs(61));
        }
        total
    }

    async fn effects(&self) -> Vec<(String, i64)> {
        let read = self.db.read(|conn| {
            Box::pin(async move {
                let all = "SELECT key, sequence FROM effects ORDER BY position";
                Ok::<_, Error>(sql::query_as(all).fetch_all(conn).await?)
            })
        });
        read.await.unwrap()
    }

    async fn effects_of(&self, key: &str) -> Vec<i64> {
        self.effects().await.into_iter().filter(|effect| effect.0 == key).map(|effect| effect.1).collect()
    }

    fn letters(&self) -> DeadLetterStore {
        DeadLetterStore::new(self.db.clone())
    }

    async fn only_letter(&self) -> types::DeadLetter {
        let mut letters = self.letters().list(None, 10).await.unwrap();
        assert_eq!(letters.len(), 1);
        letters.remove(0)
    }
}

async fn each_event_has_its_effect_once_and_in_order() {
    let fixture = Fixture::new().await;
    fixture.publish(&["a", "b", "a", "a"]).await;
    let progress = fixture.rounds(&mut fixture.consumer(), 1).await;
    assert_eq!((progress.applied, progress.duplicates), (4, 0));
    let expected = [("a", 1), ("b", 1), ("a", 2), ("a", 3)].map(|(key, sequence)| (key.to_owned(), sequence));
    assert_eq!(fixture.effects().await, expected);
}

async fn a_death_between_effect_and_acknowledgement_has_no_second_effect() {
    let fixture = Fixture::new().await;
    fixture.publish(&["a", "a"]).await;
    let mut first = fixture.consumer();
    let (mut round, mut action) = (Round::default(), Action::Due);
    while !matches!(action, Action::Answer { .. }) {
        let input = first.perform(action).await.unwrap();
        action = round.next(input);
    }
    assert_eq!(fixture.effects_of("a").await, [1, 2]);
    drop(first);
    fixture.clock.advance(CATALOG_DISCOVERY.ack_wait);
    let progress = fixture.rounds(&mut fixture.consumer(), 1).await;
    assert_eq!((progress.applied, progress.duplicates), (0, 2));
    assert_eq!(fixture.effects_of("a").await, [1, 2]);
}

async fn a_round_dropped_at_any_moment_loses_and_doubles_nothing() {
    let fixture = Fixture::new().await;
    let keys: Vec<_> = (0..40).map(|n| ["a", "b", "c"][n % 3]).collect();
    fixture.publish(&keys).await;
    for polls in 0..60 {
        let mut consumer = fixture.consumer();
        let mut round = Box::pin(consumer.reconcile());
        let mut left = polls;
        std::future::poll_fn(|context| match round.as_mut().poll(context) {
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending if left == 0 => Poll::Ready(()),
            Poll::Pending => {
                left -= 1;
                Poll::Pending
            }
        })
        .await;
        drop(round);
        fixture.clock.advance(CATALOG_DISCOVERY.ack_wait);
    }
    fixture.rounds(&mut fixture.consumer(), 3).await;
    assert_eq!(fixture.effects_of("a").await, (1..=14).collect::<Vec<_>>());
    assert_eq!(fixture.effects().await.len(), 40);
}

async fn a_consumer_that_ends_gives_back_what_is_ahead_of_it_and_may_go_on() {
    let fixture = Fixture::new().await;
    let bus = Arc::new(unkind::Unkind::new(fixture.log.clone()));
    let mut consumer = fixture.consumer_on(bus.clone());
    consumer.end().await.unwrap();
    assert_eq!(bus.ended(), 0, "it had no part yet");
    consumer.reconcile().await.unwrap();
    consumer.end().await.unwrap();
    assert_eq!(bus.ended(), 1);
    fixture.publish(&["a"]).await;
    fixture.rounds(&mut consumer, 20).await;
    assert_eq!(fixture.effects_of("a").await, [1]);
}

async fn several_workers_on_an_unkind_bus_give_each_effect_once_and_in_order() {
    let fixture = Fixture::new().await;
    let keys: Vec<_> = (0..120).map(|n| ["a", "b", "c", "d", "e"][n % 5]).collect();
    fixture.publish(&keys).await;
    let bus = Arc::new(unkind::Unkind::new(fixture.log.clone()));
    let mut workers = [fixture.consumer_on(bus.clone()), fixture.consumer_on(bus.clone()), fixture.consumer_on(bus)];
    for _ in 0..60 {
        let [one, two, three] = &mut workers;
        tokio::try_join!(one.reconcile(), two.reconcile(), three.reconcile()).unwrap();
        fixture.clock.advance(CATALOG_DISCOVERY.ack_wait);
    }
    for key in ["a", "b", "c", "d", "e"] {
        assert_eq!(fixture.effects_of(key).await, (1..=24).collect::<Vec<_>>(), "{key}");
    }
}

async fn poison_blocks_its_key_alone() {
    let fixture = Fixture::new().await;
    fixture.script.set("a", 2, Trouble::Poison);
    fixture.publish(&["a", "a", "b", "a", "b", "a"]).await;
    let progress = fixture.rounds(&mut fixture.consumer(), 3).await;
    assert_eq!((progress.applied, progress.dead, progress.parked), (3, 1, 2));
    assert_eq!((fixture.effects_of("a").await, fixture.effects_of("b").await), (vec![1], vec![1, 2]));
    let letter = fixture.only_letter().await;
    assert_eq!((letter.consumer.as_str(), letter.reason.as_str()), ("catalog.discovery", "EVENT_MALFORMED"));
    assert_eq!((letter.attempts, letter.waiting), (1, 2));
    let stats = crate::queue_stats(&fixture.db, &*fixture.log, "t", &[&CATALOG_DISCOVERY]).await.unwrap();
    assert_eq!((stats[1].waiting, stats[1].running, stats[1].dead), (0, 0, 1));
}

async fn a_redriven_letter_is_applied_and_then_what_was_parked_in_order() {
    let fixture = Fixture::new().await;
    fixture.script.set("a", 1, Trouble::Poison);
    fixture.publish(&["a", "a", "a"]).await;
    let mut consumer = fixture.consumer();
    fixture.rounds(&mut consumer, 3).await;
    assert_eq!(fixture.effects_of("a").await, Vec::<i64>::new());
    fixture.script.mend();
    let letter = fixture.only_letter().await;
    fixture.letters().redrive(letter.id.clone()).await.unwrap();
    fixture.publish(&["a"]).await;
    fixture.rounds(&mut consumer, 6).await;
    assert_eq!(fixture.effects_of("a").await, [1, 2, 3, 4]);
    assert!(fixture.letters().list(None, 10).await.unwrap().is_empty());
    assert!(matches!(fixture.letters().get(letter.id).await, Err(OperateError::NoSuchDeadLetter(_))));
}

async fn a_redriven_letter_that_fails_again_stays_under_its_id() {
    let fixture = Fixture::new().await;
    fixture.script.set("a", 1, Trouble::Poison);
    fixture.publish(&["a", "a"]).await;
    let mut consumer = fixture.consumer();
    fixture.rounds(&mut consumer, 2).await;
    let letter = fixture.only_letter().await;
    fixture.letters().redrive(letter.id.clone()).await.unwrap();
    fixture.rounds(&mut consumer, 2).await;
    let again = fixture.only_letter().await;
    assert_eq!((again.id, again.waiting), (letter.id, 1));
}

async fn a_purged_letter_counts_as_applied_and_its_key_goes_on() {
    let fixture = Fixture::new().await;
    fixture.script.set("a", 1, Trouble::Poison);
    fixture.publish(&["a", "a", "a"]).await;
    let mut consumer = fixture.consumer();
    fixture.rounds(&mut consumer, 2).await;
    fixture.letters().purge(fixture.only_letter().await.id).await.unwrap();
    fixture.rounds(&mut consumer, 3).await;
    assert_eq!(fixture.effects_of("a").await, [2, 3]);
    assert!(matches!(fixture.letters().purge("none".into()).await, Err(OperateError::NoSuchDeadLetter(_))));
}

async fn a_parked_event_that_fails_becomes_the_letter_of_its_key() {
    let fixture = Fixture::new().await;
    fixture.script.set("a", 1, Trouble::Poison);
    fixture.script.set("a", 2, Trouble::Retry);
    fixture.publish(&["a", "a", "a"]).await;
    let mut consumer = fixture.consumer();
    fixture.rounds(&mut consumer, 2).await;
    fixture.letters().purge(fixture.only_letter().await.id).await.unwrap();
    fixture.rounds(&mut consumer, 5).await;
    let letter = fixture.only_letter().await;
    assert_eq!((letter.reason.as_str(), letter.attempts, letter.waiting), ("STORE_UNAVAILABLE", 3, 1));
}

async fn a_failing_event_is_tried_again_and_given_up_after_its_last_try() {
    for trouble in [Trouble::Retry, Trouble::Unprepared] {
        let fixture = Fixture::new().await;
        fixture.script.set("a", 1, trouble);
        fixture.publish(&["a"]).await;
        for _ in 0..2 {
            // A new worker each time: the tries are counted in the store.
            assert_eq!(fixture.rounds(&mut fixture.consumer(), 1).await.dead, 0);
        }
        assert_eq!(fixture.rounds(&mut fixture.consumer(), 1).await.dead, 1);
        assert_eq!(fixture.only_letter().await.message, "it is away");
    }
}

async fn a_failing_event_undoes_none_of_its_batch_and_is_applied_once_mended() {
    let fixture = Fixture::new().await;
    fixture.script.set("b", 1, Trouble::Retry);
    fixture.publish(&["a", "b", "b", "c"]).await;
    let mut consumer = fixture.consumer();
    fixture.rounds(&mut consumer, 1).await;
    let applied: HashSet<_> = fixture.effects().await.into_iter().map(|effect| effect.0).collect();
    assert_eq!(applied, HashSet::from(["a".to_owned(), "c".to_owned()]));
    fixture.script.mend();
    fixture.rounds(&mut consumer, 3).await;
    assert_eq!(fixture.effects_of("b").await, [1, 2]);
}

async fn an_event_that_waits_for_another_comes_back_without_being_counted() {
    let fixture = Fixture::new().await;
    fixture.script.set("a", 1, Trouble::NotYet);
    fixture.publish(&["a"]).await;
    let mut consumer = fixture.consumer();
    assert_eq!(fixture.rounds(&mut consumer, 20).await.dead, 0);
    fixture.script.mend();
    fixture.rounds(&mut consumer, 1).await;
    assert_eq!(fixture.effects_of("a").await, [1]);
}
