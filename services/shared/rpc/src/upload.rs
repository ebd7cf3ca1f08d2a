//! Uploads: a start, chunks, and an explicit finish that says how much was sent.
//!
//! A stream that ends is no proof that all was sent: a client whose source ends early sends a true end of stream, and
//! tonic shows a cancelled one as its end. So only the finish counts.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::Stream;
use proto::catalog::v1::{CreateDatasetFinish, CreateDatasetRequest, CreateDatasetStart, create_dataset_request};
use proto::common::v1::Digest as DigestMessage;
use proto::profiling::v1::{
    AppendToProfileFinish, AppendToProfileRequest, AppendToProfileStart, ProfileDataFinish, ProfileDataRequest,
    ProfileDataStart, append_to_profile_request, profile_data_request,
};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tonic::Status;
use types::{ByteSize, Digest, DigestHasher, ErrorKind, Fault, LimitHit};

/// The largest chunk, in bytes.
pub const MAX_CHUNK: usize = 1 << 20;

const LONG_CHUNK: &str = "a chunk is larger than 1 MiB";

/// A part of an upload.
#[derive(Debug, Clone, PartialEq)]
pub enum Part<S> {
    /// Opens it.
    Start(S),
    /// Bytes.
    Chunk(Vec<u8>),
    /// Ends it.
    Finish {
        /// How many bytes were sent.
        size_bytes: i64,
        /// Their digest.
        digest: Option<DigestMessage>,
    },
}

/// A message that holds one part of an upload.
pub trait UploadMessage: Sized + Send + 'static {
    /// What opens the upload.
    type Start: Send + 'static;
    /// The part; `None` when the message holds none.
    fn into_part(self) -> Option<Part<Self::Start>>;
    /// The message that holds `part`.
    fn from_part(part: Part<Self::Start>) -> Self;
}

macro_rules! upload_message {
    ($message:ident, $item:ident, $start:ident, $finish:ident) => {
        impl UploadMessage for $message {
            type Start = $start;

            fn into_part(self) -> Option<Part<$start>> {
                Some(match self.item? {
                    $item::Item::Start(start) => Part::Start(start),
                    $item::Item::Chunk(chunk) => Part::Chunk(chunk),
                    $item::Item::Finish(finish) => {
                        Part::Finish { size_bytes: finish.size_bytes, digest: finish.digest }
                    }
                })
            }

            fn from_part(part: Part<$start>) -> Self {
                let item = match part {
                    Part::Start(start) => $item::Item::Start(start),
                    Part::Chunk(chunk) => $item::Item::Chunk(chunk),
                    Part::Finish { size_bytes, digest } => $item::Item::Finish($finish { size_bytes, digest }),
                };
                Self { item: Some(item) }
            }
        }
    };
}

upload_message!(CreateDatasetRequest, create_dataset_request, CreateDatasetStart, CreateDatasetFinish);
upload_message!(ProfileDataRequest, profile_data_request, ProfileDataStart, ProfileDataFinish);
upload_message!(AppendToProfileRequest, append_to_profile_request, AppendToProfileStart, AppendToProfileFinish);

/// Why an upload was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stream ended, or broke, before the finish.
    #[error("the upload ended after {received} bytes without its finish")]
    Incomplete {
        /// How many bytes had come.
        received: u64,
    },
    /// The finish does not tell of the bytes that came.
    #[error("the upload's finish tells of {}, but {} came", told, came)]
    Corrupt {
        /// What the finish says.
        told: String,
        /// What came.
        came: String,
    },
    /// The messages do not come as start, chunks, finish.
    #[error("the upload is malformed: {0}")]
    Malformed(&'static str),
    /// More came than is taken.
    #[error("the upload is larger than {limit}")]
    TooLarge {
        /// The setting.
        setting: &'static str,
        /// Its value.
        limit: ByteSize,
    },
    /// The call failed.
    #[error("the upload failed: {}", .0.message())]
    Call(#[source] Box<Status>),
}

impl Fault for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Incomplete { .. } => ErrorKind::Conflict,
            Self::Corrupt { .. } | Self::Malformed(_) => ErrorKind::Invalid,
            Self::TooLarge { .. } => ErrorKind::Exhausted,
            Self::Call(_) => ErrorKind::Unavailable,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Incomplete { .. } => "UPLOAD_INCOMPLETE",
            Self::Corrupt { .. } => "UPLOAD_CORRUPT",
            Self::Malformed(_) => "UPLOAD_MALFORMED",
            Self::TooLarge { .. } => "UPLOAD_TOO_LARGE",
            Self::Call(_) => "UPLOAD_FAILED",
        }
    }

    fn limit(&self) -> Option<LimitHit> {
        match self {
            Self::TooLarge { setting, limit } => {
                Some(LimitHit { name: (*setting).to_owned(), value: limit.to_string() })
            }
            Self::Incomplete { .. } | Self::Corrupt { .. } | Self::Malformed(_) | Self::Call(_) => None,
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        crate::to_status(&error)
    }
}

