//! A mesh with the servers that it stands on, all of which may be hit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use objects::{ObjectStore, ObjectStoreExt as _, S3Settings};
use types::{Digest, Secret};

use crate::back_ends::{BUCKET, KEY, Nats, Weed};
use crate::shape::ROLES;
use crate::{Mesh, PATIENCE, Postgres, Proxy, Setup, Shape};

/// Who may be hit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Victim {
    /// A process of the mesh, by its name.
    Process(String),
    /// The event bus.
    Nats,
    /// The object store.
    Weed,
    /// The store of state.
    Postgres,
}

/// A mesh with the servers that it stands on.
pub struct World {
    /// The mesh.
    pub mesh: Mesh,
    /// Its shape.
    pub shape: Shape,
    /// The event bus, where that is a server.
    pub nats: Option<Nats>,
    /// The object store, where that is a server.
    pub weed: Option<Weed>,
    /// The store of state, where that is a server.
    pub postgres: Option<Postgres>,
    /// The wires to the servers, and those of [`World::wire_roles`].
    pub wires: Vec<Proxy>,
}

/// The objects of a mesh.
#[derive(Debug, Default)]
pub struct Stored {
    /// The digest of the bytes of each content, by the last part of its key.
    pub content: BTreeMap<String, Digest>,
    /// What no process needs any more.
    pub left_over: Vec<String>,
}

impl World {
    /// Makes a world and starts its servers; the mesh itself is prepared. `None`, said with the test's name, where a
    /// program is missing.
    pub async fn prepare(test: &str, shape: Shape, setup: Setup) -> Option<Self> {
        Self::prepare_with(test, shape, setup, |nats| nats).await
    }

    /// The same, with `tune` applied to the event bus.
    pub async fn prepare_with(test: &str, shape: Shape, setup: Setup, tune: fn(Nats) -> Nats) -> Option<Self> {
        // A worker that died is not waited for longer than need be.
        let setup = setup.set("PROFILING__JOBS__LEASE", "3s").set("DISCOVERY__LEASE", "5s");
        // An attempt counts though a store of ours was away; a server that was killed takes a while to come back.
        let setup = setup.set("PROFILING__JOBS__MAX_BACKOFF", "3s");
        if shape == Shape::Embedded {
            let (mesh, wires) = (setup.shaped(shape).prepare(), Vec::new());
            return Some(Self { mesh, shape, nats: None, weed: None, postgres: None, wires });
        }
        let (nats, weed) = (tune(Nats::prepare(test)?), Weed::prepare(test)?);
        let postgres = if shape == Shape::Processes { Some(Postgres::prepare(test, true)?) } else { None };
        let mut wires = vec![Proxy::to(nats.port).await, Proxy::to(weed.s3).await];
        let mut setup = setup.shaped(shape).on_bus(&nats, port(&wires[0])).on_bucket(port(&wires[1]), BUCKET);
        nats.launch().await;
        weed.launch().await;
        if let Some(postgres) = &postgres {
            postgres.launch().await;
            postgres.create(STATE);
            wires.push(Proxy::to(postgres.port).await);
            setup = setup.on_postgres(port(&wires[2]), STATE);
        }
        Some(Self { mesh: setup.prepare(), shape, nats: Some(nats), weed: Some(weed), postgres, wires })
    }

    /// Leads the calls from the gateway to each other role over a wire too, before the mesh starts; where roles have no
    /// processes of their own, nothing.
    ///
    /// A wire takes connections though nobody listens behind it, and breaks them then: a caller who was not refused does
    /// not know whether the call was served. So these wires are for tests of wires alone.
    pub async fn wire_roles(&mut self) {
        if self.shape != Shape::Processes {
            return;
        }
        for role in ROLES.iter().filter(|role| **role != "gateway") {
            let mut endpoints = Vec::new();
            for target in self.mesh.listeners(role) {
                let wire = Proxy::to(target.port()).await;
                endpoints.push(format!("http://{}", wire.address));
                self.wires.push(wire);
            }
            self.mesh.set(&format!("PEERS__{}", role.to_uppercase()), format!("{endpoints:?}"));
        }
    }

    /// Starts the mesh too, and waits until it answers.
    pub async fn start(test: &str, shape: Shape, setup: Setup) -> Option<Self> {
        let mut world = Self::prepare(test, shape, setup).await?;
        world.mesh.spawn();
        world.mesh.ready().await;
        Some(world)
    }

    /// All who may be hit.
    pub fn victims(&self) -> Vec<Victim> {
        let mut all: Vec<_> = self.mesh.names().into_iter().map(Victim::Process).collect();
        all.extend(self.nats.as_ref().map(|_| Victim::Nats));
        all.extend(self.weed.as_ref().map(|_| Victim::Weed));
        all.extend(self.postgres.as_ref().map(|_| Victim::Postgres));
        all
    }

