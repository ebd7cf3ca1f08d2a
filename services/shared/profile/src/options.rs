//! What a caller may choose.

use std::fmt;
use std::num::NonZeroUsize;

use table::{CancelFlag, Limits};
use types::Digest;

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
            cancel: CancelFlag::default(),
            progress: None,
        }
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
