//! How fast this machine is, for comparing tables of different machines.

use std::fs::OpenOptions;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::figures::{median, micros, progress, quantile};

const SYNCS: usize = 200;
const RUNS: usize = 5;
const HASHED_BYTES: usize = 64 << 20;
const STEPS: u64 = 200_000_000;

/// Measures the disk under `folder` and one core, and says what else the machine does at this time.
pub fn measure(folder: &Path) -> Result<String> {
    progress(format_args!("calibrating"));
    let syncs = fsync(folder).context("cannot sync a file")?;
    let buffer = vec![0x5a_u8; HASHED_BYTES];
    let hashing = runs(|| Sha256::digest(black_box(&buffer)));
    let counting = runs(|| steps(black_box(STEPS)));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let line = format!(
        "fsync after 4 KiB appended p50 {}, p99 {} ({SYNCS} times, on the file system of the data directories); \
         one core SHA-256 {:.0} MB/s, xorshift {:.0} M steps/s (median of {RUNS}); {cores} cores; load average {} before.",
        micros(median(&syncs)),
        micros(quantile(&syncs, 0.99)),
        HASHED_BYTES as f64 / 1e6 / hashing.as_secs_f64(),
        STEPS as f64 / 1e6 / counting.as_secs_f64(),
        load_average(),
    );
    progress(format_args!("{line}"));
    Ok(line)
}

fn fsync(folder: &Path) -> Result<Vec<Duration>> {
    let path = folder.join("fsync");
    let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let begun = Instant::now();
        file.write_all(&[0x5a; 4096])?;
        file.sync_all()?;
        times.push(begun.elapsed());
    }
    std::fs::remove_file(path)?;
    Ok(times)
}

fn runs<T>(work: impl Fn() -> T) -> Duration {
    let time = |_| {
        let begun = Instant::now();
        black_box(work());
        begun.elapsed()
    };
    median(&(0..RUNS).map(time).collect::<Vec<_>>())
}

/// A fixed chain of integer operations, each of which needs the one before.
fn steps(count: u64) -> u64 {
    (0..count).fold(0x2545_f491_4f6c_dd1d, |mut state: u64, _| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^ (state << 17)
    })
}

/// Of the last minute; more than the bench itself explains means that others used the machine too.
pub fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("unknown").to_owned()
}
