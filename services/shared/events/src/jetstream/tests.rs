use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::stream::{self, RetentionPolicy, StorageType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use types::{Fault, Secret};

use super::*;
use crate::conformance::{event, every_promise};
use crate::topology::{CATALOG_DISCOVERY, DATASET_ANNOUNCED, PROFILING_DISCOVERY};

mod ahead;
mod claims;
mod cuts;
pub(crate) mod nats;
mod tls;

use nats::Nats;

every_promise!(Nats::start);

const SOON: Duration = Duration::from_secs(10);

fn announced(keys: std::ops::RangeInclusive<i64>) -> Vec<EventEnvelope> {
    keys.map(|sequence| event(DATASET_ANNOUNCED, "d", sequence)).collect()
}

async fn take(bus: &JetStream, consumer: &ConsumerSpec) -> Vec<i64> {
    let mut part = bus.subscribe(consumer).await.unwrap();
    let got = part.fetch(1000, SOON).await.unwrap();
    part.ack(&got).await.unwrap();
    got.iter().map(|delivery| delivery.event.sequence).collect()
}

#[tokio::test]
async fn a_server_without_jetstream_is_refused_by_name_and_version() {
    let Some(server) = Nats::start_with("a_server_without_jetstream_is_refused", "server_name: plain") else { return };
    let error = server.try_bus(&server.url(), &server.settings()).await.unwrap_err();
    assert_eq!(error.reason(), "BUS_WITHOUT_JETSTREAM");
    let text = error.to_string();
    assert!(text.contains("plain (NATS 2.1"), "{text}");
}

/// Speaks as much of the protocol as a client needs to connect.
async fn old_server(listener: tokio::net::TcpListener) {
    let (mut socket, _) = listener.accept().await.unwrap();
    let info = r#"INFO {"server_name":"old","version":"2.9.10","max_payload":1048576,"headers":true,"jetstream":true}"#;
    socket.write_all(format!("{info}\r\n").as_bytes()).await.unwrap();
    let mut buffer = [0; 4096];
    while socket.read(&mut buffer).await.is_ok_and(|read| read > 0) {
        socket.write_all(b"PONG\r\n").await.unwrap();
    }
}

#[tokio::test]
async fn a_server_too_old_is_refused_by_name_and_version() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(old_server(listener));
    let clock = testkit::ManualClock::default().shared();
    let error = crate::open(&url, &Settings::default(), clock).await.unwrap_err();
    assert_eq!(error.reason(), "BUS_TOO_OLD");
    assert_eq!(error.to_string(), "the event bus `old` is NATS 2.9.10; it must be 2.14.0 or later");
    served.abort();
}

#[tokio::test]
async fn a_server_that_takes_small_messages_alone_is_refused_with_its_setting() {
    let test = "a_server_that_takes_small_messages_alone_is_refused";
    let Some(server) = Nats::start_with(test, "max_payload: 64KB\njetstream { store_dir: \"DIR/store\" }") else {
        return;
    };
    let error = server.try_bus(&server.url(), &server.settings()).await.unwrap_err();
    assert_eq!(error.reason(), "BUS_PAYLOAD_LIMIT");
    assert!(error.to_string().contains("max_payload"));
}

#[tokio::test]
async fn passwords_in_the_url_and_in_settings_open_and_wrong_ones_are_refused() {
    let config = "authorization { user: mill, password: \"p@ss\" }\njetstream { store_dir: \"DIR/store\" }";
    let Some(server) = Nats::start_with("passwords_open_and_wrong_ones_are_refused", config) else { return };
    let settings = server.settings();
    server.try_bus(&server.url_as("mill:p%40ss"), &settings).await.unwrap();
    let password = Some(Secret::new("p@ss".to_owned()));
    let set = Settings { user: Some("mill".to_owned()), password, ..settings.clone() };
    server.try_bus(&server.url(), &set).await.unwrap();
    let error = server.try_bus(&server.url_as("mill:hunter2"), &settings).await.unwrap_err();
    assert_eq!(error.reason(), "BUS_CREDENTIALS_REFUSED");
    assert!(!crate::error::chain(&error).contains("hunter2"));
}