/// An upload whose bytes are being read.
pub struct Upload<R> {
    messages: R,
    hasher: DigestHasher,
    limit: Option<(&'static str, ByteSize)>,
    finished: Option<Digest>,
}

/// Reads the start of an upload. `messages` is the `tonic::Streaming` of the request.
pub async fn open<M, R>(mut messages: R) -> Result<(M::Start, Upload<R>), Error>
where
    M: UploadMessage,
    R: Stream<Item = Result<M, Status>> + Send + Unpin,
{
    match next_part(&mut messages, 0).await? {
        Part::Start(start) => {
            Ok((start, Upload { messages, hasher: DigestHasher::default(), limit: None, finished: None }))
        }
        Part::Chunk(_) | Part::Finish { .. } => Err(Error::Malformed("its first message is not the start")),
    }
}

impl<R> Upload<R> {
    /// Refuses more than `limit`, the value of `setting`.
    #[must_use]
    pub fn with_limit(mut self, setting: &'static str, limit: ByteSize) -> Self {
        self.limit = Some((setting, limit));
        self
    }

    /// Gives the next bytes, or `None` after a finish that tells of just the bytes that came.
    pub async fn next<M>(&mut self) -> Result<Option<Bytes>, Error>
    where
        M: UploadMessage,
        R: Stream<Item = Result<M, Status>> + Send + Unpin,
    {
        if self.finished.is_some() {
            return Ok(None);
        }
        match next_part(&mut self.messages, self.hasher.length()).await? {
            Part::Start(_) => Err(Error::Malformed("it has a second start")),
            Part::Chunk(chunk) if chunk.len() > MAX_CHUNK => Err(Error::Malformed(LONG_CHUNK)),
            Part::Chunk(chunk) => {
                self.hasher.update(&chunk);
                match self.limit {
                    Some((setting, limit)) if self.hasher.length() > limit.as_bytes() => {
                        Err(Error::TooLarge { setting, limit })
                    }
                    _ => Ok(Some(Bytes::from(chunk))),
                }
            }
            Part::Finish { size_bytes, digest } => self.finish(size_bytes, digest),
        }
    }

    /// The bytes as a stream, which ends after a finish that tells of just the bytes that came.
    pub fn into_stream<M>(mut self) -> impl Stream<Item = Result<Bytes, Error>> + Send
    where
        M: UploadMessage,
        R: Stream<Item = Result<M, Status>> + Send + Unpin,
    {
        async_stream::try_stream! {
            while let Some(bytes) = self.next().await? {
                yield bytes;
            }
        }
    }

    /// How many bytes have come.
    pub fn size_bytes(&self) -> u64 {
        self.hasher.length()
    }

    /// The digest of all bytes, once [`Self::next`] gave `None`.
    pub fn digest(&self) -> Option<Digest> {
        self.finished
    }

    fn finish(&mut self, size_bytes: i64, digest: Option<DigestMessage>) -> Result<Option<Bytes>, Error> {
        let digest = digest.ok_or(Error::Malformed("its finish has no digest"))?;
        let told = Digest::try_from(digest).map_err(|_| Error::Malformed("the digest of its finish is no SHA-256"))?;
        let came = self.hasher.clone().finish();
        if u64::try_from(size_bytes) != Ok(self.hasher.length()) || told != came {
            let told = format!("{size_bytes} bytes with SHA-256 {told}");
            return Err(Error::Corrupt { told, came: format!("{} bytes with {came}", self.hasher.length()) });
        }
        self.finished = Some(came);
        Ok(None)
    }
}

async fn next_part<M, R>(messages: &mut R, received: u64) -> Result<Part<M::Start>, Error>
where
    M: UploadMessage,
    R: Stream<Item = Result<M, Status>> + Send + Unpin,
{
    use futures::StreamExt as _;
    match messages.next().await {
        None => Err(Error::Incomplete { received }),
        // The server's layers make `Aborted` of a request that was cancelled.
        Some(Err(status)) if status.code() == tonic::Code::Aborted => Err(Error::Incomplete { received }),
        // tonic's decoder refuses a message that is too long, and one whose bytes are no message; sent again, they
        // would be refused again.
        Some(Err(status)) if status.code() == tonic::Code::OutOfRange => Err(Error::Malformed(LONG_CHUNK)),
        Some(Err(status)) if status.code() == tonic::Code::Internal => {
            Err(Error::Malformed("a message cannot be decoded"))
        }
        Some(Err(status)) => Err(Error::Call(Box::new(status))),
        Some(Ok(message)) => message.into_part().ok_or(Error::Malformed("a message holds nothing")),
    }
}

/// Why the source of an upload could not be read; filled before the upload ends without its finish.
#[derive(Debug, Clone, Default)]
pub struct SourceFailure(Arc<Mutex<Option<io::Error>>>);

impl SourceFailure {
    /// Takes the error, if there was one.
    pub fn take(&self) -> Option<io::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Makes the messages of an upload, for clients: `start`, the bytes of `source` in chunks, and the finish.
///
/// `on_progress` hears how many bytes were read so far. When `source` fails, the messages end without a finish, so that
/// the server refuses them, and the second value holds the error.
pub fn messages<M: UploadMessage>(
    start: M::Start,
    mut source: impl AsyncRead + Send + Unpin + 'static,
    mut on_progress: impl FnMut(u64) + Send + 'static,
) -> (impl Stream<Item = M> + Send + 'static, SourceFailure) {
    const CHUNK: usize = 256 << 10;
    let failure = SourceFailure::default();
    let slot = failure.clone();
    let stream = async_stream::stream! {
        yield M::from_part(Part::Start(start));
        let mut hasher = DigestHasher::default();
        loop {
            let mut chunk = vec![0; CHUNK];
            match source.read(&mut chunk).await {
                Ok(0) => break,
                Ok(length) => chunk.truncate(length),
                Err(error) => {
                    *slot.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    return;
                }
            }
            hasher.update(&chunk);
            on_progress(hasher.length());
            yield M::from_part(Part::Chunk(chunk));
        }
        let size_bytes = i64::try_from(hasher.length()).unwrap_or(i64::MAX);
        yield M::from_part(Part::Finish { size_bytes, digest: Some(hasher.finish().into()) });
    };
    (stream, failure)
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt as _, TryStreamExt as _, stream};

