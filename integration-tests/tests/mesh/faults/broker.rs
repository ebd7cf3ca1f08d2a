//! A broker whose store is deleted, or comes back from an old copy, under a mesh that runs.

use std::path::Path;

use millrace_integration_tests::{Corpus, Rounds, Setup, Shape, Victim, World, audit};

use super::{begin, nudge, test_name};

/// What becomes of the store while the broker is down.
#[derive(Debug, Clone, Copy)]
enum Loss {
    /// It is deleted.
    All,
    /// The copy from before comes back.
    Tail,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_forgets_is_told_again() {
    let name = test_name!("a_broker_that_forgets_is_told_again");
    for shape in Shape::of_run() {
        let mut rounds = Rounds::of(name, 4);
        let Some((mut world, mut corpus)) = begin(name, shape, Setup::new(), 30).await else { continue };
        for round in 0..rounds.count {
            let loss = if round % 2 == 0 { Loss::All } else { Loss::Tail };
            let copy = world.mesh.outside().join(format!("copy-{round}"));
            down(&mut world).await;
            store_of(&world).iter().for_each(|path| copy_all(path, &copy));
            up(&mut world).await;
            work(&mut world, &mut corpus, &mut rounds).await;
            down(&mut world).await;
            for path in store_of(&world) {
                remove(&path);
                if let Loss::Tail = loss {
                    let kept = copy.join(path.file_name().unwrap());
                    if kept.exists() {
                        copy_all(&kept, path.parent().unwrap());
                    }
                }
            }
            up(&mut world).await;
            work(&mut world, &mut corpus, &mut rounds).await;
        }
        let counts = audit(&world, &corpus).await;
        let again = world.mesh.log().matches("events are sent again").count();
        assert!(again >= rounds.count, "the loss was not noticed each time: {again} of {}", rounds.count);
        rounds.tell(&format!("{shape:?}: {} losses, noticed {again} times; {counts}", rounds.count));
        world.mesh.stop().await;
    }
}

/// Some changes, whose events are published before this returns.
async fn work(world: &mut World, corpus: &mut Corpus, rounds: &mut Rounds) {
    corpus.stir(&mut rounds.random);
    assert!(corpus.upload(&world.mesh.admin().await).await, "nothing stands in the way of an upload");
    nudge(world).await;
    world.mesh.admin().await.in_state(corpus.latest_upload(), proto::catalog::v1::DatasetState::Indexed).await;
}

/// Stops the broker. The log of one process ends with that process.
async fn down(world: &mut World) {
    match world.shape {
        Shape::Embedded => world.mesh.stop().await,
        _ => world.kill(&Victim::Nats).await,
    }
}

async fn up(world: &mut World) {
    match world.shape {
        Shape::Embedded => {
            world.mesh.spawn();
            world.mesh.ready().await;
        }
        _ => world.revive(&Victim::Nats).await,
    }
}

/// Where the broker keeps its messages.
fn store_of(world: &World) -> Vec<std::path::PathBuf> {
    match &world.nats {
        Some(nats) => vec![nats.store()],
        None => ["events.db", "events.db-wal", "events.db-shm"].map(|name| world.mesh.data_dir().join(name)).to_vec(),
    }
}

/// Copies a file or a folder into `folder`; what is not there is left out.
fn copy_all(from: &Path, folder: &Path) {
    if !from.exists() {
        return;
    }
    std::fs::create_dir_all(folder).unwrap();
    let copied = std::process::Command::new("cp").arg("-a").arg(from).arg(folder).status().unwrap();
    assert!(copied.success());
}

fn remove(path: &Path) {
    if path.is_dir() {
        std::fs::remove_dir_all(path).unwrap();
        std::fs::create_dir(path).unwrap();
    } else if path.exists() {
        std::fs::remove_file(path).unwrap();
    }
}
