//! A real mesh: `millrace up`, or `millrace serve` for each role, as child processes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use proto::catalog::v1::ListDatasetsRequest;
use proto::discovery::v1::ListSourcesRequest;
use proto::identity::v1::GetCallerRequest;
use proto::profiling::v1::ListJobsRequest;
use tempfile::TempDir;
use tokio::process::Command;

use crate::guarded::free_ports;
use crate::process::Process;
use crate::shape::{Place, config, config_file, data_of, role_of};
use crate::{PATIENCE, Session, Setup, Shape};

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

/// One mesh with its data directory. Its processes end with the value.
pub struct Mesh {
    work: TempDir,
    setup: Setup,
    places: Vec<Place>,
    processes: Vec<Process>,
}

impl Mesh {
    /// Starts a mesh with the defaults, and waits until it answers.
    pub async fn start() -> Self {
        Setup::new().start().await
    }

    pub(crate) fn of(work: TempDir, setup: Setup, places: Vec<Place>) -> Self {
        let log = |name: &str| work.path().join(format!("{name}.log"));
        let processes = places.iter().map(|place| Process::new(&place.name, log(&place.name))).collect();
        Self { work, setup, places, processes }
    }

    /// Makes the keys and the settings that all its processes share.
    pub(crate) fn configure(&self) {
        self.create_key(&["hash.key", "--hash"]);
        let public = self.create_key(&["gateway.key"]);
        let text = config(self.work.path(), &self.places, public.trim());
        std::fs::write(config_file(self.work.path()), text).expect("a new folder takes files");
    }

    /// Sets what [`Setup::set`] does, for the processes that start from now on.
    pub fn set(&mut self, key: &str, value: impl ToString) {
        self.setup.settings.push((format!("MILLRACE__{key}"), value.to_string()));
    }

    /// Where its state lies, when that is in PostgreSQL.
    pub(crate) fn state_url(&self) -> Option<&str> {
        self.setup.settings.iter().find(|(key, _)| key == "MILLRACE__STORE__URL").map(|(_, url)| url.as_str())
    }

    /// Where the processes of a role listen.
    pub fn listeners(&self, role: &str) -> Vec<SocketAddr> {
        self.places.iter().filter(|place| place.role() == role).map(|place| place.address).collect()
    }

    /// The data directory of a role.
    pub fn data_of(&self, role: &str) -> PathBuf {
        match self.setup.shape {
            Shape::Embedded | Shape::Servers => self.data_dir(),
            Shape::Processes => data_of(self.work.path(), role),
        }
    }

    /// Makes a key in the work folder; gives what is printed.
    fn create_key(&self, arguments: &[&str]) -> String {
        let mut command = std::process::Command::new(self.binary());
        let made = command.args(["admin", "create-key"]).args(arguments).current_dir(self.work.path()).output();
        let made = made.expect("the binary starts");
        assert!(made.status.success(), "{made:?}");
        String::from_utf8_lossy(&made.stdout).into_owned()
    }

    /// The folder beneath which sources may lie.
    pub fn folder(&self) -> PathBuf {
        self.work.path().join("folder")
    }

    /// The data directory; of several processes, the folder that holds theirs.
    pub fn data_dir(&self) -> PathBuf {
        self.work.path().join("data")
    }

    /// The folder that holds both, and is no root.
    pub fn outside(&self) -> &Path {
        self.work.path()
    }

    /// Where the gateway listens; of several, the first.
    pub fn address(&self) -> SocketAddr {
        self.gateways()[0]
    }

    /// Where each gateway listens.
    pub fn gateways(&self) -> Vec<SocketAddr> {
        let doors = self.places.iter().filter(|place| ["up", "gateway"].contains(&place.role()));
        doors.map(|place| place.address).collect()
    }

    /// The names of its processes: `up`, or the roles of each.
    pub fn names(&self) -> Vec<String> {
        self.processes.iter().map(|process| process.name.clone()).collect()
    }

    /// Starts every process that does not run, and waits for nothing.
    pub fn spawn(&mut self) {
        let idle: Vec<_> = self.processes.iter().filter(|process| !process.runs()).map(|p| p.name.clone()).collect();
        assert!(!idle.is_empty(), "it runs already");
        idle.iter().for_each(|name| self.spawn_one(name));
    }

    /// Starts one process, and waits for nothing.
    pub fn spawn_one(&mut self, name: &str) {
        let place = self.places.iter().find(|place| place.name == name);
        let place = place.unwrap_or_else(|| panic!("the mesh has no process `{name}`"));
        let command = match self.setup.shape {
            Shape::Embedded | Shape::Servers => self.command(&self.up_arguments()),
            Shape::Processes => self.command(&place.arguments(self.work.path())),
        };
        self.process(name).spawn(command);
    }

    /// Waits until every role answers.
    pub async fn ready(&mut self) {
        let begun = Instant::now();
        testkit::eventually!(PATIENCE, {
            self.assert_running(begun);
            self.answers().await
        });
    }

