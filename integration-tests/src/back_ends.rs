//! Real servers behind a mesh, one test's own: NATS with JetStream, and SeaweedFS for S3. They end with the value.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{PATIENCE, Setup};

/// The access key and the secret of the bucket.
const KEY: (&str, &str) = ("mesh", "mesh-secret");
const BUCKET: &str = "mesh-objects";

/// Starts the servers; `None`, said with the test's name, where a program is missing.
///
/// # Panics
/// Where one is missing and `REQUIRE_BACKENDS=1`.
pub async fn servers(test: &str) -> Option<(Nats, Weed)> {
    let nats = Nats::prepare(test)?;
    let weed = testkit::command(test, "weed").found()?;
    nats.launch().await;
    Some((nats, Weed::start(&weed).await))
}

impl Setup {
    /// Puts events on `nats` and objects into a bucket of `weed`.
    #[must_use]
    pub fn on(self, nats: &Nats, weed: &Weed) -> Self {
        self.set("EVENTS__URL", nats.url())
            .set("EVENTS__JETSTREAM__MONITORS", format!("[\"{}\"]", nats.monitor_url()))
            .set("OBJECTS__URL", weed.url())
            .set("OBJECTS__S3__ACCESS_KEY_ID", KEY.0)
            .set("OBJECTS__S3__SECRET_ACCESS_KEY", KEY.1)
    }
}

/// A `nats-server` with a store of its own.
pub struct Nats {
    program: PathBuf,
    folder: TempDir,
    port: u16,
    monitor: u16,
    child: std::sync::Mutex<Option<Guarded>>,
}

impl Nats {
    /// Picks ports and a folder, and starts nothing.
    pub fn prepare(test: &str) -> Option<Self> {
        let program = testkit::command(test, "nats-server").found()?;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [port, monitor] = free_ports();
        Some(Self { program, folder, port, monitor, child: Default::default() })
    }

    /// Starts the server, and waits until it takes connections.
    pub async fn launch(&self) {
        let mut command = guarded(&self.program);
        command.args(["-a", "127.0.0.1", "-js", "-p", &self.port.to_string(), "-m", &self.monitor.to_string()]);
        command.arg("-sd").arg(self.folder.path().join("store"));
        let child = Guarded::spawn(command, &self.folder.path().join("log"));
        *self.child.lock().expect("no holder panics") = Some(child);
        testkit::eventually!(PATIENCE, TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    /// Where clients find it.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    fn monitor_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.monitor)
    }
}

/// SeaweedFS with one bucket.
pub struct Weed {
    s3: u16,
    filer: u16,
    _child: Guarded,
    _folder: TempDir,
}

impl Weed {
    /// Starts the server, and makes the bucket.
    async fn start(program: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let identities = folder.path().join("identities.json");
        let (id, secret) = KEY;
        let text = format!(
            r#"{{"identities":[{{"name":"{id}","credentials":[{{"accessKey":"{id}","secretKey":"{secret}"}}],"actions":["Admin","Read","Write","List","Tagging"]}}]}}"#
        );
        std::fs::write(&identities, text).expect("a new folder takes files");
        let ports: [u16; PORTS.len()] = free_ports();
        let mut command = guarded(program);
        command.args(["server", "-ip", "127.0.0.1", "-ip.bind", "127.0.0.1", "-filer", "-s3", "-volume.max", "100"]);
        command.args(["-s3.port.iceberg", "0", "-s3.port.lance", "0", "-master.volumeSizeLimitMB", "64"]);
        command.arg("-dir").arg(folder.path()).arg("-s3.config").arg(&identities);
        for (flag, port) in PORTS.iter().zip(ports) {
            command.args([flag, port.to_string().as_str()]);
        }
        let child = Guarded::spawn(command, &folder.path().join("log"));
        let weed = Self { s3: ports[0], filer: ports[1], _child: child, _folder: folder };
        // A folder of the filer is a bucket of the S3 gateway; both doors open at different times.
        testkit::eventually!(PATIENCE, weed.make_bucket().await.is_ok_and(|made| made));
        testkit::eventually!(PATIENCE, TcpStream::connect(("127.0.0.1", weed.s3)).is_ok());
        weed
    }

    /// Names the bucket.
    fn url(&self) -> String {
        format!("s3://{BUCKET}/mesh?endpoint=http://127.0.0.1:{}&path_style=true", self.s3)
    }

    /// How many objects of the kind the bucket holds, for instance `content`.
    pub async fn holds(&self, kind: &str) -> usize {
        let head = format!("GET /buckets/{BUCKET}/mesh/?limit=10000 HTTP/1.1\r\nAccept: application/json");
        let listing = self.ask(&head).await.unwrap_or_default();
        listing.matches(&format!("/mesh/{kind}")).count()
    }

    async fn make_bucket(&self) -> std::io::Result<bool> {
        let answer = self.ask(&format!("POST /buckets/{BUCKET}/ HTTP/1.1\r\nContent-Length: 0")).await?;
        Ok(answer.starts_with("HTTP/1.1 20"))
    }

    async fn ask(&self, head: &str) -> std::io::Result<String> {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", self.filer)).await?;
        stream.write_all(format!("{head}\r\nHost: filer\r\nConnection: close\r\n\r\n").as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

const PORTS: [&str; 8] = [
    "-s3.port",
    "-filer.port",
    "-s3.port.grpc",
    "-master.port",
    "-master.port.grpc",
    "-volume.port",
    "-volume.port.grpc",
    "-filer.port.grpc",
];

/// A program under a shell that ends it when our end of its input closes: also when this process is killed.
struct Guarded(Child);

fn guarded(program: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", r#""$@" & child=$!; cat >/dev/null; kill "$child"; wait"#, "sh"]).arg(program);
    command
}

impl Guarded {
    fn spawn(mut command: Command, log: &Path) -> Self {
        let log = File::create(log).expect("a new folder takes files");
        let twice = log.try_clone().expect("a file can be cloned");
        Self(command.stdin(Stdio::piped()).stdout(twice).stderr(log).spawn().expect("sh is there"))
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ended = self.0.wait();
    }
}

/// Ports that were free a moment ago.
fn free_ports<const N: usize>() -> [u16; N] {
    let held = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").expect("the loopback has free ports"));
    held.map(|listener| listener.local_addr().expect("a bound socket has an address").port())
}
