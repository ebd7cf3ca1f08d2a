//! Objects in a bucket of S3, or of a server that speaks like it.
//!
//! ```text
//! PREFIX/content.main.0af3…     one object per key; names.rs says why they are written like this
//! PREFIX/probe@                 a small object by which `open` learns what the server can do
//! ```
//!
//! A body of up to 8 MiB is one request, a larger one a multipart upload with at most three parts on their way: 32 MiB at
//! most, however large the body. Either way the object shows at the last request, whole or not at all. The digest is kept
//! as metadata. With [`ObjectBody::with_digest`] it is there from the start; else a multipart upload gets it by a copy
//! of the object onto itself within the server, up to 1 GiB, since a digest is known only at the end; until then, and
//! where that fails, the store does not tell it. Reads of whole objects are checked against it, and break off in an
//! error before the last piece; reads of ranges rely on the connection. Parts are sent with their CRC-32, which the
//! server checks.
//!
//! A bucket without prefix must be the mesh's alone: its unfinished uploads are taken for the mesh's own.

mod client;
mod fault;
mod metadata;
mod names;
mod orphans;
mod parts;
mod probe;
mod put;
mod read;
mod settings;
mod upload;

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::PresigningConfig;
use tokio::sync::Mutex;
use types::{BoxError, Secret};
use uuid::Uuid;

use crate::{
    ByteStream, Capabilities, Error, Key, ObjectBody, ObjectMeta, ObjectStore, Presign, Problem, Put, PutResult,
};
use fault::{Refusal, What};
use names::Names;
use settings::Place;

pub use settings::S3Settings;

/// A store that keeps each object in a bucket. Several processes may open the same bucket and prefix.
pub struct S3 {
    bucket: Bucket,
    capabilities: Capabilities,
    orphans_after: Duration,
    /// Conditional puts of one key by this process take turns at their last request.
    turns: Vec<Mutex<()>>,
}

/// The bucket and how to ask for it.
#[derive(Clone)]
struct Bucket {
    client: Client,
    name: String,
    names: Names,
    place: String,
}

/// What the server knows of an object.
struct About {
    meta: ObjectMeta,
    put: Option<Uuid>,
}

const TURNS: usize = 64;
/// How many objects servers list at a time.
const PAGE: usize = 1_000;

impl S3 {
    /// What is wrong with a URL and settings.
    pub(crate) fn problems(url: &str, settings: &S3Settings) -> Vec<Error> {
        [Place::parse(url).err(), settings.check().err()].into_iter().flatten().collect()
    }

    /// Opens the bucket at `s3://BUCKET/PREFIX?endpoint=…&region=…&path_style=true`.
    ///
    /// Looks whether the bucket can be listed and written, learns what the server can do, and aborts old orphans.
    pub async fn open(url: &str, settings: &S3Settings) -> Result<Self, Error> {
        settings.check()?;
        let place = Place::parse(url)?;
        let client = client::client(&place, settings).await?;
        let (text, names) = (place.text(), Names::beneath(&place.prefix));
        let bucket = Bucket { client, name: place.bucket, names, place: text };
        bucket.page("", None, 1).await?;
        let capabilities = probe::capabilities(&bucket).await?;
        let turns = (0..TURNS).map(|_| Mutex::default()).collect();
        let store = Self { bucket, capabilities, orphans_after: settings.orphans_after.as_duration(), turns };
        if let Err(error) = store.sweep().await {
            let error: BoxError = error.into();
            tracing::warn!(store = store.bucket.place, error, "cannot abort unfinished uploads of earlier processes");
        }
        Ok(store)
    }
}

#[async_trait]
impl ObjectStore for S3 {
    async fn put(&self, key: &Key, body: ObjectBody, condition: Put) -> Result<PutResult, Error> {
        self.write(key, body, condition).await
    }

    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<(ObjectMeta, ByteStream), Error> {
        if let Some(Range { start, end }) = range
            && start >= end
        {
            let size_bytes = self.head(key).await?.size_bytes;
            return Err(Error::Range { key: key.clone(), start, end, size_bytes });
        }
        read::begin(&self.bucket, key, range).await
    }

    async fn head(&self, key: &Key) -> Result<ObjectMeta, Error> {
        self.bucket.head(key).await.map(|about| about.meta)
    }

