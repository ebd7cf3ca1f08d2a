//! The settings of discovery.

use serde::{Deserialize, Serialize};
use types::Span;

/// Every setting with its default and meaning; the binary merges it with what the operator sets.
pub const DEFAULTS: &str = include_str!("../default.toml");

/// The settings of discovery; `default.toml` says what each means.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How many crawls run at once.
    pub crawlers: u32,
    /// How many datasets one page of a crawl holds.
    pub page_size: usize,
    /// How long a silent crawler keeps its crawl.
    pub lease: Span,
    /// How often a crawl is tried.
    pub max_attempts: u32,
    /// The first wait between attempts.
    pub backoff_first: Span,
    /// The longest wait between attempts.
    pub backoff_max: Span,
    /// The greatest plausible share of lost datasets.
    pub loss_share: f64,
    /// The number of lost datasets that is always plausible.
    pub loss_count: u64,
    /// The endings of datasets' names.
    pub extensions: Vec<String>,
    /// How many ended crawls of a source are remembered.
    pub kept_crawls: u32,
    /// How often due sources are looked for.
    pub schedule_every: Span,
    /// How often the relay looks by itself.
    pub relay_every: Span,
    /// How long published events are kept.
    pub outbox_retention: Span,
}

impl Config {
    /// Every problem with these settings, each in one sentence that names the setting.
    pub fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |fits: bool, problem: &str| {
            if !fits {
                problems.push(format!("discovery.{problem}"));
            }
        };
        check((1..=64).contains(&self.crawlers), "crawlers must be 1 to 64");
        check((1..=10_000).contains(&self.page_size), "page_size must be 1 to 10000");
        check(self.lease.as_duration().as_secs() >= 5, "lease must be at least 5s");
        check(self.max_attempts >= 1, "max_attempts must be at least 1");
        check(
            self.backoff_first.as_duration() <= self.backoff_max.as_duration(),
            "backoff_first must not exceed backoff_max",
        );
        check((0.0..=1.0).contains(&self.loss_share), "loss_share must be 0 to 1");
        check(!self.extensions.is_empty(), "extensions must name at least one ending");
        check(self.kept_crawls >= 1, "kept_crawls must be at least 1");
        check(!self.schedule_every.as_duration().is_zero(), "schedule_every must be above 0");
        check(!self.relay_every.as_duration().is_zero(), "relay_every must be above 0");
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        let config: Config = toml::from_str(DEFAULTS).unwrap();
        assert_eq!(config.validate(), Vec::<String>::new());
    }

    #[test]
    fn every_wrong_setting_is_told_at_once() {
        let mut config: Config = toml::from_str(DEFAULTS).unwrap();
        config.crawlers = 0;
        config.loss_share = 2.0;
        assert_eq!(config.validate().len(), 2);
        assert!(toml::from_str::<Config>(&format!("{DEFAULTS}\nunknown = 1")).is_err());
    }
}