#[tokio::test]
async fn a_token_opens() {
    let config = "authorization { token: \"t0ken\" }\njetstream { store_dir: \"DIR/store\" }";
    let Some(server) = Nats::start_with("a_token_opens", config) else { return };
    server.try_bus(&server.url_as("t0ken"), &server.settings()).await.unwrap();
    let set = Settings { token: Some(Secret::new("t0ken".to_owned())), ..server.settings() };
    server.try_bus(&server.url(), &set).await.unwrap();
    let error = server.try_bus(&server.url(), &server.settings()).await.unwrap_err();
    assert_eq!(error.reason(), "BUS_CREDENTIALS_REFUSED");
}

#[tokio::test]
async fn an_nkey_opens() {
    let key = nkeys::KeyPair::new_user();
    let users = format!("authorization {{ users: [ {{ nkey: {} }} ] }}", key.public_key());
    let config = format!("{users}\njetstream {{ store_dir: \"DIR/store\" }}");
    let Some(server) = Nats::start_with("an_nkey_opens", &config) else { return };
    let nkey = |key: &nkeys::KeyPair| Some(Secret::new(key.seed().unwrap()));
    server.try_bus(&server.url(), &Settings { nkey: nkey(&key), ..server.settings() }).await.unwrap();
    let other = nkeys::KeyPair::new_user();
    let error = server.try_bus(&server.url(), &Settings { nkey: nkey(&other), ..server.settings() }).await.unwrap_err();
    assert_eq!(error.reason(), "BUS_CREDENTIALS_REFUSED");
}

#[tokio::test]
async fn a_stream_that_was_changed_by_hand_is_put_right() {
    let Some(server) = Nats::start("a_stream_that_was_changed_by_hand_is_put_right") else { return };
    let bus = server.bus().await;
    bus.publish(&announced(1..=2)).await.unwrap();
    let hand = server.by_hand().await;
    let declared = hand.get_stream("test_discovery").await.unwrap().cached_info().config.clone();
    let changed = stream::Config {
        max_age: Duration::from_secs(3600),
        max_messages: 100,
        discard: stream::DiscardPolicy::Old,
        retention: RetentionPolicy::Interest,
        allow_atomic_publish: false,
        subjects: vec!["test.discovery.>".to_owned(), "extra.>".to_owned()],
        ..declared.clone()
    };
    hand.update_stream(changed).await.unwrap();
    let bus = server.bus().await;
    let found = hand.get_stream("test_discovery").await.unwrap().cached_info().config.clone();
    assert_eq!(stream::Config { subjects: declared.subjects.clone(), ..found.clone() }, declared);
    assert!(found.subjects.contains(&"extra.>".to_owned()), "what somebody added does no harm");
    bus.publish(&announced(3..=3)).await.unwrap();
    assert_eq!(take(&bus, &CATALOG_DISCOVERY).await, [1, 2, 3]);
}

#[tokio::test]
async fn a_stream_in_memory_is_refused() {
    let Some(server) = Nats::start("a_stream_in_memory_is_refused") else { return };
    let config = stream::Config {
        name: "test_discovery".to_owned(),
        subjects: vec!["test.discovery.>".to_owned()],
        storage: StorageType::Memory,
        ..stream::Config::default()
    };
    server.by_hand().await.create_stream(config).await.unwrap();
    let error = server.try_bus(&server.url(), &server.settings()).await.unwrap_err();
    assert_eq!(error.reason(), "BUS_STREAM_CHANGED");
    assert!(error.to_string().contains("test_discovery") && error.to_string().contains("storage"), "{error}");
}

#[tokio::test]
async fn a_consumer_that_was_changed_by_hand_is_put_right_or_made_anew() {
    let Some(server) = Nats::start("a_consumer_that_was_changed_by_hand_is_put_right_or_made_anew") else { return };
    let bus = server.bus().await;
    bus.publish(&announced(1..=2)).await.unwrap();
    let stream = server.by_hand().await.get_stream("test_discovery").await.unwrap();
    let mut config = stream.consumer_info("catalog_discovery").await.unwrap().config;
    config.max_deliver = 1;
    config.filter_subject = "test.discovery.nothing.>".to_owned();
    stream.create_consumer(pull_config(config)).await.unwrap();
    assert_eq!(take(&bus, &CATALOG_DISCOVERY).await, [1, 2]);
    stream.delete_consumer("profiling_discovery").await.unwrap();
    let deaf = pull::Config {
        durable_name: Some("profiling_discovery".to_owned()),
        ack_policy: AckPolicy::None,
        ..pull::Config::default()
    };
    stream.create_consumer(deaf).await.unwrap();
    assert_eq!(take(&bus, &PROFILING_DISCOVERY).await, [1, 2]);
    assert_eq!(stream.consumer_info("profiling_discovery").await.unwrap().config.ack_policy, AckPolicy::Explicit);
}

