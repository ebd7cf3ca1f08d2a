//! A process that stands still for longer than its leases last, and then goes on as if nothing had been.

use std::time::Duration;

use millrace_integration_tests::{Rounds, Setup, Shape, audit, pass};
use rand::Rng as _;
use rand::seq::IndexedRandom as _;

use super::{begin, nudge, test_name};

/// Longer than the leases that a world sets.
const BEYOND_LEASES: Duration = Duration::from_secs(6);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_sleeps_through_its_lease_doubles_nothing() {
    let name = test_name!("whoever_sleeps_through_its_lease_doubles_nothing");
    for shape in Shape::of_run() {
        let mut rounds = Rounds::of(name, 2);
        let Some((mut world, mut corpus)) = begin(name, shape, Setup::new(), 40).await else { continue };
        for _ in 0..rounds.count {
            corpus.stir(&mut rounds.random);
            nudge(&world).await;
            pass(Duration::from_millis(rounds.random.random_range(0..300))).await;
            let sleeper = world.mesh.names().choose(&mut rounds.random).unwrap().clone();
            world.mesh.pause(&sleeper);
            corpus.stir(&mut rounds.random);
            pass(BEYOND_LEASES).await;
            world.mesh.resume(&sleeper);
        }
        let counts = audit(&world, &corpus).await;
        rounds.tell(&format!("{shape:?}: {} pauses; {counts}", rounds.count));
        world.mesh.stop().await;
    }
}
