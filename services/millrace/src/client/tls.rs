//! TLS towards the gateway: what the system's authorities signed, or those of a file.

use std::io;
use std::path::Path;
use std::sync::Arc;

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tower::service_fn;
use tower::util::BoxService;

use crate::failure::Failure;

/// The port of a URL without one.
const HTTPS: u16 = 443;

/// A connection within TLS.
type Stream = TokioIo<TlsStream<TcpStream>>;

/// Makes what connects by TLS, and believes the authorities in `ca_file`, else those of the system.
pub fn connector(ca_file: Option<&Path>) -> Result<BoxService<Uri, Stream, io::Error>, Failure> {
    let roots = match ca_file {
        Some(path) => of_file(path)?,
        None => of_system()?,
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| Failure::other(error.to_string()))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let connector = TlsConnector::from(Arc::new(config));
    Ok(BoxService::new(service_fn(move |uri| connect(connector.clone(), uri))))
}

async fn connect(connector: TlsConnector, uri: Uri) -> io::Result<Stream> {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let stream = TcpStream::connect((host.as_str(), uri.port_u16().unwrap_or(HTTPS))).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(host).map_err(io::Error::other)?;
    Ok(TokioIo::new(connector.connect(name, stream).await?))
}

fn of_file(path: &Path) -> Result<RootCertStore, Failure> {
    let bad =
        |error: &dyn std::fmt::Display| Failure::usage(format!("cannot use the CA file {}: {error}", path.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| bad(&error))? {
        roots.add(certificate.map_err(|error| bad(&error))?).map_err(|error| bad(&error))?;
    }
    if roots.is_empty() { Err(bad(&"it holds no certificate")) } else { Ok(roots) }
}

fn of_system() -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    let (_added, _ignored) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    match roots.is_empty() {
        true => Err(Failure::usage("this system has no certificates of authorities; name a file with `--ca-file`")),
        false => Ok(roots),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_refused() {
        let folder = testkit::temp_dir();
        let path = folder.path().join("ca.pem");
        for text in ["", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"] {
            std::fs::write(&path, text).unwrap();
            assert!(connector(Some(&path)).is_err(), "{text}");
        }
        assert!(connector(Some(&folder.path().join("none"))).is_err());
    }
}
