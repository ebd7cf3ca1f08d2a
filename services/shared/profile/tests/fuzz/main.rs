//! Fuzzing on a stable compiler: small real files of every format, damaged at random, are profiled.
//!
//! `cargo test -p millrace-profile --test fuzz` tries a bounded number of them, the same ones each time. By hand it goes on
//! for as long as it is told, with a seed of its own:
//!
//! ```text
//! cargo test -p millrace-profile --test fuzz -- --minutes 120 --seed 7 --target parquet
//! ```
//!
//! Inputs run in processes of this program with limits, many in each. A panic of our code, an error that calls itself a
//! defect, and, where the parser is ours, any death or hang is a failure; its input is written to `tests/crashes/`, whose
//! files are tried first from then on. What kills the parsers of others is counted alone: that is what child processes are
//! for.

mod drive;
mod mutate;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What is fuzzed: a folder of seeds.
#[derive(Debug, Clone, Copy)]
struct Target {
    name: &'static str,
    /// Whether the parser is ours.
    ours: bool,
}

const TARGETS: [Target; 12] = [
    Target { name: "delimited", ours: true },
    Target { name: "json", ours: true },
    Target { name: "parquet", ours: false },
    Target { name: "arrow", ours: false },
    Target { name: "avro", ours: false },
    Target { name: "orc", ours: false },
    Target { name: "stata", ours: false },
    Target { name: "sqlite", ours: false },
    Target { name: "workbook", ours: false },
    Target { name: "archive", ours: false },
    // What is kept of profiles to add rows to: that of the seeds of text.
    Target { name: "state", ours: true },
    // The seeds of all targets, and bytes at random behind the first ones of each format.
    Target { name: "recognition", ours: false },
];

impl Target {
    /// The contents of its seeds, in the order of their paths.
    fn seeds(self) -> Vec<Vec<u8>> {
        if self.name == "state" {
            return worker::states();
        }
        let folders = TARGETS.iter().filter(|one| one.name == self.name || self.name == "recognition");
        let paths = folders.flat_map(|target| target.paths());
        paths.map(|path| std::fs::read(path).expect("a seed can be read")).collect()
    }

    fn paths(self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder("fuzz/seeds").join(self.name)).into_iter().flatten();
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        paths
    }
}

/// A folder of this crate's tests.
fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

/// Inputs of each target in a bounded run.
const INPUTS: u64 = 150;
/// Inputs of a target before the next one has its turn, in a run by hand.
const TURN: u64 = 1_000;

struct Arguments {
    minutes: Option<u64>,
    seed: u64,
    target: Option<String>,
}

/// What is not known is for the harness of other tests.
fn arguments() -> Arguments {
    let mut given = Arguments { minutes: None, seed: 1, target: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--minutes" => given.minutes = words.next().and_then(|value| value.parse().ok()),
            "--seed" => given.seed = words.next().and_then(|value| value.parse().ok()).unwrap_or(given.seed),
            "--target" => given.target = words.next(),
            _ => {}
        }
    }
    given
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        Some("worker") => return worker::serve(&words[1..]),
        _ if words.iter().any(|word| word == "--list") => return ExitCode::SUCCESS,
        _ => {}
    }
    let given = arguments();
    let targets: Vec<Target> =
        TARGETS.into_iter().filter(|target| given.target.as_deref().is_none_or(|name| name == target.name)).collect();
    let mut failures = drive::replay();
    match given.minutes {
        None => targets.iter().for_each(|target| failures += drive::run(*target, given.seed, 0..INPUTS)),
        Some(minutes) => {
            let deadline = Instant::now() + Duration::from_secs(minutes * 60);
            println!("fuzzing until {minutes} minutes have passed, with --seed {}", given.seed);
            let mut first = 0;
            while Instant::now() < deadline {
                for target in &targets {
                    failures += drive::run(*target, given.seed, first..first + TURN);
                }
                first += TURN;
            }
        }
    }
    if failures > 0 {
        println!("{failures} inputs failed; they lie in {}", folder("crashes").display());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
