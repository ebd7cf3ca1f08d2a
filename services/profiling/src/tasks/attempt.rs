//! One attempt at a job: fetch the bytes, keep them, profile them, keep the profile and its state.

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
use crate::engine::{self, Made, Source};
use crate::job::{Asked, Job};
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

/// What a profile is to be made of, and what tells it from others.
struct Material {
    source: Source,
    /// The digest of the bytes, or what stands for it where they were never seen together.
    digest: Digest,
    /// Their length, all together.
    size_bytes: u64,
}

/// Where the profile is put, and its state where it is kept.
struct Keys {
    profile: Key,
    state: Option<Key>,
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
        let material = self.gather().await?;
        let tenant = self.job.tenant().clone();
        let recipe = engine::recipe_digest(&self.job.file_name);
        let id = ProfileId::derive(&material.digest, &recipe, profile::ENGINE_VERSION);
        let name = ProfileName::new(tenant, id.clone());
        let [content, profile, state] = self.hold(&material, &id).await?;
        let held = [&content, &profile, &state].into_iter().flatten().map(Key::to_string).collect();
        let keys = Keys { profile: profile.expect("the key of the profile was asked for"), state };
        let (digest, size_bytes) = (material.digest, material.size_bytes);
        // One waits for the disk or the network while the other computes; when either fails, both end.
        let (content_object, (reused, object)) =
            futures::try_join!(self.keep(&material.source, content), self.known_or_made(&material, &name, &keys))
                .inspect_err(|_| self.progress.stop())?;
        let object_key = keys.profile.to_string();
        let profile = NewProfile { name: name.clone(), object_key, digest, size_bytes, reused, held };
        let profile_object = object;
        let result = events::Result { profile: name.to_string(), profile_object, digest, size_bytes, content_object };
        Ok(Done { profile, result })
    }

    /// Gets what the profile is to be made of: bytes are fetched, states are read.
    async fn gather(&self) -> Result<Material, Error> {
        match &self.job.asked {
            Asked::Dataset { materialization, .. } => {
                let spooled = Arc::new(self.fetch(&materialization.origin).await?);
                let (digest, size_bytes) = (spooled.digest, spooled.size_bytes);
                Ok(Material { source: Source::Bytes(spooled), digest, size_bytes })
            }
            Asked::Append { to, added } => {
                let (state, table) = self.shop.profiles.read_state(to).await?;
                let spooled = Arc::new(self.fetch(&added.origin).await?);
                let digest = ProfileId::appended(&to.profile, &spooled.digest);
                let size_bytes = spooled.size_bytes.saturating_add_signed(table.size_bytes);
                Ok(Material { source: Source::Added(state, spooled), digest, size_bytes })
            }
            Asked::Merge(profiles) => {
                let (mut states, mut size_bytes) = (Vec::with_capacity(profiles.len()), 0u64);
                for profile in profiles {
                    let (state, table) = self.shop.profiles.read_state(profile).await?;
                    states.push(state);
                    size_bytes = size_bytes.saturating_add_signed(table.size_bytes);
                }
                let digest = ProfileId::merged(profiles.iter().map(|name| &name.profile));
                Ok(Material { source: Source::States(states), digest, size_bytes })
            }
        }
    }

    async fn enter(&self, stage: JobStage) -> Result<(), Error> {
        self.progress.stage.store(stage.into(), Ordering::Relaxed);
        let (db, claim) = (self.shop.queue.database(), self.claim.clone());
        let now = db.now();
        let cancelled =
            db.write(move |conn| Box::pin(async move { store::advance(conn, &claim, stage, now).await })).await?;
        if cancelled { Err(Error::Cancelled) } else { Ok(()) }
    }

    async fn fetch(&self, origin: &Origin) -> Result<Spooled, Error> {
        let (body, size) = self.open(origin).await?;
        self.progress.expected_bytes.store(size.unwrap_or(0), Ordering::Relaxed);
        let limit = ("profiling.max_fetch_bytes", self.shop.config.max_fetch_bytes);
        let taken = |bytes| {
            self.progress.fetched_bytes.fetch_add(bytes, Ordering::Relaxed);
        };
        let spooled = self.shop.spool.take(body, limit, taken).await?;
        match origin {
            Origin::Object { digest, .. } if *digest != spooled.digest => Err(Error::ContentDamaged),
            _ => Ok(spooled),
        }
    }

    async fn open(&self, origin: &Origin) -> Result<(BoxStream<'static, Result<Bytes, Error>>, Option<u64>), Error> {
        if let Origin::Object { key, .. } = origin {
            let (meta, body) = self.shop.objects.get(&parse_key(key)?, None).await?;
            return Ok((body.map_err(Error::from).boxed(), Some(meta.size_bytes)));
        }
        let opened = self.shop.fetcher.open(origin, None).await?;
        let fetched = opened.fetched().expect("an unconditional request is never answered with `unchanged`");
        Ok((fetched.body.map_err(Error::from).boxed(), fetched.size_bytes))
    }

    /// Holds the objects that are about to be put, so that no sweep takes them before rows name them: the bytes where they
    /// are few enough, the profile, its state where it is kept.
    async fn hold(&self, material: &Material, id: &ProfileId) -> Result<[Option<Key>; 3], Error> {
        self.progress.stage.store(JobStage::Profiling.into(), Ordering::Relaxed);
        let (tenant, config) = (self.job.tenant(), &self.shop.config);
        let content = match (&material.source, self.origin()) {
            (Source::Bytes(spooled), Some(Origin::File { .. } | Origin::Http { .. }))
                if spooled.size_bytes <= config.keep_bytes.as_bytes() =>
            {
                Some(Key::content(tenant, &spooled.digest))
            }
            _ => None,
        };
        let state = (config.keep_state_bytes.as_bytes() > 0).then(|| Key::state(tenant, id));
        let objects = [content, Some(Key::profile(tenant, id)), state];
        let (db, claim) = (self.shop.queue.database(), self.claim.clone());
        let (now, until) = (db.now(), db.now() + config.sweep.grace.as_duration());
        db.write(move |conn| Box::pin(async move { store::begin_profiling(conn, &claim, objects, now, until).await }))
            .await
    }

    fn origin(&self) -> Option<&Origin> {
        self.job.asked.materialization().map(|bytes| &bytes.origin)
    }

    /// Keeps the bytes as the tenant's object at `key`, where they are to be kept. What came from an object stays there.
    async fn keep(&self, source: &Source, key: Option<Key>) -> Result<Option<common::ObjectOrigin>, Error> {
        if let Some(Origin::Object { key, digest, size_bytes }) = self.origin() {
            let size_bytes = i64::try_from(*size_bytes).unwrap_or(i64::MAX);
            let digest = Some((*digest).into());
            return Ok(Some(common::ObjectOrigin { key: key.clone(), digest, size_bytes }));
        }
        let (Some(key), Source::Bytes(spooled)) = (key, source) else { return Ok(None) };
        let file = tokio::fs::File::open(&spooled.path).await?;
        let body = ObjectBody::reader(file, spooled.size_bytes).with_digest(spooled.digest);
        self.shop.objects.put(&key, body, Put::IfAbsent).await?;
        Ok(Some(common::ObjectOrigin {
            key: key.to_string(),
            digest: Some(spooled.digest.into()),
            size_bytes: i64::try_from(spooled.size_bytes).unwrap_or(i64::MAX),
        }))
    }

    /// The profile of these rows as it was made before, which the first tells, or made now.
    async fn known_or_made(
        &self,
        material: &Material,
        name: &ProfileName,
        keys: &Keys,
    ) -> Result<(bool, common::ObjectOrigin), Error> {
        if self.is_known(name).await?
            && let Some(bytes) = self.stored(&keys.profile).await?
        {
            return Ok((true, origin(&keys.profile, &bytes)));
        }
        Ok((false, self.make(material, name, keys).await?))
    }

    /// Whether a job recorded the profile. One that an attempt put and did not come to record is found by the put.
    async fn is_known(&self, name: &ProfileName) -> Result<bool, Error> {
        let wanted = name.clone();
        let db = self.shop.queue.database();
        let key = db
            .read(move |conn| Box::pin(async move { store::profile_key(conn, &wanted.tenant, &wanted.profile).await }));
        Ok(key.await?.is_some())
    }

    /// The profile of these rows, when it was made before, with all tables and with its state where that can be kept.
    async fn stored(&self, key: &Key) -> Result<Option<Bytes>, Error> {
        let keep = self.shop.config.keep_state_bytes.as_bytes();
        let stored = match self.shop.objects.get_bytes(key, self.shop.config.max_profile_bytes.as_bytes()).await {
            Ok(bytes) => bytes,
            Err(objects::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let Ok(profile) = StoredProfile::decode(stored.clone()) else { return Ok(None) };
        let is_whole = self.has_tables(&profile) && (keep == 0 || self.has_state(&profile, keep).await?);
        Ok(is_whole.then_some(stored))
    }

    /// Whether a profile covers as many tables of its file as are to be profiled now.
    fn has_tables(&self, profile: &StoredProfile) -> bool {
        let count = profile.table.as_ref().map_or(0, |table| table.file_table_count);
        let wanted = self.shop.config.tables_per_file.min(usize::try_from(count).unwrap_or(0));
        !has_several_tables(profile) || usize::try_from(profile.tables_per_file).is_ok_and(|most| most >= wanted)
    }

    /// Whether the state of a profile is there, or would be too long to be. Of a file with several tables there is none.
    async fn has_state(&self, profile: &StoredProfile, keep: u64) -> Result<bool, Error> {
        if has_several_tables(profile) {
            return Ok(true);
        }
        let Some(state) = &profile.state else {
            return Ok(u64::try_from(profile.state_left_out_bytes).is_ok_and(|length| length > keep));
        };
        match self.shop.objects.head(&parse_key(&state.key)?).await {
            Ok(_) => Ok(true),
            Err(objects::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn make(&self, material: &Material, name: &ProfileName, keys: &Keys) -> Result<common::ObjectOrigin, Error> {
        let (stop, profiled) = (self.progress.stop.clone(), self.progress.profiled.clone());
        let (source, file_name) = (material.source.clone(), self.job.file_name.clone());
        let (bounds, keep) = (self.shop.bounds.clone(), self.shop.config.keep_state_bytes.as_bytes());
        let seen = move |seen: profile::Progress| {
            profiled.rows.store(seen.rows, Ordering::Relaxed);
            profiled.bytes.store(seen.read_bytes, Ordering::Relaxed);
        };
        let mut made = guarded(move || engine::make(&source, &file_name, &bounds, keep, stop, seen)).await?;
        if has_several_tables(&made.profile) {
            // What was read of a table that failed does not count.
            self.progress.profiled.rows.store(rows(&made.profile), Ordering::Relaxed);
        }
        metrics::rows(self.progress.profiled.rows.load(Ordering::Relaxed));
        self.tell(&mut made, name, keys);
        let profile = Bytes::from(made.profile.encode_to_vec());
        // Where only one of them comes to be, no row names the profile yet, and the next attempt puts both.
        let (_, object) =
            futures::try_join!(self.put_state(made.state, keys), self.put_profile(profile, &keys.profile))?;
        Ok(object)
    }

    /// Says in the profile what only the service knows of it.
    fn tell(&self, made: &mut Made, name: &ProfileName, keys: &Keys) {
        let state = made.state.as_ref().zip(keys.state.as_ref()).map(|(state, key)| origin(key, state));
        let table = made.profile.table.get_or_insert_default();
        table.name = name.to_string();
        table.create_time = Some(self.shop.queue.database().now().into());
        table.state_size_bytes = state.as_ref().map_or(0, |state| state.size_bytes);
        match &self.job.asked {
            Asked::Dataset { .. } => {}
            Asked::Append { to, .. } => table.appended_to = to.to_string(),
            Asked::Merge(profiles) => table.merged_profiles = profiles.iter().map(ToString::to_string).collect(),
        }
        made.profile.state = state;
        made.profile.state_left_out_bytes = i64::try_from(made.left_out_bytes).unwrap_or(i64::MAX);
    }

    async fn put_state(&self, state: Option<Bytes>, keys: &Keys) -> Result<(), Error> {
        if let (Some(state), Some(key)) = (state, &keys.state) {
            self.shop.objects.put_bytes(key, state, Put::Always).await?;
        }
        Ok(())
    }

    async fn put_profile(&self, profile: Bytes, key: &Key) -> Result<common::ObjectOrigin, Error> {
        let put = self.shop.objects.put_bytes(key, profile.clone(), Put::IfAbsent).await?;
        if matches!(put, PutResult::Stored(_)) {
            return Ok(origin(key, &profile));
        }
        // Another attempt made the profile of the same rows; theirs stays, unless it cannot be read or lacks tables or the state.
        if let Some(theirs) = self.stored(key).await? {
            return Ok(origin(key, &theirs));
        }
        self.shop.objects.put_bytes(key, profile.clone(), Put::Always).await?;
        Ok(origin(key, &profile))
    }
}

/// Runs the profiler on a thread that may block; a panic in it is an error of these data.
pub async fn guarded<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    let made = AssertUnwindSafe(runtime::blocking(work)).catch_unwind().await;
    made.map_err(|panic| Error::ProfilerPanicked(engine::panic_text(panic.as_ref()).into()))?
}

fn has_several_tables(profile: &StoredProfile) -> bool {
    profile.table.as_ref().is_some_and(|table| table.file_table_count > 1)
}

/// The rows of all tables of a profile.
fn rows(profile: &StoredProfile) -> u64 {
    let tables = std::iter::once(profile).chain(&profile.other_tables).filter_map(|one| one.table.as_ref());
    tables.map(|table| u64::try_from(table.row_count).unwrap_or(0)).sum()
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
