//! The bytes of a table, whatever they are wrapped in, counted and bounded.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Error;
use crate::file_at::FileAt;
use crate::layer::{self, Broken, Compression, Layer};
use crate::limits::{CancelFlag, Limits};

/// Below this many decompressed bytes no ratio is suspicious.
const RATIO_GRACE: u64 = 64 << 20;
/// How many bytes tell a compression.
const MAGIC: usize = 16;

/// Bytes that can be read from the first one as often as needed.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    file: FileAt,
    /// Where the file is, as long as the bytes are all of it as it is.
    path: Option<PathBuf>,
    /// The length of the file that all this comes from.
    size: u64,
    /// What the bytes are wrapped in, from the outside inwards.
    layers: Vec<Layer>,
    pub(crate) limits: Limits,
    pub(crate) cancel: CancelFlag,
    /// Bytes read from the file by the stream opened last.
    read: Arc<AtomicU64>,
    /// How many bytes that stream has.
    of: Arc<AtomicU64>,
}

impl Input {
    /// Looks whether the file is there, not empty, and how it is compressed.
    pub(crate) fn new(path: &Path, limits: &Limits, cancel: &CancelFlag) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::Io)?;
        let size = file.metadata().map_err(Error::Io)?.len();
        let file = FileAt::new(Arc::new(file), size);
        let (path, layers, (read, of)) = (Some(path.to_owned()), Vec::new(), Default::default());
        Self { file, path, size, layers, limits: limits.clone(), cancel: cancel.clone(), read, of }.unwrapped()
    }

    /// Where the bytes are as a file, unless they are a part of one or wrapped in something.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The same bytes without the compressions that they begin with.
    pub(crate) fn unwrapped(mut self) -> Result<Self, Error> {
        loop {
            let mut magic = [0; MAGIC];
            let count = self.bytes()?.read_full(&mut magic)?;
            if count == 0 {
                return Err(Error::Empty);
            }
            let Some(compression) = Compression::of(&magic[..count]) else { return Ok(self) };
            self = self.within(Layer::Compressed(compression))?;
        }
    }

    /// What is inside one more layer. A stretch of a file is a stretch of the file.
    pub(crate) fn within(mut self, layer: Layer) -> Result<Self, Error> {
        self.path = None;
        match layer {
            Layer::Slice { start, length } if self.layers.iter().all(Layer::is_name) => {
                self.file = self.file.slice(start, length);
            }
            layer => self.layers.push(layer),
        }
        let limit = self.limits.max_nesting;
        let wrappings = self.layers.iter().filter(|layer| layer.name().is_some()).count();
        if wrappings > limit { Err(Error::TooNested { limit }) } else { Ok(self) }
    }

    /// The names of what the bytes are wrapped in, from the outside inwards, such as `gzip+tar`.
    pub(crate) fn compression(&self) -> String {
        self.layers.iter().filter_map(Layer::name).collect::<Vec<_>>().join("+")
    }

    /// The same bytes, whose reading is not counted with the rest.
    pub(crate) fn apart(&self) -> Self {
        let (read, of) = Default::default();
        Self { read, of, ..self.clone() }
    }

    /// How many bytes of the file the stream opened last has read; of a part of the file, or of what was made of it, the
    /// same share of the file.
    pub(crate) fn read_bytes(&self) -> u64 {
        let (read, of) = (self.read.load(Ordering::Relaxed), self.of.load(Ordering::Relaxed));
        if of == self.size || of == 0 {
            return read;
        }
        u64::try_from(u128::from(read.min(of)) * u128::from(self.size) / u128::from(of)).unwrap_or(self.size)
    }

    /// Bytes of this file or of a copy of them, whose reading is counted.
    pub(crate) fn counted(&self, file: FileAt) -> Counted {
        self.read.store(0, Ordering::Relaxed);
        self.of.store(file.length(), Ordering::Relaxed);
        Counted { file, read: self.read.clone() }
    }

    /// Other bytes that stand for these.
    pub(crate) fn replaced(&self, file: File) -> Result<Self, Error> {
        let length = file.metadata().map_err(Error::Io)?.len();
        let layers = self.layers.iter().filter_map(|layer| Some(Layer::Name(layer.name()?))).collect();
        Ok(Self { file: FileAt::new(Arc::new(file), length), path: None, layers, ..self.clone() })
    }

    /// The bytes for who must read them in any order: those of the file itself, or of an unpacked copy on disk that goes
    /// with its last handle.
    pub(crate) fn in_any_order(&self) -> Result<FileAt, Error> {
        if self.layers.iter().all(Layer::is_name) {
            return Ok(self.file.clone());
        }
        let mut copy = tempfile::tempfile().map_err(Error::Io)?;
        let mut bytes = self.bytes()?;
        let mut buffer = vec![0; 256 << 10];
        let mut length = 0;
        loop {
            match bytes.read(&mut buffer)? {
                0 => return Ok(FileAt::new(Arc::new(copy), length)),
                count => copy.write_all(&buffer[..count]).map_err(Error::Io)?,
            }
            length = bytes.given;
        }
    }

    /// The same bytes, unpacked once where they must be read in any order.
    pub(crate) fn spooled(&self) -> Result<Self, Error> {
        if self.layers.iter().all(Layer::is_name) {
            return Ok(self.clone());
        }
        let file = self.in_any_order()?;
        let layers = self.layers.iter().filter_map(|layer| Some(Layer::Name(layer.name()?))).collect();
        Ok(Self { file, path: None, layers, ..self.clone() })
    }

    /// Starts over: the unpacked bytes from the first one on.
    pub(crate) fn bytes(&self) -> Result<Bytes, Error> {
        let mut stream: Box<dyn Read + Send> = Box::new(self.counted(self.file.clone()));
        for layer in &self.layers {
            stream = layer::open(layer, stream).map_err(Error::Io)?;
        }
        let packed = self.layers.iter().any(|layer| !layer.is_name());
        let Self { limits, cancel, read, .. } = self.clone();
        Ok(Bytes { stream, packed, limits, cancel, read, given: 0 })
    }
}

