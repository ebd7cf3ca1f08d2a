//! Faults: processes that die or stop, wires that break, disks that fill, brokers that forget, power that goes.
//!
//! Each test runs on every shape of the run, prints its seed and what it counted, and ends with an audit.
//! `MILLRACE_FAULTS_ROUNDS` makes them long, `MILLRACE_FAULTS_SEED` throws the dice of an earlier run.

mod broker;
mod consumers;
mod disks;
mod kills;
mod objects;
mod pauses;
mod power;
mod restarts;
mod wires;

use std::time::Duration;

use millrace_integration_tests::{Corpus, Setup, Shape, World};
use proto::discovery::v1::RunSourceRequest;

/// A world that runs, with a corpus that its source `all` has been told of.
async fn begin(test: &str, shape: Shape, setup: Setup, files: usize) -> Option<(World, Corpus)> {
    Some(at_work(World::prepare(test, shape, setup).await?, files).await)
}

/// The same of a world that is prepared.
async fn at_work(mut world: World, files: usize) -> (World, Corpus) {
    world.mesh.spawn();
    world.mesh.ready().await;
    let corpus = Corpus::new(&world.mesh, files, 60);
    world.mesh.admin().await.create_folder("all", &world.mesh.folder()).await.unwrap();
    (world, corpus)
}

/// Asks for a crawl, whether or not anybody hears it. It joins one that is under way.
async fn nudge(world: &World) {
    let name = "tenants/main/sources/all".to_owned();
    let request = RunSourceRequest { name, accept_losses: false, request_id: String::new() };
    let _unheard = world.mesh.admin().await.discovery().run_source(request).await;
}

/// Does what may not be answered, and gives up soon. Whoever gives up does not know whether it was done.
async fn hastily<T>(call: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(Duration::from_secs(2), call).await.ok()
}

/// The name by which a test is printed.
macro_rules! test_name {
    ($name:literal) => {
        concat!(module_path!(), "::", $name)
    };
}
use test_name;
