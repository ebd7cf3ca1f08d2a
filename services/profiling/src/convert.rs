//! Domain values to messages.

use proto::profiling::v1 as pb;

use crate::job::{Asked, Job};

impl From<Job> for pb::Job {
    fn from(job: Job) -> Self {
        let dataset = job.dataset().map(ToString::to_string).unwrap_or_default();
        let mut message = Self {
            name: job.name.to_string(),
            dataset,
            status: Some(job.status.into()),
            stage: job.stage.into(),
            materialization: job.asked.materialization().cloned().map(Into::into),
            priority: job.priority,
            profile: job.profile.map(|name| name.to_string()).unwrap_or_default(),
            reused: job.reused,
            ..Self::default()
        };
        match job.asked {
            Asked::Dataset { .. } => {}
            Asked::Append { to, .. } => message.appended_to = to.to_string(),
            Asked::Merge(profiles) => message.merged_profiles = profiles.iter().map(ToString::to_string).collect(),
        }
        message
    }
}