    /// Ends one without warning.
    pub async fn kill(&mut self, victim: &Victim) {
        match victim {
            Victim::Process(name) => self.mesh.kill_one(name).await,
            Victim::Nats => self.nats.as_ref().expect("there is a bus").kill().await,
            Victim::Weed => self.weed.as_ref().expect("there is a bucket").kill().await,
            Victim::Postgres => self.postgres.as_ref().expect("there is a store").kill().await,
        }
    }

    /// Starts one again; a server takes connections then, a process may still start.
    pub async fn revive(&mut self, victim: &Victim) {
        match victim {
            Victim::Process(name) => self.mesh.spawn_one(name),
            Victim::Nats => self.nats.as_ref().expect("there is a bus").launch().await,
            Victim::Weed => self.weed.as_ref().expect("there is a bucket").launch().await,
            Victim::Postgres => self.postgres.as_ref().expect("there is a store").launch().await,
        }
    }

    /// Stops the event bus and the store of state, while the mesh does not run yet. What they keep can be moved then.
    pub async fn shut_servers(&self) {
        if let Some(nats) = &self.nats {
            nats.kill().await;
        }
        if let Some(postgres) = &self.postgres {
            postgres.stop();
        }
    }

    /// Starts them again.
    pub async fn launch_servers(&self) {
        if let Some(nats) = &self.nats {
            nats.launch().await;
        }
        if let Some(postgres) = &self.postgres {
            postgres.launch().await;
        }
    }

    /// Puts other bytes in the place of an object, as only a test may.
    pub async fn replace(&self, digest: Digest, bytes: &[u8]) {
        let Some(weed) = &self.weed else {
            let is_it = |path: &PathBuf| named(path) == digest.to_string();
            let path = files(&self.mesh.data_dir().join("objects/objects")).into_iter().find(is_it);
            return std::fs::write(path.expect("the object is there"), bytes).expect("an object can be written");
        };
        let store = open(weed).await;
        let page = store.list("", None, 1000).await.expect("a bucket can be listed");
        let is_it = |object: &objects::ObjectMeta| object.key.segments().last() == Some(&digest.to_string());
        let object = page.into_iter().find(is_it).expect("the object is there");
        store
            .put_bytes(&object.key, bytes.to_vec().into(), objects::Put::Always)
            .await
            .expect("a bucket can be written");
    }

    /// What the object store holds.
    pub async fn stored(&self) -> Stored {
        let mut stored = match &self.weed {
            Some(weed) => in_bucket(weed).await,
            None => in_folder(&self.mesh.data_dir()),
        };
        let spools = self.mesh.names().into_iter().map(|name| self.mesh.data_of(&name).join("spool"));
        let spooled = spools.flat_map(|spool| files(&spool)).map(|path| path.display().to_string());
        stored.left_over.extend(spooled);
        stored
    }
}

/// Lets so much time pass: a lease runs out, say, or a fault lasts.
pub async fn pass(duration: Duration) {
    let begun = Instant::now();
    testkit::eventually!(duration + PATIENCE, begun.elapsed() >= duration);
}

/// The database of a mesh that has a server of its own.
const STATE: &str = "state";

fn port(wire: &Proxy) -> u16 {
    wire.address.port()
}

fn in_folder(data: &Path) -> Stored {
    let mut stored = Stored::default();
    let kept = ["content", "uploads"].map(|kind| files(&data.join("objects/objects").join(kind)));
    for path in kept.into_iter().flatten() {
        let name = named(&path);
        let bytes = std::fs::read(&path).expect("an object can be read");
        stored.content.insert(name, Digest::of(&bytes));
    }
    // A store that is open holds locks there, and bodies on their way in.
    let is_body = |path: &PathBuf| !(path.ends_with("lock") || path.ends_with("held"));
    let bodies = files(&data.join("objects/temp")).into_iter().filter(is_body);
    stored.left_over.extend(bodies.map(|path| path.display().to_string()));
    stored
}

/// The last part of the key of an object in a folder.
fn named(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().trim_end_matches('@').to_owned()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

async fn open(weed: &Weed) -> Arc<dyn ObjectStore> {
    let settings = S3Settings::with_keys(KEY.0, Secret::new(KEY.1.to_owned()));
    objects::open_with(&weed.url(), &settings).await.expect("the bucket is there")
}

async fn in_bucket(weed: &Weed) -> Stored {
    let store = open(weed).await;
    let mut stored = Stored::default();
    for prefix in ["content/", "uploads/"] {
        list(&store, prefix, &mut stored).await;
    }
    stored
}

async fn list(store: &Arc<dyn ObjectStore>, prefix: &str, stored: &mut Stored) {
    let mut after = None;
    loop {
        let page = store.list(prefix, after.as_ref(), 1000).await.expect("a bucket can be listed");
        for object in &page {
            let bytes = store.get_bytes(&object.key, 1 << 30).await.expect("an object can be read");
            let name = object.key.segments().last().unwrap_or_default().to_owned();
            stored.content.insert(name, Digest::of(&bytes));
        }
        match page.last() {
            Some(last) if page.len() == 1000 => after = Some(last.key.clone()),
            _ => return,
        }
    }
}
