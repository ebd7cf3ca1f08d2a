//! The server's side.

use std::fmt;
use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::server::WebPkiClientVerifier;

use super::files::Files;
use super::{Reloading, TlsSettings, alpn, provider};
use crate::Error;

/// What a listener shows its clients, and asks of them. Clones share it.
#[derive(Clone)]
pub struct ServerTls(Arc<Reloading<ServerConfig>>);

impl ServerTls {
    /// Reads the files; fails when one is missing, is no PEM file, or when certificate and key do not belong together.
    pub fn load(settings: &TlsSettings) -> Result<Self, Error> {
        Reloading::load(settings, make).map(|inner| Self(Arc::new(inner)))
    }

    /// Like [`ServerTls::load`], for clients that may speak HTTP/1.1 too: browsers, scrapers, probes.
    pub fn load_web(settings: &TlsSettings) -> Result<Self, Error> {
        Reloading::load(settings, make_web).map(|inner| Self(Arc::new(inner)))
    }

    /// Reads the files again, and tells whether they changed. New connections then use what they hold. When they cannot
    /// be used, such as halfway through an exchange of certificate and key, all stays as it was and the error says why.
    pub fn reload(&self) -> Result<bool, Error> {
        self.0.reload()
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.0.config()
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerTls({:?})", self.0.settings)
    }
}

fn make_web(files: &Files) -> Result<ServerConfig, Error> {
    let mut config = make(files)?;
    config.alpn_protocols.push(b"http/1.1".to_vec());
    Ok(config)
}

fn make(files: &Files) -> Result<ServerConfig, Error> {
    let (chain, key) =
        files.own()?.ok_or_else(|| files.certificate_is_bad("a server needs a certificate and a key"))?;
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| files.certificate_is_bad(error))?;
    let builder = match files.client_ca()? {
        Some(roots) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider()).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| files.certificate_is_bad(error))?)
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| files.certificate_is_bad(error))?;
    config.alpn_protocols = alpn();
    Ok(config)
}
