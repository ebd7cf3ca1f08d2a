//! Profiles that are made of earlier ones: rows appended to one, several merged.

use ::events::trace;
use objects::{Key, ObjectBody, ObjectStoreExt, Put};
use prost::Message;
use proto::profiling::v1::TableProfile;
use sql::keeping;
use types::{Digest, JobId, Materialization, Origin, Permitted, ProfileName, TenantName};

use super::Profiling;
use crate::Error;
use crate::engine::KeptState;
use crate::job::{Asked, Job};
use crate::spool::Spooled;
use crate::store::{self, Derived};

/// What tells whether a call was made before.
#[derive(Debug, Clone)]
pub struct RequestKey {
    /// The id; empty when the call may not be repeated.
    pub id: String,
    /// Tells this request from others.
    pub fingerprint: Digest,
}

impl RequestKey {
    /// The key of a request with this id, and of bytes that came with it.
    pub fn new(id: &str, request: &impl Message, bytes: Option<&Digest>) -> Self {
        let mut all = request.encode_to_vec();
        bytes.into_iter().for_each(|digest| all.extend_from_slice(digest.as_bytes()));
        Self { id: id.to_owned(), fingerprint: Digest::of(&all) }
    }
}

impl Profiling {
    /// Sees that rows can be appended to a profile, before they are sent.
    pub async fn check_append(&self, to: &Permitted<ProfileName>) -> Result<(), Error> {
        self.state_key(to).await.map(drop)
    }

    /// Queues a job that appends the rows of spooled bytes to a profile.
    pub async fn append(
        &self,
        to: Permitted<ProfileName>,
        file_name: String,
        spooled: Spooled,
        request: RequestKey,
    ) -> Result<Job, Error> {
        let (to, job) = (to.into_inner(), JobId::random());
        let key = self.hold(Key::content(&to.tenant, &spooled.digest), &job).await?;
        let file = tokio::fs::File::open(&spooled.path).await?;
        let body = ObjectBody::reader(file, spooled.size_bytes).with_digest(spooled.digest);
        self.objects.put(&key, body, Put::IfAbsent).await?;
        let origin = Origin::Object { key: key.to_string(), digest: spooled.digest, size_bytes: spooled.size_bytes };
        let added = Materialization { origin, version_token: spooled.digest.to_hex() };
        let tenant = to.tenant.clone();
        let derived = Derived {
            job,
            tenant,
            asked: Asked::Append { to, added },
            file_name,
            max_attempts: self.config.jobs.max_attempts,
            traceparent: trace::current(),
            held: Some(key.to_string()),
            request: ("AppendToProfile", request.id, request.fingerprint),
        };
        self.enqueue(derived).await
    }

    /// Queues a job that merges profiles, once it is seen that a state of each is kept.
    pub async fn merge(
        &self,
        parent: Permitted<TenantName>,
        profiles: Vec<Permitted<ProfileName>>,
        request: RequestKey,
    ) -> Result<Job, Error> {
        for profile in &profiles {
            self.state_key(profile).await?;
        }
        let derived = Derived {
            job: JobId::random(),
            tenant: parent.tenant.clone(),
            asked: Asked::Merge(profiles.into_iter().map(Permitted::into_inner).collect()),
            file_name: String::new(),
            max_attempts: self.config.jobs.max_attempts,
            traceparent: trace::current(),
            held: None,
            request: ("MergeProfiles", request.id, request.fingerprint),
        };
        self.enqueue(derived).await
    }

    async fn enqueue(&self, derived: Derived) -> Result<Job, Error> {
        let now = self.db.now();
        self.db.write(move |conn| Box::pin(async move { store::enqueue_derived(conn, derived, now).await })).await
    }

    /// Holds an object for a job that is about to be queued, so that no sweep takes it.
    async fn hold(&self, first: Key, job: &JobId) -> Result<Key, Error> {
        let (holder, until) = (job.to_string(), self.db.now() + self.config.sweep.grace.as_duration());
        let hold = self
            .db
            .write(move |conn| Box::pin(async move { keeping::hold(conn, first.as_str(), &holder, until).await }));
        let key: Result<String, sql::Error> = hold.await;
        Ok(key?.parse().map_err(objects::Error::from)?)
    }

    /// The state of a profile, and what the profile says of its table.
    pub async fn read_state(&self, name: &ProfileName) -> Result<(KeptState, TableProfile), Error> {
        let (key, size_bytes, table) = self.state_key(name).await?;
        let bytes = match self.objects.get_bytes(&key, size_bytes).await {
            Err(objects::Error::NotFound { .. }) => return Err(Error::StateNotKept { name: name.clone() }),
            read => read?,
        };
        Ok((KeptState { profile: name.clone(), bytes }, table))
    }

    async fn state_key(&self, name: &ProfileName) -> Result<(Key, u64, TableProfile), Error> {
        let stored = self.read_profile(name).await?;
        let damaged = || Error::ProfileDamaged { name: name.clone() };
        let table = stored.table.ok_or_else(damaged)?;
        if table.engine_version != profile::ENGINE_VERSION {
            return Err(Error::Profile(profile::Error::OtherEngine { found: table.engine_version }));
        }
        if table.file_table_count > 1 {
            return Err(Error::SeveralTables { name: name.clone(), tables: super::tables::told(&table) });
        }
        let state = stored.state.ok_or_else(|| Error::StateNotKept { name: name.clone() })?;
        let key = state.key.parse().map_err(|_| damaged())?;
        Ok((key, u64::try_from(state.size_bytes).map_err(|_| damaged())?, table))
    }
}
