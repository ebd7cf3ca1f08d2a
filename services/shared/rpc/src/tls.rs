//! TLS by rustls on ring, with certificates that are read again while connections go on.
//!
//! [`ServerTls`] and [`ClientTls`] each hold one configuration made of files. `reload` looks whether the files changed,
//! and new connections then use what they hold now; those that are open keep what they began with. This crate spawns
//! nothing, so whoever owns a listener calls `reload` from a loop of its own.

mod client;
mod files;
mod server;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use types::Digest;

pub use client::ClientTls;
pub use server::ServerTls;

use crate::Error;
use files::Files;

/// Which certificates to show, and whose to believe: paths of PEM files, empty for none.
///
/// Without `certificate` a server speaks plain text; without `client_ca` it asks its clients for no certificate. A
/// client believes what descends from `ca`, and shows `certificate` to a server that asks for one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsSettings {
    /// The certificate of this process, and those between it and its authority, leaf first.
    pub certificate: PathBuf,
    /// Its private key: PKCS #8, SEC 1 or PKCS #1.
    pub key: PathBuf,
    /// The authorities of which one must have signed a client's certificate. Set, a client without one is refused.
    pub client_ca: PathBuf,
    /// The authorities of which one must have signed the certificate of a server that is called.
    pub ca: PathBuf,
}

impl TlsSettings {
    /// Whether a server of these settings speaks TLS.
    pub fn serves(&self) -> bool {
        is_set(&self.certificate)
    }

    /// Whether a client of these settings can call an `https://` endpoint.
    pub fn calls(&self) -> bool {
        is_set(&self.ca)
    }

    /// What is wrong with the settings named `at` (`gateway.tls`), one sentence each; the files are not looked at.
    pub fn problems(&self, at: &str) -> Vec<String> {
        let mut problems = Vec::new();
        if self.serves() != is_set(&self.key) {
            problems.push(format!("{at}.certificate and {at}.key belong together: set both, or neither"));
        }
        if is_set(&self.client_ca) && !self.serves() {
            problems.push(format!("{at}.client_ca asks clients for certificates, which takes {at}.certificate too"));
        }
        problems
    }

    /// What is wrong with the files that the settings name, one sentence each.
    pub fn file_problems(&self) -> Vec<String> {
        let server = self.serves().then(|| ServerTls::load(self).err()).flatten();
        let client = self.calls().then(|| ClientTls::load(self).err()).flatten();
        let mut problems: Vec<_> = [server, client].into_iter().flatten().map(|error| error.to_string()).collect();
        problems.dedup();
        problems
    }
}

fn is_set(path: &Path) -> bool {
    !path.as_os_str().is_empty()
}

/// The one provider of cryptography.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// What gRPC speaks on a connection (RFC 7301).
fn alpn() -> Vec<Vec<u8>> {
    vec![b"h2".to_vec()]
}

/// A configuration made of files, and made anew when they change.
struct Reloading<C> {
    settings: TlsSettings,
    make: fn(&Files) -> Result<C, Error>,
    current: Mutex<Current<C>>,
}

struct Current<C> {
    stamp: Digest,
    config: Arc<C>,
}

impl<C> Reloading<C> {
    fn load(settings: &TlsSettings, make: fn(&Files) -> Result<C, Error>) -> Result<Self, Error> {
        let files = Files::read(settings)?;
        let current = Current { stamp: files.stamp(), config: Arc::new(make(&files)?) };
        Ok(Self { settings: settings.clone(), make, current: Mutex::new(current) })
    }

    fn config(&self) -> Arc<C> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).config.clone()
    }

    /// What the files hold counts, not their times: a mount that swaps links changes neither.
    fn reload(&self) -> Result<bool, Error> {
        let files = Files::read(&self.settings)?;
        let stamp = files.stamp();
        if self.current.lock().unwrap_or_else(PoisonError::into_inner).stamp == stamp {
            return Ok(false);
        }
        let config = Arc::new((self.make)(&files)?);
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Current { stamp, config };
        Ok(true)
    }
}
