//! The mesh of many processes on real servers, as the tests of that shape start it.

use std::path::Path;

use anyhow::{Context, Result};
use millrace_integration_tests::back_ends::{Nats, Weed};
use millrace_integration_tests::{Mesh, Postgres, Setup, Shape};

use crate::client::Client;
use crate::kernel::{Memory, memory};

/// How many profilers there are.
pub const PROFILERS: usize = 4;
/// Why a part of the bench has no figure for this shape.
pub const MISSING: &str = "skipped: `nats-server`, `weed` or PostgreSQL is missing, or may not be started here";

/// `millrace serve` for each role, with [`PROFILERS`] of profiling, on NATS, SeaweedFS and PostgreSQL, the latter with
/// its settings as shipped: what it acknowledges is on disk. Everything ends with the value.
pub struct Many {
    mesh: Mesh,
    /// A connection as its administrator.
    pub client: Client,
    _servers: (Nats, Weed, Postgres),
}

impl Many {
    /// Starts servers and processes, and waits until every role answers. None where a server is missing.
    pub async fn start(binary: &Path, folder_roots: &[&Path], settings: &[(&str, &str)]) -> Result<Option<Self>> {
        let Some(servers) = servers() else { return Ok(None) };
        let (nats, weed, postgres) = &servers;
        nats.launch().await;
        weed.launch().await;
        postgres.launch().await;
        postgres.create("bench");
        let mut setup = Setup::new().shaped(Shape::Processes).running(binary).times("profiling", PROFILERS);
        setup =
            setup.on(nats, weed).on_postgres(postgres.port, "bench").set("FOLDER_ROOTS", format!("{folder_roots:?}"));
        for (key, value) in settings {
            setup = setup.set(key.trim_start_matches("MILLRACE__"), value);
        }
        let mesh = setup.start().await;
        let client = Client::connect(mesh.address(), &mesh.token()).await.context("cannot reach the gateway")?;
        Ok(Some(Self { mesh, client, _servers: servers }))
    }

    /// The memory of each of its processes, by name; empty where the kernel does not tell.
    pub fn memory(&self) -> Vec<(String, Memory)> {
        let told = self.mesh.process_ids().into_iter().map(|(name, pid)| Some((name, memory(pid)?)));
        told.collect::<Option<Vec<_>>>().unwrap_or_default()
    }
}

fn servers() -> Option<(Nats, Weed, Postgres)> {
    const BENCH: &str = "the mesh of many processes";
    Some((Nats::prepare(BENCH)?, Weed::prepare(BENCH)?, Postgres::prepare(BENCH, true)?))
}
