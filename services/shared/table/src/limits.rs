//! What a caller may tell and bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is known about a file besides its bytes. It settles only what the bytes leave open.
#[derive(Debug, Clone, Default)]
pub struct Hint {
    /// The name of the file; empty when not known.
    pub file_name: String,
    /// Which table of the file is wanted, by [`TableRef::name`](crate::TableRef::name), or by the last part of it where that
    /// tells it apart; empty for the first one.
    pub table: String,
}

impl Hint {
    /// Tells the name of the file.
    pub fn named(file_name: impl Into<String>) -> Self {
        Self { file_name: file_name.into(), table: String::new() }
    }

    /// Asks for a table of the file.
    pub fn wanting(self, table: impl Into<String>) -> Self {
        Self { table: table.into(), ..self }
    }

    /// Tells whether the name, the ending of a compression left out, ends in `extension`.
    pub(crate) fn has_extension(&self, extension: &str) -> bool {
        let name = self.file_name.to_ascii_lowercase();
        let name = [".gz", ".zst", ".bz2", ".xz"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
        name.strip_suffix(extension).is_some_and(|stem| stem.ends_with('.'))
    }
}

/// How much a file may ask of us.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The longest line, record or JSON element, in bytes.
    pub max_record_bytes: usize,
    /// The most columns.
    pub max_columns: usize,
    /// The most bytes after decompression.
    pub max_decompressed_bytes: u64,
    /// The most bytes that a compressed byte may become, once there are 64 MiB of them.
    pub max_ratio: u64,
    /// The deepest nesting of JSON values.
    pub max_depth: usize,
    /// The most files in an archive.
    pub max_members: usize,
    /// The most compressions and archives around a table.
    pub max_nesting: usize,
    /// The most bytes that a format may ask to hold at once, where it cannot be read in pieces: the shared strings of a
    /// workbook, a batch of Arrow, a stripe of ORC, the long strings of Stata.
    pub max_resident_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_record_bytes: 16 << 20,
            max_columns: 10_000,
            max_decompressed_bytes: 64 << 30,
            max_ratio: 500,
            max_depth: 256,
            max_members: 10_000,
            max_nesting: 4,
            max_resident_bytes: 128 << 20,
        }
    }
}

/// Tells a running read to stop; clones share the flag.
#[derive(Debug, Clone, Default)]
pub struct CancelFlag(Arc<AtomicBool>);

impl CancelFlag {
    /// Asks to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Tells whether somebody asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl From<Arc<AtomicBool>> for CancelFlag {
    fn from(flag: Arc<AtomicBool>) -> Self {
        Self(flag)
    }
}
