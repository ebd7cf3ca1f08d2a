//! Events: from the commit that tells of a change to the commit of its effect, and what a broker lost.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use events::{EventBus, JetStream, Settings, SqliteLog};
use millrace_integration_tests::Postgres;
use millrace_integration_tests::back_ends::Nats;
use runtime::SystemClock;

use crate::figures::{Row, Table, median, progress, seconds};

mod flow;
mod service;

use service::Store;

/// Events of one run.
const EVENTS: usize = 100_000;
/// Runs of each figure from commit to effect.
const RUNS: usize = 3;
/// Events that the broker loses.
const LOST: usize = 300_000;

/// Measures on servers of its own: PostgreSQL with its settings as they are shipped, NATS with its default of syncing.
pub async fn measure(work: &Path, table: &mut Table) -> Result<()> {
    let folder = folder_of_servers(work)?;
    let at = folder.as_deref().unwrap_or(work);
    let _set_before = tempfile::env::override_temp_dir(at);
    let sqlite = Store::Files(work.to_owned());
    let log = || open_log(work);
    from_commit_to_effect(table, "all in SQLite", "10,000/s", &sqlite, log).await?;
    let (Some(nats), Some(postgres)) = (Nats::prepare("events"), Postgres::prepare("events", true)) else {
        table.note("Events on NATS and PostgreSQL were not measured, since one of these servers is not installed.");
        return Ok(());
    };
    nats.launch().await;
    postgres.launch().await;
    let postgres_store = Store::Postgres(&postgres);
    let stream = || open_stream(&nats);
    from_commit_to_effect(table, "outbox and effects in SQLite, JetStream", "10,000/s", &sqlite, stream).await?;
    from_commit_to_effect(table, "outbox and effects in PostgreSQL, JetStream", "20,000/s", &postgres_store, stream)
        .await?;
    repair(table, "SQLite", &sqlite, &nats).await?;
    repair(table, "PostgreSQL", &postgres_store, &nats).await?;
    table.note(format!(
        "Durable events: a service commits {EVENTS} events of 1,000 keys, {} in a transaction, one transaction after the \
         other, each on disk; meanwhile its relay publishes them, and the consumer of another service stores a row for \
         each. Counted from the first commit to the last. PostgreSQL as shipped, fsync on; JetStream syncs every two \
         minutes, its default. Servers, relay and consumer share the cores.",
        service::IN_A_TRANSACTION
    ));
    table.note(
        "Broker lost: its process is killed and its store deleted; counted from the moment at which it takes \
         connections again, on an empty store, to the last event noted as published once more.",
    );
    if folder.is_none() {
        table.note(
            "The servers kept their data in the folder for temporary files, since theirs must be open to others.",
        );
    }
    Ok(())
}

/// Where servers keep their data: beside the build, if another user can get there, as PostgreSQL runs as.
fn folder_of_servers(work: &Path) -> Result<Option<PathBuf>> {
    let folder = work.join("servers");
    std::fs::create_dir_all(&folder)?;
    for own in [work, &folder] {
        std::fs::set_permissions(own, std::fs::Permissions::from_mode(0o711))?;
    }
    let open = |path: &Path| path.metadata().is_ok_and(|found| found.permissions().mode() & 0o001 != 0);
    Ok(folder.ancestors().all(open).then_some(folder))
}

async fn open_log(work: &Path) -> Result<Arc<dyn EventBus>> {
    let folder = tempfile::tempdir_in(work)?.keep();
    let url = format!("sqlite:{}", folder.join("events.db").display());
    Ok(Arc::new(SqliteLog::open(&url, Arc::new(SystemClock)).await?))
}

/// Streams of its own, so that one run leaves nothing to the next.
async fn open_stream(nats: &Nats) -> Result<Arc<dyn EventBus>> {
    let prefix = format!("m{}", uuid::Uuid::new_v4().simple());
    let settings = Settings { prefix, ..Settings::default() };
    let bus = JetStream::open(&nats.url(), &settings, Arc::new(SystemClock)).await;
    Ok(Arc::new(bus.context("cannot open the event bus")?))
}

async fn from_commit_to_effect(
    table: &mut Table,
    what: &str,
    reach: &'static str,
    store: &Store<'_>,
    open: impl AsyncFn() -> Result<Arc<dyn EventBus>>,
) -> Result<()> {
    let mut rates = Vec::new();
    for run in 1..=RUNS {
        progress(format_args!("{EVENTS} events, {what}, run {run} of {RUNS}"));
        let bus = open().await?;
        rates.push(flow::rate(store, bus.clone(), EVENTS).await?);
        bus.close().await;
    }
    let least = rates.iter().copied().fold(f64::INFINITY, f64::min);
    let measured = format!("{:.0}/s (slowest {least:.0}/s)", median(&rates));
    let figure = format!("durable events from the commit to the effect: {what}");
    table.add(Row::new(figure, reach, measured, format!("{RUNS} runs of {EVENTS}")));
    Ok(())
}

async fn repair(table: &mut Table, what: &str, store: &Store<'_>, nats: &Nats) -> Result<()> {
    progress(format_args!("a broker loses {LOST} events, outbox in {what}"));
    let bus = open_stream(nats).await?;
    let took: Duration = flow::repair(store, bus.clone(), nats, LOST).await?;
    bus.close().await;
    let figure = format!("broker lost {LOST} events: repaired after its return, outbox in {what}");
    table.add(Row::new(figure, "5 s", seconds(took), "1 run"));
    Ok(())
}
