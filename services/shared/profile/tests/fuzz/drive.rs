//! The side that starts workers, and judges what they say and what they die of.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use crate::{Target, folder, mutate};

/// An honest input takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// Tries inputs of a target; gives the number of failures.
pub fn run(target: Target, seed: u64, range: Range<u64>) -> u64 {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut next, mut failures) = (range.start, 0);
    while next < range.end {
        let words = [target.name.to_owned(), seed.to_string(), next.to_string(), range.end.to_string()];
        let mut worker = Worker::start(&words);
        let mut trying = None;
        loop {
            let line = worker.line();
            match line.split_once(' ').map_or((line.as_str(), ""), |(word, rest)| (word, rest)) {
                ("try", index) => {
                    trying = index.parse().ok();
                    next = trying.map_or(next, |index: u64| index + 1);
                }
                ("done", _) => break,
                ("profiled", _) => *counts.entry("profiled").or_default() += 1,
                ("refused", _) => *counts.entry("refused").or_default() += 1,
                ("theirs", _) if !target.ours => *counts.entry("panics of others").or_default() += 1,
                ("died" | "hung", _) if !target.ours && trying.is_some() => {
                    println!("{} {seed} {trying:?}: {line}", target.name);
                    *counts.entry("deaths of others").or_default() += 1;
                    break;
                }
                (word, _) => {
                    failures += 1;
                    keep(target, seed, trying.expect("an input is tried"), &line);
                    if matches!(word, "died" | "hung") {
                        break;
                    }
                }
            }
        }
    }
    let counts: Vec<_> = counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
    println!("{} {}..{}: {}, {failures} failed", target.name, range.start, range.end, counts.join(", "));
    failures
}

/// Tries the crashes of earlier runs again; gives the number of failures.
pub fn replay() -> u64 {
    let entries = std::fs::read_dir(folder("crashes")).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).filter(|path| path.extension().is_none()).collect();
    paths.sort();
    let mut failures = 0;
    for path in &paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let ours = crate::TARGETS.iter().any(|target| target.ours && name.starts_with(target.name));
        let mut worker = Worker::start(&["replay".to_owned(), path.display().to_string()]);
        let outcome = std::iter::repeat_with(|| worker.line()).find(|line| !line.starts_with("try"));
        let outcome = outcome.unwrap_or_default();
        let fine = matches!(outcome.as_str(), "profiled" | "refused");
        if !fine && (ours || outcome.starts_with("failed")) {
            println!("{}: {outcome}", path.display());
            failures += 1;
        }
    }
    println!("{} crashes of earlier runs: {failures} failed", paths.len());
    failures
}

fn keep(target: Target, seed: u64, index: u64, line: &str) {
    let path = folder("crashes").join(format!("{}-{seed}-{index}", target.name));
    std::fs::create_dir_all(folder("crashes")).expect("the tests can be written to");
    std::fs::write(&path, mutate::input(target, &target.seeds(), seed, index)).expect("room for a crash");
    println!("{}: {line}", path.display());
}

/// A worker, ended when it is dropped.
struct Worker {
    process: Child,
    lines: Receiver<String>,
}

impl Worker {
    fn start(words: &[String]) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.arg("worker").args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("this program can be started");
        let out = BufReader::new(process.stdout.take().expect("it was asked for"));
        let (sender, lines) = channel();
        // It ends with the worker, whose end of the pipe it reads.
        thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { process, lines }
    }

    /// The next line; `died …` or `hung` when there is none.
    fn line(&mut self) -> String {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => "hung".to_owned(),
            Err(_) => format!("died {}", self.process.wait().expect("it was started")),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}
