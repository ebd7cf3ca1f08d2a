//! A real `millrace up`, as a child process.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use proto::catalog::v1::ListDatasetsRequest;
use proto::discovery::v1::ListSourcesRequest;
use proto::identity::v1::GetCallerRequest;
use proto::profiling::v1::ListJobsRequest;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{PATIENCE, Session};

/// How a mesh is started.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    settings: Vec<(String, String)>,
    flags: Vec<String>,
}

impl Setup {
    /// The defaults, the folder root aside.
    pub fn new() -> Self {
        Self::default()
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
        Mesh { work, setup: self, address: free_address(), child: None }
    }
}

/// What a finished process left.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

/// One mesh with its data directory. The process ends with the value.
pub struct Mesh {
    work: TempDir,
    setup: Setup,
    address: SocketAddr,
    child: Option<Child>,
}

impl Mesh {
    /// Starts a mesh with the defaults, and waits until it answers.
    pub async fn start() -> Self {
        Setup::new().start().await
    }

    /// The folder beneath which sources may lie.
    pub fn folder(&self) -> PathBuf {
        self.work.path().join("folder")
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.work.path().join("data")
    }

    /// The folder that holds both, and is no root.
    pub fn outside(&self) -> &Path {
        self.work.path()
    }

    /// Where the gateway listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts the process, and waits for nothing.
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log = File::options().create(true).append(true).open(self.log_path()).expect("the log can be written");
        let mut command = self.command(&self.up_arguments());
        command.stdout(log.try_clone().expect("a file can be cloned")).stderr(log).stdin(Stdio::null());
        self.child = Some(command.kill_on_drop(true).spawn().expect("the binary starts"));
    }

    /// Waits until every role answers.
    pub async fn ready(&mut self) {
        let begun = Instant::now();
        testkit::eventually!(PATIENCE, {
            self.assert_running(begun);
            self.answers().await
        });
    }

    /// Whether every role answers now.
    pub async fn answers(&self) -> bool {
        let Ok(token) = std::fs::read_to_string(self.token_file()) else { return false };
        let session = Session::new(self.address, Some(token.trim())).await;
        let parent = "tenants/main".to_owned();
        session.identity().get_caller(GetCallerRequest {}).await.is_ok()
            && session
                .catalog()
                .list_datasets(ListDatasetsRequest { parent: parent.clone(), ..Default::default() })
                .await
                .is_ok()
            && session
                .discovery()
                .list_sources(ListSourcesRequest { parent: parent.clone(), ..Default::default() })
                .await
                .is_ok()
            && session.profiling().list_jobs(ListJobsRequest { parent, ..Default::default() }).await.is_ok()
    }

    /// Ends the process without warning, as `kill -9` does.
    pub async fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().await.expect("a child can be killed");
    }

    /// Kills the process at a moment, `duration` from now.
    pub async fn kill_after(&mut self, duration: Duration) {
        let begun = Instant::now();
        testkit::eventually!(duration + PATIENCE, begun.elapsed() >= duration);
        self.kill().await;
    }

    /// Asks the process to end, by TERM.
    pub async fn ask_to_stop(&self) {
        let pid = self.child.as_ref().and_then(Child::id).expect("it runs").to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().await.expect("kill is there");
        assert!(sent.success());
    }

    /// Ends the process by TERM, and waits for its orderly end.
    pub async fn stop(&mut self) {
        self.ask_to_stop().await;
        self.stopped().await;
    }

    /// Waits for the orderly end of a process that was asked to stop.
    pub async fn stopped(&mut self) {
        let mut child = self.child.take().expect("it runs");
        let ended =
            tokio::time::timeout(PATIENCE, child.wait()).await.expect("it ends in time").expect("it can be waited for");
        assert!(ended.success(), "an orderly stop ended with {ended}:\n{}", self.log());
    }

    /// Ends the process by TERM and starts it again on the same directory.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.spawn();
        self.ready().await;
    }

    /// The administrator, who is the operator too.
    pub async fn admin(&self) -> Session {
        self.session(&self.token()).await
    }

    /// Whoever holds `token`.
    pub async fn session(&self, token: &str) -> Session {
        Session::new(self.address, Some(token)).await
    }

    /// A client without a credential.
    pub async fn anonymous(&self) -> Session {
        Session::new(self.address, None).await
    }

    /// The administrator's API key.
    pub fn token(&self) -> String {
        std::fs::read_to_string(self.token_file()).expect("the token was written").trim().to_owned()
    }

    /// Where it lies.
    pub fn token_file(&self) -> PathBuf {
        self.data_dir().join("admin.token")
    }

    /// Runs a client command as the administrator.
    pub async fn cli(&self, arguments: &[&str]) -> Finished {
        let (address, token_file) = (self.address.to_string(), self.token_file().display().to_string());
        let mut all = vec!["--address", &address, "--token-file", &token_file];
        all.extend(arguments);
        self.run(&all).await
    }

    /// Runs the binary to its end.
    pub async fn run(&self, arguments: &[&str]) -> Finished {
        let output = self.command(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
        let output = tokio::time::timeout(PATIENCE, output).await.expect("it ends in time").expect("the binary starts");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Finished { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The arguments of `up`, for a second process on the same directory and another port.
    pub fn second(&self) -> Vec<String> {
        let data = self.data_dir().display().to_string();
        ["up", "--listen", &free_address().to_string(), "--data-dir", &data].map(str::to_owned).to_vec()
    }

    /// The most memory that the process has held, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let pid = self.child.as_ref().and_then(Child::id).expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("Linux tells of its processes");
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("the peak is told");
        let kib: u64 = line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number of KiB");
        kib * 1024
    }

    /// All that the process wrote, over all its starts.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn log_path(&self) -> PathBuf {
        self.work.path().join("mesh.log")
    }

    fn up_arguments(&self) -> Vec<String> {
        let (data, folder) = (self.data_dir().display().to_string(), self.folder().display().to_string());
        let listen = self.address.to_string();
        let fixed = ["up", "--data-dir", &data, "--listen", &listen, "--folder-root", &folder];
        fixed.iter().map(|flag| (*flag).to_owned()).chain(self.setup.flags.iter().cloned()).collect()
    }

    fn command(&self, arguments: &[impl AsRef<std::ffi::OsStr>]) -> Command {
        let mut command = Command::new(binary());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MILLRACE")) {
            command.env_remove(name);
        }
        // What a client command stores for later ones is this test's alone.
        let home = self.work.path().join("home");
        command.env("HOME", &home).env("XDG_CONFIG_HOME", home.join("config"));
        command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace lies above"));
        command.args(arguments).envs(self.setup.settings.iter().map(|(key, value)| (key, value)));
        command
    }

    fn assert_running(&mut self, since: Instant) {
        let ended = self.child.as_mut().expect("it was started").try_wait().expect("a child can be asked");
        assert!(ended.is_none(), "it ended with {ended:?} after {:?}:\n{}", since.elapsed(), self.log());
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            eprintln!("--- the mesh said, at last:\n{}", lines[lines.len().saturating_sub(60)..].join("\n"));
        }
    }
}

/// The binary beside the test's own executable.
fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("a process knows its executable");
    let folder = test.parent().and_then(Path::parent).expect("tests lie in target/<profile>/deps");
    let binary = folder.join("millrace");
    assert!(binary.is_file(), "{} is not there: run `cargo build -p millrace` first", binary.display());
    binary
}

/// An address that was free a moment ago.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has free ports");
    listener.local_addr().expect("a bound socket has an address")
}
