//! The parent's side.

use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use proto::profiling::v1::{FileTable, StoredProfile};
use table::{Hint, Limits};
use types::ByteSize;

use super::child::MARKER;
use super::death;
use super::frame::{self, Confines, Done, EveryFrom, Reply, Seen, TableLimits, Task};
use super::{Isolation, Told};
use crate::error::Error;
use crate::every::{Gathered, Most};
use crate::options::{Options, Progress};
use crate::state::State;

/// After so many tables that made their parser die, the rest of a file are not tried.
const CRASHES: usize = 3;
/// How often a cancelled run is looked for.
const PATIENCE: Duration = Duration::from_millis(20);
/// How long a child may take to end once it has closed its pipe.
const ENDING: Duration = Duration::from_secs(1);
/// How much of what a child says on stderr is kept: the end of it tells what it died of.
const STDERR_BYTES: usize = 16 << 10;
/// A child may compute for so long, …
const CPU_SECONDS: u64 = 60;
/// … and a second more for each of so many bytes of its file: a last resort against a parser that never ends.
const BYTES_PER_CPU_SECOND: u64 = 50 << 10;

/// A child process to be.
#[derive(Debug)]
pub(crate) struct Child<'a> {
    program: &'a Path,
    memory: ByteSize,
    format: &'static str,
    path: PathBuf,
    hint: &'a Hint,
    options: &'a Options,
}

impl<'a> Child<'a> {
    /// The child that shall read this file, unless it is read here.
    pub(crate) fn wanted(path: &Path, hint: &'a Hint, options: &'a Options) -> Option<Self> {
        let Isolation::Child { program, memory } = &options.isolation else { return None };
        let format = table::foreign_parser(path)?;
        let path = std::path::absolute(path).ok()?;
        Some(Self { program, memory: *memory, format, path, hint, options })
    }

    /// What [`crate::profile`] gives.
    pub(crate) fn profile(&self) -> Result<StoredProfile, Error> {
        self.run(&[Wanted::Profile])?.profile.ok_or_else(|| self.crashed("it forgot the profile"))
    }

    /// What [`crate::profile_with_state`] gives.
    pub(crate) fn profile_with_state(&self) -> Result<(StoredProfile, State), Error> {
        let Done { profile, state, .. } = self.run(&[Wanted::Profile, Wanted::State])?;
        Ok((profile.ok_or_else(|| self.crashed("it forgot the profile"))?, self.decoded(state)?))
    }

    /// What [`crate::profile_every`] gives.
    ///
    /// A table whose parser dies is told as one that failed, and a new child goes on behind it. One that read others before
    /// may have died of what those left in its memory or of the time that they took, so that table gets a child of its
    /// own first: what is told of it does not depend on the others.
    pub(crate) fn profile_every(&self, most: Most, wants_state: bool) -> Result<(StoredProfile, Option<State>), Error> {
        let mut gathered: Option<Gathered> = None;
        let mut crashes = 0;
        loop {
            let from = gathered.as_ref().map_or(0, Gathered::tried);
            let rows = gathered.as_ref().map_or(0, Gathered::rows);
            let every = EveryFrom { from: from as u64, rows, tables: most.tables as u64 };
            let wanted: &[Wanted] = if wants_state { &[Wanted::Profile, Wanted::State] } else { &[Wanted::Profile] };
            let outcome = self.run_hearing(wanted, Some(every), &mut |reply| self.part(reply, &mut gathered, most));
            let error = match (outcome, gathered.take()) {
                (Ok(Done { profile: Some(profile), state, .. }), None) => {
                    return Ok((profile, state.map(|state| self.decoded(Some(state))).transpose()?));
                }
                (Ok(_), None) => return Err(self.crashed("it forgot the profile")),
                (Ok(_), Some(all)) => return all.finish(),
                (Err(error), None) => return Err(error),
                (Err(error), Some(all)) => {
                    gathered = Some(all);
                    error
                }
            };
            let Some(all) = &mut gathered else { return Err(error) };
            if !error.is_of_the_table() {
                return Err(error);
            }
            if all.tried() == from {
                crashes += 1;
                all.take(Err(error))?;
            }
            while crashes >= CRASHES && all.next().is_some() {
                all.take(Err(self.crashed("on other tables of this file, so this one was not tried")))?;
            }
        }
    }

    /// Takes what a child tells of the tables of a file; tells whether more is wanted.
    fn part(&self, reply: Reply, gathered: &mut Option<Gathered>, most: Most) -> Result<bool, Error> {
        if let Some(listed) = reply.listed {
            let count = usize::try_from(listed.count).unwrap_or(usize::MAX);
            let all = gathered.get_or_insert_with(|| Gathered::new((count, listed.tables), most));
            return Ok(all.next().is_some());
        }
        let (Some(all), Some(table)) = (gathered, reply.table) else { return Err(self.garbled()) };
        let failed = |failed| Told::from_message(failed).map_or_else(|| self.garbled(), Error::from);
        all.take(table.profile.ok_or_else(|| table.failed.map_or_else(|| self.garbled(), failed)))?;
        Ok(all.next().is_some())
    }

