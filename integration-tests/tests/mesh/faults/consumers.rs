//! Consumers that are slow, and events that cannot be applied.

use millrace_integration_tests::{Ledger, PATIENCE, Rounds, Session, Setup, Shape, Wire, audit};
use proto::catalog::v1::watch_datasets_response::Item;
use proto::catalog::v1::{DatasetState, WatchDatasetsRequest};
use proto::common::v1::{DeadLetter, ListDeadLettersRequest, RedriveDeadLetterRequest};

use super::{begin, nudge, test_name};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_does_not_read_holds_nobody_up_and_misses_nothing() {
    let name = test_name!("a_reader_that_does_not_read_holds_nobody_up_and_misses_nothing");
    for shape in Shape::of_run() {
        let mut rounds = Rounds::of(name, 5);
        let Some((mut world, mut corpus)) = begin(name, shape, Setup::new(), 60).await else { continue };
        let admin = world.mesh.admin().await;
        let request = WatchDatasetsRequest { parent: "tenants/main".into(), ..Default::default() };
        let mut watch = admin.catalog().watch_datasets(request).await.unwrap().into_inner();
        for _ in 0..rounds.count {
            corpus.stir(&mut rounds.random);
            nudge(&world).await;
        }
        let counts = audit(&world, &corpus).await;
        // What it reads now ends with the latest state of each, however much it missed.
        let mut last = std::collections::BTreeMap::new();
        let expected: std::collections::BTreeMap<_, _> =
            admin.datasets().await.into_iter().map(|dataset| (dataset.name.clone(), dataset)).collect();
        let mut messages = 0;
        while last != expected {
            let message = tokio::time::timeout(PATIENCE, watch.message()).await.expect("it goes on").unwrap().unwrap();
            if let Some(Item::Dataset(dataset)) = message.item {
                last.insert(dataset.name.clone(), dataset);
            }
            messages += 1;
        }
        rounds.tell(&format!("{shape:?}: {messages} messages read late; {counts}"));
        drop(watch);
        world.mesh.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_on_a_narrow_wire_falls_behind_and_catches_up() {
    let name = test_name!("a_consumer_on_a_narrow_wire_falls_behind_and_catches_up");
    for shape in Shape::with_servers() {
        let mut rounds = Rounds::of(name, 3);
        let Some((mut world, mut corpus)) = begin(name, shape, Setup::new(), 60).await else { continue };
        world.wires[0].set(Wire::Narrow(8_000));
        for _ in 0..rounds.count {
            corpus.stir(&mut rounds.random);
            nudge(&world).await;
            assert!(corpus.upload(&world.mesh.admin().await).await, "a slow bus holds no upload up");
        }
        world.wires[0].set(Wire::Whole);
        let counts = audit(&world, &corpus).await;
        rounds.tell(&format!("{shape:?}: {counts}"));
        world.mesh.stop().await;
    }
}

async fn letters(admin: &Session) -> Vec<DeadLetter> {
    let request = ListDeadLettersRequest { parent: "services/-".into(), ..Default::default() };
    admin.operator().list_dead_letters(request).await.unwrap().into_inner().dead_letters
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_is_given_up_has_its_effect_once_it_is_redriven() {
    let name = test_name!("an_event_that_is_given_up_has_its_effect_once_it_is_redriven");
    for shape in Shape::of_run() {
        let rounds = Rounds::of(name, 1);
        let setup = Setup::new().set("CATALOG__CONSUMERS__MAX_ATTEMPTS", 2);
        let Some((mut world, mut corpus)) = begin(name, shape, setup, 5).await else { continue };
        let admin = world.mesh.admin().await;
        admin.settled(5).await;
        Ledger::of(&world.mesh).refuse("catalog", "datasets", "path", "ill.csv").await;
        corpus.put("ill.csv");
        corpus.put("well.csv");
        nudge(&world).await;
        admin.in_state("well.csv", DatasetState::Indexed).await;
        testkit::eventually!(PATIENCE, !letters(&admin).await.is_empty());
        // Its later events wait behind it, those of others do not.
        corpus.put("ill.csv");
        corpus.put("well.csv");
        nudge(&world).await;
        assert!(admin.dataset_at("ill.csv").await.is_none());

        Ledger::of(&world.mesh).refuse_no_more("catalog", "datasets").await;
        testkit::eventually!(PATIENCE, {
            for letter in letters(&admin).await {
                let _again = admin.operator().redrive_dead_letter(RedriveDeadLetterRequest { name: letter.name }).await;
            }
            letters(&admin).await.is_empty()
        });
        let counts = audit(&world, &corpus).await;
        rounds.tell(&format!("{shape:?}: {counts}"));
        world.mesh.stop().await;
    }
}
