//! A PostgreSQL server of one test's own.

use std::fs::DirEntry;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use tempfile::TempDir;

use crate::guarded::{Guarded, free_ports, guarded, signalled};
use crate::{PATIENCE, Setup};

/// Settings that are quick and lose all on a power cut: for tests that make none.
const QUICK: [&str; 3] = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"];

impl Setup {
    /// Keeps the state in a database of `postgres`, which is reached at `port` of the loopback.
    #[must_use]
    pub fn on_postgres(self, port: u16, database: &str) -> Self {
        self.set("STORE__URL", format!("postgres://127.0.0.1:{port}/{database}")).set("STORE__POSTGRES__USER", USER)
    }
}

/// Who owns the cluster.
pub(crate) const USER: &str = "postgres";

/// A PostgreSQL server with a cluster of its own. It ends with the value.
pub struct Postgres {
    programs: PathBuf,
    folder: TempDir,
    /// Where clients find it, on the loopback.
    pub port: u16,
    durable: bool,
    child: Mutex<Option<Guarded>>,
}

impl Postgres {
    /// Makes a cluster, and starts nothing. `durable` keeps the settings as they are shipped.
    pub fn prepare(test: &str, durable: bool) -> Option<Self> {
        let programs = programs(test)?;
        let folder = tempfile::tempdir().expect("a temporary folder");
        // The server must not be root: another user has to come by here.
        run(Command::new("chmod").arg("755").arg(folder.path()));
        let [port] = free_ports();
        let postgres = Self { programs, folder, port, durable, child: Mutex::default() };
        std::fs::create_dir(postgres.store()).expect("a new folder takes folders");
        if is_root() {
            run(Command::new("chown").arg("postgres:postgres").arg(postgres.store()));
        }
        let mut initdb = as_its_user(&postgres.programs.join("initdb"), |program| Command::new(program));
        initdb.args(["-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8", "-D"]);
        run(initdb.arg(postgres.store()).current_dir("/").stdout(Stdio::null()));
        Some(postgres)
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Where its cluster lies.
    pub fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// Starts the server, and waits until it takes connections. After a kill its children may still be ending: then it
    /// is started again.
    pub async fn launch(&self) {
        testkit::eventually!(PATIENCE, {
            self.spawn();
            self.answers().await
        });
    }

    fn spawn(&self) {
        let mut command = as_its_user(&self.programs.join("postgres"), |program| guarded(Path::new(program)));
        command.arg("-D").arg(self.store()).args([
            "-p",
            &self.port.to_string(),
            "-k",
            "",
            "-c",
            "listen_addresses=127.0.0.1",
        ]);
        command.args(["-c", "max_connections=300"]);
        for setting in QUICK.iter().filter(|_| !self.durable) {
            command.args(["-c", setting]);
        }
        let child = Guarded::spawn(command, self.folder.path());
        *self.child.lock().expect("no holder panics") = Some(child);
    }

    /// Waits while it starts; false once it has ended by itself.
    async fn answers(&self) -> bool {
        testkit::eventually("PostgreSQL", PATIENCE, || async {
            let ended = self.child.lock().expect("no holder panics").as_ref().is_none_or(|child| !child.runs());
            // It takes connections before it is ready to answer them.
            let mut ready = Command::new(self.programs.join("pg_isready"));
            ready.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "postgres"]);
            match ready.status() {
                _ if ended => Ok(false),
                Ok(status) if status.success() => Ok(true),
                other => Err(other),
            }
        })
        .await
    }

    /// Ends the server in order, as TERM does. It waits for its clients, five seconds at most.
    pub fn stop(&self) {
        drop(self.child.lock().expect("no holder panics").take().expect("it runs"));
    }

    /// Whether it has not ended by itself.
    pub fn runs(&self) -> bool {
        self.child.lock().expect("no holder panics").as_ref().is_some_and(Guarded::runs)
    }

    /// Makes it refuse every write, or take them again, as a server does that became a replica.
    pub fn set_read_only(&self, read_only: bool) {
        let refuse = format!("ALTER SYSTEM SET default_transaction_read_only = {read_only}");
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-q", "-d", &self.url("postgres"), "-c", &refuse, "-c", "SELECT pg_reload_conf()"]);
        run(psql.stdout(Stdio::null()));
    }

    /// Ends the server and its children without warning, as a system does that kills a service. One of them that waits
    /// for a lock of another which is gone would wait for ever.
    pub async fn kill(&self) {
        let child = self.child.lock().expect("no holder panics").take();
        child.expect("it runs").kill().await;
        testkit::eventually!(PATIENCE, {
            let left = working_in(&self.store());
            left.iter().for_each(|pid| _ = signalled(*pid, "KILL"));
            left.is_empty()
        });
    }

    /// The URL of a database on it.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Makes a database.
    pub fn create(&self, database: &str) {
        let mut createdb = Command::new(self.programs.join("createdb"));
        createdb.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "postgres", database]);
        run(&mut createdb);
    }
}

/// The processes that work in a folder, as all of a cluster do in its own.
fn working_in(folder: &Path) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let works_there =
        |entry: &DirEntry| std::fs::read_link(entry.path().join("cwd")).is_ok_and(|place| place == folder);
    processes.filter(works_there).filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The folder of the server's programs: the newest of Debian's, or where `postgres` lies on the path.
pub(crate) fn programs(test: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = versions.map(|entry| entry.path().join("bin")).collect();
    folders.sort();
    let debian = folders.into_iter().rev().find(|folder| folder.join("postgres").is_file());
    debian.or_else(|| Some(testkit::command(test, "postgres").found()?.parent()?.to_owned()))
}

/// The command that runs `program` as the user `postgres`, or as ourselves where we are not root.
fn as_its_user(program: &Path, make: impl Fn(&std::ffi::OsStr) -> Command) -> Command {
    if !is_root() {
        return make(program.as_os_str());
    }
    let mut command = make("setpriv".as_ref());
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

fn run(command: &mut Command) {
    let done = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(done.success(), "{command:?} ended with {done}");
}
