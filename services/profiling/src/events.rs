//! The events that profiling publishes; what it consumes is in [`crate::tasks`].

use ::events::{Event, topology};
use proto::common::v1 as common;
use proto::profiling::v1 as pb;
use types::{Digest, WorkError, WorkPhase};

use crate::job::Job;

const ACTOR: &str = "services/profiling";

/// A job was queued, begun, reached another stage, or waits for another try.
pub fn advanced(job: &Job, phase: WorkPhase, stage: pb::JobStage) -> Event {
    let message = pb::JobAdvanced {
        job: job.name.to_string(),
        dataset: job.asked.resource(),
        phase: common::WorkPhase::from(phase).into(),
        stage: stage.into(),
        attempts: i32::try_from(job.status.attempts).unwrap_or(i32::MAX),
        next_attempt_time: job.status.next_attempt.map(Into::into),
        error: job.status.error.clone().map(Into::into),
        version_token: job.version_token(),
    };
    event(topology::JOB_ADVANCED, job, "millrace.profiling.v1.JobAdvanced", &message)
}

/// What a job that succeeded has to tell.
pub struct Result {
    /// The profile's name.
    pub profile: String,
    /// The object that holds the profile.
    pub profile_object: common::ObjectOrigin,
    /// The digest of the dataset's bytes.
    pub digest: Digest,
    /// Their length.
    pub size_bytes: u64,
    /// The object that keeps them.
    pub content_object: Option<common::ObjectOrigin>,
}

/// A dataset was profiled.
pub fn succeeded(job: &Job, result: Result) -> Event {
    let message = pb::JobSucceeded {
        job: job.name.to_string(),
        dataset: job.asked.resource(),
        profile: result.profile,
        profile_object: Some(result.profile_object),
        digest: Some(result.digest.into()),
        size_bytes: i64::try_from(result.size_bytes).unwrap_or(i64::MAX),
        content_object: result.content_object,
        materialization: job.asked.materialization().cloned().map(Into::into),
        attempts: i32::try_from(job.status.attempts).unwrap_or(i32::MAX),
    };
    event(topology::JOB_SUCCEEDED, job, "millrace.profiling.v1.JobSucceeded", &message)
}

/// A dataset could not be profiled.
pub fn failed(job: &Job, error: WorkError, cancelled: bool) -> Event {
    let message = pb::JobFailed {
        job: job.name.to_string(),
        dataset: job.asked.resource(),
        error: Some(error.into()),
        attempts: i32::try_from(job.status.attempts).unwrap_or(i32::MAX),
        version_token: job.version_token(),
        cancelled,
    };
    event(topology::JOB_FAILED, job, "millrace.profiling.v1.JobFailed", &message)
}

fn event<M: prost::Message>(subject: &'static str, job: &Job, payload_type: &'static str, message: &M) -> Event {
    let name = job.name.to_string();
    Event::new(subject, name, job.tenant().clone(), ACTOR, job.asked.resource(), payload_type, message)
}
