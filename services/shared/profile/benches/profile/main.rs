//! The bench of the profiler: the figures that were set as goals, beside its peers, as one Markdown table.
//!
//!   cargo bench -p millrace-profile -- [--rows N] [--runs N] [--great-rows N] [--file PARQUET] [--peers PYTHON]
//!
//! Peers run from a Python that has `duckdb`, and perhaps `datamart-profiler`; a peer that does not start is left out by
//! name. Runs of ours and of a peer take turns, so that what else the machine does hits both. Memory is the peak
//! resident set of a process of its own. Files are made beneath the target folder and removed. Nothing is judged here.

mod trips;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use millrace_profile::{CancelFlag, Hint, Options, append, profile, profile_with_state};
use types::Digest;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Rows of a table of 2 MB, and how many such tables are profiled one after the other.
const SMALL_ROWS: u64 = 8_700;
const SMALL_TABLES: u32 = 20;

/// What the bench was asked to do.
struct Asked {
    rows: u64,
    runs: usize,
    /// Rows of the great file; none without it.
    great_rows: u64,
    /// A Parquet file to profile beside what is made here.
    file: Option<PathBuf>,
    python: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --benches` runs this too, and shall not wait for it.
    let ran = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--memory", path, threads] => memory(Path::new(path), threads),
        _ if arguments.iter().any(|argument| argument == "--bench") => run(&arguments),
        _ => Ok(()),
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Outcome<()> {
    let asked = Asked::parse(arguments)?;
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("profile-bench");
    std::fs::create_dir_all(&folder)?;
    println!("| figure (median of {}) | reach | ours | DuckDB SUMMARIZE |\n|---|---|---|---|", asked.runs);
    let ran = measure(&asked, &folder);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("\nLoad average {} after.", load.split(' ').take(3).collect::<Vec<_>>().join(" "));
    std::fs::remove_dir_all(&folder)?;
    ran
}

fn measure(asked: &Asked, folder: &Path) -> Outcome<()> {
    let csv = folder.join("trips.csv");
    let bytes = trips::write(&csv, 0, asked.rows)? as f64;
    let rate = |seconds: f64| format!("{seconds:.2} s, {:.0} MB/s", bytes / 1e6 / seconds);
    let two = compare(asked, &csv, 2, "duckdb")?;
    let one = compare(asked, &csv, 1, "duckdb")?;
    let title = format!("CSV, {} × 16, {:.0} MB", asked.rows, bytes / 1e6);
    row(&format!("{title}, 2 threads"), "DuckDB", &rate(two.0), two.1.map(rate));
    row(&format!("{title}, 1 thread"), "", &rate(one.0), one.1.map(rate));
    row(
        "2 threads against 1",
        "1.8",
        &format!("{:.2}", one.0 / two.0),
        two.1.zip(one.1).map(|(two, one)| format!("{:.2}", one / two)),
    );
    if let Some(seconds) = peer(asked, "datamart", &csv, &[])? {
        println!("| as many times as fast as datamart-profiler | 250 | {:.0} ({seconds:.1} s) | |", seconds / two.0);
    }
    let parquet = folder.join("trips.parquet");
    if peer(asked, "parquet", &csv, &[&parquet.to_string_lossy()])?.is_some() {
        let both = compare(asked, &parquet, 2, "duckdb")?;
        row("the same as Parquet, 2 threads; MB of the CSV", "250 decoded", &rate(both.0), both.1.map(rate));
    }
    if let Some(file) = &asked.file {
        real_file(asked, folder, file)?;
    }
    small_tables(asked, folder)?;
    append_and_cancel(asked, folder, &csv)?;
    row("peak resident set on that CSV", "256 MB", &peak(&csv)?, None);
    if asked.great_rows > 0 {
        let bytes = trips::write(&csv, 0, asked.great_rows)?;
        row(&format!("peak resident set on {:.1} GB", bytes as f64 / 1e9), "256 MB", &peak(&csv)?, None);
    }
    Ok(())
}

fn row(figure: &str, reach: &str, ours: &str, peer: Option<String>) {
    println!("| {figure} | {reach} | {ours} | {} |", peer.unwrap_or_default());
}

fn options(threads: usize) -> Options {
    let threads = NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN);
    Options { threads, digest: Some(Digest::of(b"")), ..Options::default() }
}

/// Median seconds of ours and of the peer, run in turns.
fn compare(asked: &Asked, path: &Path, threads: usize, name: &str) -> Outcome<(f64, Option<f64>)> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..asked.runs {
        let start = Instant::now();
        profile(path, &Hint::default(), &options(threads))?;
        ours.push(start.elapsed().as_secs_f64());
        theirs.extend(peer(asked, name, path, &[&threads.to_string()])?);
    }
    Ok((median(&mut ours), (!theirs.is_empty()).then(|| median(&mut theirs))))
}

fn peer(asked: &Asked, name: &str, path: &Path, rest: &[&str]) -> Outcome<Option<f64>> {
    let Some(python) = &asked.python else { return Ok(None) };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/profile/peers.py");
    let run = Command::new(python).arg(script).arg(name).arg(path).args(rest).stderr(Stdio::null()).output()?;
    if !run.status.success() {
        eprintln!("bench: the peer {name} did not run, and is left out");
        return Ok(None);
    }
    Ok(Some(String::from_utf8(run.stdout)?.trim().parse()?))
}

fn median(seconds: &mut [f64]) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// A file as it is found in the world, and its rows as CSV.
fn real_file(asked: &Asked, folder: &Path, file: &Path) -> Outcome<()> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let csv = folder.join("real.csv");
    let exported = peer(asked, "csv", file, &[&csv.to_string_lossy()])?.is_some();
    for (path, form) in [(file, "as it is"), (csv.as_path(), "as CSV")].into_iter().take(1 + usize::from(exported)) {
        let bytes = path.metadata()?.len() as f64;
        let rate = |seconds: f64| format!("{seconds:.2} s, {:.0} MB/s", bytes / 1e6 / seconds);
        let both = compare(asked, path, 2, "duckdb")?;
        row(&format!("`{name}` {form}, {:.0} MB, 2 threads", bytes / 1e6), "", &rate(both.0), both.1.map(rate));
    }
    Ok(())
}

/// What a table costs that is small, where what is done once for each weighs most.
fn small_tables(asked: &Asked, folder: &Path) -> Outcome<()> {
    let path = folder.join("small.csv");
    let bytes = trips::write(&path, 0, SMALL_ROWS)? as f64;
    profile(&path, &Hint::default(), &options(1))?;
    let mut each = Vec::new();
    for _ in 0..asked.runs {
        let start = Instant::now();
        for _ in 0..SMALL_TABLES {
            profile(&path, &Hint::default(), &options(1))?;
        }
        each.push(start.elapsed().as_secs_f64() / f64::from(SMALL_TABLES));
    }
    let seconds = median(&mut each);
    let shown = format!("{:.0} ms, {:.0} MB/s", 1e3 * seconds, bytes / 1e6 / seconds);
    row(&format!("a table of {:.0} MB, 1 thread, of {SMALL_TABLES}", bytes / 1e6), "", &shown, None);
    Ok(())
}

fn append_and_cancel(asked: &Asked, folder: &Path, csv: &Path) -> Outcome<()> {
    let more = folder.join("more.csv");
    trips::write(&more, asked.rows, asked.rows / 100)?;
    let (_, state) = profile_with_state(csv, &Hint::default(), &options(2))?;
    let encoded = state.encode();
    let (mut whole, mut added, mut cancelled) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..asked.runs {
        let start = Instant::now();
        profile(csv, &Hint::default(), &options(2))?;
        whole.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        append(millrace_profile::State::decode(&encoded)?, &more, &Hint::default(), &options(2))?;
        added.push(start.elapsed().as_secs_f64());
        cancelled.push(cancel_after(csv, Duration::from_millis(100 + 37 * run as u64))?);
    }
    let (whole, added) = (median(&mut whole), median(&mut added));
    let shown =
        format!("{:.1} % ({:.0} ms, state {:.1} MB)", 100.0 * added / whole, 1e3 * added, encoded.len() as f64 / 1e6);
    row("append of 1 %, of a full profile", "2 %", &shown, None);
    row("cancel, until the call returns", "100 ms", &format!("{:.0} ms", 1e3 * median(&mut cancelled)), None);
    Ok(())
}

fn cancel_after(csv: &Path, delay: Duration) -> Outcome<f64> {
    let cancel = CancelFlag::default();
    let options = Options { cancel: cancel.clone(), ..options(2) };
    let (asked, ended) = std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            let ended = profile(csv, &Hint::default(), &options);
            (Instant::now(), ended.is_err())
        });
        std::thread::sleep(delay);
        let asked = Instant::now();
        cancel.cancel();
        (asked, run.join())
    });
    let (ended, cancelled) = ended.map_err(|_| "the profiler panicked")?;
    if cancelled { Ok((ended - asked).as_secs_f64()) } else { Err("it ended before it was cancelled".into()) }
}

/// The peak resident set of a process that profiles a file and does nothing else.
fn peak(path: &Path) -> Outcome<String> {
    let run = Command::new(std::env::current_exe()?).arg("--memory").arg(path).arg("2").output()?;
    Ok(String::from_utf8(run.stdout)?.trim().to_owned())
}

fn memory(path: &Path, threads: &str) -> Outcome<()> {
    profile(path, &Hint::default(), &options(threads.parse()?))?;
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no peak is known")?;
    let kilobytes: f64 = peak.trim().trim_end_matches(" kB").parse()?;
    println!("{:.0} MB", kilobytes / 1e3);
    Ok(())
}

impl Asked {
    fn parse(arguments: &[String]) -> Outcome<Self> {
        let mut asked = Self { rows: 500_000, runs: 3, great_rows: 0, file: None, python: None };
        let mut arguments = arguments.iter().filter(|argument| *argument != "--bench");
        while let Some(argument) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("`{argument}` needs a value"))?;
            match argument.as_str() {
                "--rows" => asked.rows = value.parse()?,
                "--runs" => asked.runs = value.parse()?,
                "--great-rows" => asked.great_rows = value.parse()?,
                "--file" => asked.file = Some(value.into()),
                "--peers" => asked.python = Some(value.into()),
                _ => return Err(format!("`{argument}` is no option").into()),
            }
        }
        if asked.runs == 0 || asked.rows < 100 {
            return Err("there must be a run, and a hundred rows".into());
        }
        Ok(asked)
    }
}
