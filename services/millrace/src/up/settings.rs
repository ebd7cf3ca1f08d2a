//! The settings of the whole process: those of every role, and of what they stand on.

use std::path::PathBuf;

use events::BusError;
use fetch::{IpNet, Policy};
use runtime::config::Loader;
use runtime::telemetry::Logging;
use serde::{Deserialize, Serialize};
use types::{ByteSize, Span};

use super::{UpArgs, sockets};
use crate::failure::Failure;

/// The settings of the whole process; `default.toml` says what each means.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the gateway listens.
    pub listen: String,
    /// Where the admin page is.
    pub admin_listen: String,
    /// Where everything lies.
    pub data_dir: PathBuf,
    /// Folder sources lie beneath one of these.
    pub folder_roots: Vec<PathBuf>,
    /// Whether listeners may reach beyond the loopback without TLS.
    pub allow_plaintext: bool,
    /// What is logged.
    pub logging: Logging,
    telemetry: Telemetry,
    fetch: Fetch,
    /// How long a start waits for an event bus and an object store that do not answer.
    pub wait_for_stores: Span,
    /// Where events go.
    pub events: Events,
    /// Where objects lie.
    pub objects: Objects,
    /// How long each step of the shutdown may take.
    pub shutdown: Shutdown,
    /// The settings of the gateway.
    pub gateway: gateway::Config,
    /// The settings of discovery.
    pub discovery: discovery::Config,
    /// The settings of profiling.
    pub profiling: profiling::Config,
    /// The settings of catalog.
    pub catalog: catalog::Config,
}

/// Where events go.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Events {
    /// The URL of the event bus; empty: the log in the data directory.
    pub url: String,
    /// What JetStream needs beside it.
    pub jetstream: events::Settings,
}

/// Where objects lie.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objects {
    /// The URL of the object store; empty: the folder in the data directory.
    pub url: String,
    /// What a bucket needs beside it.
    pub s3: objects::S3Settings,
}

impl Events {
    fn problems(&self) -> Vec<String> {
        // What is printed and logged carries no secrets.
        if self.url.contains('@') {
            return vec!["`events.url` takes no credentials: give them under `events.jetstream`".to_owned()];
        }
        let url = if self.url.is_empty() { "sqlite:events.db" } else { &self.url };
        events::problems(url, &self.jetstream)
            .iter()
            .map(|error| match error {
                BusError::Setting { setting: "url", message } => format!("`events.url`: {message}"),
                other => format!("`events.jetstream`: {other}"),
            })
            .collect()
    }
}

