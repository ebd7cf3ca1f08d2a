//! The events that catalog publishes, and what it makes of those that it consumes.

use events::topology::{DATASET_INDEXED, DATASET_UPLOADED, payload_type};
use events::{Event, HandlerError};
use prost::Message;
use proto::catalog::v1::{DatasetIndexed, DatasetUploaded};
use proto::common::v1::{EventEnvelope, WorkPhase};
use proto::discovery::v1::{DatasetAnnounced, DatasetRetracted};
use proto::profiling::v1::{JobAdvanced, JobFailed, JobStage, JobSucceeded};
use types::{
    Caller, DatasetName, Digest, JobName, Materialization, Origin, ProfileName, SourceName, Timestamp, VersionName,
};

use crate::convert;
use crate::record::{Attempt, AttemptPhase, Found, Metadata, Record};

/// Tells that a dataset was uploaded; profiling takes it like an announcement.
pub fn uploaded(record: &Record, caller: &Caller) -> Event {
    let message = DatasetUploaded {
        dataset: record.name.to_string(),
        materialization: Some(record.found.materialization.clone().into()),
        file_name: record.found.path.clone(),
    };
    event(DATASET_UPLOADED, &record.name, caller.subject.to_string(), &message)
}

/// Tells that a version can be searched.
pub fn indexed(version: &VersionName) -> Event {
    let dataset = DatasetName::new(version.tenant.clone(), version.dataset.clone());
    let message = DatasetIndexed { dataset: dataset.to_string(), version: version.to_string() };
    event(DATASET_INDEXED, &dataset, "services/catalog".to_owned(), &message)
}

fn event<M: Message>(subject: &'static str, dataset: &DatasetName, actor: String, message: &M) -> Event {
    let payload = payload_type(subject).expect("every subject of catalog is declared");
    let name = dataset.to_string();
    Event::new(subject, name.clone(), dataset.tenant.clone(), actor, name, payload, message)
}

/// An announcement, as the record takes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Announcement {
    /// The dataset.
    pub dataset: DatasetName,
    /// Where it was found.
    pub found: Found,
    /// What its source says about it.
    pub metadata: Metadata,
}

/// A success of profiling.
#[derive(Debug, Clone, PartialEq)]
pub struct Success {
    /// The dataset.
    pub dataset: DatasetName,
    /// The attempt that succeeded.
    pub attempt: Attempt,
    /// The profile.
    pub profile: ProfileName,
    /// The object that holds it.
    pub profile_key: String,
    /// The digest of the dataset's bytes.
    pub digest: Digest,
    /// Their length.
    pub size_bytes: u64,
    /// The object that keeps them.
    pub content_key: Option<String>,
    /// How they were got.
    pub materialization: Materialization,
}

/// Decodes the payload of an event.
pub fn payload<M: Message + Default>(event: &EventEnvelope) -> Result<M, HandlerError> {
    Ok(M::decode(event.payload.as_slice())?)
}

/// Reads a name that an event carries, which must lie in the event's tenant.
pub fn dataset(event: &EventEnvelope, text: &str) -> Result<DatasetName, HandlerError> {
    let name: DatasetName = text.parse().map_err(malformed)?;
    if name.tenant.as_str() != event.tenant {
        return Err(HandlerError::malformed(format!("`{name}` does not lie in the event's tenant `{}`", event.tenant)));
    }
    Ok(name)
}

/// Reads an announcement.
pub fn announcement(event: &EventEnvelope) -> Result<Announcement, HandlerError> {
    let message: DatasetAnnounced = payload(event)?;
    let source: SourceName = message.source.parse().map_err(malformed)?;
    let materialization = required(message.materialization, "materialization")?;
    Ok(Announcement {
        dataset: dataset(event, &message.dataset)?,
        found: Found {
            source: Some(source),
            source_kind: message.source_kind,
            path: message.path,
            materialization: materialization.try_into().map_err(malformed)?,
        },
        metadata: message.metadata.unwrap_or_default().into(),
    })
}

