//! A real `nats-server`, for one test.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use testkit::ManualClock;

use crate::conformance::Harness;
use crate::jetstream::{JetStream, Settings};
use crate::{BusError, EventBus};

/// How long consumers of the tests wait for acknowledgements: a server's time cannot be moved, only passes.
const PATIENCE: Duration = Duration::from_secs(2);

/// A server with a store of its own. It ends with the value.
pub struct Nats {
    program: PathBuf,
    dir: tempfile::TempDir,
    port: u16,
    monitor: u16,
    child: Mutex<Option<Child>>,
    pub clock: ManualClock,
}

impl Nats {
    /// Starts a server with JetStream. None where there is no program for it.
    pub fn start(test: &str) -> Option<Self> {
        Self::start_with(test, "jetstream { store_dir: \"DIR/store\" }")
    }

    /// Starts a server with this configuration, in which `DIR` is its folder.
    pub fn start_with(test: &str, config: &str) -> Option<Self> {
        let program = testkit::command(test, "nats-server").found()?;
        let dir = testkit::temp_dir();
        let config = config.replace("DIR", &dir.path().display().to_string());
        std::fs::write(dir.path().join("nats.conf"), config).unwrap();
        let (port, monitor) = (free_port(), free_port());
        let server = Self { program, dir, port, monitor, child: Mutex::default(), clock: ManualClock::default() };
        server.launch();
        Some(server)
    }

    pub fn launch(&self) {
        let log = File::options().create(true).append(true).open(self.dir.path().join("log")).unwrap();
        let child = Command::new(&self.program)
            .args(["-a", "127.0.0.1", "-p", &self.port.to_string(), "-m", &self.monitor.to_string()])
            .arg("-c")
            .arg(self.dir.path().join("nats.conf"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        *self.child.lock().unwrap() = Some(child);
        for _ in 0..400 {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        panic!("the server does not come up: {}", std::fs::read_to_string(self.dir.path().join("log")).unwrap());
    }

    /// Ends the server as a crash would.
    pub fn kill(&self) {
        if let Some(mut child) = self.child.lock().unwrap().take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub fn url_as(&self, login: &str) -> String {
        format!("nats://{login}@127.0.0.1:{}", self.port)
    }

    pub fn monitor_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.monitor)
    }

    pub fn settings(&self) -> Settings {
        Settings { prefix: "test".to_owned(), ..Settings::default() }
    }

    pub async fn bus(&self) -> JetStream {
        self.try_bus(&self.url(), &self.settings()).await.unwrap()
    }

    /// Opens, as a process does that waits for its server.
    pub async fn try_bus(&self, url: &str, settings: &Settings) -> Result<JetStream, BusError> {
        for _ in 0..100 {
            match JetStream::open(url, settings, self.clock.shared()).await {
                Err(BusError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(50)).await,
                done => return done,
            }
        }
        JetStream::open(url, settings, self.clock.shared()).await
    }

    /// A client beside the bus, for what somebody does by hand.
    pub async fn by_hand(&self) -> async_nats::jetstream::Context {
        async_nats::jetstream::new(async_nats::connect(self.url()).await.unwrap())
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}

#[async_trait]
impl Harness for Nats {
    async fn open(&self) -> Arc<dyn EventBus> {
        Arc::new(self.bus().await)
    }

    async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