    async fn delete(&self, key: &Key) -> Result<(), Error> {
        let bucket = &self.bucket;
        let asked = bucket.client.delete_object().bucket(&bucket.name).key(bucket.names.of(key));
        match asked.send().await.map_err(Refusal::from) {
            Ok(_) => Ok(()),
            Err(refusal) if refusal.what == What::Missing => Ok(()),
            Err(refusal) => Err(refusal.into_error(&bucket.place, "delete an object")),
        }
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<ObjectMeta>, Error> {
        let mut found = Vec::new();
        let mut last = after.map(|key| self.bucket.names.of(key));
        while found.len() < limit {
            let page = self.bucket.page(prefix, last, limit - found.len()).await?;
            found.extend(page.objects);
            last = page.last;
            if last.is_none() {
                break;
            }
        }
        Ok(found)
    }

    async fn sweep(&self) -> Result<usize, Error> {
        orphans::abort(&self.bucket, self.orphans_after).await
    }

    fn presign(&self) -> Option<&dyn Presign> {
        Some(self)
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }
}

#[async_trait]
impl Presign for S3 {
    async fn presign_get(&self, key: &Key, valid_for: Duration) -> Result<Secret<String>, Error> {
        let valid = PresigningConfig::expires_in(valid_for)
            .map_err(|_| Error::Setting { setting: "valid_for", problem: "must be at most seven days" })?;
        let bucket = &self.bucket;
        let asked = bucket.client.get_object().bucket(&bucket.name).key(bucket.names.of(key));
        let signed = asked.presigned(valid).await.map_err(Refusal::from);
        let signed = signed.map_err(|refusal| refusal.into_error(&bucket.place, "sign a URL"))?;
        Ok(Secret::new(signed.uri().to_owned()))
    }
}

/// Objects of one page.
struct Page {
    objects: Vec<ObjectMeta>,
    /// Where the next page begins, when there is one.
    last: Option<String>,
}

impl Bucket {
    async fn head(&self, key: &Key) -> Result<About, Error> {
        let asked = self.client.head_object().bucket(&self.name).key(self.names.of(key));
        match asked.send().await.map_err(Refusal::from) {
            Ok(reply) => {
                let (size_bytes, digest) =
                    (metadata::length(reply.content_length()), metadata::digest(reply.metadata()));
                let modified = Some(metadata::time(reply.last_modified()));
                let meta = ObjectMeta { key: key.clone(), size_bytes, digest, modified };
                Ok(About { meta, put: metadata::put(reply.metadata()) })
            }
            Err(refusal) if refusal.what == What::Missing => Err(Error::NotFound { key: key.clone() }),
            Err(refusal) => Err(refusal.into_error(&self.place, "look at an object")),
        }
    }

    async fn existing(&self, key: &Key) -> Result<Option<About>, Error> {
        match self.head(key).await {
            Ok(about) => Ok(Some(about)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn page(&self, prefix: &str, after: Option<String>, limit: usize) -> Result<Page, Error> {
        let limit = i32::try_from(limit.min(PAGE)).expect("a page is short");
        let asked = self.client.list_objects_v2().bucket(&self.name).prefix(self.names.beginning(prefix));
        let reply = asked.set_start_after(after).max_keys(limit).send().await.map_err(Refusal::from);
        let reply = reply.map_err(|refusal| refusal.into_error(&self.place, "list objects"))?;
        let of = |object: &aws_sdk_s3::types::Object| {
            let key = self.names.key(object.key()?)?;
            let (size_bytes, modified) =
                (metadata::length(object.size()), Some(metadata::time(object.last_modified())));
            Some(ObjectMeta { key, size_bytes, digest: None, modified })
        };
        let last = reply.contents().last().and_then(|object| object.key()).map(str::to_owned);
        let last = last.filter(|_| reply.is_truncated() == Some(true));
        Ok(Page { objects: reply.contents().iter().filter_map(of).collect(), last })
    }

    /// The error of a connection that broke.
    fn broken(&self, doing: &'static str, source: BoxError) -> Error {
        Error::Remote { place: self.place.clone(), doing, problem: Problem::Unreachable, source }
    }

    /// The error of a server that does not keep to the protocol.
    fn strange(&self, doing: &'static str, said: &'static str) -> Error {
        Error::Remote { place: self.place.clone(), doing, problem: Problem::Failed, source: said.into() }
    }
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3").field("place", &self.bucket.place).field("capabilities", &self.capabilities).finish()
    }
}

#[cfg(test)]
mod tests;