#[tokio::test]
async fn a_second_database_of_a_role_is_kept_from_what_belongs_to_the_first() {
    let Some(server) = Nats::start("a_second_database_of_a_role_is_kept_from_what_belongs_to_the_first") else {
        return;
    };
    let (first, second) = (server.bus().await, server.bus().await);
    for role in ["discovery", "catalog"] {
        first.claim(role, "one").await.unwrap();
        let error = second.claim(role, "two").await.unwrap_err();
        assert_eq!(error.reason(), "BUS_OTHER_DATABASE", "{error}");
        assert!(["one", "two", role].iter().all(|word| error.to_string().contains(word)), "{error}");
        server.bus().await.claim(role, "one").await.unwrap();
    }
    // Roles keep their state apart.
    second.claim("profiling", "two").await.unwrap();
    let refused = second.subscribe(&CATALOG_DISCOVERY).await.err().map(|error| error.reason());
    assert_eq!(refused, Some("BUS_OTHER_DATABASE"));
    first.publish(&announced(1..=2)).await.unwrap();
    assert_eq!(take(&first, &CATALOG_DISCOVERY).await, [1, 2]);

    // What was deleted by hand is marked again by whoever makes it anew.
    let hand = server.by_hand().await;
    hand.delete_stream("test_discovery").await.unwrap();
    first.stream_state("discovery", 0).await.unwrap();
    first.subscribe(&CATALOG_DISCOVERY).await.unwrap();
    let third = server.bus().await;
    for role in ["discovery", "catalog"] {
        assert_eq!(third.claim(role, "three").await.unwrap_err().reason(), "BUS_OTHER_DATABASE");
    }
}

fn pull_config(config: async_nats::jetstream::consumer::Config) -> pull::Config {
    use async_nats::jetstream::consumer::FromConsumer as _;
    pull::Config::try_from_consumer_config(config).unwrap()
}

#[tokio::test]
async fn the_monitoring_tells_what_an_acknowledgement_is_worth() {
    let config = "jetstream { store_dir: \"DIR/store\", sync_interval: always }";
    let Some(server) = Nats::start_with("the_monitoring_tells_what_an_acknowledgement_is_worth", config) else {
        return;
    };
    let monitored = Settings { monitors: vec![server.monitor_url()], ..server.settings() };
    let bus = server.try_bus(&server.url(), &monitored).await.unwrap();
    bus.publish(&announced(1..=3)).await.unwrap();
    assert_eq!(bus.least_outbox_retention().await.unwrap(), Duration::ZERO);
    // A batch with a known event goes one by one, which is not synced as a batch is.
    bus.publish(&announced(4..=4)).await.unwrap();
    let known = announced(5..=5);
    bus.publish(&known).await.unwrap();
    bus.publish(&[known, announced(6..=6)].concat()).await.unwrap();
    assert_eq!(bus.least_outbox_retention().await.unwrap(), Duration::from_secs(240));
    let unknown = server.bus().await;
    assert_eq!(unknown.least_outbox_retention().await.unwrap(), Duration::from_secs(240));
}

#[tokio::test]
async fn a_server_that_syncs_now_and_then_needs_twice_its_interval() {
    let config = "jetstream { store_dir: \"DIR/store\", sync_interval: \"30s\" }";
    let Some(server) = Nats::start_with("a_server_that_syncs_now_and_then_needs_twice_its_interval", config) else {
        return;
    };
    let monitored = Settings { monitors: vec![server.monitor_url()], sync_always: true, ..server.settings() };
    let bus = server.try_bus(&server.url(), &monitored).await.unwrap();
    assert_eq!(bus.least_outbox_retention().await.unwrap(), Duration::from_secs(60));
    // Where nobody answers, the settings tell.
    let deaf = Settings { monitors: vec!["http://127.0.0.1:9".to_owned()], ..monitored };
    let bus = server.try_bus(&server.url(), &deaf).await.unwrap();
    assert_eq!(bus.least_outbox_retention().await.unwrap(), Duration::ZERO);
}