/// Reads which dataset was retracted.
pub fn retracted(event: &EventEnvelope) -> Result<DatasetName, HandlerError> {
    let message: DatasetRetracted = payload(event)?;
    dataset(event, &message.dataset)
}

/// Reads the progress of a job.
pub fn advanced(event: &EventEnvelope) -> Result<(DatasetName, Attempt), HandlerError> {
    let message: JobAdvanced = payload(event)?;
    let phase = match (message.phase(), message.stage()) {
        (WorkPhase::Queued | WorkPhase::Waiting, _) => AttemptPhase::Queued,
        (WorkPhase::Running, JobStage::Profiling) => AttemptPhase::Profiling,
        (WorkPhase::Running, JobStage::Unspecified | JobStage::Fetching) => AttemptPhase::Fetching,
        // How a job ended is told by events of their own.
        (WorkPhase::Unspecified | WorkPhase::Succeeded | WorkPhase::Failed | WorkPhase::Cancelled, _) => {
            return Err(HandlerError::malformed("a job that advanced is queued, waiting or running"));
        }
    };
    let attempt = Attempt {
        job: job(&message.job)?,
        phase,
        attempts: u32::try_from(message.attempts).unwrap_or_default(),
        next: message.next_attempt_time.map(Timestamp::try_from).transpose().map_err(malformed)?,
        error: message.error.map(Into::into),
        version_token: message.version_token,
    };
    Ok((dataset(event, &message.dataset)?, attempt))
}

/// Reads the end of a job that failed.
pub fn failed(event: &EventEnvelope) -> Result<(DatasetName, Attempt), HandlerError> {
    let message: JobFailed = payload(event)?;
    let attempt = Attempt {
        job: job(&message.job)?,
        phase: AttemptPhase::Failed,
        attempts: u32::try_from(message.attempts).unwrap_or_default(),
        next: None,
        error: message.error.map(Into::into),
        version_token: message.version_token,
    };
    Ok((dataset(event, &message.dataset)?, attempt))
}

/// Reads the end of a job that succeeded.
pub fn succeeded(event: &EventEnvelope) -> Result<Success, HandlerError> {
    let message: JobSucceeded = payload(event)?;
    let materialization: Materialization =
        required(message.materialization, "materialization")?.try_into().map_err(malformed)?;
    let attempt = Attempt {
        job: job(&message.job)?,
        phase: AttemptPhase::Succeeded,
        attempts: u32::try_from(message.attempts).unwrap_or_default(),
        next: None,
        error: None,
        version_token: materialization.version_token.clone(),
    };
    Ok(Success {
        dataset: dataset(event, &message.dataset)?,
        attempt,
        profile: message.profile.parse().map_err(malformed)?,
        profile_key: required(message.profile_object, "profile_object")?.key,
        digest: required(message.digest, "digest")?.try_into().map_err(malformed)?,
        size_bytes: convert::unsigned(message.size_bytes, "size_bytes").map_err(malformed)?,
        content_key: message.content_object.map(|object| object.key).or_else(|| kept_by_us(&materialization)),
        materialization,
    })
}

/// The object that a dataset was read from, which stays: an upload needs no second copy.
fn kept_by_us(materialization: &Materialization) -> Option<String> {
    match &materialization.origin {
        Origin::Object { key, .. } => Some(key.clone()),
        Origin::File { .. } | Origin::Http { .. } => None,
    }
}

fn job(text: &str) -> Result<JobName, HandlerError> {
    text.parse().map_err(malformed)
}

fn required<T>(field: Option<T>, name: &str) -> Result<T, HandlerError> {
    field.ok_or_else(|| HandlerError::malformed(format!("`{name}` is missing")))
}

fn malformed(error: impl std::fmt::Display) -> HandlerError {
    HandlerError::malformed(error.to_string())
}
