//! What a child died of.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::Signal;
use types::ByteSize;

use super::frame::Confines;
use crate::error::Error;

/// The longest cause that is told.
const CAUSE: usize = 200;

/// Tells what ended a child that gave no answer, by its status and by what the standard library said last on stderr.
pub(super) fn cause(format: &'static str, status: ExitStatus, said: &str, confines: &Confines) -> Error {
    let memory = || Error::MemoryLimit { format, limit: ByteSize::bytes(confines.data_bytes) };
    match status.signal() {
        Some(signal) if signal == Signal::XCPU.as_raw() => {
            return Error::CpuLimit { format, limit_seconds: confines.cpu_seconds };
        }
        // Nothing of ours sends it to a child that nobody cancelled.
        Some(signal) if signal == Signal::KILL.as_raw() => return Error::ProfilerKilled { format },
        _ => {}
    }
    if said.lines().any(|line| line.starts_with("memory allocation of ") && line.contains(" bytes failed")) {
        return memory();
    }
    let panic = panic_message(said);
    if panic.is_some_and(|text| text.contains("failed to spawn thread")) {
        // The stack of a thread found no room.
        return memory();
    }
    let how = match panic {
        _ if said.contains("has overflowed its stack") => "its stack overflowed".to_owned(),
        Some(text) => format!("it panicked: {}", &text[..text.floor_char_boundary(CAUSE)]),
        None => status.to_string(),
    };
    Error::ParserCrashed { format, how }
}

/// The message of the last panic: the line below the one that tells its place.
fn panic_message(said: &str) -> Option<&str> {
    let (_, after) = said.rsplit_once(" panicked at ")?;
    after.lines().nth(1).map(str::trim).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use types::Fault;

    use super::*;

    const CONFINES: Confines = Confines { data_bytes: 1 << 20, cpu_seconds: 9, file_bytes: 0, parent: 1 };

    fn told(raw_status: i32, said: &str) -> (&'static str, String) {
        let error = cause("parquet", ExitStatus::from_raw(raw_status), said, &CONFINES);
        (error.reason(), error.to_string())
    }

    #[test]
    fn each_death_has_its_reason() {
        assert_eq!(told(6, "memory allocation of 99 bytes failed\n").0, "MEMORY_LIMIT");
        assert_eq!(told(9, "").0, "PROFILER_KILLED");
        assert_eq!(told(24, "").0, "CPU_LIMIT");
        let overflow = "\nthread 'main' (7) has overflowed its stack\nfatal runtime error: stack overflow, aborting\n";
        assert_eq!(told(6, overflow), ("PARSER_CRASHED", "the parser of parquet crashed: its stack overflowed".into()));
        let panic = "thread 'main' panicked at src/x.rs:1:2:\nindex out of bounds\nnote: run with …\n";
        assert_eq!(
            told(101 << 8, panic),
            ("PARSER_CRASHED", "the parser of parquet crashed: it panicked: index out of bounds".into())
        );
        assert!(told(11, "").1.contains("SIGSEGV"));
    }

    #[test]
    fn a_thread_that_found_no_room_ran_out_of_memory() {
        let panic = "thread 'main' panicked at std/src/thread/mod.rs:1:2:\nfailed to spawn thread: Os { code: 11 }\n";
        assert_eq!(told(101 << 8, panic).0, "MEMORY_LIMIT");
    }
}
