//! kill -9 of anybody, at any moment.

use std::collections::BTreeMap;
use std::time::Duration;

use millrace_integration_tests::{Corpus, Rounds, Setup, Shape, Victim, World, audit, pass};
use rand::Rng as _;
use rand::seq::{IndexedRandom as _, IteratorRandom as _, SliceRandom as _};

use super::{begin, hastily, nudge, test_name};

const FILES: usize = 40;
/// After so many rounds there is an audit, so that what goes wrong is found near its cause.
const ROUNDS_PER_AUDIT: usize = 25;

/// How often each was killed.
type Killed = BTreeMap<String, usize>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_anybody_lose_and_double_nothing() {
    let name = test_name!("kills_of_anybody_lose_and_double_nothing");
    for shape in Shape::of_run() {
        let mut rounds = Rounds::of(name, 6);
        // Catalog runs singly; of all others there are two.
        let setup = Setup::new().doubling("gateway").doubling("profiling").doubling("discovery");
        let Some((mut world, mut corpus)) = begin(name, shape, setup, FILES).await else { continue };
        let mut killed = Killed::new();
        for round in 1..=rounds.count {
            corpus.stir(&mut rounds.random);
            hastily(nudge(&world)).await;
            let admin = world.mesh.admin().await;
            for _ in 0..rounds.random.random_range(0..3) {
                hastily(corpus.upload(&admin)).await;
            }
            pass(Duration::from_millis(rounds.random.random_range(0..300))).await;
            strike(&mut world, &mut corpus, &mut rounds, &mut killed).await;
            if rounds.random.random_bool(0.6) {
                world.mesh.ready().await;
            }
            if round % ROUNDS_PER_AUDIT == 0 {
                world.mesh.ready().await;
                tell(&world, &corpus, &rounds, &killed).await;
            }
        }
        world.mesh.ready().await;
        tell(&world, &corpus, &rounds, &killed).await;
        world.mesh.stop().await;
    }
}

/// Kills one to four: all together, or one after the other, so that some fall again while they still start.
async fn strike(world: &mut World, corpus: &mut Corpus, rounds: &mut Rounds, killed: &mut Killed) {
    let count = rounds.random.random_range(1..=4);
    if rounds.random.random_bool(0.3) {
        let mut fallen = victims(world, rounds).into_iter().choose_multiple(&mut rounds.random, count);
        for victim in &fallen {
            kill(world, victim, killed).await;
        }
        fallen.shuffle(&mut rounds.random);
        for victim in &fallen {
            world.revive(victim).await;
        }
        return;
    }
    for _ in 0..count {
        let victim = victims(world, rounds).choose(&mut rounds.random).unwrap().clone();
        kill(world, &victim, killed).await;
        // While one is away, the others go on; an upload may be refused then, or acknowledged and kept.
        if rounds.random.random_bool(0.5) {
            let admin = world.mesh.admin().await;
            hastily(corpus.upload(&admin)).await;
        }
        world.revive(&victim).await;
        pass(Duration::from_millis(rounds.random.random_range(0..300))).await;
    }
}

/// Who may fall now. The object store takes half a minute to come back, so it falls less often than the others.
fn victims(world: &World, rounds: &mut Rounds) -> Vec<Victim> {
    let spared = rounds.random.random_bool(0.75);
    world.victims().into_iter().filter(|victim| !(spared && *victim == Victim::Weed)).collect()
}

async fn kill(world: &mut World, victim: &Victim, killed: &mut Killed) {
    world.kill(victim).await;
    let name = match victim {
        Victim::Process(name) => name.clone(),
        server => format!("{server:?}"),
    };
    *killed.entry(name).or_default() += 1;
}

async fn tell(world: &World, corpus: &Corpus, rounds: &Rounds, killed: &Killed) {
    let counts = audit(world, corpus).await;
    let (all, sent, kept) = (killed.values().sum::<usize>(), corpus.uploads.len(), corpus.acknowledged());
    let shape = world.shape;
    rounds.tell(&format!("{shape:?}: {all} kills: {killed:?}; {kept} of {sent} uploads acknowledged; {counts}"));
}
