//! The connection, and whether the server behind it will do.

use std::fmt;
use std::time::Duration;

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr};
use serde::de::IgnoredAny;
use url::Url;

use super::Settings;
use super::api::{Api, Nothing};
use super::poke::Pokes;
use crate::{BusError, topology};

/// The oldest server that will do: atomic batches, consumers that can be reset.
const OLDEST: Version = Version(2, 14, 0);
/// The first server that syncs an atomic batch before it acknowledges it.
pub(super) const SYNCS_BATCHES: Version = Version(2, 15, 1);
/// The longest pause between two tries to connect: a server that is back is not to wait for us.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// What the headers of an event take at most, besides its envelope.
const HEADER_BYTES: usize = 16 * 1024;

/// A version of the server; what stands behind a `-` is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// Reads `2.15.1` or `2.15.0-RC.1`. None where this is no version.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(['-', '+']).next()?.split('.').map(|part| part.parse().ok());
        Some(Self(parts.next()??, parts.next()??, parts.next()??))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// The server that the connection was made to first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    pub name: String,
    pub version: Version,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (NATS {})", self.name, self.version)
    }
}

/// Connects to one of the servers in `urls`. A connection that is lost later is made again for ever.
pub(super) async fn connect(urls: &str, settings: &Settings, pokes: Pokes) -> Result<Client, BusError> {
    let mut options = ConnectOptions::new()
        .name("millrace")
        .max_reconnects(None)
        .connection_timeout(settings.timeout.as_duration())
        .request_timeout(Some(settings.timeout.as_duration()))
        .ping_interval(Duration::from_secs(10))
        .reconnect_delay_callback(|attempts| {
            LONGEST_PAUSE.min(Duration::from_millis(100) * u32::try_from(attempts).unwrap_or(u32::MAX))
        })
        .event_callback(move |event| {
            log(&event);
            // Whoever waits for events looks again: what came meanwhile poked nobody.
            pokes.poke_all();
            std::future::ready(())
        });
    let mut servers = Vec::new();
    for url in urls.split(',') {
        let mut url = Url::parse(url.trim()).map_err(|error| unfit(&error))?;
        options = with_login(options, &url);
        // Errors and logs name the server; they must not name the password.
        let stripped = url.set_username("").and_then(|()| url.set_password(None));
        stripped.map_err(|()| unfit(&"it has no host"))?;
        servers.push(ServerAddr::from_url(url).map_err(|error| unfit(&error))?);
    }
    let options = with_tls(with_credentials(options, settings).await?, settings);
    options.connect(servers).await.map_err(|error| match error.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            BusError::Credentials(error.into())
        }
        ConnectErrorKind::ServerParse => unfit(&error),
        ConnectErrorKind::Dns
        | ConnectErrorKind::TimedOut
        | ConnectErrorKind::Tls
        | ConnectErrorKind::Io
        | ConnectErrorKind::MaxReconnects => BusError::unavailable(error),
    })
}

fn unfit(error: &dyn fmt::Display) -> BusError {
    BusError::Setting { setting: "url", message: format!("the URL of the event bus cannot be used: {error}") }
}

/// `USER:PASSWORD@` or `TOKEN@` of a URL.
fn with_login(options: ConnectOptions, url: &Url) -> ConnectOptions {
    let plain = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    match (url.username(), url.password()) {
        ("", _) => options,
        (user, Some(password)) => options.user_and_password(plain(user), plain(password)),
        (token, None) => options.token(plain(token)),
    }
}

async fn with_credentials(mut options: ConnectOptions, settings: &Settings) -> Result<ConnectOptions, BusError> {
    if let (Some(user), Some(password)) = (&settings.user, &settings.password) {
        options = options.user_and_password(user.clone(), password.expose().clone());
    }
    if let Some(token) = &settings.token {
        options = options.token(token.expose().clone());
    }
    if let Some(seed) = &settings.nkey {
        options = options.nkey(seed.expose().clone());
    }
    if let Some(file) = &settings.credentials {
        options = options.credentials_file(file).await.map_err(|error| BusError::Setting {
            setting: "credentials",
            message: format!("`{}` cannot be read: {error}", file.display()),
        })?;
    }
    Ok(options)
}

fn with_tls(mut options: ConnectOptions, settings: &Settings) -> ConnectOptions {
    if let Some(ca) = &settings.ca {
        options = options.add_root_certificates(ca.clone()).require_tls(true);
    }
    if let (Some(certificate), Some(key)) = (&settings.certificate, &settings.key) {
        options = options.add_client_certificate(certificate.clone(), key.clone()).require_tls(true);
    }
    options
}

fn log(event: &Event) {
    match event {
        Event::Connected => tracing::info!("the connection to the event bus stands"),
        Event::Disconnected => tracing::warn!("the connection to the event bus is lost; it is made again"),
        Event::SlowConsumer(_) | Event::ServerError(_) | Event::ClientError(_) => {
            tracing::warn!(%event, "the connection to the event bus has a problem");
        }
        Event::LameDuckMode | Event::Draining | Event::Closed => tracing::info!(%event, "the event bus changes"),
    }
}

/// Refuses a server that will not do, by name and version.
pub(super) fn check(client: &Client) -> Result<Server, BusError> {
    let info = client.server_info();
    let name = if info.server_name.is_empty() { info.server_id } else { info.server_name };
    let too_old =
        || BusError::TooOld { server: name.clone(), version: info.version.clone(), least: OLDEST.to_string() };
    let version = Version::parse(&info.version).ok_or_else(too_old)?;
    if version < OLDEST {
        return Err(too_old());
    }
    let (least, bytes) = (topology::MAX_ENVELOPE_BYTES + HEADER_BYTES, client.max_payload());
    if bytes < least {
        return Err(BusError::PayloadLimit { server: name, bytes, least });
    }
    Ok(Server { name, version })
}

/// Refuses a server or an account without JetStream.
pub(super) async fn check_account(api: &Api) -> Result<(), BusError> {
    match api.call::<IgnoredAny>("INFO", &Nothing {}).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(refusal)) => Err(api.refused(&refusal)),
        // Nobody answers; in a cluster that may pass, since another server may have it.
        Err(_) if !api.client.server_info().jetstream => {
            Err(BusError::WithoutJetStream { server: api.server.to_string() })
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        let version = |text| Version::parse(text).unwrap();
        assert!(version("2.9.10") < OLDEST);
        assert!(version("2.14.0") >= OLDEST);
        assert!(version("2.15.1-RC.2") >= SYNCS_BATCHES);
        assert!(version("2.15.0") < SYNCS_BATCHES);
        assert_eq!(Version::parse("devel"), None);
    }
}
