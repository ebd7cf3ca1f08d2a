//! Where a mesh keeps what it keeps: in its data directory, or elsewhere.

use std::fmt;
use std::path::{Path, PathBuf};

use super::settings::Settings;
use crate::failure::Failure;

/// Where a mesh keeps what it keeps.
#[derive(Debug)]
pub struct Kept {
    /// The data directory.
    pub data_dir: PathBuf,
    /// What does not lie in it.
    pub elsewhere: Vec<Part>,
}

/// A part of what a mesh keeps.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    /// `state`, `events` or `objects`.
    pub what: &'static str,
    /// Where it lies.
    pub url: String,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} at {} ({})", self.what, self.url, self.tool())
    }
}

impl Part {
    /// By what it is backed up.
    fn tool(&self) -> &'static str {
        match self.url.split(':').next() {
            Some("nats" | "tls") => "`nats account backup`",
            Some("s3") => "versions or replication of the bucket, or `rclone sync`",
            Some("postgres" | "postgresql") => "`pg_basebackup` or `pg_dump`",
            _ => "a copy while the mesh is stopped",
        }
    }
}

/// Reads where the mesh of these settings keeps what it keeps.
pub fn kept(config: Option<&Path>, data_dir: Option<&Path>) -> Result<Kept, Failure> {
    Ok(of(Settings::of_stopped(config, data_dir)?))
}

fn of(settings: Settings) -> Kept {
    let parts = [("state", settings.store.url), ("events", settings.events.url), ("objects", settings.objects.url)];
    let elsewhere = parts.into_iter().filter(|(_, url)| !url.is_empty()).map(|(what, url)| Part { what, url });
    Kept { elsewhere: elsewhere.collect(), data_dir: settings.data_dir }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_elsewhere_is_told_with_its_tool() {
        let mut settings = Settings::of_defaults();
        assert!(of(settings.clone()).elsewhere.is_empty());
        settings.events.url = "nats://h:4222".to_owned();
        settings.objects.url = "s3://bucket?region=x".to_owned();
        let told: Vec<_> = of(settings).elsewhere.iter().map(ToString::to_string).collect();
        assert!(told[0].contains("nats://h:4222") && told[0].contains("nats account backup"), "{told:?}");
        assert!(told[1].contains("s3://bucket") && told[1].contains("bucket"), "{told:?}");
    }
}
