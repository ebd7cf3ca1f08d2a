//! The one client for foreign URLs and folders: address policy, limits, conditional requests.
//!
//! Whatever a tenant names, a URL or a path, is reached through [`Fetcher`] and nothing else. It holds what the
//! operator allows ([`Policy`]) and keeps these promises:
//!
//! - A request goes to a public address only, or to one in the operator's allow list. That holds for addresses written
//!   into the URL, for every address a name resolves to, and for every hop of a redirect; the address that was checked
//!   is the one that is connected to, because the check sits in the client's own resolver.
//! - Proxies of the environment are not used, cookies and referrers not sent, encodings other than identity not asked
//!   for, so bytes arrive as they lie on the server.
//! - Every exchange ends: there are limits on its size, its time, its silence and its redirects.
//! - A file is read only when it lies, links followed, beneath a root of the operator and outside the data directory.
//!   That is checked on the file that was opened, not on its name alone.
//!
//! It keeps no state, retries nothing and stores nothing: that is the work of who calls it.

mod address;
mod error;
mod file;
mod folder;
mod http;
mod policy;

pub use error::Error;
pub use ipnet::IpNet;
pub use policy::Policy;

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::Stream;
use types::Origin;
use url::Url;

pub use file::FoundFile;
pub use http::{Bound, Head, Text};

/// Bytes that come piece by piece. The stream ends after its first error.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>;

/// The bytes of a dataset, about to be read.
pub struct Fetched {
    /// The bytes. They fail with [`Error::TooLarge`] at the limit, and with [`Error::ChangedWhileRead`] when a file
    /// does not stay as it was.
    pub body: ByteStream,
    /// How many bytes there are, where that is told beforehand.
    pub size_bytes: Option<u64>,
    /// What tells this state of the bytes from others; empty when the server tells nothing.
    pub version_token: String,
    /// The name of the file, without folders.
    pub file_name: String,
}

impl std::fmt::Debug for Fetched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetched")
            .field("size_bytes", &self.size_bytes)
            .field("version_token", &self.version_token)
            .field("file_name", &self.file_name)
            .finish_non_exhaustive()
    }
}

/// What a conditional request gave.
#[derive(Debug)]
pub enum Opened {
    /// The bytes are there to be read.
    Fetched(Fetched),
    /// They are still those of the version token that was named.
    Unchanged,
}

impl Opened {
    /// The bytes, unless they did not change.
    pub fn fetched(self) -> Option<Fetched> {
        match self {
            Self::Fetched(fetched) => Some(fetched),
            Self::Unchanged => None,
        }
    }
}

/// Reaches foreign URLs and folders within the operator's policy. Clones share one pool of connections.
#[derive(Debug, Clone)]
pub struct Fetcher {
    policy: Arc<Policy>,
    client: reqwest::Client,
}

impl Fetcher {
    /// Makes a fetcher that keeps to `policy`. Roots that are not there yet may come later.
    pub fn new(policy: Policy) -> Result<Self, Error> {
        let policy = Arc::new(policy);
        let client = http::client(&policy)?;
        Ok(Self { policy, client })
    }

    /// The policy it keeps to.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Opens the bytes at `origin`. With `known`, a version token of before, only if they changed since.
    ///
    /// Fails with [`Error::NotForeign`] for an object, which `objects` reads.
    pub async fn open(&self, origin: &Origin, known: Option<&str>) -> Result<Opened, Error> {
        match origin {
            Origin::File { path } => file::open(&self.policy, path, known).await,
            Origin::Http { url } => http::open(self, url, known).await,
            Origin::Object { .. } => Err(Error::NotForeign),
        }
    }

    /// Checks a folder against the policy and gives its canonical path.
    ///
    /// What lies outside the roots is refused as such whether it exists or not.
    pub fn check_folder(&self, path: &Path) -> Result<std::path::PathBuf, Error> {
        folder::check(&self.policy, path)
    }

    /// Checks a file that a listing named: links followed, it is a regular file in a permitted place.
    pub fn check_file(&self, path: &Path) -> Result<FoundFile, Error> {
        file::check(&self.policy, path)
    }

    /// Tells whether a canonical path lies in a place that never qualifies, such as the data directory.
    pub fn is_forbidden(&self, canonical: &Path) -> bool {
        folder::is_forbidden(&self.policy, canonical)
    }

    /// Checks scheme and form of `url`, and every address that its host has at present.
    pub async fn check_url(&self, url: &Url) -> Result<(), Error> {
        http::check_url(&self.policy, url).await
    }

    /// Asks for what is known of `url` without its bytes. Fails unless the answer is a success.
    pub async fn head(&self, url: &Url) -> Result<Head, Error> {
        http::head(self, url).await
    }

    /// Reads a text, such as a listing, up to `bound`. What is no UTF-8 in it is replaced.
    pub async fn get_text(&self, url: &Url, bound: Bound) -> Result<Text, Error> {
        http::get_text(self, url, bound).await
    }
}
