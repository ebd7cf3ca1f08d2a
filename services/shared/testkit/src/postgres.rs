//! A PostgreSQL server of our own: one for all tests of a process, or one for a test that stops and starts it.

#![allow(clippy::disallowed_methods)] // Tests ask for their back ends here; the product reads its settings in `runtime`.

use std::fs::File;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::{Backend, command};

/// The user that owns all, and needs no password.
const USER: &str = "postgres";
/// Sorts by a language, as databases of others do, so that order which rests on that shows.
const LOCALE: [&str; 3] = ["--locale-provider=icu", "--icu-locale=en-US", "--locale=C.UTF-8"];
/// What a test may lose, it need not write to disk. Tests of what survives start a server of their own without these.
const FAST: [&str; 3] = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"];

/// A server, in a folder of its own. It ends with this value, and with this process however that ends.
#[derive(Debug)]
pub struct Postgres {
    bin: PathBuf,
    folder: PathBuf,
    port: u16,
    options: Vec<String>,
    child: Mutex<Option<Guarded>>,
    databases: AtomicU32,
}

impl Postgres {
    /// The server that the tests of this process share; `None`, said with the test's name, where there is none.
    ///
    /// # Panics
    /// Where it is missing and `REQUIRE_BACKENDS=1`, or where it does not start.
    pub fn shared(test: &str) -> Option<&'static Self> {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        let bin = programs(test)?;
        Some(SHARED.get_or_init(|| Self::prepare(bin, &FAST).started()))
    }

    /// A server of the test's own, with settings such as `max_connections=5`.
    ///
    /// # Panics
    /// As [`Postgres::shared`] does.
    pub fn own(test: &str, options: &[&str]) -> Option<Self> {
        Some(Self::prepare(programs(test)?, options).started())
    }

    fn prepare(bin: PathBuf, options: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("millrace-test-pg-").tempdir();
        let folder = folder.expect("the system's temporary folder takes folders").keep();
        give_away(&folder);
        let mut initdb = as_server_user(&bin.join("initdb"));
        initdb.arg("-D").arg(folder.join("data")).args(["-A", "trust", "-U", USER, "--no-sync", "-E", "UTF8"]);
        let made = initdb.args(LOCALE).current_dir("/").output().expect("initdb is there");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let options = options.iter().map(|&option| option.to_owned()).collect();
        Self { bin, folder, port: free_port(), options, child: Mutex::default(), databases: AtomicU32::new(0) }
    }

    fn started(self) -> Self {
        self.start();
        self
    }

    /// Starts the server, again after [`Postgres::stop`], and waits until it takes connections.
    pub fn start(&self) {
        let mut server = vec![self.bin.join("postgres").into_os_string(), "-D".into(), self.folder.join("data").into()];
        server.extend(["-p".into(), self.port.to_string().into(), "-k".into(), self.folder.clone().into()]);
        server.extend(["-c".into(), "listen_addresses=127.0.0.1".into(), "-c".into(), "max_connections=200".into()]);
        server.extend(self.options.iter().flat_map(|option| ["-c".into(), option.into()]));
        let child = Guarded::spawn(&server, &self.folder);
        *self.child() = Some(child);
        let begun = Instant::now();
        while !self.is_up() {
            assert!(begun.elapsed() < Duration::from_secs(30), "PostgreSQL did not start: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops the server as an operator would: connections are cut.
    pub fn stop(&self) {
        if let Some(child) = self.child().take() {
            child.end("keep\n");
        }
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Option<Guarded>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_up(&self) -> bool {
        let mut asked = Command::new(self.bin.join("pg_isready"));
        asked.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        asked.status().is_ok_and(|status| status.success())
    }

    /// What the server logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Makes a database, and gives its URL.
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// The URL of a database; the user is `postgres`, without a password.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://127.0.0.1:{}/{database}", self.port)
    }

    /// The port, on the loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs statements in a database, as an operator would by hand, and gives what they print.
    ///
    /// # Panics
    /// When one fails.
    pub fn sql(&self, database: &str, statements: &str) -> String {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", USER]);
        psql.args(["-p", &self.port.to_string(), "-d", database, "-c", statements]);
        let done = psql.output().expect("psql is there");
        assert!(done.status.success(), "{statements}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(child) = self.child().take() {
            child.end("");
        }
        let _may_be_gone = std::fs::remove_dir_all(&self.folder);
    }
}

/// The folder of the server's programs: on the `PATH`, or where Debian keeps its versions apart, the newest.
fn programs(test: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut bins: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    bins.retain(|bin| bin.join("initdb").is_file());
    bins.sort();
    match bins.pop() {
        Some(newest) => Some(newest),
        None => match command(test, "initdb") {
            Backend::Found(initdb) => initdb.parent().map(Path::to_owned),
            Backend::Skip => None,
        },
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.starts_with(b"0\n"))
}

/// The server refuses to run as root.
const BECOME: [&str; 4] = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"];

fn as_server_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new(BECOME[0]);
    command.args(&BECOME[1..]).arg(program);
    command
}

fn give_away(folder: &Path) {
    if is_root() {
        let given = Command::new("chown").arg("postgres:postgres").arg(folder).status();
        assert!(given.is_ok_and(|status| status.success()), "the user `postgres` must be there");
    }
}

/// A server under a shell that ends it when our end of its input closes: also when this process is killed. It then
/// removes the folder, unless it was told to keep it.
#[derive(Debug)]
struct Guarded(Child);

const GUARD: &str = r#"folder=$1; shift; "$@" & child=$!; read -r word; kill -INT "$child" 2>/dev/null; wait
[ "$word" = keep ] || rm -rf -- "$folder""#;

impl Guarded {
    fn spawn(server: &[std::ffi::OsString], folder: &Path) -> Self {
        let log = File::options().create(true).append(true).open(folder.join("log")).expect("a new folder takes files");
        let twice = log.try_clone().expect("a file can be cloned");
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD, "sh"]).arg(folder).current_dir("/");
        if is_root() {
            guard.args(BECOME);
        }
        guard.args(server).stdin(Stdio::piped()).stdout(twice).stderr(log);
        Self(guard.spawn().expect("sh is there"))
    }

    fn end(mut self, word: &str) {
        if let Some(mut input) = self.0.stdin.take() {
            let _ended_either_way = input.write_all(word.as_bytes());
        }
        let _ended = self.0.wait();
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let held = TcpListener::bind("127.0.0.1:0").expect("the loopback has free ports");
    held.local_addr().expect("a bound socket has an address").port()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_starts_stops_and_keeps_its_databases_apart() {
        let Some(server) = Postgres::own("a_server_starts_stops_and_keeps_its_databases_apart", &FAST) else { return };
        let (first, second) = (server.database(), server.database());
        assert_ne!(first, second);
        server.sql("test_0", "CREATE TABLE t (n int); INSERT INTO t VALUES (7)");
        server.stop();
        assert!(!server.is_up());
        server.start();
        assert_eq!(server.sql("test_0", "SELECT n FROM t"), "7");
        let folder = server.folder.clone();
        drop(server);
        assert!(!folder.exists());
    }
}
