//! The settings of profiling. `default.toml` has every one of them with its default.

use serde::{Deserialize, Serialize};
use types::{ByteSize, Span};

/// The settings of profiling.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How many jobs run at once in this process.
    pub workers: usize,
    /// How much memory all jobs together may take for what they profile.
    pub memory: ByteSize,
    /// Bytes up to this size are kept as an object.
    pub keep_bytes: ByteSize,
    /// States of profiles up to this size are kept as an object; none are when it is 0.
    pub keep_state_bytes: ByteSize,
    /// How many tables of a file with several are profiled.
    pub tables_per_file: usize,
    /// The longest dataset that is fetched.
    pub max_fetch_bytes: ByteSize,
    /// The longest data that `ProfileData` takes.
    pub max_upload_bytes: ByteSize,
    /// The longest profile that is read back.
    pub max_profile_bytes: ByteSize,
    /// How often each loop looks for work by itself.
    pub period: Span,
    /// How long the outbox keeps events that were published.
    pub outbox_retention: Span,
    /// How jobs are tried.
    pub jobs: Jobs,
    /// The sweep of objects that nothing names.
    pub sweep: Sweep,
    /// How consumers treat events that they cannot apply.
    pub consumers: Consumers,
}

/// No further table of a file is profiled once the profiles of those before are so long.
const PROFILE_BYTES: u64 = 32 << 20;

/// How jobs are tried.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jobs {
    /// How often a job that may succeed later is tried.
    pub max_attempts: u32,
    /// How long a worker may be silent before it is held to be gone.
    pub lease: Span,
    /// The wait after the first failed attempt; it doubles from there.
    pub first_backoff: Span,
    /// The longest wait between attempts.
    pub max_backoff: Span,
}

/// The sweep of objects that nothing names.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// How old an object is at least that is swept, and how long an attempt may take from the end of its fetch on.
    pub grace: Span,
    /// How often the objects are looked through.
    pub period: Span,
}

/// How consumers treat events that they cannot apply.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consumers {
    /// Tries before an event becomes a dead letter.
    pub max_attempts: u32,
}

impl Config {
    /// The defaults, as TOML.
    pub const DEFAULTS: &'static str = include_str!("../default.toml");

    /// How much memory one job may take.
    pub fn memory_of_a_job(&self) -> ByteSize {
        ByteSize::bytes(self.memory.as_bytes() / self.workers.max(1) as u64)
    }

    /// How much of a file is profiled. All its profiles are one object, which those who read it decode whole.
    pub fn most_of_a_file(&self) -> profile::Most {
        let profile_bytes = (self.max_profile_bytes.as_bytes() / 8).min(PROFILE_BYTES);
        profile::Most {
            tables: self.tables_per_file,
            profile_bytes: usize::try_from(profile_bytes).unwrap_or(usize::MAX),
        }
    }

    /// Every problem of these settings, each naming its key.
    pub fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut need = |holds: bool, problem: &str| {
            if !holds {
                problems.push(problem.to_owned());
            }
        };
        need((1..=64).contains(&self.workers), "workers: takes 1 to 64");
        need((1..=1000).contains(&self.tables_per_file), "tables_per_file: takes 1 to 1000");
        need(self.memory_of_a_job() >= profile::LEAST_MEMORY, "memory: takes at least 64MiB for each of `workers`");
        need(self.jobs.max_attempts >= 1, "jobs.max_attempts: takes at least 1");
        need(self.jobs.lease.as_duration().as_secs() >= 3, "jobs.lease: takes at least 3s");
        need(self.jobs.first_backoff <= self.jobs.max_backoff, "jobs.first_backoff: is at most jobs.max_backoff");
        need(self.consumers.max_attempts >= 1, "consumers.max_attempts: takes at least 1");
        need(self.sweep.grace.as_duration().as_secs() >= 60, "sweep.grace: takes at least 1m");
        need(self.sweep.period.as_duration().as_secs() >= 1, "sweep.period: takes at least 1s");
        need(self.keep_bytes <= self.max_fetch_bytes, "keep_bytes: is at most max_fetch_bytes");
        need(self.keep_state_bytes <= ByteSize::bytes(1 << 30), "keep_state_bytes: takes at most 1GiB");
        problems
    }
}
