//! What profiling keeps: jobs as rows of work, the latest job of each dataset, and where profiles lie.
//!
//! Laws: of a dataset's jobs only the latest one publishes; a change to a job and the event that tells of it commit
//! together; a profile's row is written only after its object is durable.

use objects::Key;
use sql::work::{self, Claim, NewWork, Outcome};
use sql::{Conn, keeping};
use types::{
    Digest, JobId, JobName, Materialization, Priority, ProfileId, ProfileName, TenantId, Timestamp, WorkError,
    WorkPhase,
};

use crate::job::{Asked, Detail, Job, QUEUE};
use crate::{Error, events};
use prost::Message;
use proto::profiling::v1::JobStage;

mod derived;
mod named;

pub use derived::{Derived, enqueue_derived};
pub use named::{give_up, unnamed};

/// The migrations of the tables that profiling owns.
pub static MIGRATIONS: sql::Migrations = sql::migrations!();

/// A dataset to be profiled.
#[derive(Debug, Clone)]
pub struct Request {
    /// The dataset.
    pub dataset: types::DatasetName,
    /// How to get its bytes.
    pub materialization: Materialization,
    /// The name of the file, a hint at its format.
    pub file_name: String,
    /// What goes first: greater before.
    pub priority: i32,
    /// How often it is tried.
    pub max_attempts: u32,
    /// The trace context of what asks.
    pub traceparent: String,
}

/// Queues a job for a dataset, in place of one that has not ended, and publishes that.
pub async fn enqueue(conn: &mut Conn, request: Request, now: Timestamp) -> Result<JobId, Error> {
    let (tenant, dataset) = (request.dataset.tenant.clone(), request.dataset.to_string());
    supersede(conn, &dataset, now).await?;
    let id = JobId::random();
    let asked = Asked::Dataset { name: request.dataset, materialization: request.materialization };
    let input = asked.input(request.file_name, request.traceparent);
    let new = NewWork {
        id: id.to_string(),
        tenant,
        resource: dataset.clone(),
        priority: request.priority,
        input: input.encode_to_vec(),
        detail: Vec::new(),
        max_attempts: request.max_attempts,
        not_before: None,
    };
    work::insert(conn, QUEUE, new, now).await?;
    sql::query(
        "INSERT INTO dataset_jobs (dataset, job) VALUES (?, ?) ON CONFLICT (dataset) DO UPDATE SET job = excluded.job",
    )
    .bind(&dataset)
    .bind(id.as_str())
    .execute(&mut *conn)
    .await?;
    let job = job_by_id(conn, id.as_str()).await?.ok_or_else(|| Error::JobDamaged { id: id.to_string() })?;
    publish(conn, events::advanced(&job, WorkPhase::Queued, JobStage::Unspecified), now).await?;
    Ok(id)
}

/// Cancels the job of a dataset that has not ended, and forgets which one was its latest.
pub async fn supersede(conn: &mut Conn, dataset: &str, now: Timestamp) -> Result<(), Error> {
    if let Some(id) = latest_job(conn, dataset).await? {
        work::cancel(conn, QUEUE, &id, now).await?;
        sql::query("DELETE FROM dataset_jobs WHERE dataset = ?").bind(dataset).execute(conn).await?;
    }
    Ok(())
}

async fn latest_job(conn: &mut Conn, dataset: &str) -> Result<Option<String>, Error> {
    let latest = sql::query_scalar("SELECT job FROM dataset_jobs WHERE dataset = ?").bind(dataset);
    Ok(latest.fetch_optional(conn).await?)
}

/// Tells whether `job` is the latest of its dataset. One that appends or merges is of none.
pub async fn is_latest(conn: &mut Conn, job: &Job) -> Result<bool, Error> {
    Ok(latest_job(conn, &job.asked.resource()).await?.as_deref() == Some(job.name.job.as_str()))
}

async fn job_by_id(conn: &mut Conn, id: &str) -> Result<Option<Job>, Error> {
    work::get(conn, QUEUE, id).await?.map(Job::read).transpose()
}

/// Gets a job of a tenant.
pub async fn job(conn: &mut Conn, name: &JobName) -> Result<Job, Error> {
    let found = job_by_id(conn, name.job.as_str()).await?.filter(|job| job.name == *name);
    found.ok_or_else(|| Error::NoSuchJob { name: name.clone() })
}

/// Notes that a claimed job reached `stage`, and publishes it while the job is the latest of its dataset.
pub async fn advance(conn: &mut Conn, claim: &Claim, stage: JobStage, now: Timestamp) -> Result<bool, Error> {
    let detail = Detail { stage: stage.into(), ..Detail::default() };
    let counts = &claim.row.status.counts;
    let renewed = claim.advance(conn, now, None, counts, &detail.encode_to_vec()).await?;
    let job = Job::read(claim.row.clone())?;
    if is_latest(conn, &job).await? {
        publish(conn, events::advanced(&job, WorkPhase::Running, stage), now).await?;
    }
    Ok(renewed.cancel_requested)
}

/// Notes that a claimed job has its bytes, and holds the objects that it is about to put until `until`; gives the keys that
/// they get.
pub async fn begin_profiling(
    conn: &mut Conn,
    claim: &Claim,
    objects: [Option<Key>; 3],
    now: Timestamp,
    until: Timestamp,
) -> Result<[Option<Key>; 3], Error> {
    if advance(conn, claim, JobStage::Profiling, now).await? {
        return Err(Error::Cancelled);
    }
    let mut held = [None, None, None];
    for (object, held) in objects.iter().zip(&mut held) {
        if let Some(first) = object {
            let key = keeping::hold(conn, first.as_str(), &claim.row.id, until).await?;
            *held = Some(key.parse().map_err(objects::Error::from)?);
        }
    }
    Ok(held)
}

