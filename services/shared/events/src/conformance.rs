//! The promises of an [`EventBus`], one test each. A bus runs them all: `conformance::every_promise!(harness)`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use proto::common::v1::EventEnvelope;

use crate::topology::{CATALOG_DISCOVERY, CATALOG_PROFILING, PROFILING_DISCOVERY};
use crate::{BusError, ConsumerSpec, Delivery, EventBus, Subscription, topology};

/// What a bus brings for its tests.
#[async_trait]
pub trait Harness: Send + Sync {
    /// Opens the bus; a second time, the same one anew, as a new process would.
    async fn open(&self) -> Arc<dyn EventBus>;
    /// Lets this much time pass on the bus's clock.
    async fn pass(&self, time: Duration);
    /// How long consumers have for their acknowledgement; a delay takes as long.
    fn patience(&self) -> Duration {
        CATALOG_DISCOVERY.ack_wait
    }
}

const SOON: Duration = Duration::from_secs(5);
const NOW: Duration = Duration::ZERO;

/// An event as a relay would publish it.
pub fn event(subject: &str, key: &str, sequence: i64) -> EventEnvelope {
    EventEnvelope {
        id: uuid::Uuid::now_v7().to_string(),
        subject: subject.to_owned(),
        resource: key.to_owned(),
        tenant: "main".to_owned(),
        key: key.to_owned(),
        sequence,
        payload_type: topology::payload_type(subject).unwrap_or_default().to_owned(),
        ..EventEnvelope::default()
    }
}

fn announced(count: i64) -> Vec<EventEnvelope> {
    (1..=count).map(|sequence| event(topology::DATASET_ANNOUNCED, "d", sequence)).collect()
}

fn catalog_discovery(harness: &dyn Harness) -> ConsumerSpec {
    ConsumerSpec { ack_wait: harness.patience(), ..CATALOG_DISCOVERY }
}

async fn part(bus: &Arc<dyn EventBus>, consumer: &ConsumerSpec) -> Box<dyn Subscription> {
    bus.subscribe(consumer).await.unwrap()
}

fn sequences(deliveries: &[Delivery]) -> Vec<i64> {
    deliveries.iter().map(|delivery| delivery.event.sequence).collect()
}

pub async fn events_come_in_the_order_of_their_publication(harness: &dyn Harness) {
    let bus = harness.open().await;
    let events = announced(10);
    let positions = [bus.publish(&events[..4]).await.unwrap(), bus.publish(&events[4..]).await.unwrap()].concat();
    assert!(positions.is_sorted() && positions[0] > 0, "{positions:?}");
    let mut part = part(&bus, &CATALOG_DISCOVERY).await;
    let mut got = Vec::new();
    while got.len() < 10 {
        let fetched = part.fetch(3, SOON).await.unwrap();
        assert!((1..=3).contains(&fetched.len()));
        part.ack(&fetched).await.unwrap();
        got.extend(fetched);
    }
    assert_eq!(got.iter().map(|delivery| &delivery.event).collect::<Vec<_>>(), events.iter().collect::<Vec<_>>());
    assert_eq!(got.iter().map(|delivery| delivery.position).collect::<Vec<_>>(), positions);
}

pub async fn a_known_event_is_dropped_and_keeps_its_position(harness: &dyn Harness) {
    let bus = harness.open().await;
    let events = announced(3);
    let first = bus.publish(&events[..2]).await.unwrap();
    let second = bus.publish(&events).await.unwrap();
    assert_eq!(first, second[..2]);
    let fetched = part(&bus, &CATALOG_DISCOVERY).await.fetch(9, SOON).await.unwrap();
    assert_eq!(sequences(&fetched), [1, 2, 3]);
}

pub async fn what_was_published_survives_a_restart(harness: &dyn Harness) {
    harness.open().await.publish(&announced(3)).await.unwrap();
    let fetched = part(&harness.open().await, &CATALOG_DISCOVERY).await.fetch(9, SOON).await.unwrap();
    assert_eq!(sequences(&fetched), [1, 2, 3]);
}

pub async fn what_was_acknowledged_does_not_come_again(harness: &dyn Harness) {
    let bus = harness.open().await;
    bus.publish(&announced(3)).await.unwrap();
    let mut first = part(&bus, &catalog_discovery(harness)).await;
    let fetched = first.fetch(9, SOON).await.unwrap();
    first.ack(&fetched).await.unwrap();
    harness.pass(harness.patience() * 2).await;
    assert!(first.fetch(9, NOW).await.unwrap().is_empty());
    let mut second = part(&harness.open().await, &catalog_discovery(harness)).await;
    assert!(second.fetch(9, NOW).await.unwrap().is_empty());
}

