//! Wires to the servers and between roles that are slow, narrow, silent or cut.

use std::time::Duration;

use millrace_integration_tests::{Rounds, Setup, Shape, Wire, World, audit, pass};
use rand::Rng as _;

use super::{at_work, nudge, test_name};

const FILES: usize = 30;
const STATES: [Wire; 4] = [Wire::Slow(Duration::from_millis(80)), Wire::Narrow(30_000), Wire::Silent, Wire::Cut];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wires_that_fail_lose_and_double_nothing() {
    let name = test_name!("wires_that_fail_lose_and_double_nothing");
    for shape in Shape::with_servers() {
        let mut rounds = Rounds::of(name, 6);
        let Some(mut world) = World::prepare(name, shape, Setup::new()).await else { continue };
        world.wire_roles().await;
        let (mut world, mut corpus) = at_work(world, FILES).await;
        for round in 0..rounds.count {
            // Each state comes up; then which wire it is, and how long, is thrown.
            let state = STATES[round % STATES.len()];
            let wire = rounds.random.random_range(0..world.wires.len());
            world.wires[wire].set(state);
            corpus.stir(&mut rounds.random);
            nudge(&world).await;
            let admin = world.mesh.admin().await;
            let patience = Duration::from_millis(rounds.random.random_range(500..4000));
            // Whoever stops waiting does not know whether it was done.
            let _unknown = tokio::time::timeout(patience, corpus.upload(&admin)).await;
            pass(Duration::from_millis(rounds.random.random_range(200..3000))).await;
            world.wires[wire].set(Wire::Whole);
        }
        let counts = audit(&world, &corpus).await;
        let (sent, kept) = (corpus.uploads.len(), corpus.acknowledged());
        rounds.tell(&format!("{shape:?}: {} faults; {kept} of {sent} uploads acknowledged; {counts}", rounds.count));
        world.mesh.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_partition_heals_by_itself() {
    let name = test_name!("a_long_partition_heals_by_itself");
    for shape in Shape::with_servers() {
        let mut rounds = Rounds::of(name, 1);
        let Some(mut world) = World::prepare(name, shape, Setup::new()).await else { continue };
        world.wire_roles().await;
        let (mut world, mut corpus) = at_work(world, FILES).await;
        for _ in 0..rounds.count {
            world.wires.iter().for_each(|wire| wire.set(Wire::Silent));
            corpus.stir(&mut rounds.random);
            nudge(&world).await;
            // Longer than any lease, and than what a request to either may take at first.
            pass(Duration::from_secs(20)).await;
            world.wires.iter().for_each(|wire| wire.set(Wire::Whole));
        }
        let counts = audit(&world, &corpus).await;
        rounds.tell(&format!("{shape:?}: {} partitions; {counts}", rounds.count));
        world.mesh.stop().await;
    }
}