/// Ends a claimed job well: its profile's row, the job, and the event.
pub async fn succeed(
    conn: &mut Conn,
    claim: Claim,
    profile: NewProfile,
    counts: Vec<(String, i64)>,
    result: events::Result,
    now: Timestamp,
) -> Result<(), Error> {
    let job = Job::read(claim.row.clone())?;
    for key in &profile.held {
        if !keeping::end_hold(conn, key, &claim.row.id, now).await? {
            return Err(Error::HoldEnded);
        }
    }
    insert_profile(conn, &profile, now).await?;
    let detail = Detail { stage: 0, profile: profile.name.to_string(), reused: profile.reused };
    claim.finish(conn, now, Outcome::Succeeded { counts, detail: detail.encode_to_vec() }).await?;
    if is_latest(conn, &job).await? {
        publish(conn, events::succeeded(&job, result), now).await?;
    }
    Ok(())
}

/// Ends an attempt at a claimed job badly, and publishes what follows from it.
pub async fn fail(conn: &mut Conn, claim: Claim, outcome: Outcome, now: Timestamp) -> Result<WorkPhase, Error> {
    let id = claim.row.id.clone();
    let phase = claim.finish(conn, now, outcome).await?;
    let job = job_by_id(conn, &id).await?.ok_or(Error::JobDamaged { id })?;
    tell_end(conn, &job, now).await?;
    Ok(phase)
}

/// Publishes that a job is queued again, waits, failed or was cancelled, while it is the latest of its dataset.
pub async fn tell_end(conn: &mut Conn, job: &Job, now: Timestamp) -> Result<(), Error> {
    if !is_latest(conn, job).await? {
        return Ok(());
    }
    let event = match job.status.phase {
        WorkPhase::Queued | WorkPhase::Waiting | WorkPhase::Running => {
            events::advanced(job, job.status.phase, JobStage::Unspecified)
        }
        WorkPhase::Cancelled => events::failed(job, WorkError::of(&Error::Cancelled), true),
        WorkPhase::Failed | WorkPhase::Succeeded => {
            let error = job.status.error.clone();
            events::failed(job, error.unwrap_or_else(|| WorkError::of(&Error::Cancelled)), false)
        }
    };
    publish(conn, event, now).await
}

/// Cancels a job for a caller.
pub async fn cancel(conn: &mut Conn, name: &JobName, now: Timestamp) -> Result<Job, Error> {
    let before = job(conn, name).await?;
    work::cancel(conn, QUEUE, name.job.as_str(), now).await?;
    let after = job(conn, name).await?;
    if !before.status.phase.is_final() && after.status.phase == WorkPhase::Cancelled {
        tell_end(conn, &after, now).await?;
    }
    Ok(after)
}

/// Queues a failed or cancelled job again for a caller, who waits for it.
pub async fn retry(conn: &mut Conn, name: &JobName, now: Timestamp) -> Result<Job, Error> {
    let before = job(conn, name).await?;
    if !matches!(before.status.phase, WorkPhase::Failed | WorkPhase::Cancelled) {
        return Err(Error::JobNotRetryable { name: name.clone(), phase: before.status.phase.as_str() });
    }
    if before.dataset().is_some() && !is_latest(conn, &before).await? {
        return Err(Error::JobSuperseded { name: name.clone() });
    }
    work::retry(conn, QUEUE, name.job.as_str(), now).await?;
    work::raise(conn, QUEUE, name.job.as_str(), Priority::Asked.number()).await?;
    let after = job(conn, name).await?;
    tell_end(conn, &after, now).await?;
    Ok(after)
}

/// A profile whose object is durable.
#[derive(Debug, Clone)]
pub struct NewProfile {
    /// Its name.
    pub name: ProfileName,
    /// The key of its object.
    pub object_key: String,
    /// The digest of the bytes that it describes; one that stands for them where they were never seen together.
    pub digest: Digest,
    /// The length of those bytes, all together.
    pub size_bytes: u64,
    /// Whether it was there before.
    pub reused: bool,
    /// The keys that the attempt holds: those of the profile, and of its state and the bytes where they are kept.
    pub held: Vec<String>,
}

async fn insert_profile(conn: &mut Conn, profile: &NewProfile, now: Timestamp) -> Result<(), Error> {
    sql::query(
        "INSERT INTO profiles (tenant, id, object_key, digest, size_bytes, created) VALUES (?, ?, ?, ?, ?, ?) \
         ON CONFLICT (tenant, id) DO NOTHING",
    )
    .bind(profile.name.tenant.as_str())
    .bind(profile.name.profile.as_str())
    .bind(&profile.object_key)
    .bind(profile.digest.to_hex())
    .bind(i64::try_from(profile.size_bytes).unwrap_or(i64::MAX))
    .bind(now.as_micros())
    .execute(conn)
    .await?;
    Ok(())
}

/// Where the profile of a tenant lies. None when there is none.
pub async fn profile_key(conn: &mut Conn, tenant: &TenantId, id: &ProfileId) -> Result<Option<String>, Error> {
    let key = sql::query_scalar("SELECT object_key FROM profiles WHERE tenant = ? AND id = ?");
    Ok(key.bind(tenant.as_str()).bind(id.as_str()).fetch_optional(conn).await?)
}

async fn publish(conn: &mut Conn, event: ::events::Event, now: Timestamp) -> Result<(), Error> {
    Ok(::events::outbox::append(conn, &[event], now).await?)
}
