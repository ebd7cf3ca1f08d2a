//! The decompressed bytes of a file, counted and bounded.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::GzDecoder;

use crate::error::Error;
use crate::limits::{CancelFlag, Limits};

/// Below this many decompressed bytes no ratio is suspicious.
const RATIO_GRACE: u64 = 64 << 20;

/// A file that can be read from its start as often as needed.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    path: PathBuf,
    pub(crate) gzip: bool,
    pub(crate) limits: Limits,
    pub(crate) cancel: CancelFlag,
    /// Bytes read from the file by the stream opened last.
    read: Arc<AtomicU64>,
}

impl Input {
    /// Looks whether the file is there, not empty, and compressed.
    pub(crate) fn new(path: &Path, limits: &Limits, cancel: &CancelFlag) -> Result<Self, Error> {
        let mut magic = Vec::with_capacity(3);
        File::open(path).and_then(|file| file.take(3).read_to_end(&mut magic)).map_err(Error::Io)?;
        if magic.is_empty() {
            return Err(Error::Empty);
        }
        Ok(Self {
            path: path.to_owned(),
            gzip: magic.starts_with(&[0x1f, 0x8b]),
            limits: limits.clone(),
            cancel: cancel.clone(),
            read: Arc::default(),
        })
    }

    /// How many bytes of the file the stream opened last has read.
    pub(crate) fn read_bytes(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Opens the file itself, compressed or not.
    pub(crate) fn file(&self) -> Result<File, Error> {
        File::open(&self.path).map_err(Error::Io)
    }

    /// The same file, whose reading is not counted with the rest.
    pub(crate) fn apart(&self) -> Self {
        Self { read: Arc::default(), ..self.clone() }
    }

    /// Starts over: the decompressed bytes from the first one on.
    pub(crate) fn bytes(&self) -> Result<Bytes, Error> {
        self.read.store(0, Ordering::Relaxed);
        let file = Counted { file: self.file()?, read: self.read.clone() };
        let stream = if self.gzip {
            Stream::Gzip(Some(Box::new(GzDecoder::new(BufReader::with_capacity(64 << 10, file)))))
        } else {
            Stream::Plain(file)
        };
        let Self { limits, cancel, read, .. } = self.clone();
        Ok(Bytes { stream, limits, cancel, read, given: 0 })
    }
}

/// A stream of decompressed bytes.
pub(crate) struct Bytes {
    stream: Stream,
    limits: Limits,
    cancel: CancelFlag,
    read: Arc<AtomicU64>,
    given: u64,
}

enum Stream {
    Plain(Counted),
    /// The member that is being decompressed; nothing after the last one.
    Gzip(Option<Box<GzDecoder<BufReader<Counted>>>>),
}

impl Bytes {
    /// Reads some bytes; none at the end.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        if self.cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let count = match &mut self.stream {
            Stream::Plain(file) => file.read(buffer).map_err(Error::Io)?,
            Stream::Gzip(member) => read_members(member, buffer).map_err(|error| self.gzip_error(error))?,
        };
        self.given += count as u64;
        self.check_size()?;
        Ok(count)
    }

    /// Fills the buffer as far as there are bytes.
    pub(crate) fn read_full(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }

    fn check_size(&self) -> Result<(), Error> {
        let Stream::Gzip(_) = self.stream else { return Ok(()) };
        let Limits { max_decompressed_bytes, max_ratio, .. } = self.limits;
        if self.given > max_decompressed_bytes {
            return Err(Error::DecompressedTooLarge { limit: max_decompressed_bytes });
        }
        if self.given > RATIO_GRACE && self.given / self.read.load(Ordering::Relaxed).max(1) > max_ratio {
            return Err(Error::SuspiciousCompression { limit: max_ratio });
        }
        Ok(())
    }

    fn gzip_error(&self, error: std::io::Error) -> Error {
        let offset = self.read.load(Ordering::Relaxed);
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Error::TruncatedGzip { offset },
            _ if error.raw_os_error().is_some() => Error::Io(error),
            _ => Error::CorruptGzip { offset },
        }
    }
}

/// Reads from one member after another. Zeros after the last one are padding, as gzip itself takes them.
fn read_members(member: &mut Option<Box<GzDecoder<BufReader<Counted>>>>, buffer: &mut [u8]) -> std::io::Result<usize> {
    while let Some(decoder) = member.as_mut() {
        let count = decoder.read(buffer)?;
        if count > 0 || buffer.is_empty() {
            return Ok(count);
        }
        let file = decoder.get_mut();
        let at_end = loop {
            let rest = file.fill_buf()?;
            let padding = rest.iter().take_while(|byte| **byte == 0).count();
            if rest.is_empty() || padding < rest.len() {
                break rest.is_empty();
            }
            file.consume(padding);
        };
        *member = member.take().filter(|_| !at_end).map(|decoder| Box::new(GzDecoder::new(decoder.into_inner())));
    }
    Ok(0)
}

struct Counted {
    file: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