impl Objects {
    fn problems(&self) -> Vec<String> {
        if self.url.is_empty() {
            return Vec::new();
        }
        objects::problems(&self.url, &self.s3)
            .iter()
            .map(|error| match error {
                // The URL as it was given may hold a secret, though that is one of the things that are wrong with it.
                objects::Error::Url { .. } => "`objects.url`: write `file:DIR`, `s3://BUCKET/PREFIX?region=…` or \
                 `s3://BUCKET/PREFIX?endpoint=http://HOST:PORT&path_style=true`, without credentials"
                    .to_owned(),
                objects::Error::Setting { setting, problem } => format!("`objects.s3.{setting}`: {problem}"),
                other => format!("`objects`: {other}"),
            })
            .collect()
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Telemetry {
    otlp_endpoint: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fetch {
    allow_private: Vec<String>,
    max_bytes: ByteSize,
    timeout: Span,
    connect_timeout: Span,
    idle_timeout: Span,
    max_redirects: usize,
}

/// How long each step of the shutdown may take.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shutdown {
    /// For requests under way.
    pub drain: Span,
    /// For rounds of loops.
    pub loops: Span,
    /// For each store.
    pub close: Span,
}

impl Settings {
    /// Reads the settings from the defaults, the file, the environment and the flags; all that is wrong in one message.
    pub fn load(args: &UpArgs) -> Result<Self, Failure> {
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        let roots: Vec<String> = args.folder_roots.iter().map(path).collect();
        defaults(args.demo)
            .file(args.config.as_deref())
            .env("MILLRACE")
            .set_some("listen", args.listen.clone())
            .set_some("admin_listen", args.admin_listen.clone())
            .set_some("data_dir", args.data_dir.as_ref().map(path))
            .set_some("folder_roots", (!roots.is_empty()).then_some(roots))
            .set_some("allow_plaintext", args.allow_plaintext.then_some(true))
            .load_checked(Self::problems)
            .map_err(|error| Failure::usage(error.to_string()))
    }

    /// The defaults alone.
    #[cfg(test)]
    pub fn of_defaults() -> Self {
        defaults(false).load().unwrap()
    }

    /// The settings as TOML.
    pub fn print(&self) -> Result<String, Failure> {
        runtime::config::print(self).map_err(|error| Failure::other(error.to_string()))
    }

    /// Where traces go, if anywhere.
    pub fn otlp_endpoint(&self) -> Option<&str> {
        Some(self.telemetry.otlp_endpoint.as_str()).filter(|endpoint| !endpoint.is_empty())
    }

    /// What may be fetched. The data directory never.
    pub fn policy(&self, data_dir: PathBuf) -> Policy {
        let fetch = &self.fetch;
        Policy {
            folder_roots: self.folder_roots.clone(),
            forbidden: vec![data_dir],
            allow_private: fetch.allow_private.iter().filter_map(|network| network.parse().ok()).collect(),
            max_bytes: fetch.max_bytes,
            timeout: fetch.timeout.as_duration(),
            connect_timeout: fetch.connect_timeout.as_duration(),
            idle_timeout: fetch.idle_timeout.as_duration(),
            max_redirects: fetch.max_redirects,
        }
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = self.logging.problems();
        for (setting, address) in [("listen", &self.listen), ("admin_listen", &self.admin_listen)] {
            problems.extend(sockets::resolve(setting, address, self.allow_plaintext).err());
        }
        for root in self.folder_roots.iter().filter(|root| !root.is_dir()) {
            problems.push(format!("`folder_roots`: there is no folder `{}`", root.display()));
        }
        for network in self.fetch.allow_private.iter().filter(|network| network.parse::<IpNet>().is_err()) {
            problems.push(format!("`fetch.allow_private`: `{network}` is no network; write 10.1.0.0/16 or ::1/128"));
        }
        if !self.otlp_endpoint().is_none_or(|endpoint| endpoint.starts_with("http://")) {
            problems.push("`telemetry.otlp_endpoint`: write http://HOST:PORT".to_owned());
        }
        if self.fetch.max_bytes.as_bytes() == 0 {
            problems.push("`fetch.max_bytes` must not be 0".to_owned());
        }
        problems.extend(self.events.problems());
        problems.extend(self.objects.problems());
        for (role, found) in [
            ("gateway", self.gateway.validate()),
            ("discovery", self.discovery.validate()),
            ("profiling", self.profiling.validate()),
            ("catalog", self.catalog.validate()),
        ] {
            let named = |problem: String| match problem.starts_with(role) {
                true => problem,
                false => format!("{role}.{problem}"),
            };
            problems.extend(found.into_iter().map(named));
        }
        problems
    }
}

fn defaults(demo: bool) -> Loader {
    let loader = Loader::new().defaults("", include_str!("../../default.toml"));
    // Whoever looks at the demonstration wants to see its progress, not the log.
    let loader = if demo { loader.defaults("logging", "format = 'text'\nfilter = 'warn'") } else { loader };
    loader
        .defaults("gateway", gateway::DEFAULTS)
        .defaults("discovery", discovery::config::DEFAULTS)
        .defaults("profiling", profiling::Config::DEFAULTS)
        .defaults("catalog", catalog::config::DEFAULTS)
}

#[cfg(test)]
mod tests {
    use types::Secret;

    use super::*;

    #[test]
    fn the_defaults_are_valid_and_print() {
        let settings = Settings::of_defaults();
        assert_eq!(settings.problems(), Vec::<String>::new());
        assert_eq!(settings.listen, crate::client::DEFAULT_ADDRESS);
        assert_eq!(settings.data_dir, PathBuf::from(super::super::DEFAULT_DATA_DIR));
        let printed = settings.print().ok().unwrap();
        assert!(printed.contains("[gateway.limits.tenant]") && printed.contains("[catalog]"), "{printed}");
        let again: Settings = Loader::new().defaults("", &printed).load().unwrap();
        assert_eq!(again.print().ok(), Some(printed));
    }

    #[test]
    fn every_problem_of_every_role_is_told_at_once() {
        let mut settings = Settings::of_defaults();
        settings.fetch.allow_private = vec!["ten".to_owned()];
        settings.logging.filter = "a=loud".to_owned();
        settings.profiling.workers = 0;
        settings.telemetry.otlp_endpoint = "collector".to_owned();
        settings.listen = "nonsense".to_owned();
        settings.admin_listen = "0.0.0.0:0".to_owned();
        settings.folder_roots = vec!["/no/such/folder".into()];
        let problems = settings.problems();
        assert_eq!(problems.len(), 7, "{problems:?}");
        assert!(problems.iter().any(|problem| problem.starts_with("profiling.workers")), "{problems:?}");
    }

    #[test]
    fn what_is_wrong_with_bus_and_bucket_is_told_with_the_rest() {
        let mut settings = Settings::of_defaults();
        settings.events.url = "kafka://h:1".to_owned();
        settings.events.jetstream.replicas = 2;
        settings.objects.url = "s3://bucket".to_owned();
        let problems = settings.problems();
        for place in ["`events.url`", "`replicas`", "`objects.url`", "`objects.s3.access_key_id`"] {
            assert!(problems.iter().any(|problem| problem.contains(place)), "{place}: {problems:?}");
        }
        assert_eq!(problems.len(), 4, "{problems:?}");
    }

    #[test]
    fn secrets_of_bus_and_bucket_are_not_printed_and_have_no_place_in_urls() {
        let mut settings = Settings::of_defaults();
        settings.events.jetstream.token = Some(Secret::new("hunter2".to_owned()));
        settings.objects.s3 = objects::S3Settings::with_keys("id", Secret::new("hunter2".to_owned()));
        let printed = settings.print().ok().unwrap();
        assert!(printed.contains("***") && !printed.contains("hunter2"), "{printed}");
        settings.events.url = "nats://me:hunter2@host:4222".to_owned();
        settings.objects.url = "s3://id:hunter2@bucket?region=x".to_owned();
        let problems = settings.problems();
        assert!(problems.len() == 2 && !format!("{problems:?}").contains("hunter2"), "{problems:?}");
    }
}