#[tokio::test]
async fn a_publication_of_another_process_pokes() {
    let Some(server) = Nats::start("a_publication_of_another_process_pokes") else { return };
    let (here, there) = (server.bus().await, server.bus().await);
    let mut poke = here.published();
    let heard = async {
        // The connection pokes once, and so does the listener once it hears.
        testkit::eventually!(*poke.borrow_and_update() > 1);
        there.publish(&announced(1..=1)).await.unwrap();
        tokio::time::timeout(SOON, poke.changed()).await.unwrap().unwrap();
    };
    tokio::select! {
        () = heard => {}
        ended = here.tend() => panic!("the listener ended: {ended:?}"),
    }
}

#[tokio::test]
async fn meshes_with_prefixes_of_their_own_share_a_server() {
    let Some(server) = Nats::start("meshes_with_prefixes_of_their_own_share_a_server") else { return };
    let one = server.bus().await;
    let other = Settings { prefix: "other".to_owned(), ..server.settings() };
    let other = server.try_bus(&server.url(), &other).await.unwrap();
    one.publish(&announced(1..=2)).await.unwrap();
    other.publish(&announced(7..=7)).await.unwrap();
    assert_eq!(take(&one, &CATALOG_DISCOVERY).await, [1, 2]);
    assert_eq!(take(&other, &CATALOG_DISCOVERY).await, [7]);
}

#[tokio::test]
async fn a_message_that_is_no_event_is_passed_over() {
    let Some(server) = Nats::start("a_message_that_is_no_event_is_passed_over") else { return };
    let (bus, logs) = (server.bus().await, testkit::CapturedLogs::start());
    let hand = server.by_hand().await;
    hand.publish("test.discovery.dataset.nonsense", "\u{0}nonsense".into()).await.unwrap().await.unwrap();
    bus.publish(&announced(1..=1)).await.unwrap();
    assert_eq!(take(&bus, &CATALOG_DISCOVERY).await, [1]);
    assert!(logs.has_line(&["ERROR", "no event", "nonsense"]), "{}", logs.text());
    assert_eq!(bus.lag(&CATALOG_DISCOVERY).await.unwrap(), Lag::default());
}

#[tokio::test]
async fn what_is_old_is_dropped_when_every_declared_consumer_has_acknowledged_it() {
    let Some(server) = Nats::start("what_is_old_is_dropped") else { return };
    let bus = server.bus().await;
    let real =
        types::Timestamp::from_micros(i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_micros()).unwrap());
    server.clock.set(real);
    bus.publish(&announced(1..=5)).await.unwrap();
    assert_eq!(take(&bus, &CATALOG_DISCOVERY).await.len(), 5);
    server.clock.advance(Duration::from_secs(30 * 24 * 3600));
    assert_eq!(bus.sweep().await.unwrap(), 0, "profiling has not acknowledged");
    assert_eq!(take(&bus, &PROFILING_DISCOVERY).await.len(), 5);
    assert_eq!(bus.sweep().await.unwrap(), 4, "all but the last event of the stream");
    server.clock.set(real);
    assert_eq!(bus.sweep().await.unwrap(), 0, "what is young stays");
}

#[tokio::test]
async fn a_stream_that_is_full_refuses_and_keeps_what_it_has() {
    let Some(server) = Nats::start("a_stream_that_is_full_refuses_and_keeps_what_it_has") else { return };
    let settings = Settings { max_bytes: Some(types::ByteSize::bytes(4096)), ..server.settings() };
    let bus = server.try_bus(&server.url(), &settings).await.unwrap();
    bus.publish(&announced(1..=2)).await.unwrap();
    let mut large = announced(3..=3);
    large[0].payload = vec![0; 8192];
    let error = bus.publish(&large).await.unwrap_err();
    assert_eq!(error.reason(), "BUS_FULL", "{error}");
    assert_eq!(take(&bus, &CATALOG_DISCOVERY).await, [1, 2]);
}

