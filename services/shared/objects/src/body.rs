//! Bytes on their way in and out.

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};
use tokio::io::AsyncRead;
use tokio_util::io::ReaderStream;
use types::BoxError;

use crate::Error;

/// How many bytes are read at a time.
pub(crate) const CHUNK: usize = 64 << 10;

/// The bytes of an object, piece by piece.
pub type ByteStream = BoxStream<'static, Result<Bytes, Error>>;

/// The bytes that a put writes, piece by piece; an error among them undoes the put.
pub struct ObjectBody(BoxStream<'static, Result<Bytes, BoxError>>);

impl ObjectBody {
    /// The bytes of a stream, whose error comes back as the source of [`Error::Body`].
    pub fn stream<S, E>(stream: S) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        Self(stream.map_err(Into::into).boxed())
    }

    /// Bytes that lie in memory.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self(futures::stream::once(async move { Ok(bytes) }).boxed())
    }

    /// What a reader gives until its end.
    pub fn reader(reader: impl AsyncRead + Send + 'static) -> Self {
        Self::stream(ReaderStream::with_capacity(reader, CHUNK))
    }

    /// The next piece.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        self.0.try_next().await.map_err(Error::Body)
    }
}

impl std::fmt::Debug for ObjectBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ObjectBody")
    }
}
