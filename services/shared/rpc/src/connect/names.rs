//! Endpoints, and the addresses behind their names.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use http::uri::Authority;
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::ServerName;
use types::BoxFuture;

use super::ConnectSettings;
use crate::{ClientTls, Error};

/// A resolver that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Finds the addresses of a host and port.
pub(crate) type Lookup = Arc<dyn Fn(String, u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// The resolver of the system.
pub(super) fn system() -> Lookup {
    Arc::new(|host, port| Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) }))
}

/// One endpoint.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) authority: Authority,
    host: String,
    port: u16,
    /// What to show and to ask for; none for plain text.
    pub(super) tls: Option<(ClientTls, ServerName<'static>)>,
}

impl Target {
    pub(super) fn read(endpoint: &str, settings: &ConnectSettings) -> Result<Self, Error> {
        let bad = || Error::BadEndpoint { given: endpoint.to_owned() };
        let url = if endpoint.contains("://") { endpoint.to_owned() } else { format!("http://{endpoint}") };
        let url: Uri = url.parse().map_err(|_| bad())?;
        let authority =
            url.authority().cloned().filter(|authority| !authority.as_str().contains('@')).ok_or_else(bad)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().filter(|port| *port > 0).ok_or_else(bad)?;
        let tls = match url.scheme_str() {
            Some("http") => None,
            Some("https") => {
                let missing = || Error::NoAuthorities { endpoint: endpoint.to_owned() };
                let name = settings.server_name.clone().unwrap_or_else(|| host.clone());
                Some((settings.tls.clone().ok_or_else(missing)?, ServerName::try_from(name).map_err(|_| bad())?))
            }
            _ => return Err(bad()),
        };
        if url.path_and_query().is_some_and(|path| path.as_str() != "/") || host.is_empty() {
            return Err(bad());
        }
        Ok(Self { authority, host, port, tls })
    }

    /// The address, where the endpoint names it itself.
    pub(super) fn literal(&self) -> Option<SocketAddr> {
        self.host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, self.port))
    }

    /// The addresses, or why there are none.
    pub(super) async fn resolve(&self, lookup: &Lookup) -> Result<Vec<SocketAddr>, String> {
        if let Some(address) = self.literal() {
            return Ok(vec![address]);
        }
        match timeout(PATIENCE, lookup(self.host.clone(), self.port)).await {
            Ok(Ok(addresses)) if !addresses.is_empty() => Ok(addresses),
            Ok(Ok(_)) => Err(format!("the name `{}` has no address", self.host)),
            Ok(Err(error)) => Err(format!("the name `{}` cannot be resolved: {error}", self.host)),
            Err(_) => Err(format!("the name `{}` was not resolved within {} s", self.host, PATIENCE.as_secs())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(endpoint: &str) -> Result<Target, Error> {
        Target::read(endpoint, &ConnectSettings::new("catalog", [endpoint]))
    }

    #[test]
    fn an_endpoint_is_a_host_and_a_port() {
        for good in ["catalog.mesh:7071", "http://10.0.0.1:80", "http://[::1]:7071/", "[::1]:7071"] {
            assert!(read(good).is_ok(), "{good}");
        }
        assert_eq!(read("http://[::1]:7071").ok().unwrap().literal().unwrap().to_string(), "[::1]:7071");
        for bad in ["", "catalog", "two words:1", "ftp://h:1", "http://h", "h:0", "http://h:1/path", "user@h:1"] {
            assert!(matches!(read(bad), Err(Error::BadEndpoint { .. })), "{bad}");
        }
        assert!(matches!(read("https://h:1"), Err(Error::NoAuthorities { .. })));
    }
}
