//! Where roles are, how they are protected on the way, and whom they believe.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rpc::{IdentitySettings, TlsSettings, Trusted};
use serde::{Deserialize, Serialize};

use crate::mesh::role::Role;

/// Where roles besides the gateway listen.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listeners {
    /// Discovery.
    pub discovery: String,
    /// Profiling.
    pub profiling: String,
    /// Catalog.
    pub catalog: String,
    /// Connections that each takes at once.
    pub max_connections: usize,
}

/// Where roles are that run in other processes; several endpoints share the calls.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peers {
    /// Discovery.
    pub discovery: Vec<String>,
    /// Profiling.
    pub profiling: Vec<String>,
    /// Catalog.
    pub catalog: Vec<String>,
}

/// How roles know each other: each shows its certificate, and takes those of its authority alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate and those between it and its authority, in PEM; empty: plain text.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
    /// The authority of all roles' certificates, in PEM.
    pub ca: PathBuf,
    /// The name that the certificates of roles must bear; empty: the host of the endpoint.
    pub server_name: String,
}

/// Who signs identities, and who is believed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The name of the mesh: identities of another are refused.
    pub audience: String,
    /// The file with the private key of each role, where it has one.
    pub keys: BTreeMap<Role, PathBuf>,
    /// The public keys that are believed of each role: texts, or files of them.
    pub trusted: BTreeMap<Role, Trusted>,
}

impl Peers {
    /// The endpoints of a role.
    pub fn of(&self, role: Role) -> &[String] {
        match role {
            Role::Discovery => &self.discovery,
            Role::Profiling => &self.profiling,
            Role::Catalog => &self.catalog,
            Role::Gateway => &[],
        }
    }

    /// What is wrong with those of `role`, that this process calls.
    pub(super) fn problems(&self, role: Role, tls: &Tls) -> Vec<String> {
        let endpoints = self.of(role);
        if endpoints.is_empty() {
            return vec![format!("`peers.{role}`: the gateway needs at least one endpoint, `http://HOST:PORT`")];
        }
        let (scheme, why) = match tls.is_on() {
            true => ("https://", "since `tls` is set"),
            false => ("http://", "or set `tls` for https"),
        };
        let wrong = endpoints.iter().filter(|endpoint| {
            !endpoint.strip_prefix(scheme).is_some_and(|rest| rest.contains(':') && !rest.contains(['/', '@']))
        });
        wrong
            .map(|endpoint| format!("`peers.{role}`: {endpoint} is no endpoint; write {scheme}HOST:PORT, {why}"))
            .collect()
    }
}

impl Tls {
    /// Whether roles speak TLS.
    pub fn is_on(&self) -> bool {
        !self.certificate.as_os_str().is_empty()
    }

    /// The same towards both sides: a role is a server to some and a client of others.
    pub fn both_sides(&self) -> TlsSettings {
        let Self { certificate, key, ca, .. } = self.clone();
        TlsSettings { certificate, key, client_ca: ca.clone(), ca }
    }

    pub(super) fn problems(&self) -> Vec<String> {
        let set = [&self.certificate, &self.key, &self.ca].map(|path| !path.as_os_str().is_empty());
        match set {
            [true, true, true] => {
                self.both_sides().file_problems().iter().map(|problem| format!("`tls`: {problem}")).collect()
            }
            [false, false, false] => Vec::new(),
            _ => vec!["`tls`: `certificate`, `key` and `ca` stand together".to_owned()],
        }
    }
}

impl Identity {
    /// The file with the private key of a role, where it has one.
    pub fn key(&self, role: Role) -> Option<&Path> {
        self.keys.get(&role).map(PathBuf::as_path).filter(|path| !path.as_os_str().is_empty())
    }

    /// Whose signatures are believed.
    pub fn believed(&self) -> IdentitySettings {
        let trusted = self.trusted.iter().map(|(role, keys)| (role.name().to_owned(), keys.clone())).collect();
        IdentitySettings { key: PathBuf::new(), trusted }
    }

    pub(super) fn problems(&self) -> Vec<String> {
        let audience = self.audience.is_empty().then(|| "`identity.audience` must not be empty".to_owned());
        audience.into_iter().chain(self.believed().problems("identity")).collect()
    }
}

/// What is wrong with a file that a setting names.
pub fn unreadable(setting: &str, path: &Path) -> Option<String> {
    let error = std::fs::File::open(path).err()?;
    Some(format!("`{setting}`: cannot read {}: {error}", path.display()))
}
