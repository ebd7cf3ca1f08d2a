//! The binary, run as a user runs it.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::client::Client;
use crate::kernel::{self, Memory};

/// How long a start may take before it is given up.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running mesh in one process, or its gateway alone, on a fresh data directory, killed and removed when dropped.
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
    /// Where its gateway listens.
    pub address: SocketAddr,
    /// The administrator's token.
    pub token: String,
}

/// How to run the binary.
pub struct Launch<'a> {
    pub binary: &'a Path,
    /// Where the data directory is made.
    pub work: &'a Path,
    /// The command, and what follows it.
    arguments: Vec<String>,
    /// Settings that differ from the defaults, by the name of their environment variable.
    pub settings: Vec<(&'static str, String)>,
}

impl<'a> Launch<'a> {
    /// The whole mesh in one process, with these arguments of `up`.
    pub fn up(binary: &'a Path, work: &'a Path, arguments: Vec<String>) -> Self {
        let arguments = ["up".to_owned()].into_iter().chain(arguments).collect();
        Self { binary, work, arguments, settings: Vec::new() }
    }

    /// The gateway alone, with catalog, and whatever else it looks for, at `peer`.
    pub fn gateway(binary: &'a Path, work: &'a Path, peer: SocketAddr) -> Result<Self> {
        let key = work.join("gateway.key");
        let made = Command::new(binary).args(["admin", "create-key"]).arg(&key).stdout(Stdio::null()).status();
        ensure!(made.context("cannot run the binary")?.success(), "cannot make the key of the gateway");
        let peers = format!("[\"http://{peer}\"]");
        let settings = vec![
            ("MILLRACE__IDENTITY__KEYS__GATEWAY", key.display().to_string()),
            ("MILLRACE__PEERS__CATALOG", peers.clone()),
            ("MILLRACE__PEERS__DISCOVERY", peers.clone()),
            ("MILLRACE__PEERS__PROFILING", peers),
        ];
        Ok(Self { binary, work, arguments: ["serve", "--roles", "gateway"].map(str::to_owned).to_vec(), settings })
    }
}

impl Mesh {
    /// Starts the binary and waits until a call with the administrator's token, which passes through the gateway to a
    /// service, is answered.
    pub async fn start(launch: &Launch<'_>) -> Result<Self> {
        let folder = tempfile::tempdir_in(launch.work)?;
        let address = free_address()?;
        let log = File::create(log_of(folder.path()))?;
        let mut command = Command::new(launch.binary);
        let listen = if launch.arguments[0] == "serve" { format!("gateway={address}") } else { address.to_string() };
        command
            .args(&launch.arguments)
            .args(["--listen", &listen, "--data-dir"])
            .arg(folder.path().join("data"))
            .envs(launch.settings.iter().map(|(key, value)| (key, value)))
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
        let token = std::fs::read_to_string(folder.path().join("data/admin.token"))?.trim().to_owned();
        Ok(Self { child, _folder: folder, client, ready, start, address, token })
    }

    /// The memory of the process as the kernel counts it, in bytes; none where the kernel does not tell.
    pub fn memory(&self) -> Option<Memory> {
        kernel::memory(self.child.id())
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        end(&mut self.child);
    }
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
