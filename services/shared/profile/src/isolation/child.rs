//! The child's side.

use std::ffi::OsString;
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, setrlimit};
use table::Hint;
use types::Digest;

use super::frame::{self, Confines, Done, EveryFrom, Listed, OneTable, Reply, Seen, Task};
use super::parent::limits_of;
use super::told;
use crate::error::Error;
use crate::every::{self, Every};
use crate::options::{Options, Progress};
use crate::{engine, file_tables};

/// The only argument of a child.
pub(super) const MARKER: &str = "profile-as-child";
/// Between the signal that ends the child and the one that it cannot catch.
const GRACE_SECONDS: u64 = 5;

/// Does the work of a child where this process was started as one: see [`super::Isolation::Child`]; gives its exit code.
///
/// It stands first in `main`, before threads and before anything is read.
pub fn run_as_child() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() != Some(MARKER.as_ref()) {
        return None;
    }
    Some(match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    })
}

fn serve() -> io::Result<()> {
    let task: Task = frame::read(&mut io::stdin().lock())?.ok_or(io::ErrorKind::UnexpectedEof)?;
    confine(&task.confines.ok_or(io::ErrorKind::InvalidData)?)?;
    let reply = match run(task) {
        Ok(done) => Reply { done: Some(done), ..Reply::default() },
        Err(error) => Reply { failed: Some(told::message(&error)), ..Reply::default() },
    };
    frame::write(&mut io::stdout().lock(), &reply)
}

/// Limits this process for good.
fn confine(confines: &Confines) -> io::Result<()> {
    let Confines { data_bytes, cpu_seconds, file_bytes, parent } = *confines;
    let limit = |resource, current: u64, maximum: u64| {
        // Who started the parent may have limited it more.
        let most = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let limit = Rlimit { current: Some(current.min(most)), maximum: Some(maximum.min(most)) };
        setrlimit(resource, limit).map_err(io::Error::from)
    };
    limit(Resource::Core, 0, 0)?;
    limit(Resource::Cpu, cpu_seconds, cpu_seconds.saturating_add(GRACE_SECONDS))?;
    limit(Resource::Fsize, file_bytes, file_bytes)?;
    // Address space that is only reserved costs nothing, and does not count here.
    limit(Resource::Data, data_bytes, data_bytes)?;
    die_with(parent)
}

/// Ends this process when its parent ends, or has ended by now.
fn die_with(parent: i64) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    match i64::from(std::os::unix::process::parent_id()) == parent {
        true => Ok(()),
        false => Err(io::Error::other("the parent is gone")),
    }
}

fn run(task: Task) -> Result<Done, Error> {
    let path = PathBuf::from(OsString::from_vec(task.path));
    let hint = Hint { file_name: task.file_name, table: task.table };
    let number = |value| usize::try_from(value).unwrap_or(usize::MAX);
    let options = Options {
        digest: task.digest.and_then(|digest| Digest::try_from(digest.as_slice()).ok()),
        limits: limits_of(&task.limits.unwrap_or_default()),
        memory_bytes: number(task.memory_bytes),
        sample_rows: number(task.sample_rows),
        value_sketches: task.value_sketches,
        threads: NonZeroUsize::new(number(task.threads)).unwrap_or(NonZeroUsize::MIN),
        progress: Some(Box::new(tell)),
        ..Options::default()
    };
    if task.wants_tables {
        let (tables, left_out) = file_tables::file_tables(&path, &hint, &options)?;
        return Ok(Done { tables, left_out, ..Done::default() });
    }
    if let Some(asked) = task.every {
        return every_table(&path, &hint, &options, asked, task.wants_state);
    }
    if !task.wants_state {
        return Ok(Done { profile: Some(engine::profile(&path, &hint, &options)?), ..Done::default() });
    }
    let (profile, state) = engine::profile_with_state(&path, &hint, &options)?;
    Ok(Done { profile: task.wants_profile.then_some(profile), state: Some(state.encode()), ..Done::default() })
}

/// Tells of each table of a file with several as it comes; what is done of a file with one.
fn every_table(
    path: &Path,
    hint: &Hint,
    options: &Options,
    asked: EveryFrom,
    wants_state: bool,
) -> Result<Done, Error> {
    let number = |value| usize::try_from(value).unwrap_or(usize::MAX);
    match every::every(path, hint, options, wants_state)? {
        Every::One(one) => {
            let (profile, state) = *one;
            Ok(Done { profile: Some(profile), state: state.map(|state| state.encode()), ..Done::default() })
        }
        Every::Several(several) => {
            let (count, tables) = several.listed();
            let last = number(asked.tables).min(tables.len());
            send(&Reply { listed: Some(Listed { count: count as u64, tables }), ..Reply::default() });
            let mut rows = asked.rows;
            for index in number(asked.from)..last {
                let table = match several.profile(engine::Step { index, count: last, rows }) {
                    Ok(profile) => {
                        rows += every::rows(&profile);
                        OneTable { profile: Some(profile), failed: None }
                    }
                    Err(error) => OneTable { profile: None, failed: Some(told::message(&error)) },
                };
                send(&Reply { table: Some(table), ..Reply::default() });
            }
            Ok(Done::default())
        }
    }
}

fn tell(now: Progress) {
    let Progress { read_bytes, size_bytes, rows } = now;
    send(&Reply { progress: Some(Seen { read_bytes, size_bytes, rows }), ..Reply::default() });
}

fn send(reply: &Reply) {
    // Nobody hears a child whose parent is gone, and it is about to die.
    let _gone = frame::write(&mut io::stdout().lock(), reply);
}
