//! How a mesh is started.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::shape::{Place, ROLES};
use crate::shared::on_shared;
use crate::{Mesh, Shape};

/// How a mesh is started.
#[derive(Debug, Clone)]
pub struct Setup {
    pub(crate) shape: Shape,
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) flags: Vec<String>,
    /// The binary; that beside the test's own executable when there is none.
    pub(crate) binary: Option<PathBuf>,
    /// The names of the processes beyond the first of a role.
    further: Vec<String>,
}

impl Default for Setup {
    fn default() -> Self {
        Self { shape: Shape::given(), settings: Vec::new(), flags: Vec::new(), binary: None, further: Vec::new() }
    }
}

impl Setup {
    /// The defaults, the folder root aside, in the shape of this run.
    pub fn new() -> Self {
        Self::default()
    }

    /// In this shape, whatever that of the run.
    #[must_use]
    pub fn shaped(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }

    /// With a second process of a role, where there are several processes.
    #[must_use]
    pub fn doubling(self, role: &str) -> Self {
        self.times(role, 2)
    }

    /// With so many processes of a role, where there are several processes.
    #[must_use]
    pub fn times(mut self, role: &str, count: usize) -> Self {
        self.further.extend((2..=count).map(|number| format!("{role}-{number}")));
        self
    }

    /// With this binary.
    #[must_use]
    pub fn running(mut self, binary: &Path) -> Self {
        self.binary = Some(binary.to_owned());
        self
    }

    /// Sets `MILLRACE__<key>`, as in `GATEWAY__LIMITS__PRINCIPAL__BURST`.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl ToString) -> Self {
        self.settings.push((format!("MILLRACE__{key}"), value.to_string()));
        self
    }

    /// Adds flags.
    #[must_use]
    pub fn flags<const N: usize>(mut self, flags: [&str; N]) -> Self {
        self.flags.extend(flags.map(str::to_owned));
        self
    }

    /// Starts the mesh, and waits until it answers.
    pub async fn start(self) -> Mesh {
        let mut mesh = self.prepare();
        mesh.spawn();
        mesh.ready().await;
        mesh
    }

    /// Makes the mesh's folders, and starts nothing.
    pub fn prepare(self) -> Mesh {
        let work = tempfile::Builder::new().prefix("millrace-mesh-").tempdir().expect("a temporary folder");
        std::fs::create_dir(work.path().join("folder")).expect("a new folder takes folders");
        match self.shape {
            Shape::Embedded | Shape::Servers => Mesh::of(work, self, vec![Place::of("up")]),
            Shape::Processes => self.in_processes(work),
        }
    }

    fn in_processes(self, work: TempDir) -> Mesh {
        assert!(self.flags.is_empty(), "the flags are those of `up`: {:?}", self.flags);
        let on_servers = self.settings.iter().any(|(key, _)| key == "MILLRACE__EVENTS__URL");
        let setup = if on_servers { self } else { on_shared(self) };
        let further = setup.further.iter().map(|name| Place::of(name));
        let places: Vec<_> = ROLES.into_iter().map(Place::of).chain(further).collect();
        std::fs::create_dir(work.path().join("data")).expect("a new folder takes folders");
        let mesh = Mesh::of(work, setup, places);
        mesh.configure();
        mesh
    }
}
