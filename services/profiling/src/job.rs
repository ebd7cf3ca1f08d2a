//! A profiling job, as a row of work keeps it.

use prost::Message;
use proto::common::v1 as common;
use proto::profiling::v1::JobStage;
use sql::work::WorkRow;
use types::{DatasetName, JobId, JobName, Materialization, ProfileName, TenantId, WorkStatus};

use crate::Error;

/// The queue of jobs in the work table.
pub const QUEUE: &str = "jobs";

/// What is to be profiled; the `input` of a work row. Never changes.
#[derive(Clone, PartialEq, Message)]
pub struct Input {
    /// `tenants/{tenant}/datasets/{dataset}`.
    #[prost(string, tag = "1")]
    pub dataset: String,
    /// How to get the bytes.
    #[prost(message, optional, tag = "2")]
    pub materialization: Option<common::Materialization>,
    /// The name of the file, a hint at its format.
    #[prost(string, tag = "3")]
    pub file_name: String,
    /// The trace context of what asked for the job, so that its attempts join that trace.
    #[prost(string, tag = "4")]
    pub traceparent: String,
}

/// What only profiling knows of the progress; the `detail` of a work row.
#[derive(Clone, PartialEq, Message)]
pub struct Detail {
    /// What a running job is at.
    #[prost(enumeration = "JobStage", tag = "1")]
    pub stage: i32,
    /// The profile that it made or found.
    #[prost(string, tag = "2")]
    pub profile: String,
    /// Whether that profile was there before.
    #[prost(bool, tag = "3")]
    pub reused: bool,
}

/// A profiling job.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its name.
    pub name: JobName,
    /// The dataset.
    pub dataset: DatasetName,
    /// How to get the bytes.
    pub materialization: Materialization,
    /// The name of the file, a hint at its format.
    pub file_name: String,
    /// What goes first.
    pub priority: i32,
    /// Where it stands.
    pub status: WorkStatus,
    /// What it is at while it runs.
    pub stage: JobStage,
    /// The profile that it made or found.
    pub profile: Option<ProfileName>,
    /// Whether that profile was there before.
    pub reused: bool,
    /// The trace context of what asked for it.
    pub traceparent: String,
    /// The number of its last change.
    pub change: i64,
}

impl Job {
    /// Reads a job from its row of work.
    pub fn read(row: WorkRow) -> Result<Self, Error> {
        let id = row.id.clone();
        Self::try_read(row).ok_or(Error::JobDamaged { id })
    }

    fn try_read(row: WorkRow) -> Option<Self> {
        let input = Input::decode(row.input.as_slice()).ok()?;
        let detail = Detail::decode(row.detail.as_slice()).ok()?;
        Some(Self {
            name: JobName::new(row.tenant.clone(), row.id.parse::<JobId>().ok()?),
            dataset: input.dataset.parse().ok()?,
            materialization: input.materialization?.try_into().ok()?,
            file_name: input.file_name,
            priority: row.priority,
            status: row.status,
            stage: detail.stage(),
            profile: (!detail.profile.is_empty()).then(|| detail.profile.parse().ok()).flatten(),
            reused: detail.reused,
            traceparent: input.traceparent,
            change: row.change,
        })
    }

    /// The tenant whose job it is.
    pub fn tenant(&self) -> &TenantId {
        &self.name.tenant
    }
}
