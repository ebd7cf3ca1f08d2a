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
    /// `tenants/{tenant}/datasets/{dataset}`; empty for what is made of earlier profiles.
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
    /// The profile that the bytes are appended to; empty when they are not.
    #[prost(string, tag = "5")]
    pub appended_to: String,
    /// The profiles that are merged; none when none are.
    #[prost(string, repeated, tag = "6")]
    pub merged: Vec<String>,
}

/// Of what a job makes a profile.
#[derive(Debug, Clone)]
pub enum Asked {
    /// Of a dataset.
    Dataset {
        /// The dataset.
        name: DatasetName,
        /// How to get its bytes.
        materialization: Materialization,
    },
    /// Of the rows of a profile and others that follow.
    Append {
        /// The profile.
        to: ProfileName,
        /// How to get the bytes of the rows that follow.
        added: Materialization,
    },
    /// Of the rows of several profiles, one after the other; at least one.
    Merge(Vec<ProfileName>),
}

impl Asked {
    /// What the job is about: a dataset, or the first of the profiles.
    pub fn resource(&self) -> String {
        match self {
            Self::Dataset { name, .. } => name.to_string(),
            Self::Append { to, .. } => to.to_string(),
            Self::Merge(profiles) => profiles.first().map(ToString::to_string).unwrap_or_default(),
        }
    }

    /// How to get the bytes that it reads; none when it reads none.
    pub fn materialization(&self) -> Option<&Materialization> {
        match self {
            Self::Dataset { materialization, .. } => Some(materialization),
            Self::Append { added, .. } => Some(added),
            Self::Merge(_) => None,
        }
    }

    /// As a row of work keeps it.
    pub fn input(self, file_name: String, traceparent: String) -> Input {
        let mut input = Input { file_name, traceparent, ..Input::default() };
        match self {
            Self::Dataset { name, materialization } => {
                input.dataset = name.to_string();
                input.materialization = Some(materialization.into());
            }
            Self::Append { to, added } => {
                input.appended_to = to.to_string();
                input.materialization = Some(added.into());
            }
            Self::Merge(profiles) => input.merged = profiles.iter().map(ToString::to_string).collect(),
        }
        input
    }

    fn read(input: &Input) -> Option<Self> {
        if !input.merged.is_empty() {
            let profiles = input.merged.iter().map(|name| name.parse().ok());
            return Some(Self::Merge(profiles.collect::<Option<_>>()?));
        }
        let materialization = input.materialization.clone()?.try_into().ok()?;
        if input.appended_to.is_empty() {
            return Some(Self::Dataset { name: input.dataset.parse().ok()?, materialization });
        }
        Some(Self::Append { to: input.appended_to.parse().ok()?, added: materialization })
    }
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
    /// Of what it makes a profile.
    pub asked: Asked,
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
            asked: Asked::read(&input)?,
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

    /// The dataset that it profiles; none for a job that appends or merges.
    pub fn dataset(&self) -> Option<&DatasetName> {
        match &self.asked {
            Asked::Dataset { name, .. } => Some(name),
            Asked::Append { .. } | Asked::Merge(_) => None,
        }
    }

    /// What the discoverer saw of the state of the bytes.
    pub fn version_token(&self) -> String {
        self.asked.materialization().map(|bytes| bytes.version_token.clone()).unwrap_or_default()
    }

    /// The tenant whose job it is.
    pub fn tenant(&self) -> &TenantId {
        &self.name.tenant
    }
}
