//! The client's side.

use std::fmt;
use std::sync::Arc;

use tokio_rustls::rustls::ClientConfig;

use super::files::Files;
use super::{Reloading, TlsSettings, alpn, provider};
use crate::Error;

/// Whom a client believes, and what it shows. Clones share it.
#[derive(Clone)]
pub struct ClientTls(Arc<Reloading<ClientConfig>>);

impl ClientTls {
    /// Reads the files; fails when one is missing, is no PEM file, or when certificate and key do not belong together.
    pub fn load(settings: &TlsSettings) -> Result<Self, Error> {
        Reloading::load(settings, make).map(|inner| Self(Arc::new(inner)))
    }

    /// Reads the files again, as [`ServerTls::reload`](super::ServerTls::reload) does.
    pub fn reload(&self) -> Result<bool, Error> {
        self.0.reload()
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        self.0.config()
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientTls({:?})", self.0.settings)
    }
}

fn make(files: &Files) -> Result<ClientConfig, Error> {
    let roots =
        files.ca()?.ok_or_else(|| files.certificate_is_bad("a client needs `ca`, the authorities it believes"))?;
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| files.certificate_is_bad(error))?
        .with_root_certificates(roots);
    let mut config = match files.own()? {
        Some((chain, key)) => {
            builder.with_client_auth_cert(chain, key).map_err(|error| files.certificate_is_bad(error))?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn();
    Ok(config)
}
