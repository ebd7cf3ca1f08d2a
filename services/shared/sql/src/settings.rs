//! What can be set about PostgreSQL, and what can be told of it without a server.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use types::{Secret, Span};

use crate::{Error, sqlite};

/// What can be set about PostgreSQL. Every setting has a default; SQLite takes none of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The schema that holds the tables, one per service. It is made where it is missing. Small letters, digits, `_`.
    pub schema: String,
    /// The user.
    pub user: String,
    /// The user's password.
    pub password: Option<Secret<String>>,
    /// How many connections one process takes: one that writes, the others read. One more listens.
    pub pool_size: u32,
    /// How long one statement may take.
    pub statement_timeout: Span,
    /// How the connection is protected. Unset: `verify`, but `off` towards this very machine.
    pub tls: Option<Tls>,
    /// Certificates in PEM that the server's certificate may descend from, in place of the public ones.
    pub ca: Option<PathBuf>,
    /// Our certificate in PEM, where the server asks for one.
    pub certificate: Option<PathBuf>,
    /// The key of our certificate in PEM.
    pub key: Option<PathBuf>,
    /// Whether leases and ages are told by the server's clock, so that machines whose clocks differ agree on them.
    pub server_clock: bool,
}

/// How a connection to PostgreSQL is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tls {
    /// Not at all.
    Off,
    /// Encrypted, towards whoever answers.
    Encrypt,
    /// Encrypted, towards a server with a good certificate for its name.
    Verify,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            schema: "millrace".to_owned(),
            user: "millrace".to_owned(),
            password: None,
            pool_size: 5,
            statement_timeout: Duration::from_secs(30).into(),
            tls: None,
            ca: None,
            certificate: None,
            key: None,
            server_clock: true,
        }
    }
}

/// Tells what is wrong with a URL and the settings of PostgreSQL, as far as that can be told without a server.
pub fn problems(url: &str, settings: &Settings) -> Vec<Error> {
    match is_postgres(url) {
        true => Place::parse(url).err().into_iter().chain(settings.problems()).collect(),
        false => sqlite::path_of(url).err().into_iter().collect(),
    }
}

pub(crate) fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres:") || url.starts_with("postgresql:")
}

impl Settings {
    fn problems(&self) -> Vec<Error> {
        const LONGEST: Duration = Duration::from_secs(24 * 3600);
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let timeout = self.statement_timeout.as_duration();
        let tls_off = self.tls == Some(Tls::Off);
        let certificates = self.ca.is_some() || self.certificate.is_some();
        let wrong = |wrong: bool, setting, message: &str| {
            wrong.then(|| Error::Setting { setting, message: format!("`{setting}` {message}") })
        };
        [
            wrong(
                self.schema.is_empty()
                    || self.schema.len() > 48
                    || !self.schema.chars().all(plain)
                    || self.schema.starts_with(|c: char| c.is_ascii_digit())
                    || self.schema.starts_with("pg_"),
                "schema",
                "takes 1 to 48 small letters, digits and `_`, no digit and no `pg_` first",
            ),
            wrong(self.user.is_empty(), "user", "names the user that the services connect as"),
            wrong(
                !(2..=1000).contains(&self.pool_size),
                "pool_size",
                "is 2 to 1000: one connection writes, others read",
            ),
            wrong(timeout < Duration::from_secs(1) || timeout > LONGEST, "statement_timeout", "is a second to a day"),
            wrong(self.certificate.is_some() != self.key.is_some(), "key", "and `certificate` stand together"),
            wrong(tls_off && certificates, "tls", "is `off`, so that certificates would serve for nothing"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The first problem, when there is one.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        self.problems().into_iter().next().map_or(Ok(()), Err)
    }
}

/// Where a database is: what a URL `postgres://HOST[:PORT]/DATABASE` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub host: String,
    pub port: u16,
    pub database: String,
}

impl Place {
    pub fn parse(url: &str) -> Result<Self, Error> {
        let wrong = |message: &str| Error::Setting { setting: "url", message: message.to_owned() };
        let form = "a PostgreSQL database is at `postgres://HOST[:PORT]/DATABASE`";
        let rest = url.split_once("://").map(|(_, rest)| rest).ok_or_else(|| wrong(form))?;
        if rest.contains('@') {
            return Err(wrong("the URL of a database holds no user and no password; set `user` and `password`"));
        }
        if rest.contains('?') {
            return Err(wrong("the URL of a database holds no parameters; there are settings for them"));
        }
        let (authority, database) = rest.split_once('/').ok_or_else(|| wrong(form))?;
        let (host, port) = match authority.strip_prefix('[').and_then(|six| six.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map_or(Ok(5432), str::parse).map_err(|_| wrong(form))?;
        if host.is_empty() || database.is_empty() || database.contains('/') {
            return Err(wrong(form));
        }
        Ok(Self { host: host.to_owned(), port, database: database.to_owned() })
    }

    /// Whether it is on this very machine.
    pub fn is_local(&self) -> bool {
        self.host == "localhost" || self.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "postgres://{}:{}/{}", self.host, self.port, self.database)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_host_port_and_database() {
        let place = |url| Place::parse(url).unwrap();
        assert_eq!(place("postgres://db.example/mesh").to_string(), "postgres://db.example:5432/mesh");
        let six = Place { host: "::1".to_owned(), port: 5433, database: "mesh".to_owned() };
        assert_eq!(place("postgresql://[::1]:5433/mesh"), six);
        assert!(six.is_local() && !place("postgres://db.example/mesh").is_local());
        for wrong in ["postgres:mesh", "postgres://h", "postgres://h:x/d", "postgres:///d", "postgres://h/a/b"] {
            assert!(Place::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once_and_secrets_are_not() {
        let settings = Settings {
            schema: "Catalog; drop".to_owned(),
            pool_size: 1,
            statement_timeout: Duration::from_millis(5).into(),
            certificate: Some("c.pem".into()),
            tls: Some(Tls::Off),
            password: Some(Secret::new("hunter2".to_owned())),
            ..Settings::default()
        };
        let all: Vec<String> =
            problems("postgres://me:hunter2@h/d", &settings).iter().map(ToString::to_string).collect();
        let all = all.join("\n");
        for part in ["no password; set `user`", "`schema`", "`pool_size`", "`statement_timeout`", "`key`", "`tls`"] {
            assert!(all.contains(part), "{part}: {all}");
        }
        assert!(!format!("{all} {settings:?}").contains("hunter2"));
        assert!(problems("postgres://h/d", &Settings::default()).is_empty());
        assert!(problems("sqlite:x.db", &settings).is_empty());
        assert_eq!(problems("sqlite:", &settings).len(), 1);
    }
}
