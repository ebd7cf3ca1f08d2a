//! The settings of catalog. `default.toml` has every one of them with its default.

use serde::{Deserialize, Serialize};
use types::{ByteSize, Span};

/// Every setting with its default, and what it means.
pub const DEFAULTS: &str = include_str!("../default.toml");

/// The settings of catalog.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The longest upload.
    pub max_upload_bytes: ByteSize,
    /// How many records one commit of the index takes at most.
    pub index_batch: u32,
    /// How many results paging reaches.
    pub search_reach: u32,
    /// How much memory the lists of searches may take.
    pub search_pins_bytes: ByteSize,
    /// The longest profile that is read.
    pub max_profile_bytes: ByteSize,
    /// How long published events are kept.
    pub outbox_retention: Span,
    /// How often each loop looks for work by itself.
    pub period: Periods,
    /// How consumers treat events that they cannot apply.
    pub consumers: Consumers,
    /// How the index is built anew.
    pub rebuilds: Rebuilds,
    /// What a second process does while another is catalog.
    pub when_held: WhenHeld,
}

/// What a second process does while another is catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenHeld {
    /// It waits, and takes over when the other is gone.
    Wait,
    /// It ends.
    Refuse,
}

/// How often each loop looks for work by itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Periods {
    /// The relay of the outbox.
    pub relay: Span,
    /// Each consumer of events.
    pub consumers: Span,
    /// The indexer.
    pub indexer: Span,
    /// The worker that builds the index anew.
    pub rebuilds: Span,
}

/// How consumers treat events that they cannot apply.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consumers {
    /// How often an event is tried before it becomes a dead letter.
    pub max_attempts: u32,
    /// How long a round waits for the first event.
    pub wait: Span,
}

/// How the index is built anew.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rebuilds {
    /// How often a rebuild is tried.
    pub max_attempts: u32,
    /// After how long of silence a worker is held to be gone.
    pub lease: Span,
    /// How long the second attempt waits.
    pub first_backoff: Span,
    /// How long a later attempt waits at most.
    pub max_backoff: Span,
    /// How many records are read at once.
    pub batch: u32,
}

impl Config {
    /// Reports every setting that makes no sense; none when all do.
    pub fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |holds: bool, problem: &str| {
            if !holds {
                problems.push(problem.to_owned());
            }
        };
        check(self.max_upload_bytes.as_bytes() > 0, "max_upload_bytes must not be 0");
        check((1..=10_000).contains(&self.index_batch), "index_batch must lie in 1 to 10000");
        check((1..=10_000).contains(&self.search_reach), "search_reach must lie in 1 to 10000");
        check(self.max_profile_bytes.as_bytes() > 0, "max_profile_bytes must not be 0");
        check(self.consumers.max_attempts > 0, "consumers.max_attempts must not be 0");
        check(self.rebuilds.max_attempts > 0, "rebuilds.max_attempts must not be 0");
        check((1..=10_000).contains(&self.rebuilds.batch), "rebuilds.batch must lie in 1 to 10000");
        check(self.rebuilds.first_backoff <= self.rebuilds.max_backoff, "rebuilds.first_backoff exceeds max_backoff");
        for (name, span) in [
            ("period.relay", self.period.relay),
            ("period.consumers", self.period.consumers),
            ("period.indexer", self.period.indexer),
            ("period.rebuilds", self.period.rebuilds),
            ("rebuilds.lease", self.rebuilds.lease),
        ] {
            check(!span.as_duration().is_zero(), &format!("{name} must not be 0"));
        }
        problems
    }
}

impl Default for Config {
    fn default() -> Self {
        toml::from_str(DEFAULTS).expect("default.toml is checked by a test")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_complete_and_valid() {
        assert_eq!(Config::default().validate(), Vec::<String>::new());
    }

    #[test]
    fn every_bad_setting_is_reported_at_once() {
        let mut config = Config { index_batch: 0, search_reach: 0, ..Config::default() };
        config.period.relay = "0s".parse().unwrap();
        assert_eq!(config.validate().len(), 3);
    }
}
