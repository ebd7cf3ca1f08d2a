//! The gateway beside Envoy: the same call, to the same upstream, under the same load, in turn.

mod envoy;
mod token;
mod upstream;

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::task::JoinSet;

use crate::Options;
use crate::client::Client;
use crate::figures::{Row, Table, median, progress};
use crate::kernel::computed;
use crate::process::{Launch, Mesh};
use crate::searches::NO_LIMITS;
use envoy::Envoy;
use token::TOKEN;

const CONNECTIONS: usize = 4;
const CALLERS_EACH: usize = 16;
const ROUND: Duration = Duration::from_secs(4);
const WARM_UP: Duration = Duration::from_secs(1);
const DATASET: &str = "tenants/main/datasets/measurements";
const FIGURE: &str =
    "unary calls per second of one core: the gateway with all checks, against Envoy with its JWT filter";

pub async fn measure(options: &Options, work: &Path, table: &mut Table) -> Result<()> {
    let Some(program) = testkit::command("the gateway beside Envoy", "envoy").found() else {
        let missing = "skipped: there is no `envoy`; `bench.sh --with-envoy` installs it";
        table.add(Row::new(FIGURE, "1.0 × Envoy", missing, "0"));
        return Ok(());
    };
    let upstream = upstream::serve().await?;
    let gateway = gateway(options, work, upstream).await?;
    let envoy = Envoy::start(&program, &work.join("envoy"), upstream, false).await?;
    let remembering = Envoy::start(&program, &work.join("envoy-remembering"), upstream, true).await?;
    let doors = [
        Door::open("gateway", gateway.pid(), gateway.address, &gateway.token).await?,
        Door::open("Envoy", envoy.pid(), envoy.address, TOKEN).await?,
        Door::open("Envoy that remembers tokens", remembering.pid(), remembering.address, TOKEN).await?,
    ];
    for door in &doors {
        door.load(WARM_UP).await?;
    }
    let mut rates = [const { Vec::new() }; 3];
    for _ in 0..options.rounds {
        for (door, rates) in doors.iter().zip(&mut rates) {
            rates.push(door.load(ROUND).await?);
        }
    }
    let [gateway, envoy, remembering] = rates.each_ref().map(|rates| median(rates));
    let ratio = |of: fn(&Rate) -> f64, other: &Rate| of(&gateway) / of(other);
    let measured = format!(
        "{:.2} × Envoy ({gateway} against {envoy}); {:.2} × Envoy that remembers tokens ({remembering})",
        ratio(|rate| rate.per_core, &envoy),
        ratio(|rate| rate.per_core, &remembering),
    );
    let runs = format!("{} rounds of {} s each, in turn", options.rounds, ROUND.as_secs());
    table.add(Row::new(FIGURE, "1.0 × Envoy", measured, runs));
    table.note(format!(
        "Gateway and Envoy: `GetDataset` over {CONNECTIONS} connections with {CALLERS_EACH} callers each, to one server \
         in the bench that answers at once; calls divided by the seconds that the process computed, so that load and \
         server on the same cores do not count. The gateway authenticates an API key, checks permission and limits, \
         and signs the identity; Envoy (one worker) checks a token, RS256 with a key of 2048 bits from its \
         configuration, at each call as it does by default, or once."
    ));
    Ok(())
}

/// The gateway alone, before `upstream`; the role runs nowhere else.
async fn gateway(options: &Options, work: &Path, upstream: SocketAddr) -> Result<Mesh> {
    let mut launch = Launch::gateway(&options.binary, work, upstream)?;
    launch.settings.extend(NO_LIMITS.map(|(key, value)| (key, value.to_owned())));
    Mesh::start(&launch).await
}

/// What a door did in one round.
#[derive(Clone, Copy)]
struct Rate {
    per_second: f64,
    per_core: f64,
}

impl PartialEq for Rate {
    fn eq(&self, other: &Self) -> bool {
        self.per_core == other.per_core
    }
}

impl PartialOrd for Rate {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.per_core.partial_cmp(&other.per_core)
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0} calls per core and second, {:.0} calls/s in all", self.per_core, self.per_second)
    }
}

struct Door {
    name: &'static str,
    pid: u32,
    clients: Vec<Client>,
}

impl Door {
    async fn open(name: &'static str, pid: u32, address: SocketAddr, token: &str) -> Result<Self> {
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            clients.push(Client::connect(address, token).await.with_context(|| format!("cannot reach {name}"))?);
        }
        Ok(Self { name, pid, clients })
    }

    /// Calls for so long, from all callers at once.
    async fn load(&self, duration: Duration) -> Result<Rate> {
        let (begun, before) = (Instant::now(), computed(self.pid));
        let mut callers = JoinSet::new();
        for client in self.clients.iter().flat_map(|client| std::iter::repeat_n(client.clone(), CALLERS_EACH)) {
            callers.spawn(async move {
                let mut calls = 0_u32;
                while begun.elapsed() < duration {
                    client.time_get(DATASET).await?;
                    calls += 1;
                }
                anyhow::Ok(calls)
            });
        }
        let mut calls = 0;
        while let Some(made) = callers.join_next().await {
            calls += made??;
        }
        let (taken, computed) = (begun.elapsed(), computed(self.pid).saturating_sub(before));
        ensure!(!computed.is_zero(), "the kernel does not tell what {} computed", self.name);
        let of = |duration: Duration| f64::from(calls) / duration.as_secs_f64();
        let rate = Rate { per_second: of(taken), per_core: of(computed) };
        progress(format_args!("{}: {rate}", self.name));
        Ok(rate)
    }
}
