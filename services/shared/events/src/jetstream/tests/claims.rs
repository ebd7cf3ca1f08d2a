//! Whose a stream is: what happens when the mark on it is another's, or gone.

use super::cuts::{Service, relay_all};
use super::*;
use crate::Error;

/// The mark on the stream of discovery.
async fn mark(server: &Nats) -> Option<String> {
    let stream = server.by_hand().await.get_stream("test_discovery").await.unwrap();
    stream.cached_info().config.metadata.get("millrace-database").cloned()
}

/// Marks the stream, as a process does that looked before it was marked and is slow.
async fn mark_by_hand(server: &Nats, database: &str) {
    let hand = server.by_hand().await;
    let mut config = hand.get_stream("test_discovery").await.unwrap().cached_info().config.clone();
    config.metadata.insert("millrace-database".to_owned(), database.to_owned());
    hand.update_stream(config).await.unwrap();
}

async fn last_position(server: &Nats) -> u64 {
    server.bus().await.stream_state("discovery", 0).await.unwrap().last_position
}

fn reason<T>(result: Result<T, impl Into<Error>>) -> Option<&'static str> {
    result.err().map(|error| error.into().reason())
}

#[tokio::test]
async fn of_two_databases_that_claim_a_stream_at_once_one_publishes_and_one_is_refused() {
    let Some(server) = Nats::start("of_two_databases_that_claim_a_stream_at_once_one_publishes") else { return };
    let (one, two) = (server.bus().await, server.bus().await);
    let claimed = tokio::join!(one.claim("discovery", "one"), two.claim("discovery", "two"));
    assert!(claimed.0.is_ok() || claimed.1.is_ok(), "{claimed:?}");
    let mut outcomes = Vec::new();
    for bus in [&one, &two] {
        let service = Service::new(&server).await;
        service.append(3).await;
        outcomes.push(reason(service.relay(bus).reconcile().await));
    }
    outcomes.sort_unstable();
    assert_eq!(outcomes, [None, Some("BUS_OTHER_DATABASE")]);
    assert_eq!(last_position(&server).await, 3, "the one that is refused publishes nothing");
}

#[tokio::test]
async fn a_relay_whose_stream_another_database_marked_publishes_no_more() {
    let Some(server) = Nats::start("a_relay_whose_stream_another_database_marked_publishes_no_more") else { return };
    let (service, bus) = (Service::new(&server).await, server.bus().await);
    bus.claim("discovery", "one").await.unwrap();
    mark_by_hand(&server, "two").await;
    let mut relay = service.relay(&bus);
    service.append(1).await;
    assert_eq!(reason(relay.reconcile().await), Some("BUS_OTHER_DATABASE"), "it looks before it publishes");
    assert_eq!(last_position(&server).await, 0);

    mark_by_hand(&server, "one").await;
    assert_eq!(relay_all(&mut relay).await, 1);
    mark_by_hand(&server, "two").await;
    service.append(1).await;
    assert_eq!(reason(relay.reconcile().await), Some("BUS_OTHER_DATABASE"), "it looks after it published");
    let published = last_position(&server).await;
    service.append(1).await;
    server.clock.advance(Duration::from_secs(120));
    assert_eq!(reason(relay.reconcile().await), Some("BUS_OTHER_DATABASE"));
    assert_eq!(last_position(&server).await, published);
}

#[tokio::test]
async fn a_stream_that_a_process_of_another_role_made_anew_is_marked_by_the_relay_of_its_owner() {
    let Some(server) = Nats::start("a_stream_that_a_process_of_another_role_made_anew_is_marked") else { return };
    let (service, owner, consumer) = (Service::new(&server).await, server.bus().await, server.bus().await);
    owner.claim("discovery", "one").await.unwrap();
    consumer.claim("catalog", "other").await.unwrap();
    let mut relay = service.relay(&owner);
    service.append(2).await;
    relay_all(&mut relay).await;
    server.by_hand().await.delete_stream("test_discovery").await.unwrap();
    consumer.subscribe(&CATALOG_DISCOVERY).await.unwrap();
    assert_eq!(mark(&server).await, None);
    server.clock.advance(Duration::from_secs(60));
    assert_eq!(relay_all(&mut relay).await, 2, "it fills the stream again");
    assert_eq!(mark(&server).await.as_deref(), Some("one"));
    assert_eq!(reason(server.bus().await.claim("discovery", "two").await), Some("BUS_OTHER_DATABASE"));
}
