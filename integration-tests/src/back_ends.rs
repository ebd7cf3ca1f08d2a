//! Real servers behind a mesh, one test's own: NATS with JetStream, and SeaweedFS for S3. They end with the value.

use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Mutex;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::guarded::{Guarded, free_ports, guarded};
use crate::{PATIENCE, Setup};

/// The access key and the secret of the bucket.
pub(crate) const KEY: (&str, &str) = ("mesh", "mesh-secret");
/// The bucket of a server that has one.
pub(crate) const BUCKET: &str = "mesh-objects";

/// Starts the servers; `None`, said with the test's name, where a program is missing.
///
/// # Panics
/// Where one is missing and `REQUIRE_BACKENDS=1`.
pub async fn servers(test: &str) -> Option<(Nats, Weed)> {
    let (nats, weed) = (Nats::prepare(test)?, Weed::prepare(test)?);
    nats.launch().await;
    weed.launch().await;
    Some((nats, weed))
}

impl Setup {
    /// Puts events on `nats` and objects into a bucket of `weed`.
    #[must_use]
    pub fn on(self, nats: &Nats, weed: &Weed) -> Self {
        self.on_bus(nats, nats.port).on_bucket(weed.s3, BUCKET)
    }

    /// Puts events on `nats`, which is reached at `port` of the loopback.
    #[must_use]
    pub fn on_bus(self, nats: &Nats, port: u16) -> Self {
        self.set("EVENTS__URL", format!("nats://127.0.0.1:{port}"))
            .set("EVENTS__JETSTREAM__MONITORS", format!("[\"{}\"]", nats.monitor_url()))
    }

    /// Puts objects into a bucket, which is reached at `port` of the loopback.
    #[must_use]
    pub fn on_bucket(self, port: u16, bucket: &str) -> Self {
        self.set("OBJECTS__URL", bucket_url(port, bucket))
            .set("OBJECTS__S3__ACCESS_KEY_ID", KEY.0)
            .set("OBJECTS__S3__SECRET_ACCESS_KEY", KEY.1)
    }
}

fn bucket_url(port: u16, bucket: &str) -> String {
    format!("s3://{bucket}/mesh?endpoint=http://127.0.0.1:{port}&path_style=true")
}

/// A `nats-server` with a store of its own.
pub struct Nats {
    program: PathBuf,
    folder: TempDir,
    /// Where clients find it, on the loopback.
    pub port: u16,
    monitor: u16,
    sync_always: bool,
    child: Mutex<Option<Guarded>>,
}

impl Nats {
    /// Picks ports and a folder, and starts nothing.
    pub fn prepare(test: &str) -> Option<Self> {
        let program = testkit::command(test, "nats-server").found()?;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [port, monitor] = free_ports();
        std::fs::create_dir(folder.path().join("store")).expect("a new folder takes folders");
        Some(Self { program, folder, port, monitor, sync_always: false, child: Mutex::default() })
    }

    /// Makes it sync before it acknowledges, from the next start on.
    #[must_use]
    pub fn syncing_always(mut self) -> Self {
        self.sync_always = true;
        self
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Where its messages lie.
    pub fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// Starts the server, and waits until it takes connections.
    pub async fn launch(&self) {
        let interval = if self.sync_always { "always" } else { "2m" };
        let config = format!(
            "host: \"127.0.0.1\"\nport: {}\nhttp: \"127.0.0.1:{}\"\njetstream {{ store_dir: \"{}\", sync_interval: {interval} }}\n",
            self.port,
            self.monitor,
            self.store().display()
        );
        let file = self.folder.path().join("nats.conf");
        std::fs::write(&file, config).expect("a new folder takes files");
        let mut command = guarded(&self.program);
        command.arg("-c").arg(&file);
        let child = Guarded::spawn(command, self.folder.path());
        *self.child.lock().expect("no holder panics") = Some(child);
        testkit::eventually!(PATIENCE, TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    /// Ends the server without warning.
    pub async fn kill(&self) {
        let child = self.child.lock().expect("no holder panics").take();
        child.expect("it runs").kill().await;
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
    program: PathBuf,
    folder: TempDir,
    /// Where clients find it, on the loopback.
    pub s3: u16,
    ports: [u16; PORTS.len()],
    child: Mutex<Option<Guarded>>,
}

impl Weed {
    /// Picks ports and a folder, and starts nothing.
    pub fn prepare(test: &str) -> Option<Self> {
        let program = testkit::command(test, "weed").found()?;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (id, secret) = KEY;
        let text = format!(
            r#"{{"identities":[{{"name":"{id}","credentials":[{{"accessKey":"{id}","secretKey":"{secret}"}}],"actions":["Admin","Read","Write","List","Tagging"]}}]}}"#
        );
        std::fs::write(folder.path().join("identities.json"), text).expect("a new folder takes files");
        // One volume for each bucket, in place of seven.
        let growth = "[master.volume_growth]\ncopy_1 = 1\n";
        std::fs::write(folder.path().join("master.toml"), growth).expect("a new folder takes files");
        let ports: [u16; PORTS.len()] = free_ports();
        Some(Self { program, folder, s3: ports[0], ports, child: Mutex::default() })
    }

    /// Starts the server, and makes the bucket where there is none.
    pub async fn launch(&self) {
        let mut command = guarded(&self.program);
        command.args(["server", "-ip", "127.0.0.1", "-ip.bind", "127.0.0.1", "-filer", "-s3", "-volume.max", "500"]);
        command.args(["-s3.port.iceberg", "0", "-s3.port.lance", "0", "-master.volumeSizeLimitMB", "64"]);
        command.arg("-dir").arg(self.folder.path());
        command.arg("-s3.config").arg(self.folder.path().join("identities.json"));
        for (flag, port) in PORTS.iter().zip(self.ports) {
            command.args([flag, port.to_string().as_str()]);
        }
        let child = Guarded::spawn(command, self.folder.path());
        *self.child.lock().expect("no holder panics") = Some(child);
        // A folder of the filer is a bucket of the S3 gateway; both doors open at different times.
        self.make_bucket(BUCKET).await;
        testkit::eventually!(PATIENCE, TcpStream::connect(("127.0.0.1", self.s3)).is_ok());
    }

    /// Ends the server without warning.
    pub async fn kill(&self) {
        let child = self.child.lock().expect("no holder panics").take();
        child.expect("it runs").kill().await;
    }

    /// Names the bucket.
    pub fn url(&self) -> String {
        bucket_url(self.s3, BUCKET)
    }

    /// How many objects of the kind the bucket holds, for instance `content`.
    pub async fn holds(&self, kind: &str) -> usize {
        let head = format!("GET /buckets/{BUCKET}/mesh/?limit=10000 HTTP/1.1\r\nAccept: application/json");
        let listing = self.ask(&head).await.unwrap_or_default();
        listing.matches(&format!("/mesh/{kind}")).count()
    }

    /// Makes a bucket where there is none, as soon as the server takes that.
    pub(crate) async fn make_bucket(&self, bucket: &str) {
        let head = format!("POST /buckets/{bucket}/ HTTP/1.1\r\nContent-Length: 0");
        let made = |answer: String| ["HTTP/1.1 20", "HTTP/1.1 409"].iter().any(|status| answer.starts_with(status));
        testkit::eventually!(PATIENCE, self.ask(&head).await.is_ok_and(made));
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    async fn ask(&self, head: &str) -> std::io::Result<String> {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", self.ports[1])).await?;
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
