//! One attempt at a job: fetch the bytes, keep them, profile them, keep the profile.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use objects::{Key, ObjectBody, ObjectStoreExt, Put, PutResult};
use prost::Message;
use proto::common::v1 as common;
use proto::profiling::v1::{JobStage, StoredProfile};
use sql::work::Claim;
use types::{Digest, Origin, ProfileId, ProfileName};

use super::worker::Workshop;
use crate::engine;
use crate::job::Job;
use crate::spool::Spooled;
use crate::store::{self, NewProfile};
use crate::{Error, events, metrics};

/// How far the profiler is.
#[derive(Default)]
struct Profiled {
    rows: AtomicU64,
    bytes: AtomicU64,
}

/// How far an attempt is, seen from outside.
#[derive(Default)]
pub struct Progress {
    fetched_bytes: AtomicU64,
    expected_bytes: AtomicU64,
    profiled: Arc<Profiled>,
    stage: AtomicI32,
    stop: Arc<AtomicBool>,
}

impl Progress {
    /// What is counted, by name.
    pub fn counts(&self) -> Vec<(String, i64)> {
        let count = |value: &AtomicU64| i64::try_from(value.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
        vec![("fetched_bytes".to_owned(), count(&self.fetched_bytes)), ("rows".to_owned(), count(&self.profiled.rows))]
    }

    /// How much is done, where the whole is known: fetching is half of it, profiling the other.
    pub fn fraction(&self) -> Option<f64> {
        let expected = self.expected_bytes.load(Ordering::Relaxed);
        let done = self.fetched_bytes.load(Ordering::Relaxed) + self.profiled.bytes.load(Ordering::Relaxed);
        (expected > 0).then(|| (done as f64 / expected as f64 / 2.0).min(1.0))
    }

    /// What the attempt is at.
    pub fn stage(&self) -> JobStage {
        JobStage::try_from(self.stage.load(Ordering::Relaxed)).unwrap_or_default()
    }

    /// Asks the profiler to end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// What an attempt that went well leaves to be recorded.
pub struct Done {
    /// The row of the profile.
    pub profile: NewProfile,
    /// What is published.
    pub result: events::Result,
}

/// One attempt.
pub struct Attempt<'a> {
    /// What all workers share.
    pub shop: &'a Workshop,
    /// The claim on the job.
    pub claim: &'a Claim,
    /// The job.
    pub job: &'a Job,
    /// Where to tell how far it is.
    pub progress: Arc<Progress>,
}

impl Attempt<'_> {
    /// Runs it to its end. May be dropped anywhere; the next attempt finds what it put when it puts the same.
    pub async fn run(self) -> Result<Done, Error> {
        self.enter(JobStage::Fetching).await?;
        let spooled = Arc::new(self.fetch().await?);
        let tenant = self.job.tenant().clone();
        let id =
            ProfileId::derive(&spooled.digest, &engine::recipe_digest(&self.job.file_name), profile::ENGINE_VERSION);
        let name = ProfileName::new(tenant.clone(), id.clone());
        let [content, profile] = self.hold(&spooled, &id).await?;
        let key = profile.expect("the key of the profile was asked for");
        let held = content.iter().chain([&key]).map(Key::to_string).collect();
        let (digest, size_bytes) = (spooled.digest, spooled.size_bytes);
        // One waits for the disk or the network while the other computes; when either fails, both end.
        let (content_object, (reused, object)) =
            futures::try_join!(self.keep(&spooled, content), self.known_or_profiled(spooled.clone(), &name, &key))
                .inspect_err(|_| self.progress.stop())?;
        let profile = NewProfile { name: name.clone(), object_key: key.to_string(), digest, size_bytes, reused, held };
        let profile_object = object;
        let result = events::Result { profile: name.to_string(), profile_object, digest, size_bytes, content_object };
        Ok(Done { profile, result })
    }

    async fn enter(&self, stage: JobStage) -> Result<(), Error> {
        self.progress.stage.store(stage.into(), Ordering::Relaxed);
        let (db, claim) = (self.shop.queue.database(), self.claim.clone());
        let now = db.now();
        let cancelled =
            db.write(move |conn| Box::pin(async move { store::advance(conn, &claim, stage, now).await })).await?;
        if cancelled { Err(Error::Cancelled) } else { Ok(()) }
    }

    async fn fetch(&self) -> Result<Spooled, Error> {
        let (body, size) = self.open().await?;
        self.progress.expected_bytes.store(size.unwrap_or(0), Ordering::Relaxed);
        let limit = ("profiling.max_fetch_bytes", self.shop.config.max_fetch_bytes);
        let taken = |bytes| {
            self.progress.fetched_bytes.fetch_add(bytes, Ordering::Relaxed);
        };
        let spooled = self.shop.spool.take(body, limit, taken).await?;
        match &self.job.materialization.origin {
            Origin::Object { digest, .. } if *digest != spooled.digest => Err(Error::ContentDamaged),
            _ => Ok(spooled),
        }
    }

    async fn open(&self) -> Result<(BoxStream<'static, Result<Bytes, Error>>, Option<u64>), Error> {
        let origin = &self.job.materialization.origin;
        if let Origin::Object { key, .. } = origin {
            let (meta, body) = self.shop.objects.get(&parse_key(key)?, None).await?;
            return Ok((body.map_err(Error::from).boxed(), Some(meta.size_bytes)));
        }
        let opened = self.shop.fetcher.open(origin, None).await?;
        let fetched = opened.fetched().expect("an unconditional request is never answered with `unchanged`");
        Ok((fetched.body.map_err(Error::from).boxed(), fetched.size_bytes))
    }

