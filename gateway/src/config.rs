//! The settings of the gateway; `default.toml` says what each means.

use std::path::PathBuf;

use rpc::TlsSettings;
use serde::{Deserialize, Serialize};
use types::Span;

/// Every setting with its default.
pub const DEFAULTS: &str = include_str!("../default.toml");

/// The settings of the gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the first administrator's key is written; empty: `admin.token` in the data directory.
    pub admin_token_file: PathBuf,
    /// The key under which tokens are hashed; empty: `hash.key` in the data directory.
    pub hash_key_file: PathBuf,
    /// The certificate that clients see; without one the port speaks plain text.
    pub tls: TlsSettings,
    /// How long an access token is good.
    pub access_token_life: Span,
    /// How long a refresh token is good.
    pub refresh_token_life: Span,
    /// How long a credential is taken for good without asking the store.
    pub credential_cache: Span,
    /// Connections open at once.
    pub max_connections: usize,
    /// Connections open at once from one address.
    pub max_connections_per_address: usize,
    /// Unary calls under way in this gateway, over all tenants.
    pub concurrent_calls: usize,
    /// Streams under way in this gateway, over all tenants.
    pub concurrent_streams: usize,
    /// A stream on which nothing is sent for so long ends; so does a call of whose answer nothing is taken.
    pub stream_idle: Span,
    /// Bounds of password logins.
    pub login: Login,
    /// Bounds of calls.
    pub limits: Limits,
}

/// Bounds of password logins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Failures of one user from one address, in a row and then per minute.
    pub failures_per_user: u32,
    /// Failures from one address, in a row and then per minute.
    pub failures_per_address: u32,
    /// Passwords checked at the same time.
    pub concurrent_checks: usize,
}

/// Bounds of calls, by whom they are counted for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Of all users of one tenant together.
    pub tenant: Limit,
    /// Of one user.
    pub principal: Limit,
    /// Of one address, for calls without a good credential.
    pub address: Limit,
}

/// What one of them may ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Calls begun per second, in the long run.
    pub calls_per_second: u32,
    /// Calls begun at once after a quiet time.
    pub burst: u32,
    /// Unary calls under way.
    pub concurrent_calls: u32,
    /// Streams under way.
    pub concurrent_streams: u32,
}

impl Config {
    /// Everything that is wrong with the settings, one sentence each.
    pub fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |fits: bool, problem: String| {
            if !fits {
                problems.push(format!("gateway.{problem}"));
            }
        };
        for (name, span) in [
            ("access_token_life", self.access_token_life),
            ("refresh_token_life", self.refresh_token_life),
            ("stream_idle", self.stream_idle),
        ] {
            check(!span.as_duration().is_zero(), format!("{name} must not be 0"));
        }
        check(
            self.refresh_token_life >= self.access_token_life,
            "refresh_token_life is below access_token_life".into(),
        );
        check(self.max_connections > 0, "max_connections must not be 0".into());
        check(self.max_connections_per_address > 0, "max_connections_per_address must not be 0".into());
        check(self.concurrent_calls > 0, "concurrent_calls must not be 0".into());
        check(self.concurrent_streams > 0, "concurrent_streams must not be 0".into());
        check(self.login.failures_per_user > 0, "login.failures_per_user must not be 0".into());
        check(self.login.failures_per_address > 0, "login.failures_per_address must not be 0".into());
        check(self.login.concurrent_checks > 0, "login.concurrent_checks must not be 0".into());
        let limits = &self.limits;
        for (name, limit) in
            [("tenant", &limits.tenant), ("principal", &limits.principal), ("address", &limits.address)]
        {
            let Limit { calls_per_second, burst, concurrent_calls, concurrent_streams } = limit;
            let all = calls_per_second.min(burst).min(concurrent_calls).min(concurrent_streams);
            check(*all > 0, format!("limits.{name} holds a 0, which would let nobody in"));
        }
        problems.extend(self.tls.problems("gateway.tls"));
        if self.tls.calls() {
            problems.push("gateway.tls.ca has no use: the gateway's port calls nobody; see `client_ca`".to_owned());
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults() -> Config {
        runtime::config::load(DEFAULTS, None, "GATEWAY_TEST_NOTHING", &[]).unwrap()
    }

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(defaults().validate(), Vec::<String>::new());
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let mut config = defaults();
        config.refresh_token_life = "1s".parse().unwrap();
        config.login.concurrent_checks = 0;
        config.limits.address.burst = 0;
        config.tls.certificate = "/some/certificate.pem".into();
        assert_eq!(config.validate().len(), 4);
    }
}
