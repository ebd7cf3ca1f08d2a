//! Parsers that are not ours run in a process of their own.
//!
//! A hostile file may make its parser panic, overflow the stack or allocate without end; some of that ends the process, and
//! a service must not end with it. So where [`Isolation::Child`] is chosen, a file whose format others' code parses
//! ([`table::foreign_parser`]) is profiled in a child process: the program calls itself again, and [`run_as_child`], which
//! stands first in its `main`, does the work. The child limits itself before it looks at the file: its data segments to
//! the memory of the job, its processor time, no core dump; and it dies with its parent.
//!
//! Task and answers pass through pipes as Protobuf messages. The parent forwards progress, kills the child within a
//! few hundredths of a second when the job is cancelled, and makes a typed error of whatever ends the child. Text, which our
//! own code parses, stays in the process, and costs nothing.

mod child;
mod death;
mod frame;
mod parent;
mod told;

use std::path::{Path, PathBuf};

use proto::profiling::v1::{FileTable, StoredProfile};
use table::Hint;
use types::ByteSize;

use crate::engine;
use crate::error::Error;
use crate::every::{self, Most};
use crate::options::Options;
use crate::state::State;

pub use child::run_as_child;
use parent::Child;
pub use told::Told;

/// Where parsers that are not ours run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Isolation {
    /// In this process: what crashes a parser beyond a panic ends it.
    #[default]
    InProcess,
    /// In a child process.
    Child {
        /// A program that calls [`run_as_child`] before anything else.
        program: PathBuf,
        /// How much memory the child may take: its heap and the stacks of its threads.
        memory: ByteSize,
    },
}

impl Isolation {
    /// In children of the program that runs now.
    pub fn this_program(memory: ByteSize) -> std::io::Result<Self> {
        Ok(Self::Child { program: this_program()?, memory })
    }
}

/// The program that runs now, whatever lies at its path by now.
pub fn this_program() -> std::io::Result<PathBuf> {
    // This link leads to what runs, also after an upgrade has replaced the file.
    let itself = PathBuf::from("/proc/self/exe");
    if cfg!(target_os = "linux") { Ok(itself) } else { std::env::current_exe() }
}

/// What is said of an error, here or in a child process alike: its words and those of its causes.
pub(crate) fn words(error: &Error) -> String {
    told::message(error).message
}

/// Profiles the file at `path`: every row, in one pass.
///
/// Blocks; call it where that is allowed. The profile has no name and no creation time: those belong to who stores it.
/// The same bytes give the same profile, bit for bit, on one thread or many, here or in a child process. Fails with a
/// typed error when the file is no table, damaged or beyond a limit, when its parser crashes in a child process, or when
/// the run was cancelled. Of a file with several tables the one that `hint` asks for is profiled, else the first one; the
/// profile names the others.
pub fn profile(path: &Path, hint: &Hint, options: &Options) -> Result<StoredProfile, Error> {
    match Child::wanted(path, hint, options) {
        Some(child) => child.profile(),
        None => engine::profile(path, hint, options),
    }
}

/// Profiles every table of the file at `path`, up to a limit: those of a file with several one after the other.
///
/// The profile is that of the first table that can be profiled; it holds those of the others, and tells which table failed
/// and why, and which were not tried, in its list of tables and in warnings. A state, where it is wanted, comes of a file of
/// one table alone. Fails as [`profile`] does, with the error of the first table when none can be profiled, and whenever
/// what went wrong lies not in the table and may pass.
pub fn profile_every(
    path: &Path,
    hint: &Hint,
    options: &Options,
    most: Most,
    wants_state: bool,
) -> Result<(StoredProfile, Option<State>), Error> {
    match Child::wanted(path, hint, options) {
        Some(child) => child.profile_every(most, wants_state),
        None => every::profile_every(path, hint, options, most, wants_state),
    }
}

/// Lists the tables of the file at `path`, in its order, and the names of its parts that are empty or no tables.
///
/// Fails as [`profile`] does when the file is damaged or beyond a limit; a file that is no table lists as one, and profiling
/// it tells.
pub fn file_tables(path: &Path, hint: &Hint, options: &Options) -> Result<(Vec<FileTable>, Vec<String>), Error> {
    match Child::wanted(path, hint, options) {
        Some(child) => child.file_tables(),
        None => crate::file_tables::file_tables(path, hint, options),
    }
}

/// Profiles the file at `path` as [`profile`] does, and keeps what it takes to add rows later.
pub fn profile_with_state(path: &Path, hint: &Hint, options: &Options) -> Result<(StoredProfile, State), Error> {
    match Child::wanted(path, hint, options) {
        Some(child) => child.profile_with_state(),
        None => engine::profile_with_state(path, hint, options),
    }
}

/// Profiles rows that follow those of an earlier profile: reads the file at `path` alone, whose columns must have the
/// names and types of the earlier ones.
///
/// That the rows belong together is the caller's word; the profile lists its parts. Fails with
/// [`Error::OtherColumns`] when the columns differ, otherwise as [`profile`] does.
pub fn append(state: State, path: &Path, hint: &Hint, options: &Options) -> Result<(StoredProfile, State), Error> {
    let Some(child) = Child::wanted(path, hint, options) else { return engine::append(state, path, hint, options) };
    let state = state.merge(child.state()?)?;
    Ok((state.profile(options)?, state))
}
