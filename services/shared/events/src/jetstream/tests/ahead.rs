//! What was asked for ahead: the server sent it, and nobody took it.

use super::*;
use crate::Subscription;

/// A part that answered two full hands at once, so that a third of ten events is on its way.
async fn swift_part(bus: &JetStream, consumer: &ConsumerSpec) -> Box<dyn Subscription> {
    let mut part = bus.subscribe(consumer).await.unwrap();
    for _ in 0..2 {
        let got = part.fetch(10, SOON).await.unwrap();
        part.ack(&got).await.unwrap();
    }
    testkit::eventually!(bus.lag(consumer).await.unwrap().in_flight == 10);
    part
}

/// Takes until `count` events came. Gives the sequence of each, and how often it was delivered.
async fn all(part: &mut dyn Subscription, count: usize) -> Vec<(i64, u32)> {
    let (mut seen, deadline) = (Vec::new(), Instant::now() + SOON);
    while seen.len() < count {
        assert!(Instant::now() < deadline, "{} of {count} came", seen.len());
        let got = part.fetch(100, Duration::from_millis(500)).await.unwrap();
        part.ack(&got).await.unwrap();
        seen.extend(got.iter().map(|delivery| (delivery.event.sequence, delivery.deliveries)));
    }
    seen
}

#[tokio::test]
async fn what_was_asked_for_ahead_comes_again_at_once_when_the_part_ends() {
    let Some(server) = Nats::start("what_was_asked_for_ahead_comes_again_at_once_when_the_part_ends") else { return };
    let (bus, other) = (server.bus().await, server.bus().await);
    bus.publish(&announced(1..=100)).await.unwrap();
    swift_part(&bus, &CATALOG_DISCOVERY).await.end().await.unwrap();
    // The time to acknowledge is longer than the test takes.
    let mut part = other.subscribe(&CATALOG_DISCOVERY).await.unwrap();
    let seen = all(&mut *part, 80).await;
    assert_eq!(seen, (21..=100).map(|sequence| (sequence, if sequence <= 30 { 2 } else { 1 })).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_was_asked_for_ahead_comes_again_in_order_after_a_hand_that_took_long() {
    let test = "what_was_asked_for_ahead_comes_again_in_order_after_a_hand_that_took_long";
    let Some(server) = Nats::start(test) else { return };
    let bus = server.bus().await;
    bus.publish(&announced(1..=100)).await.unwrap();
    let mut part = swift_part(&bus, &CATALOG_DISCOVERY).await;
    let slow = part.fetch(10, SOON).await.unwrap();
    testkit::eventually!(bus.lag(&CATALOG_DISCOVERY).await.unwrap().in_flight == 20);
    // The server's time only passes. A batch of the driver would have ended by now.
    tokio::time::sleep(Duration::from_millis(5500)).await;
    part.ack(&slow).await.unwrap();
    let seen = all(&mut *part, 70).await;
    assert_eq!(seen, (31..=100).map(|sequence| (sequence, if sequence <= 40 { 2 } else { 1 })).collect::<Vec<_>>());
}
