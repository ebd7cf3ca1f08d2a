//! What the operator allows.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use types::ByteSize;

/// What the operator allows, and the limits of one exchange.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Folder sources lie beneath one of these. None: there are no folder sources.
    pub folder_roots: Vec<PathBuf>,
    /// Never read from, whatever lies around them: the data directory.
    pub forbidden: Vec<PathBuf>,
    /// Networks that are not public, and may be reached all the same.
    pub allow_private: Vec<IpNet>,
    /// The most bytes of one file.
    pub max_bytes: ByteSize,
    /// The longest that one exchange takes, its bytes included.
    pub timeout: Duration,
    /// The longest that a connection takes to stand.
    pub connect_timeout: Duration,
    /// The longest silence of a server.
    pub idle_timeout: Duration,
    /// The most redirects followed one after the other.
    pub max_redirects: usize,
}

impl Default for Policy {
    /// No roots, public addresses alone, 16 GiB, an hour.
    fn default() -> Self {
        Self {
            folder_roots: Vec::new(),
            forbidden: Vec::new(),
            allow_private: Vec::new(),
            max_bytes: ByteSize::mib(16 * 1024),
            timeout: Duration::from_secs(3600),
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            max_redirects: 5,
        }
    }
}