/// A stream of unpacked bytes.
pub(crate) struct Bytes {
    stream: Box<dyn Read + Send>,
    packed: bool,
    limits: Limits,
    cancel: CancelFlag,
    read: Arc<AtomicU64>,
    given: u64,
}

impl Bytes {
    /// Reads some bytes; none at the end.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        if self.cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let count = self.stream.read(buffer).map_err(|error| self.failure(error))?;
        self.given += count as u64;
        if self.packed {
            self.check_size()?;
        }
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

    /// Reads past `count` bytes, or to the end; gives how many there were.
    pub(crate) fn skip(&mut self, count: u64) -> Result<u64, Error> {
        let mut buffer = vec![0; 64 << 10];
        let mut left = count;
        while left > 0 {
            let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            match self.read(&mut buffer[..most])? {
                0 => break,
                read => left -= read as u64,
            }
        }
        Ok(count - left)
    }

    fn check_size(&self) -> Result<(), Error> {
        let Limits { max_decompressed_bytes, max_ratio, .. } = self.limits;
        if self.given > max_decompressed_bytes {
            return Err(Error::DecompressedTooLarge { limit: max_decompressed_bytes });
        }
        if self.given > RATIO_GRACE && self.given / self.read.load(Ordering::Relaxed).max(1) > max_ratio {
            return Err(Error::SuspiciousCompression { limit: max_ratio });
        }
        Ok(())
    }

    fn failure(&self, error: std::io::Error) -> Error {
        let offset = self.read.load(Ordering::Relaxed);
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Broken>()) {
            Some(Broken { layer, truncated: true }) => Error::TruncatedCompression { compression: layer, offset },
            Some(Broken { layer, truncated: false }) => Error::CorruptCompression { compression: layer, offset },
            None => Error::Io(error),
        }
    }
}

/// A file whose reading is counted; clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    file: FileAt,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl Seek for Counted {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.file.seek(to)
    }
}

/// For parsers that ask for a stream; a failure goes through them as the cause of theirs.
impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        Self::read(self, buffer).map_err(std::io::Error::other)
    }
}
