//! One multipart upload, from its beginning to its completion or its end.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aws_sdk_s3::primitives::ByteStream as Body;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::runtime::Handle;

use super::Bucket;
use super::fault::{Refusal, What};
use super::metadata::MEDIA_TYPE;
use super::parts::{PART, Part, Parts};
use crate::{Error, Key};

/// How many parts are on their way at a time; one more is being read.
const IN_FLIGHT: usize = 3;
/// How many parts servers take.
const MOST_PARTS: i32 = 10_000;

/// An upload that is aborted when it is dropped before it was completed.
pub(super) struct Upload {
    running: Option<Running>,
    /// The tag of the object, once there is one.
    tag: Mutex<Option<String>>,
}

/// An upload that the server knows.
#[derive(Clone)]
pub(super) struct Running {
    pub bucket: Bucket,
    pub key: Key,
    pub name: String,
    pub id: String,
}

/// A part on its way, with the body when it is the last.
struct Numbered {
    number: i32,
    bytes: Bytes,
    done: Option<Parts>,
}

impl Upload {
    /// Begins an upload. The request runs to its end even when the caller goes away meanwhile, because only its reply
    /// names what then has to be aborted.
    pub async fn begin(bucket: &Bucket, key: &Key, metadata: HashMap<String, String>) -> Result<Self, Error> {
        let begun = Self::ask(bucket.clone(), key.clone(), metadata);
        let begun = Handle::current().spawn(begun).await;
        begun.map_err(|_| bucket.strange("begin an upload", "the request was cut short"))?
    }

    async fn ask(bucket: Bucket, key: Key, metadata: HashMap<String, String>) -> Result<Self, Error> {
        let name = bucket.names.of(&key);
        let asked = bucket.client.create_multipart_upload().bucket(&bucket.name).key(&name);
        let reply = asked.content_type(MEDIA_TYPE).set_metadata(Some(metadata)).send().await.map_err(Refusal::from);
        let reply = reply.map_err(|refusal| refusal.into_error(&bucket.place, "begin an upload"))?;
        let id = reply.upload_id().ok_or_else(|| bucket.strange("begin an upload", "the reply names no upload"))?;
        let running = Running { id: id.to_owned(), bucket, key, name };
        Ok(Self { running: Some(running), tag: Mutex::default() })
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("an upload runs until it is completed or aborted, which consume it")
    }

    /// Sends all parts, a few at a time, and gives them in their order with the body that was read to its end.
    pub async fn send(&self, first: Part, parts: Parts) -> Result<(Vec<CompletedPart>, Parts), Error> {
        let numbered = stream::try_unfold(Some((first, parts, 1)), |state| async move {
            let Some((part, mut parts, number)) = state else { return Ok::<_, Error>(None) };
            if part.last {
                return Ok(Some((Numbered { number, bytes: part.bytes, done: Some(parts) }, None)));
            }
            let following = parts.next().await?;
            Ok(Some((Numbered { number, bytes: part.bytes, done: None }, Some((following, parts, number + 1)))))
        });
        let running = self.running().clone();
        let sending = numbered.map(move |part| {
            let running = running.clone();
            async move { running.send(part?).await }
        });
        let mut sending = std::pin::pin!(sending.buffer_unordered(IN_FLIGHT));
        let (mut sent, mut whole) = (Vec::new(), None);
        while let Some(outcome) = sending.next().await {
            let (part, done) = outcome?;
            sent.push(part);
            whole = whole.or(done);
        }
        sent.sort_by_key(CompletedPart::part_number);
        Ok((sent, whole.expect("a body ends with its last part")))
    }

    /// Lets the object show. `guard` is `*` where an object that is there already must stay.
    pub async fn complete(&self, parts: Vec<CompletedPart>, guard: Option<String>) -> Result<(), Refusal> {
        let Running { bucket, name, id, .. } = self.running();
        let all = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let asked = bucket.client.complete_multipart_upload().bucket(&bucket.name).key(name).upload_id(id);
        let reply = asked.multipart_upload(all).set_if_none_match(guard).send().await.map_err(Refusal::from)?;
        *self.tag.lock().unwrap_or_else(PoisonError::into_inner) = reply.e_tag().map(str::to_owned);
        Ok(())
    }

    /// Ends an upload that was completed, and gives the tag of the object.
    pub fn completed(mut self) -> Option<String> {
        self.running = None;
        self.tag.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Ends an upload that is not to be completed. What fails here is swept later.
    pub async fn abort(mut self) {
        if let Some(running) = &self.running {
            running.abort_or_leave().await;
        }
        self.running = None;
    }
}

impl Running {
    async fn send(&self, part: Numbered) -> Result<(CompletedPart, Option<Parts>), Error> {
        if part.number > MOST_PARTS {
            let limit = PART as u64 * MOST_PARTS.unsigned_abs() as u64;
            return Err(Error::TooLarge { key: self.key.clone(), size_bytes: limit + 1, limit });
        }
        let asked = self.bucket.client.upload_part().bucket(&self.bucket.name).key(&self.name).upload_id(&self.id);
        let reply = asked.part_number(part.number).body(Body::from(part.bytes)).send().await.map_err(Refusal::from);
        let reply = reply.map_err(|refusal| match refusal.what {
            What::Damaged => Error::Damaged { key: self.key.clone() },
            _ => refusal.into_error(&self.bucket.place, "write a part of an object"),
        })?;
        // The server compares the checksums once more when it puts the parts together.
        let sent = CompletedPart::builder()
            .part_number(part.number)
            .set_e_tag(reply.e_tag().map(str::to_owned))
            .set_checksum_crc32(reply.checksum_crc32().map(str::to_owned))
            .build();
        Ok((sent, part.done))
    }

    /// Aborts the upload; one that is gone counts as aborted.
    pub async fn abort(&self) -> Result<(), Refusal> {
        let asked = self.bucket.client.abort_multipart_upload().bucket(&self.bucket.name).key(&self.name);
        match asked.upload_id(&self.id).send().await.map_err(Refusal::from) {
            Ok(_) => Ok(()),
            Err(refusal) if refusal.what == What::Missing => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }

    async fn abort_or_leave(&self) {
        if let Err(refusal) = self.abort().await {
            tracing::warn!(object.key = %self.key, ?refusal, "an upload could not be aborted; it is swept later");
        }
    }
}

impl Drop for Upload {
    /// The caller of the put went away. The request runs on beside it, and ends with its own time-outs; where the
    /// runtime ends first, the sweep finds the upload once it is old enough.
    fn drop(&mut self) {
        if let (Some(running), Ok(runtime)) = (self.running.take(), Handle::try_current()) {
            runtime.spawn(async move { running.abort_or_leave().await });
        }
    }
}
