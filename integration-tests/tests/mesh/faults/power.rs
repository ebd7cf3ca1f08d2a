//! Power cuts: what was not synced is gone.

use std::cell::Cell;
use std::time::Duration;

use millrace_integration_tests::back_ends::Nats;
use millrace_integration_tests::{Corpus, Disk, PATIENCE, Rounds, Setup, Shape, Victim, World, audit, pass};
use rand::Rng as _;

use super::{hastily, nudge, test_name};

/// Whose power is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Machine {
    Mesh,
    Broker,
    Postgres,
}

use Machine::{Broker, Mesh, Postgres};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_of_the_mesh_loses_nothing_that_was_acknowledged() {
    let name = test_name!("a_power_cut_of_the_mesh_loses_nothing_that_was_acknowledged");
    cut(name, &[Mesh], Shape::of_run(), |nats| nats).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_of_a_broker_that_syncs_always_loses_nothing() {
    let name = test_name!("a_power_cut_of_a_broker_that_syncs_always_loses_nothing");
    cut(name, &[Broker], Shape::with_servers(), Nats::syncing_always).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_of_a_broker_that_syncs_now_and_then_is_mended() {
    let name = test_name!("a_power_cut_of_a_broker_that_syncs_now_and_then_is_mended");
    cut(name, &[Broker], Shape::with_servers(), |nats| nats).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_of_postgresql_loses_nothing_that_was_acknowledged() {
    let name = test_name!("a_power_cut_of_postgresql_loses_nothing_that_was_acknowledged");
    cut(name, &[Postgres], Shape::of_processes(), |nats| nats).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_of_all_machines_at_once_loses_nothing_that_was_acknowledged() {
    let name = test_name!("a_power_cut_of_all_machines_at_once_loses_nothing_that_was_acknowledged");
    cut(name, &[Mesh, Broker, Postgres], Shape::of_processes(), |nats| nats).await;
}

/// Cuts the power of these machines, all at the same moment, again and again.
async fn cut(name: &str, machines: &[Machine], shapes: Vec<Shape>, tune: fn(Nats) -> Nats) {
    for shape in shapes {
        let mut rounds = Rounds::of(name, 3);
        let Some(mut world) = World::prepare_with(name, shape, Setup::new(), tune).await else { continue };
        let Some(disks) = on_disks(name, &world, machines).await else { return };
        world.mesh.spawn();
        world.mesh.ready().await;
        let mut corpus = Corpus::new(&world.mesh, 30, 60);
        world.mesh.admin().await.create_folder("all", &world.mesh.folder()).await.unwrap();
        for _ in 0..rounds.count {
            work_until(&world, &mut corpus, &mut rounds, || disks.iter().for_each(Disk::cut)).await;
            for machine in machines {
                match machine {
                    Mesh => world.mesh.kill().await,
                    Broker => world.kill(&Victim::Nats).await,
                    Postgres => world.kill(&Victim::Postgres).await,
                }
            }
            for disk in &disks {
                disk.plug_in().await;
            }
            for machine in machines {
                match machine {
                    Mesh => world.mesh.spawn(),
                    Broker => world.revive(&Victim::Nats).await,
                    Postgres => world.revive(&Victim::Postgres).await,
                }
            }
            if machines.contains(&Mesh) {
                world.mesh.ready().await;
            }
        }
        let counts = audit(&world, &corpus).await;
        let (cuts, sent, kept) = (rounds.count, corpus.uploads.len(), corpus.acknowledged());
        rounds
            .tell(&format!("{shape:?}: {cuts} cuts of {machines:?}; {kept} of {sent} uploads acknowledged; {counts}"));
        world.mesh.stop().await;
    }
}

/// Puts what these machines keep on disks whose power can be cut.
async fn on_disks(name: &str, world: &World, machines: &[Machine]) -> Option<Vec<Disk>> {
    std::fs::create_dir_all(world.mesh.data_dir()).unwrap();
    world.shut_servers().await;
    let mut disks = Vec::new();
    for machine in machines {
        let (place, megabytes) = match machine {
            Mesh => (world.mesh.data_dir(), 512),
            Broker => (world.nats.as_ref().unwrap().store(), 256),
            Postgres => (world.postgres.as_ref().unwrap().store(), 2048),
        };
        disks.push(Disk::with_power_switch(name, &place, megabytes)?);
    }
    world.launch_servers().await;
    Some(disks)
}

/// Works until the power is cut, and a moment longer. The mesh has healed by itself from the cut before.
///
/// What is answered once the cut has begun counts as not answered. Where power goes nobody hears an answer any more; but
/// while Linux shuts a file system down, `fdatasync` may report success for bytes that are not there afterwards (of six
/// threads that do nothing but append and sync, one in sixteen was told so).
async fn work_until(world: &World, corpus: &mut Corpus, rounds: &mut Rounds, cut: impl FnOnce()) {
    let admin = world.mesh.admin().await;
    testkit::eventually!(PATIENCE, corpus.upload(&admin).await);
    corpus.stir(&mut rounds.random);
    nudge(world).await;
    let (uploads, moment) = (rounds.random.random_range(1..6), rounds.random.random_range(0..800));
    let over = Cell::new(false);
    let working = async {
        for _ in (0..uploads).take_while(|_| !over.get()) {
            hastily(corpus.upload(&admin)).await;
            if over.get() {
                corpus.doubt_latest();
            }
        }
    };
    let cutting = async {
        pass(Duration::from_millis(moment)).await;
        over.set(true);
        cut();
    };
    tokio::join!(working, cutting);
}
