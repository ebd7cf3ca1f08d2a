//! The settings of a process, be it the whole mesh or a part: those of every role, and of what they stand on.

mod back_ends;
mod places;
mod problems;
mod telemetry;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use fetch::Policy;
use rpc::{ConnectionLimits, TlsSettings};
use runtime::config::{ConfigError, Loader};
use runtime::telemetry::Logging;
use serde::{Deserialize, Serialize};
use types::{ByteSize, Span};

use super::role::{Role, Shape};
use super::sockets;
use crate::failure::Failure;
pub use back_ends::{Events, Objects, Store};
pub use places::{Identity, Listeners, Peers, Tls};
pub use telemetry::Telemetry;

/// The flags that every process takes; they go over the same settings of the file and the environment.
#[derive(Debug, Clone, Default, Args)]
pub struct Flags {
    /// Where everything lies that the process keeps [default: ./millrace-data].
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where the admin page and the metrics are [default: a free port of the loopback].
    #[arg(long, value_name = "HOST:PORT")]
    pub admin_listen: Option<String>,
    /// A folder beneath which folder sources may lie.
    #[arg(long = "folder-root", value_name = "DIR")]
    pub folder_roots: Vec<PathBuf>,
    /// Let listeners reach beyond the loopback without TLS.
    #[arg(long)]
    pub allow_plaintext: bool,
    /// A TOML file of settings.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the settings that are in effect, and end.
    #[arg(long)]
    pub print_config: bool,
}

/// The settings of the whole process; `default.toml` says what each means.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the gateway listens.
    pub listen: String,
    /// Where the admin page is.
    pub admin_listen: String,
    /// Where everything lies.
    pub data_dir: PathBuf,
    /// Folder sources lie beneath one of these.
    pub folder_roots: Vec<PathBuf>,
    /// Whether listeners may reach beyond the loopback without TLS.
    pub allow_plaintext: bool,
    /// What is logged.
    pub logging: Logging,
    /// What it tells to those who look inside.
    pub telemetry: Telemetry,
    fetch: Fetch,
    /// How long a start waits for back ends that do not answer; 0: for ever.
    pub wait_for_stores: Span,
    /// Where roles besides the gateway listen.
    pub listeners: Listeners,
    /// Where roles are that run in other processes.
    pub peers: Peers,
    /// How roles know each other.
    pub tls: Tls,
    /// What the admin listener shows, and asks of whoever comes to it.
    pub admin_tls: TlsSettings,
    /// Who signs identities, and who is believed.
    pub identity: Identity,
    /// Where the state of the roles lies.
    pub store: Store,
    /// Where events go.
    pub events: Events,
    /// Where objects lie.
    pub objects: Objects,
    /// How long each step of the shutdown may take.
    pub shutdown: Shutdown,
    /// The settings of the gateway.
    pub gateway: gateway::Config,
    /// The settings of discovery.
    pub discovery: discovery::Config,
    /// The settings of profiling.
    pub profiling: profiling::Config,
    /// The settings of catalog.
    pub catalog: catalog::Config,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fetch {
    forbidden: Vec<PathBuf>,
    allow_private: Vec<String>,
    max_bytes: ByteSize,
    timeout: Span,
    connect_timeout: Span,
    idle_timeout: Span,
    max_redirects: usize,
}

/// How long each step of the shutdown may take.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shutdown {
    /// For requests under way.
    pub drain: Span,
    /// For rounds of loops.
    pub loops: Span,
    /// For each store.
    pub close: Span,
}

impl Settings {
    /// Reads the settings from the defaults, the file, the environment and the flags; all that is wrong in one message.
    /// `listen` says where roles listen; `demo` is for a person who looks on.
    pub fn load(flags: &Flags, shape: &Shape, listen: &[(Role, String)], demo: bool) -> Result<Self, Failure> {
        let loader = Self::loader(flags, shape, listen, demo);
        loader
            .load_checked(|settings: &Self| settings.problems(shape))
            .map_err(|error| Failure::usage(error.to_string()))
    }

    /// Reads them without looking what they say. What cannot be read is told of all the same.
    pub fn load_unchecked(flags: &Flags, shape: &Shape) -> Result<Self, ConfigError> {
        Self::loader(flags, shape, &[], false).load()
    }

    /// Reads the settings of a mesh that is not to be run: only where it keeps what it keeps has to be right.
    pub fn of_stopped(config: Option<&Path>, data_dir: Option<&Path>) -> Result<Self, Failure> {
        let flags =
            Flags { config: config.map(Path::to_owned), data_dir: data_dir.map(Path::to_owned), ..Flags::default() };
        let places = |settings: &Self| {
            [settings.store.problems(), settings.events.problems(), settings.objects.problems()].concat()
        };
        let loader = Self::loader(&flags, &Shape::alone(), &[], false);
        loader.load_checked(places).map_err(|error| Failure::usage(error.to_string()))
    }