    fn garbled(&self) -> Error {
        self.crashed("its answer cannot be read")
    }

    /// What it takes to add rows to those of the file.
    pub(crate) fn state(&self) -> Result<State, Error> {
        self.decoded(self.run(&[Wanted::State])?.state)
    }

    /// What [`crate::file_tables`] gives.
    pub(crate) fn file_tables(&self) -> Result<(Vec<FileTable>, Vec<String>), Error> {
        let Done { tables, left_out, .. } = self.run(&[Wanted::Tables])?;
        Ok((tables, left_out))
    }

    fn decoded(&self, state: Option<Vec<u8>>) -> Result<State, Error> {
        State::decode(&state.ok_or_else(|| self.crashed("it forgot its state"))?)
    }

    fn crashed(&self, how: &str) -> Error {
        Error::ParserCrashed { format: self.format, how: how.to_owned() }
    }

    fn task(&self, confines: Confines, wanted: &[Wanted], every: Option<EveryFrom>) -> Task {
        let number = |value: usize| value as u64;
        let Options { digest, limits, memory_bytes, sample_rows, value_sketches, threads, .. } = self.options;
        Task {
            path: self.path.as_os_str().as_bytes().to_vec(),
            file_name: self.hint.file_name.clone(),
            digest: digest.as_ref().map(|digest| digest.as_bytes().to_vec()),
            memory_bytes: number(*memory_bytes),
            sample_rows: number(*sample_rows),
            value_sketches: *value_sketches,
            threads: number(threads.get()),
            wants_profile: wanted.contains(&Wanted::Profile),
            wants_state: wanted.contains(&Wanted::State),
            wants_tables: wanted.contains(&Wanted::Tables),
            table: self.hint.table.clone(),
            limits: Some(limits_message(limits)),
            confines: Some(confines),
            every,
        }
    }

    fn run(&self, wanted: &[Wanted]) -> Result<Done, Error> {
        self.run_hearing(wanted, None, &mut |_| Err(self.garbled()))
    }