    use super::*;

    async fn read(messages: Vec<ProfileDataRequest>) -> Result<Vec<u8>, Error> {
        let messages = stream::iter(messages.into_iter().map(Ok));
        let (_, upload) = open::<ProfileDataRequest, _>(messages).await?;
        upload.with_limit("max_bytes", ByteSize::bytes(2_000_000)).into_stream().try_concat_bytes().await
    }

    trait Concat: Stream<Item = Result<Bytes, Error>> + Sized {
        async fn try_concat_bytes(self) -> Result<Vec<u8>, Error> {
            self.try_fold(Vec::new(), |mut all, bytes| async move {
                all.extend_from_slice(&bytes);
                Ok(all)
            })
            .await
        }
    }
    impl<S: Stream<Item = Result<Bytes, Error>>> Concat for S {}

    async fn of(bytes: Vec<u8>) -> Vec<ProfileDataRequest> {
        let (messages, _) = messages(ProfileDataStart::default(), std::io::Cursor::new(bytes), |_| ());
        messages.collect().await
    }

    #[tokio::test]
    async fn what_is_written_reads_back() {
        let bytes: Vec<u8> = (0..700_000u32).map(|n| n as u8).collect();
        assert_eq!(read(of(bytes.clone()).await).await.unwrap(), bytes);
        assert!(read(of(Vec::new()).await).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn an_upload_without_its_finish_is_incomplete() {
        let mut messages = of(vec![7; 1000]).await;
        messages.pop();
        let error = read(messages).await.unwrap_err();
        assert!(matches!(error, Error::Incomplete { received: 1000 }), "{error:?}");
        assert_eq!(error.reason(), "UPLOAD_INCOMPLETE");
    }

    #[tokio::test]
    async fn an_upload_with_other_bytes_is_corrupt() {
        let mut messages = of(vec![7; 1000]).await;
        messages[1] = ProfileDataRequest::from_part(Part::Chunk(vec![8; 1000]));
        assert_eq!(read(messages).await.unwrap_err().reason(), "UPLOAD_CORRUPT");
    }

    #[tokio::test]
    async fn an_upload_that_is_malformed_or_too_large_is_refused() {
        let chunk = |size| ProfileDataRequest::from_part(Part::Chunk(vec![0; size]));
        assert_eq!(read(vec![chunk(1)]).await.unwrap_err().reason(), "UPLOAD_MALFORMED");
        let start = || ProfileDataRequest::from_part(Part::Start(ProfileDataStart::default()));
        assert_eq!(read(vec![start(), start()]).await.unwrap_err().reason(), "UPLOAD_MALFORMED");
        assert_eq!(read(vec![start(), chunk(MAX_CHUNK + 1)]).await.unwrap_err().reason(), "UPLOAD_MALFORMED");
        assert_eq!(
            read(vec![start(), ProfileDataRequest { item: None }]).await.unwrap_err().reason(),
            "UPLOAD_MALFORMED"
        );
        let error = read(vec![start(), chunk(MAX_CHUNK), chunk(MAX_CHUNK)]).await.unwrap_err();
        assert_eq!(error.reason(), "UPLOAD_TOO_LARGE");
        assert_eq!(error.limit().unwrap().name, "max_bytes");
    }
    #[tokio::test]
    async fn what_the_decoder_refuses_is_malformed_not_worth_a_retry() {
        let start = || Ok(ProfileDataRequest::from_part(Part::Start(ProfileDataStart::default())));
        for refused in [Status::out_of_range("decoded message length too large"), Status::internal("invalid tag")] {
            let (_, mut upload) = open::<ProfileDataRequest, _>(stream::iter([start(), Err(refused)])).await.unwrap();
            let error = upload.next::<ProfileDataRequest>().await.unwrap_err();
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "UPLOAD_MALFORMED"));
        }
    }
}
