//! What a caller may choose.

use std::fmt;

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
    /// Ends the run early.
    pub cancel: CancelFlag,
    /// Called after every batch of rows.
    pub progress: Option<Box<dyn Fn(Progress) + Send + Sync>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            digest: None,
            limits: Limits::default(),
            memory_bytes: 192 << 20,
            sample_rows: 20,
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
