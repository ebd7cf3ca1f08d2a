//! kill -9 of anybody, at any moment.

use std::collections::BTreeMap;
use std::time::Duration;

use millrace_integration_tests::{Rounds, Setup, Shape, Victim, audit, pass};
use rand::Rng as _;
use rand::seq::IndexedRandom as _;

use super::{begin, nudge, test_name};

const FILES: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_anybody_lose_and_double_nothing() {
    let name = test_name!("kills_of_anybody_lose_and_double_nothing");
    for shape in Shape::of_run() {
        let mut rounds = Rounds::of(name, 12);
        let Some((mut world, mut corpus)) = begin(name, shape, Setup::new(), FILES).await else { continue };
        let mut killed = BTreeMap::<String, usize>::new();
        for _ in 0..rounds.count {
            corpus.stir(&mut rounds.random);
            nudge(&world).await;
            let uploads = rounds.random.random_range(0..3);
            let admin = world.mesh.admin().await;
            for _ in 0..uploads {
                corpus.upload(&admin).await;
            }
            pass(Duration::from_millis(rounds.random.random_range(0..400))).await;
            let victim = world.victims().choose(&mut rounds.random).unwrap().clone();
            world.kill(&victim).await;
            // While one is away, the others go on; an upload may be refused then, or acknowledged and kept.
            if !matches!(victim, Victim::Process(_)) {
                corpus.upload(&admin).await;
            }
            world.revive(&victim).await;
            if matches!(victim, Victim::Process(_)) && rounds.random.random_bool(0.8) {
                world.mesh.ready().await;
            }
            *killed.entry(format!("{victim:?}")).or_default() += 1;
        }
        world.mesh.ready().await;
        let counts = audit(&world, &corpus).await;
        let (sent, kept) = (corpus.uploads.len(), corpus.acknowledged());
        rounds.tell(&format!("{shape:?}: killed {killed:?}; {kept} of {sent} uploads acknowledged; {counts}"));
        world.mesh.stop().await;
    }
}