pub async fn what_was_not_acknowledged_comes_again_after_a_restart(harness: &dyn Harness) {
    let bus = harness.open().await;
    bus.publish(&announced(3)).await.unwrap();
    let mut first = part(&bus, &catalog_discovery(harness)).await;
    let fetched = first.fetch(9, SOON).await.unwrap();
    first.ack(&fetched[1..2]).await.unwrap();
    assert!(first.fetch(9, NOW).await.unwrap().is_empty());
    let bus = harness.open().await;
    harness.pass(harness.patience() * 2).await;
    let mut again = part(&bus, &catalog_discovery(harness)).await.fetch(9, SOON).await.unwrap();
    again.sort_by_key(|delivery| delivery.position);
    assert_eq!(sequences(&again), [1, 3]);
}

pub async fn what_is_not_acknowledged_in_time_comes_again(harness: &dyn Harness) {
    let bus = harness.open().await;
    bus.publish(&announced(1)).await.unwrap();
    let mut part = part(&bus, &catalog_discovery(harness)).await;
    assert_eq!(part.fetch(9, SOON).await.unwrap()[0].deliveries, 1);
    assert!(part.fetch(9, NOW).await.unwrap().is_empty());
    harness.pass(harness.patience()).await;
    let again = part.fetch(9, SOON).await.unwrap();
    assert_eq!((sequences(&again), again[0].deliveries), (vec![1], 2));
}

pub async fn what_was_refused_comes_again_later_and_holds_back_no_other(harness: &dyn Harness) {
    let bus = harness.open().await;
    bus.publish(&announced(3)).await.unwrap();
    let mut part = part(&bus, &catalog_discovery(harness)).await;
    let first = part.fetch(1, SOON).await.unwrap();
    part.nak(&first[0], harness.patience()).await.unwrap();
    let others = part.fetch(9, SOON).await.unwrap();
    assert_eq!(sequences(&others), [2, 3]);
    part.ack(&others).await.unwrap();
    assert!(part.fetch(9, NOW).await.unwrap().is_empty());
    harness.pass(harness.patience()).await;
    assert_eq!(sequences(&part.fetch(9, SOON).await.unwrap()), [1]);
}

pub async fn the_parts_of_a_consumer_share_its_events(harness: &dyn Harness) {
    let bus = harness.open().await;
    bus.publish(&announced(4)).await.unwrap();
    let (mut one, mut two) = (part(&bus, &CATALOG_DISCOVERY).await, part(&bus, &CATALOG_DISCOVERY).await);
    let mut got = sequences(&one.fetch(2, SOON).await.unwrap());
    got.extend(sequences(&two.fetch(9, SOON).await.unwrap()));
    got.sort_unstable();
    assert_eq!(got, [1, 2, 3, 4]);
}

pub async fn every_consumer_gets_every_event(harness: &dyn Harness) {
    let bus = harness.open().await;
    bus.publish(&announced(2)).await.unwrap();
    for consumer in [&CATALOG_DISCOVERY, &PROFILING_DISCOVERY] {
        assert_eq!(sequences(&part(&bus, consumer).await.fetch(9, SOON).await.unwrap()), [1, 2]);
    }
}

pub async fn a_consumer_gets_the_things_of_its_filter_alone(harness: &dyn Harness) {
    let bus = harness.open().await;
    let retracted = event(topology::DATASET_RETRACTED, "d", 2);
    bus.publish(&[announced(1).remove(0), event(topology::JOB_ADVANCED, "d", 1), retracted]).await.unwrap();
    let discovery = part(&bus, &CATALOG_DISCOVERY).await.fetch(9, SOON).await.unwrap();
    assert_eq!(sequences(&discovery), [1, 2]);
    let profiling = part(&bus, &CATALOG_PROFILING).await.fetch(9, SOON).await.unwrap();
    assert_eq!(profiling[0].event.subject, topology::JOB_ADVANCED);
    assert_eq!(profiling.len(), 1);
}

pub async fn no_more_than_the_declared_number_is_out_at_once(harness: &dyn Harness) {
    let bus = harness.open().await;
    bus.publish(&announced(5)).await.unwrap();
    let mut part = part(&bus, &ConsumerSpec { max_in_flight: 2, ..CATALOG_DISCOVERY }).await;
    let first = part.fetch(9, SOON).await.unwrap();
    assert_eq!(sequences(&first), [1, 2]);
    assert!(part.fetch(9, NOW).await.unwrap().is_empty());
    part.ack(&first[..1]).await.unwrap();
    assert_eq!(sequences(&part.fetch(9, SOON).await.unwrap()), [3]);
}

