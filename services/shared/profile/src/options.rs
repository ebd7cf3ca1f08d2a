//! What a caller may choose.

use std::fmt;
use std::num::NonZeroUsize;

use table::{CancelFlag, Limits};
use types::{ByteSize, Digest};

use crate::isolation::Isolation;

/// The least memory that a run takes.
pub const LEAST_MEMORY: ByteSize = ByteSize::mib(64);

/// How to profile.
pub struct Options {
    /// The digest of the bytes, when it is known; else the file is read once more for it.
    pub digest: Option<Digest>,
    /// How much a file may ask for.
    pub limits: Limits,
    /// How much memory the summaries of all columns may take, about. With less, they are exact for fewer values.
    pub memory_bytes: usize,
    /// How many rows to sample.
    pub sample_rows: usize,
    /// Whether the profile holds a sketch of each column's values, to compare with those of other tables.
    pub value_sketches: bool,
    /// On how many threads to profile. The profile does not depend on it.
    pub threads: NonZeroUsize,
    /// Where parsers that are not ours run.
    pub isolation: Isolation,
    /// Ends the run early.
    pub cancel: CancelFlag,
    /// Called after every block of rows, from whichever thread has read it; never twice at once.
    pub progress: Option<Box<dyn Fn(Progress) + Send + Sync>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            digest: None,
            limits: Limits::default(),
            memory_bytes: 128 << 20,
            sample_rows: 20,
            value_sketches: false,
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            isolation: Isolation::default(),
            cancel: CancelFlag::default(),
            progress: None,
        }
    }
}

impl Options {
    /// The defaults for a run that may take so much memory: half of it is for summaries, and no more than by default, so
    /// that more memory gives no other profile.
    pub fn within(memory: ByteSize) -> Self {
        let default = Self::default();
        let half = usize::try_from(memory.as_bytes() / 2).unwrap_or(usize::MAX);
        Self { memory_bytes: default.memory_bytes.min(half), ..default }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("digest", &self.digest)
            .field("limits", &self.limits)
            .field("memory_bytes", &self.memory_bytes)
            .field("sample_rows", &self.sample_rows)
            .field("threads", &self.threads)
            .field("isolation", &self.isolation)
            .finish_non_exhaustive()
    }
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the file whose rows were read, as they are on disk.
    pub read_bytes: u64,
    /// The length of the file.
    pub size_bytes: u64,
    /// Rows read.
    pub rows: u64,
}
