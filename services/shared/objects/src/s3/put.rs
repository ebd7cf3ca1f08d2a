//! How an object is written.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream as Body;
use aws_sdk_s3::types::{CompletedPart, MetadataDirective};
use bytes::Bytes;
use tokio::sync::MutexGuard;
use types::Digest;
use uuid::Uuid;

use super::fault::{Refusal, What};
use super::parts::{Part, Parts};
use super::upload::Upload;
use super::{S3, metadata};
use crate::{Error, Key, ObjectBody, ObjectMeta, Put, PutResult};

/// How often the last request of a conditional put is made while others write the same key.
const ROUNDS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// A conditional put of more bytes asks first whether the object is there, in place of sending them for nothing. Of fewer
/// it does not: most are new, and each request costs the server as much as some MiB.
const WORTH_ASKING: usize = 4 << 20;

/// One put.
struct Writing<'a> {
    key: &'a Key,
    condition: Put,
    /// Tells this put's object from those of others.
    id: Uuid,
}

/// What was written.
#[derive(Clone, Copy)]
struct Written {
    size_bytes: u64,
    digest: Digest,
}

/// The request that lets the object show.
enum Last<'a> {
    /// All of it at once.
    Body(Bytes),
    /// The parts that were sent are put together.
    Upload(&'a Upload, Vec<CompletedPart>),
}

impl S3 {
    pub(super) async fn write(&self, key: &Key, body: ObjectBody, condition: Put) -> Result<PutResult, Error> {
        let writing = Writing { key, condition, id: Uuid::now_v7() };
        let mut parts = Parts::of(body);
        let first = parts.next().await?;
        if condition == Put::IfAbsent
            && first.bytes.len() > WORTH_ASKING
            && let Some(about) = self.bucket.existing(key).await?
        {
            return Ok(PutResult::Existed(about.meta));
        }
        if !first.last {
            return self.write_large(&writing, first, parts).await;
        }
        let (digest, size_bytes) = parts.finish(key)?;
        self.settle(&writing, Written { size_bytes, digest }, Last::Body(first.bytes)).await
    }

    async fn write_large(&self, writing: &Writing<'_>, first: Part, parts: Parts) -> Result<PutResult, Error> {
        let announced = parts.announced();
        let upload = Upload::begin(&self.bucket, writing.key, metadata::of(writing.id, announced)).await?;
        let result = self.fill(writing, &upload, first, parts).await;
        if !matches!(result, Ok(PutResult::Stored(_))) {
            upload.abort().await;
            return result;
        }
        let tag = upload.completed();
        match result {
            Ok(PutResult::Stored(meta)) if announced.is_none() => {
                self.amend(writing, tag, &meta).await;
                Ok(PutResult::Stored(meta))
            }
            other => other,
        }
    }

    async fn fill(
        &self,
        writing: &Writing<'_>,
        upload: &Upload,
        first: Part,
        parts: Parts,
    ) -> Result<PutResult, Error> {
        let (sent, parts) = upload.send(first, parts).await?;
        let (digest, size_bytes) = parts.finish(writing.key)?;
        self.settle(writing, Written { size_bytes, digest }, Last::Upload(upload, sent)).await
    }

    /// Makes the request that lets the object show, until it is known what became of it.
    async fn settle(&self, writing: &Writing<'_>, written: Written, last: Last<'_>) -> Result<PutResult, Error> {
        let conditional = writing.condition == Put::IfAbsent;
        // Whether the server sees to the condition.
        let guarded = match last {
            Last::Body(_) => self.capabilities.conditional_put,
            Last::Upload(..) => self.capabilities.conditional_large_put,
        };
        let guard = (guarded && conditional).then_some("*");
        let _turn = if conditional || !guarded { Some(self.turn(writing.key).await) } else { None };
        let mut pause = FIRST_PAUSE;
        let meta = ObjectMeta {
            key: writing.key.clone(),
            size_bytes: written.size_bytes,
            digest: Some(written.digest),
            modified: None,
        };
        for _ in 0..ROUNDS {
            if conditional
                && !guarded
                && let Some(about) = self.bucket.existing(writing.key).await?
            {
                return Ok(PutResult::Existed(about.meta));
            }
            let Err(refusal) = self.show(writing, written.digest, &last, guard).await else {
                return Ok(PutResult::Stored(meta));
            };
            // Answers get lost, and then the next attempt fails on what the one before it did.
            let there = self.bucket.existing(writing.key).await;
            if let Ok(Some(about)) = &there
                && about.put == Some(writing.id)
            {
                return Ok(PutResult::Stored(ObjectMeta { modified: about.meta.modified, ..meta }));
            }
            match refusal.what {
                What::Condition | What::Race => match there? {
                    Some(about) if conditional => return Ok(PutResult::Existed(about.meta)),
                    _ => {}
                },
                What::Damaged => return Err(Error::Damaged { key: writing.key.clone() }),
                What::Missing | What::Range | What::Unsupported | What::Problem(_) => {
                    return Err(refusal.into_error(&self.bucket.place, "write an object"));
                }
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Err(Error::Contended { key: writing.key.clone() })
    }

    async fn show(
        &self,
        writing: &Writing<'_>,
        digest: Digest,
        last: &Last<'_>,
        guard: Option<&str>,
    ) -> Result<(), Refusal> {
        let guard = guard.map(str::to_owned);
        match last {
            Last::Upload(upload, sent) => upload.complete(sent.clone(), guard).await,
            Last::Body(bytes) => {
                let asked = self.bucket.client.put_object().bucket(&self.bucket.name);
                let asked = asked.key(self.bucket.names.of(writing.key)).set_if_none_match(guard);
                let asked = asked.set_metadata(Some(metadata::of(writing.id, Some(digest))));
                asked.content_type(metadata::MEDIA_TYPE).body(Body::from(bytes.clone())).send().await?;
                Ok(())
            }
        }
    }

    /// Adds the digest to the metadata of an object whose upload began before it was known.
    ///
    /// Only the very object that `tag` names is touched. A failure costs nothing but the digest among the metadata.
    async fn amend(&self, writing: &Writing<'_>, tag: Option<String>, meta: &ObjectMeta) {
        const LARGEST: u64 = 1 << 30;
        if meta.size_bytes > LARGEST || tag.is_none() {
            return;
        }
        let (bucket, name) = (&self.bucket, self.bucket.names.of(writing.key));
        let asked = bucket.client.copy_object().bucket(&bucket.name).key(&name);
        let asked = asked.copy_source(format!("{}/{name}", bucket.name)).set_copy_source_if_match(tag);
        let asked = asked.metadata_directive(MetadataDirective::Replace);
        let asked = asked.content_type(metadata::MEDIA_TYPE).set_metadata(Some(metadata::of(writing.id, meta.digest)));
        if let Err(refusal) = asked.send().await.map_err(Refusal::from) {
            tracing::debug!(object.key = %writing.key, ?refusal, "the digest is not kept beside the object");
        }
    }

    async fn turn(&self, key: &Key) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let place = usize::try_from(hasher.finish() % self.turns.len() as u64).expect("turns are few");
        self.turns[place].lock().await
    }
}
