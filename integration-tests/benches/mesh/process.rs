//! The binary, run as a user runs it.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::client::Client;

/// How long a start may take before it is given up.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running `millrace up` on a fresh data directory, killed and removed when dropped.
pub struct Mesh {
    child: Child,
    /// Removed after the process has ended: `drop` ends it, and fields go thereafter.
    _folder: tempfile::TempDir,
    /// A connection as its administrator.
    pub client: Client,
    /// When it was ready.
    pub ready: Instant,
    /// How long it took from the start of the process until the first call was answered.
    pub start: Duration,
}

/// How to run the binary.
pub struct Launch<'a> {
    pub binary: &'a Path,
    /// Where the data directory is made.
    pub work: &'a Path,
    /// What follows `up`.
    pub arguments: Vec<String>,
    /// Settings that differ from the defaults, by the name of their environment variable.
    pub settings: Vec<(&'static str, &'static str)>,
}

impl Mesh {
    /// Starts the binary and waits until a call with the administrator's token, which passes through the gateway to a
    /// service, is answered.
    pub async fn start(launch: &Launch<'_>) -> Result<Self> {
        let folder = tempfile::tempdir_in(launch.work)?;
        let address = free_address()?;
        let log = File::create(log_of(folder.path()))?;
        let mut command = Command::new(launch.binary);
        command
            .arg("up")
            .args(["--listen".to_owned(), address.to_string(), "--data-dir".to_owned()])
            .arg(folder.path().join("data"))
            .args(&launch.arguments)
            .envs(launch.settings.iter().copied())
            .current_dir(repository())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let begun = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot run {}", launch.binary.display()))?;
        let mut starting = Starting { child: Some(child), folder: Some(folder), address, begun };
        let client = starting.wait().await?;
        let (ready, start) = (Instant::now(), begun.elapsed());
        let (child, folder) = starting.done();
        Ok(Self { child, _folder: folder, client, ready, start })
    }

    /// The memory of the process as the kernel counts it, in bytes; none where the kernel does not tell.
    pub fn memory(&self) -> Option<Memory> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name))?;
            let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
            Some(kib * 1024)
        };
        Some(Memory { resident: field("VmRSS:")?, anonymous: field("RssAnon:")?, peak: field("VmHWM:")? })
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// What a process holds of the machine's memory, in bytes.
#[derive(Clone, Copy)]
pub struct Memory {
    /// All of it, pages of mapped files included.
    pub resident: u64,
    /// What no file stands behind.
    pub anonymous: u64,
    /// The most that ever was resident.
    pub peak: u64,
}

/// A process that does not answer yet; ended when dropped.
struct Starting {
    child: Option<Child>,
    folder: Option<tempfile::TempDir>,
    address: SocketAddr,
    begun: Instant,
}

impl Starting {
    async fn wait(&mut self) -> Result<Client> {
        loop {
            let trouble = match self.try_call().await {
                Ok(client) => return Ok(client),
                Err(error) => error,
            };
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if ended.is_some() || self.begun.elapsed() > START_LIMIT {
                let log = self.folder.as_ref().map(|folder| tail(&log_of(folder.path()))).unwrap_or_default();
                bail!("the mesh does not start: {trouble:#}; it said:\n{log}");
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn try_call(&self) -> Result<Client> {
        let folder = self.folder.as_ref().context("it has ended")?;
        let token = std::fs::read_to_string(folder.path().join("data/admin.token")).context("there is no token yet")?;
        let client = Client::connect(self.address, token.trim()).await?;
        client.searchable().await?;
        Ok(client)
    }

    fn done(mut self) -> (Child, tempfile::TempDir) {
        let both = self.child.take().zip(self.folder.take());
        both.expect("they are taken here alone")
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            end(child);
        }
    }
}

/// Ends the process and waits for it, so that its directory can be removed.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn log_of(folder: &Path) -> PathBuf {
    folder.join("log")
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// The root of the repository, where `deploy/demo` lies.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package lies in a folder of the repository")
}
