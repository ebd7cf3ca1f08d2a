//! Disks that are full.

use std::time::{Duration, Instant};

use millrace_integration_tests::{Corpus, Disk, PATIENCE, Rounds, Setup, Shape, Victim, World, audit, pass, reason};
use tonic::Code;

use super::{nudge, test_name};

/// How long until an upload is taken again once there is room.
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
            let cleared = Instant::now();
            testkit::eventually!(PATIENCE, corpus.upload(&admin).await);
            slowest = slowest.max(cleared.elapsed());
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

/// Starts the mesh of a prepared world, with a source.
async fn with_corpus(world: &mut World) -> Corpus {
    world.mesh.spawn();
    world.mesh.ready().await;
    let corpus = Corpus::new(&world.mesh, 20, 60);
    world.mesh.admin().await.create_folder("all", &world.mesh.folder()).await.unwrap();
    corpus
}
