//! Disks that are full, or take no writes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use millrace_integration_tests::{
    Corpus, Disk, PATIENCE, Rounds, Session, Setup, Shape, Victim, World, audit, pass, reason,
};
use proto::catalog::v1::DatasetState;
use tonic::Code;

use super::{begin, hastily, nudge, test_name};

/// How long until an upload is taken again once the disk takes writes.
const HEALED_IN: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_of_the_mesh_acknowledges_nothing_falsely_and_heals_by_itself() {
    let name = test_name!("a_full_disk_of_the_mesh_acknowledges_nothing_falsely_and_heals_by_itself");
    for shape in Shape::of_run() {
        let mut rounds = Rounds::of(name, 2);
        let Some(mut world) = World::prepare(name, shape, Setup::new()).await else { continue };
        std::fs::create_dir_all(world.mesh.data_dir()).unwrap();
        let Some(disk) = Disk::in_memory(name, &world.mesh.data_dir(), "200m") else { return };
        let mut corpus = with_corpus(&mut world).await;
        let admin = world.mesh.admin().await;
        let (mut refused, mut slowest) = (0, Duration::ZERO);
        for _ in 0..rounds.count {
            corpus.stir(&mut rounds.random);
            nudge(&world).await;
            disk.fill();
            for bytes in [0, 100_000, 1_000_000] {
                let Err(status) = corpus.try_upload(&admin, bytes).await else { continue };
                assert_eq!(
                    (status.code(), reason(&status).as_str()),
                    (Code::ResourceExhausted, "DISK_FULL"),
                    "{status:?}"
                );
                refused += 1;
            }
            pass(Duration::from_secs(2)).await;
            disk.clear();
            slowest = slowest.max(until_taken(&mut corpus, &admin).await);
        }
        assert!(refused > 0, "the disk was not full");
        let counts = audit(&world, &corpus).await;
        let healed = format!("{refused} uploads refused; an upload is taken {slowest:?} after there is room");
        rounds.tell(&format!("{shape:?}: {} times full; {healed}; {counts}", rounds.count));
        assert!(slowest < HEALED_IN, "{healed}");
        world.mesh.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_of_the_broker_holds_no_upload_up_and_loses_nothing() {
    let name = test_name!("a_full_disk_of_the_broker_holds_no_upload_up_and_loses_nothing");
    for shape in Shape::with_servers() {
        let mut rounds = Rounds::of(name, 2);
        let Some(mut world) = World::prepare(name, shape, Setup::new()).await else { continue };
        world.kill(&Victim::Nats).await;
        let Some(disk) = Disk::in_memory(name, &world.nats.as_ref().unwrap().store(), "64m") else { return };
        world.revive(&Victim::Nats).await;
        let mut corpus = with_corpus(&mut world).await;
        let admin = world.mesh.admin().await;
        for _ in 0..rounds.count {
            disk.fill();
            corpus.stir(&mut rounds.random);
            nudge(&world).await;
            for _ in 0..5 {
                assert!(corpus.upload(&admin).await, "events wait in their outboxes");
            }
            pass(Duration::from_secs(3)).await;
            disk.clear();
            // A server that met a full disk turns JetStream off until it is started again; the mesh is not touched.
            world.kill(&Victim::Nats).await;
            world.revive(&Victim::Nats).await;
        }
        let counts = audit(&world, &corpus).await;
        rounds.tell(&format!("{shape:?}: {} times full; {counts}", rounds.count));
        world.mesh.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_of_the_mesh_that_takes_no_writes_acknowledges_nothing_falsely_and_heals_by_itself() {
    let name = test_name!("a_disk_of_the_mesh_that_takes_no_writes_acknowledges_nothing_falsely_and_heals_by_itself");
    for shape in Shape::of_run() {
        let mut rounds = Rounds::of(name, 2);
        let Some(mut world) = World::prepare(name, shape, Setup::new()).await else { continue };
        std::fs::create_dir_all(world.mesh.data_dir()).unwrap();
        let Some(disk) = Disk::with_power_switch(name, &world.mesh.data_dir(), 512) else { return };
        let mut corpus = with_corpus(&mut world).await;
        let admin = world.mesh.admin().await;
        let (mut refused, mut slowest) = (BTreeMap::<_, usize>::new(), Duration::ZERO);
        for _ in 0..rounds.count {
            corpus.stir(&mut rounds.random);
            nudge(&world).await;
            disk.refuse_writes().await;
            for bytes in [0, 100_000, 1_000_000] {
                let Err(status) = corpus.try_upload(&admin, bytes).await else { continue };
                assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                *refused.entry(reason(&status)).or_default() += 1;
            }
            pass(Duration::from_secs(2)).await;
            disk.take_writes().await;
            slowest = slowest.max(until_taken(&mut corpus, &admin).await);
        }
        assert!(!refused.is_empty(), "the disk took writes");
        admin.in_state(corpus.latest_upload(), DatasetState::Indexed).await;
        // What could not be removed then is swept at the next start.
        world.mesh.restart().await;
        let counts = audit(&world, &corpus).await;
        let healed = format!("uploads refused: {refused:?}; one is taken {slowest:?} after the disk takes writes");
        rounds.tell(&format!("{shape:?}: {} times read-only; {healed}; {counts}", rounds.count));
        assert!(slowest < HEALED_IN, "{healed}");
        world.mesh.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_of_the_broker_that_takes_no_writes_holds_no_upload_up_and_loses_nothing() {
    let name = test_name!("a_disk_of_the_broker_that_takes_no_writes_holds_no_upload_up_and_loses_nothing");
    for shape in Shape::with_servers() {
        let mut rounds = Rounds::of(name, 2);
        let Some(mut world) = World::prepare(name, shape, Setup::new()).await else { continue };
        world.shut_servers().await;
        let Some(disk) = Disk::with_power_switch(name, &world.nats.as_ref().unwrap().store(), 256) else { return };
        world.launch_servers().await;
        let mut corpus = with_corpus(&mut world).await;
        let admin = world.mesh.admin().await;
        for _ in 0..rounds.count {
            disk.refuse_writes().await;
            corpus.stir(&mut rounds.random);
            nudge(&world).await;
            for _ in 0..5 {
                assert!(corpus.upload(&admin).await, "events wait in their outboxes");
            }
            pass(Duration::from_secs(3)).await;
            disk.take_writes().await;
            // Such a server, too, is started again; the mesh is not touched.
            world.kill(&Victim::Nats).await;
            world.revive(&Victim::Nats).await;
        }
        let counts = audit(&world, &corpus).await;
        rounds.tell(&format!("{shape:?}: {} times read-only; {counts}", rounds.count));
        world.mesh.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_that_takes_no_writes_is_told_and_heals_by_itself() {
    let name = test_name!("a_postgresql_that_takes_no_writes_is_told_and_heals_by_itself");
    for shape in Shape::of_processes() {
        let mut rounds = Rounds::of(name, 2);
        let Some((mut world, mut corpus)) = begin(name, shape, Setup::new(), 20).await else { continue };
        let admin = world.mesh.admin().await;
        let (mut refused, mut slowest) = (0, Duration::ZERO);
        for _ in 0..rounds.count {
            corpus.stir(&mut rounds.random);
            nudge(&world).await;
            world.postgres.as_ref().unwrap().set_read_only(true);
            // Whoever has begun a transaction before may end it.
            for _ in 0..5 {
                let Err(status) = corpus.try_upload(&admin, 0).await else { continue };
                let told = (status.code(), reason(&status));
                assert_eq!(told, (Code::Unavailable, "STORE_READ_ONLY".to_owned()), "{status:?}");
                assert!(rpc::retry_after(&status).is_some(), "it says when to come back: {status:?}");
                refused += 1;
            }
            // Readers go on.
            admin.datasets().await;
            pass(Duration::from_secs(2)).await;
            world.postgres.as_ref().unwrap().set_read_only(false);
            slowest = slowest.max(until_taken(&mut corpus, &admin).await);
        }
        assert!(refused > 0, "the server took writes");
        let counts = audit(&world, &corpus).await;
        let healed = format!("{refused} uploads refused; one is taken {slowest:?} after the server takes writes");
        rounds.tell(&format!("{shape:?}: {} times read-only; {healed}; {counts}", rounds.count));
        assert!(slowest < HEALED_IN, "{healed}");
        world.mesh.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_of_postgresql_acknowledges_nothing_falsely_and_heals_by_itself() {
    let name = test_name!("a_full_disk_of_postgresql_acknowledges_nothing_falsely_and_heals_by_itself");
    for shape in Shape::of_processes() {
        let mut rounds = Rounds::of(name, 2);
        let Some(mut world) = World::prepare(name, shape, Setup::new()).await else { continue };
        world.shut_servers().await;
        let store = world.postgres.as_ref().unwrap().store();
        let Some(disk) = Disk::with_power_switch(name, &store, 384) else { return };
        world.launch_servers().await;
        let mut corpus = with_corpus(&mut world).await;
        let admin = world.mesh.admin().await;
        let (mut refused, mut restarts) = (BTreeMap::<_, usize>::new(), 0);
        for _ in 0..rounds.count {
            disk.fill();
            corpus.stir(&mut rounds.random);
            hastily(nudge(&world)).await;
            for _ in 0..40 {
                match hastily(corpus.try_upload(&admin, 0)).await {
                    Some(Ok(())) => {}
                    None => *refused.entry("no answer".to_owned()).or_default() += 1,
                    Some(Err(status)) => {
                        let refusals = [Code::ResourceExhausted, Code::Unavailable, Code::DeadlineExceeded];
                        assert!(refusals.contains(&status.code()), "{status:?}");
                        *refused.entry(reason(&status)).or_default() += 1;
                    }
                }
            }
            disk.clear();
            // Without room for its log a server ends by itself, and is started again; the mesh is not touched.
            if !world.postgres.as_ref().unwrap().runs() {
                restarts += 1;
                world.kill(&Victim::Postgres).await;
                world.revive(&Victim::Postgres).await;
            }
            until_taken(&mut corpus, &admin).await;
        }
        let counts = audit(&world, &corpus).await;
        let told = format!("uploads refused: {refused:?}; the server ended {restarts} times");
        rounds.tell(&format!("{shape:?}: {} times full; {told}; {counts}", rounds.count));
        world.mesh.stop().await;
    }
}

/// How long it takes until an upload is taken.
async fn until_taken(corpus: &mut Corpus, admin: &Session) -> Duration {
    let begun = Instant::now();
    testkit::eventually!(PATIENCE, corpus.upload(admin).await);
    begun.elapsed()
}

/// Starts the mesh of a prepared world, with a source.
async fn with_corpus(world: &mut World) -> Corpus {
    world.mesh.spawn();
    world.mesh.ready().await;
    let corpus = Corpus::new(&world.mesh, 20, 60);
    world.mesh.admin().await.create_folder("all", &world.mesh.folder()).await.unwrap();
    corpus
}
