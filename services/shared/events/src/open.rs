//! Opens the bus that a URL names.

use std::sync::Arc;

use types::Clock;

use crate::jetstream::{JetStream, Settings};
use crate::{BusError, EventBus, SqliteLog};

/// Opens the bus at `url`: `sqlite:PATH` is the embedded log, for the roles of one process; `nats://HOST:PORT` and
/// `tls://HOST:PORT`, several of them with commas between, are NATS JetStream, for any number of processes.
///
/// `settings` are for JetStream alone. Fails when the server cannot be reached: a caller who may start before its
/// server tries again on [`BusError::Unavailable`], and gives up on every other error.
pub async fn open(url: &str, settings: &Settings, clock: Arc<dyn Clock>) -> Result<Arc<dyn EventBus>, BusError> {
    match url.split(':').next() {
        Some("sqlite") => Ok(Arc::new(SqliteLog::open(url, clock).await?)),
        Some("nats" | "tls") => Ok(Arc::new(JetStream::open(url, settings, clock).await?)),
        _ => Err(no_bus()),
    }
}

/// Looks whether the bus at `url` could be opened, and says what it is. Declares and changes nothing.
pub async fn probe(url: &str, settings: &Settings) -> Result<String, BusError> {
    match url.split(':').next() {
        Some("sqlite") => Ok("a log in a file".to_owned()),
        Some("nats" | "tls") => JetStream::probe(url, settings).await,
        _ => Err(no_bus()),
    }
}

/// Tells what is wrong with a URL and the settings of JetStream, as far as that can be told without a server.
pub fn problems(url: &str, settings: &Settings) -> Vec<BusError> {
    let known = matches!(url.split(':').next(), Some("sqlite" | "nats" | "tls"));
    let url = (!known).then(no_bus);
    url.into_iter().chain(settings.validate().err()).collect()
}

fn no_bus() -> BusError {
    BusError::Setting {
        setting: "url",
        message: "an event bus is at `sqlite:PATH`, `nats://HOST:PORT` or `tls://HOST:PORT`".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_scheme_picks_the_bus() {
        let (dir, clock) = (testkit::temp_dir(), testkit::ManualClock::default());
        let url = format!("sqlite:{}", dir.path().join("events.db").display());
        let bus = open(&url, &Settings::default(), clock.shared()).await.unwrap();
        assert!(format!("{bus:?}").starts_with("SqliteLog"));
        let error = open("kafka://h:1", &Settings::default(), clock.shared()).await.unwrap_err();
        assert!(matches!(error, BusError::Setting { setting: "url", .. }), "{error}");
        let nobody = open("nats://127.0.0.1:9", &Settings::default(), clock.shared()).await.unwrap_err();
        assert!(matches!(nobody, BusError::Unavailable(_)), "{nobody}");
        let nobody = probe("nats://127.0.0.1:9", &Settings::default()).await.unwrap_err();
        assert!(matches!(nobody, BusError::Unavailable(_)), "{nobody}");
        assert!(probe("kafka://h:1", &Settings::default()).await.is_err());
    }
}