    fn loader(flags: &Flags, shape: &Shape, listen: &[(Role, String)], demo: bool) -> Loader {
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        let roots: Vec<String> = flags.folder_roots.iter().map(path).collect();
        let loader = defaults(shape, demo)
            .file(flags.config.as_deref())
            .env("MILLRACE")
            .set_some("admin_listen", flags.admin_listen.clone())
            .set_some("data_dir", flags.data_dir.as_ref().map(path))
            .set_some("folder_roots", (!roots.is_empty()).then_some(roots))
            .set_some("allow_plaintext", flags.allow_plaintext.then_some(true));
        listen.iter().fold(loader, |loader, (role, address)| loader.set(sockets::setting(*role), address.clone()))
    }

    /// The defaults alone.
    #[cfg(test)]
    pub fn of_defaults() -> Self {
        defaults(&Shape::alone(), false).load().unwrap()
    }

    /// The settings as TOML.
    pub fn print(&self) -> Result<String, Failure> {
        runtime::config::print(self).map_err(|error| Failure::other(error.to_string()))
    }

    /// Where a role listens.
    pub fn listen(&self, role: Role) -> &str {
        match role {
            Role::Gateway => &self.listen,
            Role::Discovery => &self.listeners.discovery,
            Role::Profiling => &self.listeners.profiling,
            Role::Catalog => &self.listeners.catalog,
        }
    }

    /// How many connections the listener of a role takes.
    pub fn connection_limits(&self, role: Role) -> ConnectionLimits {
        match role {
            Role::Gateway => ConnectionLimits {
                most: self.gateway.max_connections,
                most_per_address: self.gateway.max_connections_per_address,
            },
            Role::Discovery | Role::Profiling | Role::Catalog => {
                ConnectionLimits { most: self.listeners.max_connections, ..ConnectionLimits::NONE }
            }
        }
    }

    /// Whether the listener of a role speaks TLS.
    pub fn has_tls(&self, role: Role) -> bool {
        match role {
            Role::Gateway => self.gateway.tls.serves(),
            Role::Discovery | Role::Profiling | Role::Catalog => self.tls.is_on(),
        }
    }

    /// How long back ends are waited for; none: for ever.
    pub fn patience(&self) -> Option<Duration> {
        Some(self.wait_for_stores.as_duration()).filter(|limit| !limit.is_zero())
    }

    /// The file of the first administrator's key.
    pub fn token_file(&self, data_dir: &Path) -> PathBuf {
        named(&self.gateway.admin_token_file).map_or_else(|| data_dir.join(TOKEN_FILE), Path::to_owned)
    }

    /// The file of the key of the hashes of tokens.
    pub fn hash_key_file(&self, data_dir: &Path) -> PathBuf {
        named(&self.gateway.hash_key_file).map_or_else(|| data_dir.join(HASH_KEY_FILE), Path::to_owned)
    }

    /// What may be fetched. The data directory never.
    pub fn policy(&self, data_dir: PathBuf) -> Policy {
        let fetch = &self.fetch;
        Policy {
            folder_roots: self.folder_roots.clone(),
            forbidden: fetch.forbidden.iter().cloned().chain([data_dir]).collect(),
            allow_private: fetch.allow_private.iter().filter_map(|network| network.parse().ok()).collect(),
            max_bytes: fetch.max_bytes,
            timeout: fetch.timeout.as_duration(),
            connect_timeout: fetch.connect_timeout.as_duration(),
            idle_timeout: fetch.idle_timeout.as_duration(),
            max_redirects: fetch.max_redirects,
        }
    }
}

/// The file in the data directory that holds the first administrator's token.
const TOKEN_FILE: &str = "admin.token";
/// The file in the data directory that holds the key of hashes.
pub const HASH_KEY_FILE: &str = "hash.key";

/// A path that was given.
fn named(path: &Path) -> Option<&Path> {
    Some(path).filter(|path| !path.as_os_str().is_empty())
}

fn defaults(shape: &Shape, demo: bool) -> Loader {
    let loader = Loader::new().defaults("", include_str!("../../default.toml"));
    // A supervisor starts processes in any order; a person at a terminal wants to know that something is amiss.
    let loader = if *shape == Shape::alone() { loader } else { loader.defaults("", "wait_for_stores = '0s'") };
    // Whoever looks at the demonstration wants to see its progress, not the log.
    let loader = if demo { loader.defaults("logging", "format = 'text'\nfilter = 'warn'") } else { loader };
    loader
        .defaults("gateway", gateway::DEFAULTS)
        .defaults("discovery", discovery::config::DEFAULTS)
        .defaults("profiling", profiling::Config::DEFAULTS)
        .defaults("catalog", catalog::config::DEFAULTS)
}

#[cfg(test)]
mod tests;
