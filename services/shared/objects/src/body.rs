//! Bytes on their way in and out.

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};
use tokio::io::AsyncRead;
use tokio_util::io::ReaderStream;
use types::{BoxError, Digest};

use crate::{Error, Key};

/// How many bytes of a file are read at a time: each read goes to a thread that may block and back, which costs more than
/// the copying of fewer.
const CHUNK: usize = 512 << 10;

/// How many bytes are read at a time of so many in all.
pub(crate) fn chunk(length: u64) -> usize {
    usize::try_from(length).unwrap_or(CHUNK).clamp(1, CHUNK)
}

/// The bytes of an object, piece by piece.
pub type ByteStream = BoxStream<'static, Result<Bytes, Error>>;

/// The bytes that a put writes, piece by piece; an error among them undoes the put.
pub struct ObjectBody {
    pieces: BoxStream<'static, Result<Bytes, BoxError>>,
    digest: Option<Digest>,
}

impl ObjectBody {
    /// The bytes of a stream, whose error comes back as the source of [`Error::Body`].
    pub fn stream<S, E>(stream: S) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        Self { pieces: stream.map_err(Into::into).boxed(), digest: None }
    }

    /// Bytes that lie in memory.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { pieces: futures::stream::once(async move { Ok(bytes) }).boxed(), digest: None }
    }

    /// What a reader gives until its end, which is about `length` bytes away.
    pub fn reader(reader: impl AsyncRead + Send + 'static, length: u64) -> Self {
        Self::stream(ReaderStream::with_capacity(reader, chunk(length)))
    }

    /// Tells the digest that the bytes must have: others are not stored, and the put fails with [`Error::Damaged`].
    ///
    /// A bucket keeps it beside the bytes from the start, and is spared a copy at the end.
    #[must_use]
    pub fn with_digest(self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self }
    }

    /// The digest that was announced.
    pub(crate) fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Refuses bytes that turned out to have another digest than was announced.
    pub(crate) fn check(&self, key: &Key, digest: Digest) -> Result<(), Error> {
        if self.digest.is_some_and(|announced| announced != digest) {
            return Err(Error::Damaged { key: key.clone() });
        }
        Ok(())
    }

    /// The next piece.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        self.pieces.try_next().await.map_err(Error::Body)
    }
}

impl std::fmt::Debug for ObjectBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ObjectBody")
    }
}
