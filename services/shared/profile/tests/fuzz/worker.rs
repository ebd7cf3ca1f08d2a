//! A process that tries inputs one after the other, and says before each which it is.

use std::io::Write;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use millrace_profile::{Hint, Limits, Options, State, profile, profile_with_state};
use rustix::process::{Resource, Rlimit, setrlimit};
use types::{ErrorKind, Fault};

use crate::{TARGETS, mutate};

/// What a worker may take; far more than an input of a hundred kilobytes is worth.
const DATA_BYTES: u64 = 512 << 20;
/// Where the last panic was.
static PANIC: Mutex<String> = Mutex::new(String::new());

/// Tries `TARGET SEED FIRST END`, or the file `replay PATH`.
pub fn serve(words: &[String]) -> ExitCode {
    confine();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(|place| format!("{}:{}", place.file(), place.line())).unwrap_or_default();
        let text = panic.payload_as_str().unwrap_or_default();
        *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = format!("{place}: {text}");
    }));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("input");
    match words {
        [replay, path] if replay == "replay" => {
            let name = Path::new(path).file_name().unwrap_or_default().to_string_lossy();
            try_one(0, Path::new(path), name.starts_with("state"));
        }
        [name, numbers @ ..] => {
            let target = *TARGETS.iter().find(|target| target.name == name).expect("a target of that name");
            let numbers: Vec<u64> = numbers.iter().map(|number| number.parse().expect("a number")).collect();
            let seeds = target.seeds();
            for index in numbers[1]..numbers[2] {
                std::fs::write(&path, mutate::input(target, &seeds, numbers[0], index)).expect("room for an input");
                try_one(index, &path, target.name == "state");
            }
        }
        [] => return ExitCode::FAILURE,
    }
    say("done");
    ExitCode::SUCCESS
}

fn confine() {
    for (resource, limit) in [(Resource::Core, 0), (Resource::Data, DATA_BYTES)] {
        setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) }).expect("less is always allowed");
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("the driver listens");
}

fn try_one(index: u64, path: &Path, is_state: bool) {
    say(&format!("try {index}"));
    let outcome = catch_unwind(AssertUnwindSafe(|| match is_state {
        true => State::decode(&std::fs::read(path).expect("an input can be read"))?.profile(&options()),
        false => profile(path, &Hint::default(), &options()),
    }));
    match outcome {
        Ok(Ok(_)) => say("profiled"),
        Ok(Err(error)) if error.kind() == ErrorKind::Internal => say(&format!("failed {error}: {}", cause(&error))),
        Ok(Err(_)) => say("refused"),
        Err(_) => {
            let panic = PANIC.lock().unwrap_or_else(PoisonError::into_inner).replace('\n', " ");
            // Paths of our own crates are relative, those of others' are of the registry.
            let word = if panic.starts_with('/') { "theirs" } else { "failed" };
            say(&format!("{word} panicked at {panic}"));
        }
    }
}

fn options() -> Options {
    let limits = Limits { max_decompressed_bytes: 32 << 20, max_resident_bytes: 32 << 20, ..Limits::default() };
    Options { limits, memory_bytes: 16 << 20, threads: NonZeroUsize::MIN, ..Options::default() }
}

/// What is kept of the profiles of the seeds of text.
pub fn states() -> Vec<Vec<u8>> {
    let paths = TARGETS.iter().filter(|target| target.name == "delimited").flat_map(|target| target.paths());
    let kept = paths.filter_map(|path| profile_with_state(&path, &Hint::default(), &options()).ok());
    kept.map(|(_, state)| state.encode()).collect()
}

fn cause(error: &dyn std::error::Error) -> String {
    error.source().map(ToString::to_string).unwrap_or_default().replace('\n', " ")
}
