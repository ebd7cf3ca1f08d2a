//! What a broker does to us: it dies, forgets, comes back with less.

use types::TenantId;

use super::nats::copy_folder;
use super::*;
use crate::{Event, Relay, outbox};

const HOUR: Duration = Duration::from_secs(3600);

/// A service with an outbox, whose relay publishes on the server.
pub struct Service {
    _dir: tempfile::TempDir,
    db: sql::Database,
}

impl Service {
    pub async fn new(server: &Nats) -> Self {
        let dir = testkit::temp_dir();
        let url = format!("sqlite:{}", dir.path().join("service.db").display());
        let db = sql::Database::open(&url, &[&crate::MIGRATIONS], server.clock.shared()).await.unwrap();
        Self { _dir: dir, db }
    }

    /// Tells of `count` changes of the dataset `d`.
    pub async fn append(&self, count: usize) {
        let tenant: TenantId = "main".parse().unwrap();
        let message = proto::discovery::v1::DatasetAnnounced::default();
        let payload = "millrace.discovery.v1.DatasetAnnounced";
        let event = Event::new(DATASET_ANNOUNCED, "d", tenant, "services/discovery", "d", payload, &message);
        let (events, now) = (vec![event; count], self.db.now());
        self.db.write(move |conn| Box::pin(async move { outbox::append(conn, &events, now).await })).await.unwrap();
    }

    pub fn relay(&self, bus: &JetStream) -> Relay {
        Relay::new(self.db.clone(), Arc::new(bus.clone()), "discovery", HOUR)
    }
}