pub async fn a_waiting_fetch_wakes_when_something_is_published(harness: &dyn Harness) {
    let bus = harness.open().await;
    let mut poke = bus.published();
    poke.mark_unchanged();
    let mut part = part(&bus, &CATALOG_DISCOVERY).await;
    let events = announced(1);
    let (fetched, published) = tokio::join!(part.fetch(9, Duration::from_secs(20)), bus.publish(&events));
    published.unwrap();
    assert_eq!(sequences(&fetched.unwrap()), [1]);
    assert!(poke.has_changed().unwrap());
}

pub async fn a_stream_tells_its_identity_its_end_and_its_events(harness: &dyn Harness) {
    let bus = harness.open().await;
    let empty = bus.stream_state("discovery", 0).await.unwrap();
    assert_eq!((empty.last_position, empty.id_at), (0, None));
    let events = announced(2);
    let positions = bus.publish(&events).await.unwrap();
    let bus = harness.open().await;
    let state = bus.stream_state("discovery", positions[0]).await.unwrap();
    assert_eq!(state.identity, empty.identity);
    assert_eq!((state.last_position, state.id_at), (positions[1], Some(events[0].id.clone())));
    assert_eq!(bus.stream_state("discovery", positions[1] + 1).await.unwrap().id_at, None);
}

pub async fn the_lag_tells_what_waits_and_what_is_out(harness: &dyn Harness) {
    let bus = harness.open().await;
    bus.publish(&announced(3)).await.unwrap();
    let mut part = part(&bus, &CATALOG_DISCOVERY).await;
    let out = part.fetch(1, SOON).await.unwrap();
    let lag = bus.lag(&CATALOG_DISCOVERY).await.unwrap();
    assert_eq!((lag.waiting, lag.in_flight, lag.oldest.is_some()), (2, 1, true));
    part.ack(&out).await.unwrap();
    let rest = part.fetch(9, SOON).await.unwrap();
    part.ack(&rest).await.unwrap();
    assert_eq!(bus.lag(&CATALOG_DISCOVERY).await.unwrap(), crate::Lag::default());
}

pub async fn what_is_too_large_or_undeclared_is_refused_whole(harness: &dyn Harness) {
    let bus = harness.open().await;
    let mut large = announced(2);
    large[1].payload = vec![0; topology::MAX_ENVELOPE_BYTES];
    assert!(matches!(bus.publish(&large).await, Err(BusError::TooLarge { .. })));
    let foreign = [announced(1).remove(0), event("millrace.nobody.thing.happened.v1", "k", 1)];
    assert!(matches!(bus.publish(&foreign).await, Err(BusError::UnknownSubject { .. })));
    assert!(part(&bus, &CATALOG_DISCOVERY).await.fetch(9, NOW).await.unwrap().is_empty());
}

/// Makes a test of every promise; `$harness` makes a fresh [`Harness`] for the test that it is told the name of, or none
/// where the test must skip itself.
macro_rules! every_promise {
    ($harness:expr) => {
        $crate::conformance::every_promise!($harness =>
            events_come_in_the_order_of_their_publication,
            a_known_event_is_dropped_and_keeps_its_position,
            what_was_published_survives_a_restart,
            what_was_acknowledged_does_not_come_again,
            what_was_not_acknowledged_comes_again_after_a_restart,
            what_is_not_acknowledged_in_time_comes_again,
            what_was_refused_comes_again_later_and_holds_back_no_other,
            the_parts_of_a_consumer_share_its_events,
            every_consumer_gets_every_event,
            a_consumer_gets_the_things_of_its_filter_alone,
            no_more_than_the_declared_number_is_out_at_once,
            a_waiting_fetch_wakes_when_something_is_published,
            a_stream_tells_its_identity_its_end_and_its_events,
            the_lag_tells_what_waits_and_what_is_out,
            what_is_too_large_or_undeclared_is_refused_whole,
        );
    };
    ($harness:expr => $($promise:ident),+ $(,)?) => {
        $(#[tokio::test]
        async fn $promise() {
            let make = $harness;
            if let Some(harness) = make(stringify!($promise)) {
                $crate::conformance::$promise(&harness).await;
            }
        })+
    };
}
pub(crate) use every_promise;
