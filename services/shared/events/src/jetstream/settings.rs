//! What can be set about JetStream.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use types::{ByteSize, Secret, Span};

use crate::BusError;

/// What can be set about JetStream. Every setting has a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What streams and subjects begin with; meshes that share a server need different ones. Letters, digits, `-`, `_`.
    pub prefix: String,
    /// How many servers of a cluster hold each stream: 1 to 5, an odd number.
    pub replicas: usize,
    /// The most bytes that one stream takes; then publications are refused, and events wait in their outboxes.
    pub max_bytes: Option<ByteSize>,
    /// How long the server remembers ids of events.
    pub duplicate_window: Span,
    /// How long the server may take to answer.
    pub timeout: Span,
    /// The user, where the URL names none.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<Secret<String>>,
    /// A token.
    pub token: Option<Secret<String>>,
    /// The seed of an NKey, `SU…`.
    pub nkey: Option<Secret<String>>,
    /// A file of credentials, `*.creds`, with a JWT and a seed.
    pub credentials: Option<PathBuf>,
    /// Certificates in PEM that the server's certificate may descend from, besides those of the system.
    pub ca: Option<PathBuf>,
    /// Our certificate in PEM, where the server asks for one.
    pub certificate: Option<PathBuf>,
    /// The key of our certificate in PEM.
    pub key: Option<PathBuf>,
    /// The monitoring URLs of all servers, `http://HOST:8222`. They tell how servers sync.
    pub monitors: Vec<String>,
    /// Whether all servers sync always, where no monitoring tells.
    pub sync_always: bool,
    /// How often servers sync, where no monitoring tells.
    pub sync_interval: Span,
}

impl Default for Settings {
    fn default() -> Self {
        const TWO_MINUTES: Duration = Duration::from_secs(120);
        Self {
            prefix: "millrace".to_owned(),
            replicas: 1,
            max_bytes: None,
            duplicate_window: TWO_MINUTES.into(),
            timeout: Duration::from_secs(5).into(),
            user: None,
            password: None,
            token: None,
            nkey: None,
            credentials: None,
            ca: None,
            certificate: None,
            key: None,
            monitors: Vec::new(),
            sync_always: false,
            sync_interval: TWO_MINUTES.into(),
        }
    }
}

impl Settings {
    /// Checks what can be checked without a server; all that is wrong is told at once.
    pub fn validate(&self) -> Result<(), BusError> {
        let problems = self.problems();
        match problems.first() {
            None => Ok(()),
            Some((setting, _)) => {
                let message = problems.iter().map(|(name, what)| format!("`{name}` {what}")).collect::<Vec<_>>();
                Err(BusError::Setting { setting, message: message.join("; ") })
            }
        }
    }

    fn problems(&self) -> Vec<(&'static str, &'static str)> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let credentials = [
            self.user.is_some() || self.password.is_some(),
            self.token.is_some(),
            self.nkey.is_some(),
            self.credentials.is_some(),
        ];
        let problem = |wrong: bool, setting, what| wrong.then_some((setting, what));
        [
            problem(
                self.prefix.is_empty() || self.prefix.len() > 64 || !self.prefix.chars().all(plain),
                "prefix",
                "takes 1 to 64 letters, digits, `-` and `_`",
            ),
            problem(!matches!(self.replicas, 1 | 3 | 5), "replicas", "is 1, 3 or 5"),
            problem(self.timeout.as_duration().is_zero(), "timeout", "is longer than nothing"),
            problem(
                self.duplicate_window.as_duration() < Duration::from_secs(1),
                "duplicate_window",
                "is a second or longer",
            ),
            problem(self.user.is_some() != self.password.is_some(), "password", "and `user` stand together"),
            problem(self.certificate.is_some() != self.key.is_some(), "key", "and `certificate` stand together"),
            problem(
                credentials.iter().filter(|given| **given).count() > 1,
                "credentials",
                "are given once: as user and password, token, NKey, or file",
            ),
            problem(self.sync_interval.as_duration().is_zero(), "sync_interval", "is longer than nothing"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        Settings::default().validate().unwrap();
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once_and_secrets_are_not() {
        let settings = Settings {
            prefix: "a.b".to_owned(),
            replicas: 2,
            user: Some("u".to_owned()),
            token: Some(Secret::new("hunter2".to_owned())),
            ..Settings::default()
        };
        let message = settings.validate().unwrap_err().to_string();
        for setting in ["`prefix`", "`replicas`", "`password`", "`credentials`"] {
            assert!(message.contains(setting), "{message}");
        }
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
