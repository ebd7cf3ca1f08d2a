//! Of what a mesh consists: one process, or one for each role.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::guarded::free_ports;

/// Of what a mesh consists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `up`: one process, with all it keeps in its data directory.
    Embedded,
    /// `up`, with its events on NATS and its objects in a bucket. Tests of faults and of back ends alone take it.
    Servers,
    /// `serve`: a process for each role, on NATS, a bucket, and PostgreSQL.
    Processes,
}

impl Shape {
    /// The shape of every mesh of this run that is not told otherwise: `MILLRACE_SHAPE` is `embedded`, the default, or
    /// `processes`.
    ///
    /// # Panics
    /// When it is anything else.
    pub fn given() -> Self {
        match std::env::var("MILLRACE_SHAPE").as_deref() {
            Err(_) | Ok("" | "embedded") => Self::Embedded,
            Ok("processes") => Self::Processes,
            Ok(other) => panic!("MILLRACE_SHAPE takes `embedded` or `processes`, not `{other}`"),
        }
    }

    /// The shapes on which tests of faults run.
    pub fn of_run() -> Vec<Self> {
        match Self::given() {
            Self::Processes => vec![Self::Processes],
            Self::Embedded | Self::Servers => vec![Self::Embedded, Self::Servers],
        }
    }

    /// The same without those of one process.
    pub fn of_processes() -> Vec<Self> {
        Self::of_run().into_iter().filter(|shape| *shape == Self::Processes).collect()
    }

    /// The same without the shape that has no servers to hit.
    pub fn with_servers() -> Vec<Self> {
        Self::of_run().into_iter().filter(|shape| *shape != Self::Embedded).collect()
    }
}

/// Ends a test that is about `up` alone, where the run is of another shape: its flags, its banner, its data directory.
#[macro_export]
macro_rules! about_up_alone {
    () => {
        if $crate::Shape::given() == $crate::Shape::Processes {
            return;
        }
    };
}

/// A process of a mesh, and where it listens.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// `up`, or the role with a number behind it where there are several of one: `profiling-2`.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Every role.
pub(crate) const ROLES: [&str; 4] = ["discovery", "profiling", "catalog", "gateway"];

impl Place {
    /// A place on a free port.
    pub fn of(name: &str) -> Self {
        let [port] = free_ports();
        Self { name: name.to_owned(), address: SocketAddr::from(([127, 0, 0, 1], port)) }
    }

    /// The role that runs there.
    pub fn role(&self) -> &str {
        role_of(&self.name)
    }

    /// The arguments that make it what it is.
    pub fn arguments(&self, work: &Path) -> Vec<String> {
        let (data, config) = (data_of(work, &self.name), config_file(work));
        let listen = format!("{}={}", self.role(), self.address);
        let (data, config) = (data.display().to_string(), config.display().to_string());
        let arguments =
            ["serve", "--roles", self.role(), "--listen", &listen, "--data-dir", &data, "--config", &config];
        arguments.map(str::to_owned).to_vec()
    }
}

/// The role of the process of this name.
pub(crate) fn role_of(name: &str) -> &str {
    name.split('-').next().unwrap_or(name)
}

/// The data directory of a process of several.
pub(crate) fn data_of(work: &Path, name: &str) -> PathBuf {
    work.join("data").join(name)
}

pub(crate) fn config_file(work: &Path) -> PathBuf {
    work.join("mesh.toml")
}

/// The settings that all processes of a mesh share; `key` is the public one of the gateway.
pub(crate) fn config(work: &Path, places: &[Place], key: &str) -> String {
    let mut text = String::new();
    let path = |name: &str| work.join(name).display().to_string();
    let _ = writeln!(text, "folder_roots = [{:?}]", path("folder"));
    let _ = writeln!(text, "[fetch]\nforbidden = [{:?}]", path("data"));
    let _ = writeln!(text, "[identity.keys]\ngateway = {:?}", path("gateway.key"));
    let _ = writeln!(text, "[identity.trusted]\ngateway = [{key:?}]");
    let _ = writeln!(text, "[gateway]\nhash_key_file = {:?}", path("hash.key"));
    let _ = writeln!(text, "admin_token_file = {:?}", path("data/admin.token"));
    let _ = writeln!(text, "[peers]");
    for role in ROLES.iter().filter(|role| **role != "gateway") {
        let of_role = places.iter().filter(|place| place.role() == *role);
        let endpoints: Vec<_> = of_role.map(|place| format!("http://{}", place.address)).collect();
        let _ = writeln!(text, "{role} = {endpoints:?}");
    }
    text
}
