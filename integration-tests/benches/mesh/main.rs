//! The bench of the mesh: the figures that were set as goals, measured on this machine, as one Markdown table.
//!
//! `integration-tests/bench.sh` builds what this needs and runs it. The binary that is measured is the one at `--binary`,
//! run as a user runs it, on fresh data directories and loopback ports; one figure, what the edge adds to a call, needs
//! the same routes behind two doors, so those are wired in this process. The table goes to stdout, progress to stderr.
//!
//! Nothing here is a test: figures depend on the machine, so the table says how fast its disk and one of its cores are.

// A bench is a client on its own, without a mesh around it: it spawns its concurrent callers itself.
#![allow(clippy::disallowed_methods)]

mod calibration;
mod client;
mod corpus;
mod door;
mod edge;
mod events;
mod figures;
mod kernel;
mod latency;
mod load;
mod many;
mod memory;
mod mix;
mod peer;
mod process;
mod rounds;
mod searches;
mod start;
mod tables;
mod whole_path;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use figures::Table;

/// What the bench was asked to do.
struct Options {
    /// The binary that is measured.
    binary: PathBuf,
    /// Records in the index when searches are timed.
    records: usize,
    /// Runs of what is started anew for each run.
    starts: usize,
    /// Rounds of calls, and calls in each.
    rounds: usize,
    calls: usize,
    /// Tables of the whole path, and the least length of each.
    datasets: usize,
    dataset_bytes: usize,
    /// Runs of what is done one by one in an idle mesh.
    runs: usize,
    /// The only part to run; all of them when none is named.
    only: Option<String>,
}

const PARTS: [&str; 9] = ["start", "size", "search", "edge", "events", "path", "latency", "envoy", "memory"];
const USAGE: &str = "usage: mesh --bench --binary PATH [--records N] [--starts N] [--rounds N] [--calls N] \
                     [--datasets N] [--dataset-bytes N] [--runs N] \
                     [--only start|size|search|edge|events|path|latency|envoy|memory]";

fn main() -> ExitCode {
    // `bench.sh` and `cargo bench` pass `--bench`. `cargo test --benches` runs this too, and shall not wait for it.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads can be started");
    match runtime.block_on(run()) {
        Ok(End::Whole) => ExitCode::SUCCESS,
        Ok(End::Stopped(signal)) => {
            eprintln!("bench: ended by {signal}; the table lacks what was not measured by then");
            ExitCode::from(130)
        }
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// How a bench ended that did not fail.
enum End {
    Whole,
    /// By the signal of this name.
    Stopped(&'static str),
}

/// Measures, and prints the table: of all that was measured when a signal or an error came in between.
async fn run() -> Result<End> {
    let options = Options::parse(std::env::args().skip(1))?;
    let stop = runtime::stop_signal()?;
    // Beside the build, so on a real disk: temporary folders may lie in memory, where syncing costs nothing.
    let work = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).context("cannot make a folder to work in")?;
    // What servers need lies there too; PostgreSQL's user passes through to its own folder.
    std::fs::set_permissions(work.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711))?;
    tempfile::env::override_temp_dir(work.path()).ok();
    let mut table = Table::new(calibration::measure(work.path())?);
    // A mesh ends when its handle is dropped, and so does whichever runs when the signal wins.
    let ended = tokio::select! {
        measured = measure(&options, work.path(), &mut table) => measured.map(|()| End::Whole),
        signal = stop => Ok(End::Stopped(signal)),
    };
    println!("{table}");
    ended
}

async fn measure(options: &Options, work: &Path, table: &mut Table) -> Result<()> {
    for part in PARTS.iter().filter(|part| options.only.as_ref().is_none_or(|only| only == *part)) {
        match *part {
            "start" => start::measure(options, work, table).await?,
            "size" => table.add(figures::binary_size(&options.binary, work)?),
            "search" => searches::measure(options, work, table).await?,
            "edge" => edge::measure(options, work, table).await?,
            "events" => events::measure(work, table).await?,
            "path" => whole_path::measure(options, work, table).await?,
            "latency" => latency::measure(options, work, table).await?,
            "envoy" => peer::measure(options, work, table).await?,
            "memory" => memory::measure(options, work, table).await?,
            part => bail!("the part `{part}` is listed and not written"),
        }
    }
    Ok(())
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut binary = None;
        let mut only = None;
        let (mut records, mut starts, mut rounds, mut calls) = (10_000, 5, 5, 1000);
        let (mut datasets, mut dataset_bytes, mut runs) = (1000, 2_000_000, 20);
        while let Some(argument) = arguments.next() {
            if argument == "--bench" {
                continue;
            }
            let value = arguments.next().with_context(|| format!("`{argument}` needs a value; {USAGE}"))?;
            match argument.as_str() {
                "--binary" => binary = Some(PathBuf::from(value)),
                "--records" => records = count(&value)?,
                "--starts" => starts = count(&value)?,
                "--rounds" => rounds = count(&value)?,
                "--calls" => calls = count(&value)?,
                "--datasets" => datasets = count(&value)?,
                "--dataset-bytes" => dataset_bytes = count(&value)?,
                "--runs" => runs = count(&value)?,
                "--only" if PARTS.contains(&value.as_str()) => only = Some(value),
                "--only" => bail!("`{value}` is no part; {USAGE}"),
                _ => bail!("`{argument}` is no option; {USAGE}"),
            }
        }
        let binary = binary.with_context(|| format!("`--binary` is missing; {USAGE}"))?;
        let binary = binary.canonicalize().with_context(|| format!("there is no binary {}", binary.display()))?;
        Ok(Self { binary, records, starts, rounds, calls, datasets, dataset_bytes, runs, only })
    }
}

fn count(text: &str) -> Result<usize> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => bail!("`{text}` is no count; {USAGE}"),
    }
}
