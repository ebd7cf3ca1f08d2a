//! The bytes of an object on their way in: taken up again where a connection breaks, checked against the digest.

use std::ops::Range;

use aws_sdk_s3::primitives::ByteStream as Body;
use bytes::Bytes;
use futures::{StreamExt, stream};
use types::{Digest, DigestHasher};

use super::fault::{Refusal, What};
use super::{Bucket, metadata};
use crate::{ByteStream, Error, Key, ObjectMeta};

/// How often a broken connection is taken up again while one object is read.
const RESUMES: u32 = 3;

/// One object, or a range of it, that is being read.
pub(super) struct Reading {
    bucket: Bucket,
    key: Key,
    body: Body,
    /// What is still to come.
    left: Range<u64>,
    /// Names this very object, so that no other is read on.
    tag: Option<String>,
    resumes: u32,
    /// For whole objects whose digest is known.
    expected: Option<(Digest, DigestHasher)>,
    /// The last piece waits until the digest is known to be right: nobody gets all of a damaged object.
    held: Option<Bytes>,
}

/// Asks for an object; the bytes follow.
pub(super) async fn begin(
    bucket: &Bucket,
    key: &Key,
    range: Option<Range<u64>>,
) -> Result<(ObjectMeta, ByteStream), Error> {
    let header = range.as_ref().map(|range| format!("bytes={}-{}", range.start, range.end - 1));
    let asked = bucket.client.get_object().bucket(&bucket.name).key(bucket.names.of(key)).set_range(header);
    let reply = match asked.send().await.map_err(Refusal::from) {
        Ok(reply) => reply,
        Err(refusal) if refusal.what == What::Range => return Err(beyond(bucket, key, range).await),
        Err(refusal) if refusal.what == What::Missing => return Err(Error::NotFound { key: key.clone() }),
        Err(refusal) => return Err(refusal.into_error(&bucket.place, "read an object")),
    };
    let length = metadata::length(reply.content_length());
    let (left, size_bytes) = match (&range, reply.content_range().and_then(extent)) {
        (None, _) => (0..length, length),
        (Some(_), Some(extent)) => extent,
        // Servers answer with all there is where that is nothing.
        (Some(_), None) if length == 0 => return Err(beyond(bucket, key, range).await),
        (Some(range), None) => (range.start..range.end.min(length), length),
    };
    if range.is_some() && left.end - left.start != length {
        return Err(bucket.strange("read an object", "the reply holds another range than was asked for"));
    }
    let digest = metadata::digest(reply.metadata());
    let modified = Some(metadata::time(reply.last_modified()));
    let meta = ObjectMeta { key: key.clone(), size_bytes, digest, modified };
    let expected = digest.filter(|_| range.is_none()).map(|digest| (digest, DigestHasher::default()));
    let tag = reply.e_tag().map(str::to_owned);
    let (bucket, key) = (bucket.clone(), key.clone());
    let reading = Reading { bucket, key, body: reply.body, left, tag, resumes: 0, expected, held: None };
    Ok((meta, reading.stream()))
}

/// The error of a range that begins behind the end, with the size that only another question tells.
async fn beyond(bucket: &Bucket, key: &Key, range: Option<Range<u64>>) -> Error {
    let Range { start, end } = range.unwrap_or(0..0);
    match bucket.head(key).await {
        Ok(about) => Error::Range { key: key.clone(), start, end, size_bytes: about.meta.size_bytes },
        Err(error) => error,
    }
}

/// Reads `bytes 3-4/10`.
fn extent(header: &str) -> Option<(Range<u64>, u64)> {
    let (range, size) = header.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, size): (u64, u64, u64) = (first.parse().ok()?, last.parse().ok()?, size.parse().ok()?);
    (first <= last && last < size).then_some((first..last + 1, size))
}

impl Reading {
    fn stream(self) -> ByteStream {
        stream::try_unfold(Some(self), |reading| async move {
            let Some(mut reading) = reading else { return Ok(None) };
            match reading.next().await? {
                Some(piece) => Ok(Some((piece, Some(reading)))),
                None => Ok(reading.finish()?.map(|piece| (piece, None))),
            }
        })
        .boxed()
    }

    /// The next piece, while another one follows it.
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            match self.body.next().await {
                Some(Ok(piece)) => {
                    self.left.start += piece.len() as u64;
                    if let Some((_, hasher)) = &mut self.expected {
                        hasher.update(&piece);
                    }
                    if let Some(before) = self.held.replace(piece) {
                        return Ok(Some(before));
                    }
                }
                None => return Ok(None),
                // All bytes came, so what the SDK does not like is their checksum.
                Some(Err(_)) if self.left.is_empty() => return Err(Error::Damaged { key: self.key.clone() }),
                Some(Err(error)) if self.resumes == RESUMES || self.tag.is_none() => {
                    return Err(self.bucket.broken("read an object", error.into()));
                }
                Some(Err(_)) => self.resume().await?,
            }
        }
    }

    async fn resume(&mut self) -> Result<(), Error> {
        self.resumes += 1;
        let (bucket, name) = (&self.bucket, self.bucket.names.of(&self.key));
        let range = format!("bytes={}-{}", self.left.start, self.left.end - 1);
        let asked = bucket.client.get_object().bucket(&bucket.name).key(name).range(range);
        let reply = asked.set_if_match(self.tag.clone()).send().await.map_err(Refusal::from);
        self.body = match reply {
            // Not every server heeds the condition.
            Ok(reply) if reply.e_tag() != self.tag.as_deref() => return Err(Error::Changed { key: self.key.clone() }),
            Ok(reply) if reply.content_range().and_then(extent).is_some_and(|(range, _)| range == self.left) => {
                reply.body
            }
            Ok(_) => return Err(bucket.strange("read an object", "the reply holds another range than was asked for")),
            Err(refusal) if matches!(refusal.what, What::Condition | What::Missing | What::Range) => {
                return Err(Error::Changed { key: self.key.clone() });
            }
            Err(refusal) => return Err(refusal.into_error(&bucket.place, "read an object")),
        };
        Ok(())
    }

    /// The last piece, once all are known to be right.
    fn finish(self) -> Result<Option<Bytes>, Error> {
        let right = self.expected.is_none_or(|(digest, hasher)| hasher.finish() == digest);
        if !right || !self.left.is_empty() {
            return Err(Error::Damaged { key: self.key });
        }
        Ok(self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_tells_bytes_and_size() {
        assert_eq!(extent("bytes 3-4/10"), Some((3..5, 10)));
        for bad in ["bytes 3-4/*", "bytes */10", "3-4/10", "bytes 4-3/10", "bytes 3-10/10", ""] {
            assert_eq!(extent(bad), None, "{bad}");
        }
    }
}
