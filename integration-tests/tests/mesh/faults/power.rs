//! Power cuts: what was not synced is gone.

use std::time::Duration;

use millrace_integration_tests::back_ends::Nats;
use millrace_integration_tests::{Corpus, Disk, Rounds, Setup, Shape, Victim, World, audit, pass};
use rand::Rng as _;

use super::{nudge, test_name};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_of_the_mesh_loses_nothing_that_was_acknowledged() {
    let name = test_name!("a_power_cut_of_the_mesh_loses_nothing_that_was_acknowledged");
    for shape in Shape::of_run() {
        let mut rounds = Rounds::of(name, 4);
        let Some(mut world) = World::prepare(name, shape, Setup::new()).await else { continue };
        std::fs::create_dir_all(world.mesh.data_dir()).unwrap();
        let Some(disk) = Disk::with_power_switch(name, &world.mesh.data_dir(), 512) else { return };
        world.mesh.spawn();
        world.mesh.ready().await;
        let mut corpus = Corpus::new(&world.mesh, 30, 60);
        world.mesh.admin().await.create_folder("all", &world.mesh.folder()).await.unwrap();
        for _ in 0..rounds.count {
            some_work(&world, &mut corpus, &mut rounds).await;
            disk.cut();
            world.mesh.kill().await;
            disk.plug_in();
            world.mesh.spawn();
            world.mesh.ready().await;
        }
        tell(&mut world, &corpus, &rounds).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_of_a_broker_that_syncs_always_loses_nothing() {
    let name = test_name!("a_power_cut_of_a_broker_that_syncs_always_loses_nothing");
    cut_the_broker(name, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_of_a_broker_that_syncs_now_and_then_is_mended() {
    let name = test_name!("a_power_cut_of_a_broker_that_syncs_now_and_then_is_mended");
    cut_the_broker(name, false).await;
}

async fn cut_the_broker(name: &str, sync_always: bool) {
    for shape in Shape::with_servers() {
        let mut rounds = Rounds::of(name, 3);
        let tune: fn(Nats) -> Nats = if sync_always { Nats::syncing_always } else { |nats| nats };
        let Some(mut world) = World::prepare_with(name, shape, Setup::new(), tune).await else { continue };
        world.kill(&Victim::Nats).await;
        let Some(disk) = Disk::with_power_switch(name, &world.nats.as_ref().unwrap().store(), 256) else { return };
        world.revive(&Victim::Nats).await;
        world.mesh.spawn();
        world.mesh.ready().await;
        let mut corpus = Corpus::new(&world.mesh, 30, 60);
        world.mesh.admin().await.create_folder("all", &world.mesh.folder()).await.unwrap();
        for _ in 0..rounds.count {
            some_work(&world, &mut corpus, &mut rounds).await;
            disk.cut();
            world.kill(&Victim::Nats).await;
            disk.plug_in();
            world.revive(&Victim::Nats).await;
        }
        tell(&mut world, &corpus, &rounds).await;
    }
}

async fn some_work(world: &World, corpus: &mut Corpus, rounds: &mut Rounds) {
    corpus.stir(&mut rounds.random);
    nudge(world).await;
    let admin = world.mesh.admin().await;
    for _ in 0..rounds.random.random_range(1..6) {
        corpus.upload(&admin).await;
    }
    pass(Duration::from_millis(rounds.random.random_range(0..500))).await;
}

async fn tell(world: &mut World, corpus: &Corpus, rounds: &Rounds) {
    let counts = audit(world, corpus).await;
    let (sent, kept) = (corpus.uploads.len(), corpus.acknowledged());
    let cuts = rounds.count;
    rounds.tell(&format!("{:?}: {cuts} cuts; {kept} of {sent} uploads acknowledged; {counts}", world.shape));
    world.mesh.stop().await;
}
