//! Where state, events and objects lie.

use events::BusError;
use serde::{Deserialize, Serialize};

use crate::mesh::role::Role;

/// Where the state of the roles lies.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// The URL of the database; empty: a file per role in the data directory.
    pub url: String,
    /// What PostgreSQL needs beside it.
    pub postgres: sql::Settings,
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

    /// What PostgreSQL needs for one role, whose schema is its own.
    pub fn of_role(&self, role: Role) -> sql::Settings {
        sql::Settings { schema: format!("{}_{role}", self.postgres.schema), ..self.postgres.clone() }
    }

    pub(super) fn problems(&self) -> Vec<String> {
        if self.url.is_empty() {
            return Vec::new();
        }
        if self.url.starts_with("sqlite:") {
            return vec![
                "`store.url`: SQLite lies in the data directory; leave it empty, or write postgres://HOST/DATABASE"
                    .to_owned(),
            ];
        }
        sql::problems(&self.url, &self.postgres)
            .iter()
            .map(|error| match error {
                // The URL as it was given may hold a password, though that is one of the things that are wrong with it.
                sql::Error::Url { .. } => "`store.url`: write postgres://HOST[:PORT]/DATABASE".to_owned(),
                sql::Error::Setting { setting: "url", message } => format!("`store.url`: {message}"),
                other => format!("`store.postgres`: {other}"),
            })
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