    /// Whether every role answers now, through every gateway.
    pub async fn answers(&self) -> bool {
        let Ok(token) = std::fs::read_to_string(self.token_file()) else { return false };
        for gateway in self.gateways() {
            if !self.answers_through(gateway, token.trim()).await {
                return false;
            }
        }
        true
    }

    async fn answers_through(&self, gateway: SocketAddr, token: &str) -> bool {
        let session = Session::new(&[gateway], Some(token)).await;
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

    /// Ends every process without warning, as `kill -9` does.
    pub async fn kill(&mut self) {
        for process in self.processes.iter_mut().filter(|process| process.runs()) {
            process.kill().await;
        }
    }

    /// Ends one process without warning.
    pub async fn kill_one(&mut self, name: &str) {
        self.process(name).kill().await;
    }

    /// Kills every process at a moment, `duration` from now.
    pub async fn kill_after(&mut self, duration: Duration) {
        let begun = Instant::now();
        testkit::eventually!(duration + PATIENCE, begun.elapsed() >= duration);
        self.kill().await;
    }

    /// Stops the clock of one process, as it were: it does nothing until [`Mesh::resume`].
    pub fn pause(&mut self, name: &str) {
        self.process(name).signal("STOP");
    }

    /// Lets it go on.
    pub fn resume(&mut self, name: &str) {
        self.process(name).signal("CONT");
    }

    /// Ends one process by TERM, and waits for its orderly end.
    pub async fn stop_one(&mut self, name: &str) {
        self.process(name).signal("TERM");
        self.process(name).stopped().await;
    }

    /// Asks every process to end, by TERM.
    pub async fn ask_to_stop(&self) {
        self.processes.iter().filter(|process| process.runs()).for_each(|process| process.signal("TERM"));
    }

    /// Ends every process by TERM, and waits for their orderly end.
    pub async fn stop(&mut self) {
        self.ask_to_stop().await;
        self.stopped().await;
    }

    /// Waits for the orderly end of processes that were asked to stop.
    pub async fn stopped(&mut self) {
        for process in self.processes.iter_mut().filter(|process| process.runs()) {
            process.stopped().await;
        }
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
        Session::new(&self.gateways(), Some(token)).await
    }

    /// A client without a credential.
    pub async fn anonymous(&self) -> Session {
        Session::new(&self.gateways(), None).await
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
        let (address, token_file) = (self.address().to_string(), self.token_file().display().to_string());
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

    /// The arguments of a second process of a role, on the same data directory and another port.
    pub fn second_of(&self, role: &str) -> Vec<String> {
        let place = self.places.iter().find(|place| place.name == role);
        let place = place.unwrap_or_else(|| panic!("the mesh has no process `{role}`"));
        Place { address: free_address(), ..place.clone() }.arguments(self.work.path())
    }

    /// The most memory that one of its processes has held, in bytes.
    pub fn peak_memory(&self) -> u64 {
        self.processes.iter().map(|process| peak_memory(process.pid())).max().expect("a mesh has a process")
    }

    /// All that its processes wrote, over all their starts.
    pub fn log(&self) -> String {
        self.processes.iter().map(Process::log).collect()
    }

    /// All that the processes of a role wrote.
    pub fn log_of(&self, role: &str) -> String {
        self.processes
            .iter()
            .filter(|process| ["up", role].contains(&role_of(&process.name)))
            .map(Process::log)
            .collect()
    }

    /// The name and the process id of each process.
    pub fn process_ids(&self) -> Vec<(String, u32)> {
        self.processes.iter().map(|process| (process.name.clone(), process.pid())).collect()
    }

    fn binary(&self) -> PathBuf {
        self.setup.binary.clone().unwrap_or_else(binary)
    }

    fn process(&mut self, name: &str) -> &mut Process {
        let found = self.processes.iter_mut().find(|process| process.name == name);
        found.unwrap_or_else(|| panic!("the mesh has no process `{name}`"))
    }

    fn up_arguments(&self) -> Vec<String> {
        let (data, folder) = (self.data_dir().display().to_string(), self.folder().display().to_string());
        let listen = self.address().to_string();
        let fixed = ["up", "--data-dir", &data, "--listen", &listen, "--folder-root", &folder];
        fixed.iter().map(|flag| (*flag).to_owned()).chain(self.setup.flags.iter().cloned()).collect()
    }

    fn command(&self, arguments: &[impl AsRef<std::ffi::OsStr>]) -> Command {
        let mut command = Command::new(self.binary());
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
        self.processes.iter_mut().for_each(|process| process.assert_running(since));
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for process in &self.processes {
                let log = process.log();
                let lines: Vec<_> = log.lines().collect();
                let last = lines[lines.len().saturating_sub(40)..].join("\n");
                eprintln!("--- {} said, at last:\n{last}", process.name);
            }
        }
    }
}

fn peak_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("Linux tells of its processes");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("the peak is told");
    let kib: u64 = line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number of KiB");
    kib * 1024
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
    let [port] = free_ports();
    SocketAddr::from(([127, 0, 0, 1], port))
}
