//! What bytes are wrapped in.

use std::fmt;
use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result};

use bzip2::read::MultiBzDecoder;
use flate2::Crc;
use flate2::bufread::{DeflateDecoder, GzDecoder};
use lzma_rust2::XzReader;

const BUFFER: usize = 64 << 10;
/// The most memory that a window of LZMA may take, in KiB.
const XZ_MEMORY: u32 = 128 << 10;
/// The longest window of Zstandard, as a power of two: 128 MiB, as its own tool takes by default.
const ZSTD_WINDOW: u32 = 27;

/// A compression that a file begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip,
    Zstd,
    Bzip2,
    Xz,
}

impl Compression {
    /// Recognises one by the first bytes.
    pub(crate) fn of(magic: &[u8]) -> Option<Self> {
        match magic {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            // The level, then the decimals of pi that begin a block, or those of its root that end the file.
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, ..] => Some(Self::Bzip2),
            [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, ..] => Some(Self::Bzip2),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
        }
    }
}

/// One wrapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    /// All of it is compressed.
    Compressed(Compression),
    /// A stretch.
    Slice { start: u64, length: u64 },
    /// Deflate without a frame, as archives have it.
    Deflated,
    /// What an archive says of a member: its length and its checksum.
    Checked { size: u64, crc: u32 },
    /// An archive that the bytes were taken from; does nothing.
    Name(&'static str),
}

impl Layer {
    /// The word for it in recipes, if it has one.
    pub(crate) fn name(&self) -> Option<&'static str> {
        match self {
            Self::Compressed(compression) => Some(compression.name()),
            Self::Name(name) => Some(name),
            Self::Slice { .. } | Self::Deflated | Self::Checked { .. } => None,
        }
    }

    /// Tells whether it leaves the bytes as they are.
    pub(crate) fn is_name(&self) -> bool {
        matches!(self, Self::Name(_))
    }
}

/// Compressed data that end early or break their rules.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) layer: &'static str,
    pub(crate) truncated: bool,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} data are {}", self.layer, if self.truncated { "truncated" } else { "damaged" })
    }
}

impl std::error::Error for Broken {}

/// Unwraps a layer.
pub(crate) fn open(layer: &Layer, stream: Box<dyn Read + Send>) -> Result<Box<dyn Read + Send>> {
    let buffered = |stream| BufReader::with_capacity(BUFFER, stream);
    Ok(match *layer {
        Layer::Compressed(compression) => {
            let inner: Box<dyn Read + Send> = match compression {
                Compression::Gzip => Box::new(Members(Some(GzDecoder::new(buffered(stream))))),
                Compression::Zstd => {
                    let mut decoder = zstd::stream::read::Decoder::with_buffer(buffered(stream))?;
                    decoder.window_log_max(ZSTD_WINDOW)?;
                    Box::new(decoder)
                }
                Compression::Bzip2 => Box::new(MultiBzDecoder::new(stream)),
                Compression::Xz => Box::new(Streams::new(buffered(stream))),
            };
            Box::new(Blamed { inner, layer: compression.name() })
        }
        Layer::Slice { start, length } => Box::new(Slice { inner: stream, skip: start, left: length }),
        Layer::Deflated => Box::new(Blamed { inner: Box::new(DeflateDecoder::new(buffered(stream))), layer: "zip" }),
        Layer::Checked { size, crc } => Box::new(Checked { inner: stream, left: size, crc, seen: Crc::new() }),
        Layer::Name(_) => stream,
    })
}

/// Says which layer a failure comes from, unless a deeper one has said so.
struct Blamed {
    inner: Box<dyn Read + Send>,
    layer: &'static str,
}

impl Read for Blamed {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.inner.read(buffer).map_err(|error| {
            let told = error.get_ref().is_some_and(|inner| inner.is::<Broken>());
            if told || error.raw_os_error().is_some() {
                return error;
            }
            broken(self.layer, error.kind() == ErrorKind::UnexpectedEof)
        })
    }
}

fn broken(layer: &'static str, truncated: bool) -> Error {
    Error::other(Broken { layer, truncated })
}

/// A stretch of a stream.
struct Slice {
    inner: Box<dyn Read + Send>,
    skip: u64,
    left: u64,
}

impl Read for Slice {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let skip = std::mem::take(&mut self.skip);
        std::io::copy(&mut (&mut self.inner).take(skip), &mut std::io::sink())?;
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.inner.read(&mut buffer[..most])?;
        if count == 0 && most > 0 {
            return Err(broken("tar", true));
        }
        self.left -= count as u64;
        Ok(count)
    }
}

/// Compares a member with what its archive says of it.
struct Checked {
    inner: Box<dyn Read + Send>,
    left: u64,
    crc: u32,
    seen: Crc,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = self.inner.read(buffer)?;
        self.seen.update(&buffer[..count]);
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| broken("zip", false))?;
        let at_end = count == 0 && !buffer.is_empty();
        if at_end && (self.left > 0 || self.seen.sum() != self.crc) {
            return Err(broken("zip", self.left > 0));
        }
        Ok(count)
    }
}

/// Reads one member of gzip after another.
struct Members<R>(Option<GzDecoder<R>>);

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while let Some(decoder) = self.0.as_mut() {
            let count = decoder.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let at_end = ends_after_padding(decoder.get_mut())?;
            self.0 = self.0.take().filter(|_| !at_end).map(|decoder| GzDecoder::new(decoder.into_inner()));
        }
        Ok(0)
    }
}

/// Reads one stream of xz after another.
struct Streams<R: BufRead>(Option<XzReader<R>>);

impl<R: BufRead> Streams<R> {
    fn new(inner: R) -> Self {
        Self(Some(XzReader::new_mem_limit(inner, false, XZ_MEMORY)))
    }
}

impl<R: BufRead> Read for Streams<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while let Some(reader) = self.0.as_mut() {
            let count = reader.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            let Some(mut inner) = self.0.take().map(XzReader::into_inner) else { break };
            if !ends_after_padding(&mut inner)? {
                *self = Self::new(inner);
            }
        }
        Ok(0)
    }
}

/// Tells whether nothing but zeros follows, which are padding, as the tools themselves take them; goes past them.
fn ends_after_padding(file: &mut impl BufRead) -> Result<bool> {
    loop {
        let rest = file.fill_buf()?;
        let padding = rest.iter().take_while(|byte| **byte == 0).count();
        if rest.is_empty() || padding < rest.len() {
            let at_end = rest.is_empty();
            file.consume(padding);
            return Ok(at_end);
        }
        file.consume(padding);
    }
}
