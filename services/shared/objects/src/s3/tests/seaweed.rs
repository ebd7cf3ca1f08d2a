//! SeaweedFS: a server of its own, which all tests of this binary share while one of them needs it.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::*;

crate::conformance_tests!(async |test: &str| {
    let fixture = fixture(test).await?;
    Some((fixture.open().await, fixture))
});

super::cases::bucket_tests!(fixture);

/// Who may read and list, and nothing else.
const READER: &str = "test-reader";
const START: Duration = Duration::from_secs(60);

struct Weed {
    child: Child,
    endpoint: String,
    _folder: tempfile::TempDir,
}

async fn fixture(test: &str) -> Option<Fixture> {
    let program = testkit::command(test, "weed").found()?;
    let (weed, bucket) = (shared(&program), bucket_name());
    let fixture =
        Fixture { endpoint: weed.endpoint.clone(), bucket, atomic: true, folder: None, _keep: Box::new(weed) };
    let client = fixture.client().await;
    testkit::eventually!(START, client.create_bucket().bucket(&fixture.bucket).send().await.is_ok());
    // The parts of the server find each other after its door is open.
    testkit::eventually!(START, S3::open(&fixture.url(), &settings()).await.is_ok());
    Some(fixture)
}

fn shared(program: &Path) -> Arc<Weed> {
    static CURRENT: Mutex<Weak<Weed>> = Mutex::new(Weak::new());
    let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
    current.upgrade().unwrap_or_else(|| {
        let weed = Arc::new(Weed::start(program));
        *current = Arc::downgrade(&weed);
        weed
    })
}

impl Weed {
    /// Starts the server under a shell that ends it when our end of its input closes: also when this process is killed.
    fn start(program: &Path) -> Self {
        let folder = testkit::temp_dir();
        let identities = folder.path().join("identities.json");
        std::fs::write(&identities, identities_json()).unwrap();
        let ports = free_ports();
        let mut command = Command::new("sh");
        command.args(["-c", r#""$@" & child=$!; cat >/dev/null; kill "$child"; wait"#, "sh"]).arg(program);
        command.args(["server", "-ip", "127.0.0.1", "-ip.bind", "127.0.0.1", "-filer", "-s3", "-volume.max", "5000"]);
        command.args(["-s3.port.iceberg", "0", "-s3.port.lance", "0", "-master.volumeSizeLimitMB", "64"]);
        command.arg("-dir").arg(folder.path()).arg("-s3.config").arg(&identities);
        for (flag, port) in PORTS.iter().zip(ports) {
            command.args([flag, port.to_string().as_str()]);
        }
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        command.stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().expect("the server starts");
        Self { child, endpoint: format!("http://127.0.0.1:{}", ports[0]), _folder: folder }
    }
}

const PORTS: [&str; 8] = [
    "-s3.port",
    "-s3.port.grpc",
    "-master.port",
    "-master.port.grpc",
    "-volume.port",
    "-volume.port.grpc",
    "-filer.port",
    "-filer.port.grpc",
];

fn free_ports() -> [u16; 8] {
    let held = PORTS.map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}

fn identities_json() -> String {
    let identity = |name: &str, actions: &str| {
        format!(
            r#"{{"name":"{name}","credentials":[{{"accessKey":"{name}","secretKey":"{SECRET}"}}],"actions":[{actions}]}}"#
        )
    };
    let (all, few) = (r#""Admin","Read","Write","List","Tagging""#, r#""Read","List""#);
    format!(r#"{{"identities":[{},{}]}}"#, identity(ID, all), identity(READER, few))
}

impl Drop for Weed {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ended = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_that_may_not_write_are_refused_at_open() {
    let name = concat!(module_path!(), "::credentials_that_may_not_write_are_refused_at_open");
    let Some(fixture) = fixture(name).await else { return };
    let reader = S3Settings::with_keys(READER, Secret::new(SECRET.to_owned()));
    let error = S3::open(&fixture.url(), &reader).await.unwrap_err();
    assert_eq!(types::Fault::reason(&error), "OBJECT_STORE_DENIED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_of_processes_that_died_are_aborted_once_they_are_old() {
    let name = concat!(module_path!(), "::uploads_of_processes_that_died_are_aborted_once_they_are_old");
    let Some(fixture) = fixture(name).await else { return };
    let client = fixture.client().await;
    for name in ["mesh/content.main.abc", "other/content.main.abc"] {
        client.create_multipart_upload().bucket(&fixture.bucket).key(name).send().await.unwrap();
    }
    let store = fixture.open().await;
    assert_eq!(fixture.uploads().await, 2);
    assert_eq!(store.sweep().await.unwrap(), 0);
    let impatient = S3Settings { orphans_after: Duration::ZERO.into(), ..settings() };
    S3::open(&fixture.url(), &impatient).await.unwrap();
    // What lies beneath another prefix is another's.
    assert_eq!(fixture.uploads().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_have_a_media_type_that_nobody_compresses() {
    let name = concat!(module_path!(), "::objects_have_a_media_type_that_nobody_compresses");
    let Some(fixture) = fixture(name).await else { return };
    let (store, client) = (fixture.open().await, fixture.client().await);
    for (name, mebibytes) in [("small", 1), ("large", 20)] {
        let body = ObjectBody::stream(super::cases::mebibytes(mebibytes));
        store.put(&super::cases::key(name), body, Put::IfAbsent).await.unwrap();
        let head = client.head_object().bucket(&fixture.bucket).key(format!("mesh/{name}")).send().await.unwrap();
        assert_eq!(head.content_type(), Some(crate::s3::metadata::MEDIA_TYPE), "{name}");
    }
}
