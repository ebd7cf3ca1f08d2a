//! Domain values to messages.

use proto::profiling::v1 as pb;

use crate::job::Job;

impl From<Job> for pb::Job {
    fn from(job: Job) -> Self {
        Self {
            name: job.name.to_string(),
            dataset: job.dataset.to_string(),
            status: Some(job.status.into()),
            stage: job.stage.into(),
            materialization: Some(job.materialization.into()),
            priority: job.priority,
            profile: job.profile.map(|name| name.to_string()).unwrap_or_default(),
            reused: job.reused,
        }
    }
}
