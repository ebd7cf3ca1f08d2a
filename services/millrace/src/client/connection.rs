//! Which gateway, and as whom.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use tonic::transport::{Channel, Endpoint};

use super::credential::Credential;
use super::login::Login;
use super::tls;
use crate::failure::Failure;

/// Where `millrace up` listens when it is not told otherwise.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:7070";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Which gateway, and as whom.
#[derive(Debug, Clone, Default, Args)]
pub struct Connection {
    /// The gateway, HOST:PORT or a URL. Else $MILLRACE_ADDRESS, else that of the stored login, else 127.0.0.1:7070.
    #[arg(long, global = true, value_name = "HOST:PORT", help_heading = "Connection")]
    pub address: Option<String>,
    /// A file that holds a token. Else the token in $MILLRACE_TOKEN, else the stored login.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Connection")]
    pub token_file: Option<PathBuf>,
    /// The authorities, in PEM, of which one signed the certificate of a gateway at https://. Else $MILLRACE_CA_FILE, else
    /// those of the system.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Connection")]
    pub ca_file: Option<PathBuf>,
}

impl Connection {
    /// The address, whether or not anybody is signed in there.
    pub fn address(&self) -> Result<String, Failure> {
        let named = self.address.clone().or_else(|| runtime::config::env("MILLRACE_ADDRESS"));
        match named {
            Some(address) => Ok(address),
            None => Ok(Login::load()?.map_or_else(|| DEFAULT_ADDRESS.to_owned(), |login| login.address)),
        }
    }

    /// The file of authorities that was named.
    pub fn ca_file(&self) -> Option<PathBuf> {
        self.ca_file.clone().or_else(|| runtime::config::env("MILLRACE_CA_FILE").map(PathBuf::from))
    }

    /// The token that was named, by file or environment.
    pub fn named_token(&self) -> Result<Option<String>, Failure> {
        match &self.token_file {
            Some(path) => {
                let failed = |error| Failure::usage(format!("cannot read the token file {}: {error}", path.display()));
                let token = std::fs::read_to_string(path).map_err(failed)?.trim().to_owned();
                if token.is_empty() {
                    return Err(Failure::usage(format!("the token file {} is empty", path.display())));
                }
                Ok(Some(token))
            }
            None => Ok(runtime::config::env("MILLRACE_TOKEN").map(|token| token.trim().to_owned())),
        }
    }

    /// Address and credential: what was named, else the stored login. A stored token goes to no other address than
    /// the one that gave it.
    pub(super) fn resolve(&self) -> Result<(String, Credential), Failure> {
        let address = self.address()?;
        if let Some(token) = self.named_token()? {
            return Ok((address, Credential::Token(token)));
        }
        match Login::load()? {
            Some(login) if same(&login.address, &address) => Ok((address, Credential::Stored)),
            _ => Err(Failure::not_signed_in(format!(
                "not signed in to {address}; use `millrace login --address {address}`, or name a token with \
                 `--token-file FILE` or $MILLRACE_TOKEN"
            ))),
        }
    }
}

fn same(one: &str, other: &str) -> bool {
    fn bare(address: &str) -> &str {
        address.strip_prefix("http://").unwrap_or(address).trim_end_matches('/')
    }
    bare(one) == bare(other)
}

/// The endpoint at an address, HOST:PORT or a URL.
fn endpoint(address: &str) -> Result<Endpoint, Failure> {
    let url = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let known = |endpoint: &Endpoint| {
        endpoint.uri().host().is_some() && matches!(endpoint.uri().scheme_str(), Some("http" | "https"))
    };
    let endpoint = Endpoint::from_shared(url).ok().filter(known).ok_or_else(|| {
        Failure::usage(format!(
            "`{address}` is no address: write HOST:PORT, as in {DEFAULT_ADDRESS}, or https://HOST:PORT"
        ))
    })?;
    Ok(endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true))
}

pub(super) async fn open(address: &str, ca_file: Option<&Path>) -> Result<Channel, Failure> {
    let endpoint = endpoint(address)?;
    let connected = match endpoint.uri().scheme_str() {
        Some("https") => endpoint.connect_with_connector(tls::connector(ca_file)?).await,
        _ => endpoint.connect().await,
    };
    connected.map_err(|error| {
        let cause = std::iter::successors(std::error::Error::source(&error), |cause| cause.source()).last();
        let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
        Failure::unreachable(format!(
            "cannot reach the mesh at {address}{cause}; is it running? `millrace up` starts it, `--address` names another"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_port_or_a_url() {
        assert!(endpoint("127.0.0.1:7070").is_ok());
        assert!(endpoint("http://mesh.example:80").is_ok());
        assert!(endpoint("https://mesh.example").is_ok());
        assert!(endpoint("ftp://mesh.example").is_err());
        assert!(endpoint("two words").is_err());
    }

    #[test]
    fn a_stored_token_is_for_the_address_that_gave_it() {
        assert!(same("127.0.0.1:7070", "http://127.0.0.1:7070/"));
        assert!(!same("127.0.0.1:7070", "127.0.0.1:7071"));
    }
}