    /// Holds the objects that are about to be put, the bytes where they are few enough and the profile, so that no sweep
    /// takes them before rows name them.
    async fn hold(&self, spooled: &Spooled, id: &ProfileId) -> Result<[Option<Key>; 2], Error> {
        self.progress.stage.store(JobStage::Profiling.into(), Ordering::Relaxed);
        let (tenant, config) = (self.job.tenant(), &self.shop.config);
        let is_kept = matches!(self.job.materialization.origin, Origin::Object { .. });
        let keep = !is_kept && spooled.size_bytes <= config.keep_bytes.as_bytes();
        let objects = [keep.then(|| Key::content(tenant, &spooled.digest)), Some(Key::profile(tenant, id))];
        let (db, claim) = (self.shop.queue.database(), self.claim.clone());
        let (now, until) = (db.now(), db.now() + config.sweep.grace.as_duration());
        db.write(move |conn| Box::pin(async move { store::begin_profiling(conn, &claim, objects, now, until).await }))
            .await
    }

    /// Keeps the bytes as the tenant's object at `key`, where they are to be kept. What came from an object stays there.
    async fn keep(&self, spooled: &Spooled, key: Option<Key>) -> Result<Option<common::ObjectOrigin>, Error> {
        if let Origin::Object { key, digest, size_bytes } = &self.job.materialization.origin {
            let size_bytes = i64::try_from(*size_bytes).unwrap_or(i64::MAX);
            let digest = Some((*digest).into());
            return Ok(Some(common::ObjectOrigin { key: key.clone(), digest, size_bytes }));
        }
        let Some(key) = key else { return Ok(None) };
        let file = tokio::fs::File::open(&spooled.path).await?;
        let body = ObjectBody::reader(file, spooled.size_bytes).with_digest(spooled.digest);
        self.shop.objects.put(&key, body, Put::IfAbsent).await?;
        Ok(Some(common::ObjectOrigin {
            key: key.to_string(),
            digest: Some(spooled.digest.into()),
            size_bytes: i64::try_from(spooled.size_bytes).unwrap_or(i64::MAX),
        }))
    }

    /// The profile of these bytes as it was made before, which the first tells, or made now.
    async fn known_or_profiled(
        &self,
        spooled: Arc<Spooled>,
        name: &ProfileName,
        key: &Key,
    ) -> Result<(bool, common::ObjectOrigin), Error> {
        if self.is_known(name).await?
            && let Some(bytes) = self.stored(key).await?
        {
            return Ok((true, origin(key, &bytes)));
        }
        Ok((false, self.profile(spooled, name, key).await?))
    }

    /// Whether a job recorded the profile. One that an attempt put and did not come to record is found by the put.
    async fn is_known(&self, name: &ProfileName) -> Result<bool, Error> {
        let wanted = name.clone();
        let db = self.shop.queue.database();
        let key = db
            .read(move |conn| Box::pin(async move { store::profile_key(conn, &wanted.tenant, &wanted.profile).await }));
        Ok(key.await?.is_some())
    }

    /// The profile of these bytes, when it was made before.
    async fn stored(&self, key: &Key) -> Result<Option<Bytes>, Error> {
        match self.shop.objects.get_bytes(key, self.shop.config.max_profile_bytes.as_bytes()).await {
            Ok(bytes) if StoredProfile::decode(bytes.clone()).is_ok() => Ok(Some(bytes)),
            Ok(_) => {
                self.shop.objects.delete(key).await?;
                Ok(None)
            }
            Err(objects::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn profile(
        &self,
        spooled: Arc<Spooled>,
        name: &ProfileName,
        key: &Key,
    ) -> Result<common::ObjectOrigin, Error> {
        let (stop, profiled) = (self.progress.stop.clone(), self.progress.profiled.clone());
        let file_name = self.job.file_name.clone();
        let seen = move |seen: profile::Progress| {
            profiled.rows.store(seen.rows, Ordering::Relaxed);
            profiled.bytes.store(seen.read_bytes, Ordering::Relaxed);
        };
        let work = move || engine::profile(&spooled, &file_name, stop, seen);
        let mut stored = guarded(work).await?;
        let table = stored.table.get_or_insert_default();
        table.name = name.to_string();
        table.create_time = Some(self.shop.queue.database().now().into());
        metrics::rows(u64::try_from(table.row_count).unwrap_or(0));
        let bytes = Bytes::from(stored.encode_to_vec());
        let put = self.shop.objects.put_bytes(key, bytes.clone(), Put::IfAbsent).await?;
        if matches!(put, PutResult::Stored(_)) {
            return Ok(origin(key, &bytes));
        }
        // Another attempt made the profile of the same bytes; theirs stays, unless it cannot be read.
        if let Some(theirs) = self.stored(key).await? {
            return Ok(origin(key, &theirs));
        }
        match self.shop.objects.put_bytes(key, bytes.clone(), Put::IfAbsent).await? {
            PutResult::Stored(_) => Ok(origin(key, &bytes)),
            PutResult::Existed(_) => Err(Error::ProfileDamaged { name: name.clone() }),
        }
    }
}

/// Runs the profiler on a thread that may block; a panic in it is an error of these data.
pub async fn guarded<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    let made = AssertUnwindSafe(runtime::blocking(work)).catch_unwind().await;
    made.map_err(|panic| Error::ProfilerPanicked(engine::panic_text(panic.as_ref()).into()))?
}

fn origin(key: &Key, bytes: &Bytes) -> common::ObjectOrigin {
    common::ObjectOrigin {
        key: key.to_string(),
        digest: Some(Digest::of(bytes).into()),
        size_bytes: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
    }
}

fn parse_key(key: &str) -> Result<Key, Error> {
    key.parse().map_err(|error: objects::KeyError| Error::Objects(error.into()))
}
