//! PEM files, and what they hold.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use types::{Digest, Secret};

use super::{TlsSettings, is_set};
use crate::Error;

/// The files that settings name, as they are now.
pub(super) struct Files {
    certificate: Option<File>,
    key: Option<File>,
    client_ca: Option<File>,
    ca: Option<File>,
}

struct File {
    path: PathBuf,
    bytes: Secret<Vec<u8>>,
}

/// A certificate with its chain, and its key.
pub(super) type Own = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Files {
    pub(super) fn read(settings: &TlsSettings) -> Result<Self, Error> {
        let read = |path: &Path| is_set(path).then(|| File::read(path)).transpose();
        Ok(Self {
            certificate: read(&settings.certificate)?,
            key: read(&settings.key)?,
            client_ca: read(&settings.client_ca)?,
            ca: read(&settings.ca)?,
        })
    }

    /// Differs when what any of the files holds does.
    pub(super) fn stamp(&self) -> Digest {
        let files = [&self.certificate, &self.key, &self.client_ca, &self.ca];
        let digests = files.map(|file| file.as_ref().map(|file| *Digest::of(file.bytes.expose()).as_bytes()));
        Digest::of(format!("{digests:?}").as_bytes())
    }

    /// The certificate to show; none when there is none.
    pub(super) fn own(&self) -> Result<Option<Own>, Error> {
        let (Some(certificate), Some(key)) = (&self.certificate, &self.key) else { return Ok(None) };
        let private = PrivateKeyDer::from_pem_slice(key.bytes.expose());
        Ok(Some((certificate.certificates()?, private.map_err(|error| key.bad(format!("it holds no key: {error}")))?)))
    }

    pub(super) fn client_ca(&self) -> Result<Option<Arc<RootCertStore>>, Error> {
        self.client_ca.as_ref().map(File::authorities).transpose()
    }

    pub(super) fn ca(&self) -> Result<Option<Arc<RootCertStore>>, Error> {
        self.ca.as_ref().map(File::authorities).transpose()
    }

    /// An error of the certificate's file.
    pub(super) fn certificate_is_bad(&self, problem: impl std::fmt::Display) -> Error {
        let path = self.certificate.as_ref().map(|file| file.path.clone()).unwrap_or_default();
        Error::Tls { path, problem: problem.to_string() }
    }
}

impl File {
    fn read(path: &Path) -> Result<Self, Error> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Self { path: path.to_owned(), bytes: Secret::new(bytes) }),
            Err(error) => Err(Error::Tls { path: path.to_owned(), problem: format!("it cannot be read: {error}") }),
        }
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, Error> {
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(self.bytes.expose()).collect();
        let all = all.map_err(|error| self.bad(format!("it is no PEM file: {error}")))?;
        if all.is_empty() { Err(self.bad("it holds no certificate".to_owned())) } else { Ok(all) }
    }

    fn authorities(&self) -> Result<Arc<RootCertStore>, Error> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates()? {
            let added = roots.add(certificate);
            added.map_err(|error| self.bad(format!("it holds a certificate that cannot be used: {error}")))?;
        }
        Ok(Arc::new(roots))
    }

    fn bad(&self, problem: String) -> Error {
        Error::Tls { path: self.path.clone(), problem }
    }
}