/// Runs rounds, as the supervisor does, until nothing waits. Gives how many events were published.
pub async fn relay_all(relay: &mut Relay) -> usize {
    let mut published = 0;
    for _ in 0..400 {
        match relay.reconcile().await {
            Ok(round) => {
                published += round.published;
                if !round.more {
                    return published;
                }
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    panic!("the relay does not come to an end");
}

/// Brings the stream back as it was at the copy. The consumers' own files stay: how far they are is newer than that.
fn roll_back(server: &Nats) {
    server.kill();
    let consumers = |root: std::path::PathBuf| root.join("jetstream/$G/streams/test_discovery/obs");
    std::fs::remove_dir_all(consumers(server.file("copy"))).unwrap();
    copy_folder(&consumers(server.store()), &consumers(server.file("copy")));
    std::fs::remove_dir_all(server.store()).unwrap();
    copy_folder(&server.file("copy"), &server.store());
    server.launch();
}

fn copy_store(server: &Nats) {
    server.kill();
    copy_folder(&server.store(), &server.file("copy"));
    server.launch();
}

/// All that lies in the stream, by sequence, as one reads it who applies each event once and in order. What was on its way
/// when a fetch failed comes again after the time to acknowledge; what comes before it is given back.
async fn effects(bus: &JetStream, consumer: &ConsumerSpec, applied: &mut i64, wanted: i64) {
    let deadline = Instant::now() + 3 * consumer.ack_wait;
    while *applied < wanted {
        assert!(Instant::now() < deadline, "applied {applied} of {wanted}");
        let Ok(mut part) = bus.subscribe(consumer).await else { continue };
        while let Ok(got) = part.fetch(500, Duration::from_millis(500)).await {
            if got.is_empty() {
                break;
            }
            let (mut done, mut early) = (Vec::new(), Vec::new());
            for delivery in got {
                *applied += i64::from(delivery.event.sequence == *applied + 1);
                let side = if delivery.event.sequence <= *applied { &mut done } else { &mut early };
                side.push(delivery);
            }
            let _ = part.ack(&done).await;
            for delivery in early {
                let _ = part.nak(&delivery, Duration::from_millis(200)).await;
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_is_killed_while_it_is_published_to_loses_and_doubles_nothing() {
    let Some(server) = Nats::start("a_server_that_is_killed_while_it_is_published_to") else { return };
    let (service, bus) = (Service::new(&server).await, server.bus().await);
    let mut relay = service.relay(&bus);
    let mut total = 0;
    for round in 0..3_u64 {
        service.append(3000).await;
        total += 3000;
        let (_, ()) = tokio::join!(relay_all(&mut relay), async {
            tokio::time::sleep(Duration::from_millis(10 + 17 * round)).await;
            server.kill();
            server.launch();
        });
    }
    let mut applied = 0;
    effects(&bus, &CATALOG_DISCOVERY, &mut applied, total).await;
    let state = bus.stream_state("discovery", 0).await.unwrap();
    assert_eq!(state.last_position, u64::try_from(total).unwrap(), "the window of the server drops every double");
}

#[tokio::test]
async fn a_store_that_was_deleted_is_filled_again_and_effects_stay_single() {
    let Some(server) = Nats::start("a_store_that_was_deleted_is_filled_again") else { return };
    let (service, bus) = (Service::new(&server).await, server.bus().await);
    let mut relay = service.relay(&bus);
    service.append(700).await;
    relay_all(&mut relay).await;
    let mut applied = 0;
    effects(&bus, &CATALOG_DISCOVERY, &mut applied, 700).await;
    server.kill();
    std::fs::remove_dir_all(server.store()).unwrap();
    server.launch();
    service.append(10).await;
    assert_eq!(relay_all(&mut relay).await, 710);
    effects(&bus, &CATALOG_DISCOVERY, &mut applied, 710).await;
    effects(&bus, &PROFILING_DISCOVERY, &mut 0, 710).await;
}

#[tokio::test]
async fn a_store_restored_from_an_old_copy_gets_again_what_followed_and_consumers_take_it() {
    let Some(server) = Nats::start("a_store_restored_from_an_old_copy_gets_again_what_followed") else { return };
    let (service, bus) = (Service::new(&server).await, server.bus().await);
    let mut relay = service.relay(&bus);
    service.append(300).await;
    relay_all(&mut relay).await;
    copy_store(&server);
    service.append(200).await;
    relay_all(&mut relay).await;
    let (mut catalog, mut profiling) = (0, 0);
    effects(&bus, &CATALOG_DISCOVERY, &mut catalog, 500).await;
    roll_back(&server);
    service.append(100).await;
    assert_eq!(relay_all(&mut relay).await, 300, "the lost tail of 200 is sent again, and no more");
    effects(&bus, &CATALOG_DISCOVERY, &mut catalog, 600).await;
    effects(&bus, &PROFILING_DISCOVERY, &mut profiling, 600).await;
}

#[tokio::test]
async fn others_that_published_over_the_gap_do_not_hide_it() {
    let Some(server) = Nats::start("others_that_published_over_the_gap_do_not_hide_it") else { return };
    let (service, bus) = (Service::new(&server).await, server.bus().await);
    service.append(300).await;
    relay_all(&mut service.relay(&bus)).await;
    copy_store(&server);
    service.append(50).await;
    relay_all(&mut service.relay(&bus)).await;
    let mut applied = 0;
    effects(&bus, &CATALOG_DISCOVERY, &mut applied, 350).await;
    roll_back(&server);
    let others: Vec<_> = (1..=20).map(|sequence| event(DATASET_ANNOUNCED, "other", sequence)).collect();
    let bus = server.bus().await;
    bus.publish(&others).await.unwrap();
    let round = service.relay(&bus).reconcile().await.unwrap();
    assert_eq!((round.again, round.published), (50, 50));
    // The consumer had acknowledged the positions at which the others stand now.
    let mut part = bus.subscribe(&CATALOG_DISCOVERY).await.unwrap();
    let mut seen = 0;
    while seen < 20 {
        let got = part.fetch(100, SOON).await.unwrap();
        assert!(!got.is_empty(), "{seen} of the others came");
        seen += got.iter().filter(|delivery| delivery.event.key == "other").count();
        part.ack(&got).await.unwrap();
    }
}

#[tokio::test]
async fn a_stream_that_somebody_deleted_is_made_anew_and_filled_again() {
    let Some(server) = Nats::start("a_stream_that_somebody_deleted_is_made_anew_and_filled_again") else { return };
    let (service, bus) = (Service::new(&server).await, server.bus().await);
    let mut relay = service.relay(&bus);
    service.append(20).await;
    relay_all(&mut relay).await;
    let mut part = bus.subscribe(&CATALOG_DISCOVERY).await.unwrap();
    server.by_hand().await.delete_stream("test_discovery").await.unwrap();
    assert!(part.fetch(10, Duration::from_millis(200)).await.is_err(), "a consumer notices");
    service.append(1).await;
    assert_eq!(relay_all(&mut relay).await, 21);
    effects(&bus, &CATALOG_DISCOVERY, &mut 0, 21).await;
}
