//! Where state, events and objects lie.

use events::BusError;
use serde::{Deserialize, Serialize};

/// Where the state of the roles lies.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// The URL of the database; empty: a file per role in the data directory.
    pub url: String,
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

impl Store {
    /// Whether processes can share it; what is not shared is this process's own.
    pub fn is_shared(&self) -> bool {
        !self.url.is_empty()
    }

    pub(super) fn problems(&self) -> Vec<String> {
        let known = self.url.is_empty();
        (!known)
            .then(|| "`store.url`: leave it empty for SQLite in the data directory".to_owned())
            .into_iter()
            .collect()
    }
}

impl Events {
    /// Whether processes can share it.
    pub fn is_shared(&self) -> bool {
        !self.url.is_empty() && !self.url.starts_with("sqlite:")
    }

    pub(super) fn problems(&self) -> Vec<String> {
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
    pub(super) fn problems(&self) -> Vec<String> {
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