    /// Runs a child to its end, or until `part`, which takes what it tells on the way, wants no more.
    fn run_hearing(
        &self,
        wanted: &[Wanted],
        every: Option<EveryFrom>,
        part: &mut dyn FnMut(Reply) -> Result<bool, Error>,
    ) -> Result<Done, Error> {
        let size_bytes = std::fs::metadata(&self.path).map_err(Error::Digest)?.len();
        let confines = Confines {
            data_bytes: self.memory.as_bytes(),
            cpu_seconds: CPU_SECONDS.saturating_add(size_bytes / BYTES_PER_CPU_SECOND),
            file_bytes: self.options.limits.max_decompressed_bytes.saturating_add(1 << 20),
            parent: std::process::id().into(),
        };
        let task = self.task(confines, wanted, every);
        // What a killed child leaves goes with its folder.
        let folder = tempfile::tempdir().map_err(Error::NotStarted)?;
        // It needs none of our secrets.
        let spawned = Command::new(self.program)
            .arg(MARKER)
            .env_clear()
            .env("TMPDIR", folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let running = Running(spawned.map_err(Error::NotStarted)?);
        let (heard, status, said) = self.attend(running, &task, part).map_err(Error::NotStarted)?;
        match heard {
            Heard::Cancelled => Err(table::Error::Cancelled.into()),
            Heard::Done(done) => Ok(*done),
            Heard::Failed(told) => Err(told.into()),
            Heard::Refused(error) => Err(error),
            Heard::Garbled => Err(self.garbled()),
            Heard::Nothing => Err(death::cause(self.format, status, &said, &confines)),
        }
    }

    /// Sees a child through to its end. This thread waits for it, because a child dies with the thread that started it.
    fn attend(
        &self,
        mut running: Running,
        task: &Task,
        part: &mut dyn FnMut(Reply) -> Result<bool, Error>,
    ) -> io::Result<(Heard, ExitStatus, String)> {
        let child = &mut running.0;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else { return Err(io::ErrorKind::BrokenPipe.into()) };
        // A child that died already tells why below.
        let _died = frame::write(&mut stdin, task);
        drop(stdin);
        thread::scope(|scope| {
            let (replies, arrived) = channel();
            scope.spawn(move || hear(stdout, &replies));
            let said = scope.spawn(move || last_words(stderr));
            // Whatever happens here, the child must end before those threads can.
            let mut running = running;
            let heard = self.listen(&arrived, part);
            if matches!(heard, Heard::Nothing) {
                self.let_end(&mut running)?;
            }
            // One that is dead already keeps the status that it died with.
            running.0.kill()?;
            let status = running.0.wait()?;
            Ok((heard, status, said.join().unwrap_or_default()))
        })
    }

    /// Lets a child end that has closed its pipe: its own status tells why, and that of one that is killed does not.
    fn let_end(&self, running: &mut Running) -> io::Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < ENDING && !self.options.cancel.is_cancelled() {
            if running.0.try_wait()?.is_some() {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn listen(
        &self,
        arrived: &Receiver<io::Result<Reply>>,
        part: &mut dyn FnMut(Reply) -> Result<bool, Error>,
    ) -> Heard {
        loop {
            if self.options.cancel.is_cancelled() {
                return Heard::Cancelled;
            }
            match arrived.recv_timeout(PATIENCE) {
                Ok(Ok(Reply { progress: Some(seen), .. })) => self.forward(seen),
                Ok(Ok(Reply { done: Some(done), .. })) => return Heard::Done(Box::new(done)),
                Ok(Ok(Reply { failed: Some(failed), .. })) => {
                    return Told::from_message(failed).map_or(Heard::Garbled, Heard::Failed);
                }
                Ok(Ok(reply)) => match part(reply) {
                    Ok(true) => {}
                    Ok(false) => return Heard::Done(Box::default()),
                    Err(error) => return Heard::Refused(error),
                },
                Ok(Err(_)) => return Heard::Garbled,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Heard::Nothing,
            }
        }
    }

    fn forward(&self, seen: Seen) {
        if let Some(progress) = &self.options.progress {
            let Seen { read_bytes, size_bytes, rows } = seen;
            progress(Progress { read_bytes, size_bytes, rows });
        }
    }
}

/// What a child is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Profile,
    State,
    Tables,
}

/// What came of a child.
enum Heard {
    Cancelled,
    Done(Box<Done>),
    Failed(Told),
    /// What it told of a table ends the run.
    Refused(Error),
    /// It said what is no answer.
    Garbled,
    /// It died without a word.
    Nothing,
}

/// A child that is killed and reaped when it is dropped.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail for one that has been reaped.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn hear(mut stdout: ChildStdout, replies: &Sender<io::Result<Reply>>) {
    while let Some(reply) = frame::read::<Reply>(&mut stdout).transpose() {
        // One that was cut short is the end of a child that died.
        let cut = matches!(&reply, Err(error) if error.kind() == io::ErrorKind::UnexpectedEof);
        let last = reply.is_err();
        if cut || replies.send(reply).is_err() || last {
            return;
        }
    }
}

/// The end of what a child says, read to its end so that it never waits for a reader.
fn last_words(mut stderr: impl Read) -> String {
    let (mut kept, mut buffer) = (Vec::new(), vec![0; STDERR_BYTES]);
    while let Ok(count @ 1..) = stderr.read(&mut buffer) {
        kept.extend_from_slice(&buffer[..count]);
        kept.drain(..kept.len().saturating_sub(STDERR_BYTES));
    }
    String::from_utf8_lossy(&kept).into_owned()
}

fn limits_message(limits: &Limits) -> TableLimits {
    let Limits { max_record_bytes, max_columns, max_decompressed_bytes, max_ratio, max_depth, .. } = *limits;
    let Limits { max_members, max_nesting, max_resident_bytes, .. } = *limits;
    let counts = [max_record_bytes, max_columns, max_depth, max_members, max_nesting].map(|count| count as u64);
    TableLimits { values: [&counts[..], &[max_decompressed_bytes, max_ratio, max_resident_bytes]].concat() }
}

/// The limits in a message.
pub(super) fn limits_of(message: &TableLimits) -> Limits {
    let mut values = message.values.iter().copied();
    let mut next = || values.next().unwrap_or_default();
    let number = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    Limits {
        max_record_bytes: number(next()),
        max_columns: number(next()),
        max_depth: number(next()),
        max_members: number(next()),
        max_nesting: number(next()),
        max_decompressed_bytes: next(),
        max_ratio: next(),
        max_resident_bytes: next(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_arrive_as_they_were_sent() {
        let limits = Limits { max_columns: 7, max_depth: 3, ..Limits::default() };
        assert_eq!(format!("{:?}", limits_of(&limits_message(&limits))), format!("{limits:?}"));
    }

    #[test]
    fn of_long_words_the_last_are_kept() {
        let said = format!("{}the end", "x".repeat(3 * STDERR_BYTES));
        let kept = last_words(said.as_bytes());
        assert!(kept.len() <= STDERR_BYTES && kept.ends_with("xthe end"));
    }
}
