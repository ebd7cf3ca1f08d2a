//! What an acknowledgement is worth: how the servers sync.

use std::time::{Duration, Instant};

use serde::Deserialize;

use super::Settings;
use super::server::{SYNCS_BATCHES, Server, Version};
use crate::BusError;

/// How long a server's monitoring may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How the least careful of the servers syncs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Syncing {
    pub always: bool,
    pub interval: Duration,
    pub version: Version,
}

impl Syncing {
    /// How long sent rows must be kept at least, when an event was last published outside a batch at `single`.
    ///
    /// None where an acknowledgement says that the events are on disk: the server syncs always, and batches are synced
    /// before their one acknowledgement. Else twice the interval of syncing, since a sync may begin just before an
    /// event comes and take its time.
    pub fn least_retention(self, single: Option<Instant>) -> Duration {
        let until_synced = self.interval * 2;
        let batches_alone = single.is_none_or(|single| single.elapsed() > until_synced);
        if self.always && self.version >= SYNCS_BATCHES && batches_alone { Duration::ZERO } else { until_synced }
    }

    fn worse(self, other: Self) -> Self {
        Self {
            always: self.always && other.always,
            interval: self.interval.max(other.interval),
            version: self.version.min(other.version),
        }
    }
}

/// The monitoring of the servers, or what the settings say where there is none.
#[derive(Debug)]
pub(super) struct Monitors {
    http: reqwest::Client,
    urls: Vec<String>,
    always: bool,
    interval: Duration,
}

/// What we read of a server's `/varz`.
#[derive(Debug, Deserialize)]
struct Varz {
    version: String,
    #[serde(default)]
    jetstream: VarzJetStream,
}

#[derive(Debug, Default, Deserialize)]
struct VarzJetStream {
    config: Option<VarzConfig>,
}

#[derive(Debug, Deserialize)]
struct VarzConfig {
    /// Nanoseconds. It reads two minutes where `sync_always` holds too.
    #[serde(default)]
    sync_interval: u64,
    #[serde(default)]
    sync_always: bool,
}

impl Monitors {
    pub fn new(settings: &Settings) -> Result<Self, BusError> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(PATIENCE)
            .build()
            .map_err(|error| BusError::Setting { setting: "monitors", message: error.to_string() })?;
        for url in &settings.monitors {
            url::Url::parse(url)
                .map_err(|error| BusError::Setting { setting: "monitors", message: format!("`{url}`: {error}") })?;
        }
        Ok(Self {
            http,
            urls: settings.monitors.clone(),
            always: settings.sync_always,
            interval: settings.sync_interval.as_duration(),
        })
    }

    /// How the servers sync: as their monitoring says, or as the settings say where it does not answer.
    pub async fn syncing(&self, server: &Server) -> Syncing {
        let set = Syncing { always: self.always, interval: self.interval, version: server.version };
        let mut worst: Option<Syncing> = None;
        for url in &self.urls {
            let one = self.ask(url).await.unwrap_or_else(|error| {
                tracing::warn!(%error, url, "the monitoring of the event bus does not tell how it syncs; the settings do");
                set
            });
            worst = Some(worst.map_or(one, |worst| worst.worse(one)));
        }
        worst.unwrap_or(set)
    }

    async fn ask(&self, url: &str) -> Result<Syncing, types::BoxError> {
        let answer = self.http.get(format!("{}/varz", url.trim_end_matches('/'))).send().await?.error_for_status()?;
        let varz: Varz = serde_json::from_slice(&answer.bytes().await?)?;
        let config = varz.jetstream.config.ok_or("the server has no JetStream")?;
        let version = Version::parse(&varz.version).ok_or("the server tells no version")?;
        Ok(Syncing { always: config.sync_always, interval: Duration::from_nanos(config.sync_interval), version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn only_synced_batches_need_no_retention() {
        let synced = Syncing { always: true, interval: MINUTE, version: SYNCS_BATCHES };
        assert_eq!(synced.least_retention(None), Duration::ZERO);
        assert_eq!(synced.least_retention(Some(Instant::now())), 2 * MINUTE);
        assert_eq!(Syncing { always: false, ..synced }.least_retention(None), 2 * MINUTE);
        assert_eq!(Syncing { version: Version(2, 15, 0), ..synced }.least_retention(None), 2 * MINUTE);
    }

    #[test]
    fn a_cluster_is_as_good_as_its_worst_server() {
        let good = Syncing { always: true, interval: MINUTE, version: Version(2, 15, 2) };
        let bad = Syncing { always: false, interval: 2 * MINUTE, version: Version(2, 14, 0) };
        assert_eq!(good.worse(bad), bad);
        assert_eq!(good.worse(Syncing { always: false, ..good }), Syncing { always: false, ..good });
    }
}