#[tokio::test]
async fn consumers_that_were_farther_are_rewound_and_others_are_left() {
    let Some(server) = Nats::start("consumers_that_were_farther_are_rewound_and_others_are_left") else { return };
    let bus = server.bus().await;
    let positions = bus.publish(&announced(1..=5)).await.unwrap();
    assert_eq!(take(&bus, &CATALOG_DISCOVERY).await, [1, 2, 3, 4, 5]);
    bus.rewind("discovery", positions[1]).await.unwrap();
    assert_eq!(take(&bus, &CATALOG_DISCOVERY).await, [3, 4, 5]);
    assert_eq!(take(&bus, &PROFILING_DISCOVERY).await, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn several_batches_are_stored_in_order_and_what_is_known_keeps_its_place() {
    let Some(server) = Nats::start("several_batches_are_stored_in_order_and_what_is_known_keeps_its_place") else {
        return;
    };
    let bus = server.bus().await;
    let events = announced(1..=3500);
    assert_eq!(bus.publish(&events[..1200]).await.unwrap(), (1..=1200).collect::<Vec<_>>());
    // The second batch has events of which the stream knows some.
    assert_eq!(bus.publish(&events).await.unwrap(), (1..=3500).collect::<Vec<_>>());
    let mut part = bus.subscribe(&CATALOG_DISCOVERY).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 3500 {
        let got = part.fetch(512, SOON).await.unwrap();
        assert!(!got.is_empty(), "{} came", seen.len());
        part.ack(&got).await.unwrap();
        seen.extend(got.iter().map(|delivery| (delivery.event.sequence, delivery.deliveries)));
    }
    assert_eq!(seen, (1..=3500).map(|sequence| (sequence, 1)).collect::<Vec<_>>());
    assert_eq!(bus.lag(&CATALOG_DISCOVERY).await.unwrap(), Lag::default());
}

#[tokio::test]
async fn batches_that_were_begun_ahead_and_given_up_take_no_place_at_the_server() {
    let test = "batches_that_were_begun_ahead_and_given_up_take_no_place_at_the_server";
    let Some(server) = Nats::start(test) else { return };
    let bus = server.bus().await;
    bus.publish(&announced(1..=1)).await.unwrap();
    let large = announced(2..=1103);
    // The server takes 50 batches of a stream at once. The first is refused for its size, the second was begun then.
    let hand = server.by_hand().await;
    let mut config = hand.get_stream("test_discovery").await.unwrap().cached_info().config.clone();
    config.max_bytes = 64 * 1024;
    hand.update_stream(config.clone()).await.unwrap();
    for _ in 0..60 {
        assert_eq!(bus.publish(&large).await.unwrap_err().reason(), "BUS_FULL");
    }
    config.max_bytes = -1;
    hand.update_stream(config).await.unwrap();
    assert_eq!(bus.publish(&large).await.unwrap(), (2..=1103).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_was_asked_for_ahead_and_not_taken_comes_again() {
    let Some(server) = Nats::start("what_was_asked_for_ahead_and_not_taken_comes_again") else { return };
    let bus = server.bus().await;
    bus.publish(&announced(1..=100)).await.unwrap();
    let consumer = ConsumerSpec { ack_wait: Duration::from_secs(2), ..CATALOG_DISCOVERY };
    let mut part = bus.subscribe(&consumer).await.unwrap();
    for _ in 0..2 {
        let got = part.fetch(10, SOON).await.unwrap();
        part.ack(&got).await.unwrap();
    }
    testkit::eventually!(bus.lag(&consumer).await.unwrap().in_flight == 10);
    drop(part);
    let mut part = bus.subscribe(&consumer).await.unwrap();
    let mut seen = std::collections::BTreeSet::new();
    let deadline = Instant::now() + 2 * SOON;
    while seen.len() < 80 {
        assert!(Instant::now() < deadline, "{} of the rest came", seen.len());
        let got = part.fetch(10, Duration::from_millis(500)).await.unwrap();
        part.ack(&got).await.unwrap();
        seen.extend(got.iter().map(|delivery| delivery.event.sequence));
    }
    assert_eq!(seen, (21..=100).collect());
}
