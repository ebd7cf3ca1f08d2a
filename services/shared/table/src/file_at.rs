//! A file that many readers share, each at a place of its own.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// A stretch of a file, read from a place on.
#[derive(Debug, Clone)]
pub(crate) struct FileAt {
    file: Arc<File>,
    start: u64,
    end: u64,
    at: u64,
}

impl FileAt {
    /// The file's first `length` bytes.
    pub(crate) fn new(file: Arc<File>, length: u64) -> Self {
        Self { file, start: 0, end: length, at: 0 }
    }

    /// A stretch of this stretch; what goes beyond its end is not there.
    pub(crate) fn slice(mut self, start: u64, length: u64) -> Self {
        self.start = self.start.saturating_add(start).min(self.end);
        self.end = self.start.saturating_add(length).min(self.end);
        self.at = self.start;
        self
    }

    /// How many bytes there are.
    pub(crate) fn length(&self) -> u64 {
        self.end - self.start
    }
}

impl Read for FileAt {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let count = left.min(buffer.len());
        let count = self.file.read_at(&mut buffer[..count], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for FileAt {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let (base, offset) = match to {
            SeekFrom::Start(place) => (self.start, i64::try_from(place).map_err(std::io::Error::other)?),
            SeekFrom::End(offset) => (self.end, offset),
            SeekFrom::Current(offset) => (self.at, offset),
        };
        let place = base.checked_add_signed(offset).filter(|place| *place >= self.start);
        self.at = place.ok_or_else(|| std::io::Error::other("a place before the first byte"))?;
        Ok(self.at - self.start)
    }
}
