//! The servers that all meshes of one run of the tests share, each mesh with a bucket, a database and a prefix of its
//! own. They start with the first mesh that needs them, and end with this process, however it ends.

use std::io::PipeWriter;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::Setup;
use crate::back_ends::{Nats, Weed};
use crate::postgres::Postgres;

struct Shared {
    nats: Nats,
    weed: Weed,
    postgres: Postgres,
    _janitor: (Child, PipeWriter),
}

static SHARED: OnceLock<Shared> = OnceLock::new();
static MESHES: AtomicU32 = AtomicU32::new(0);

/// Gives a mesh its share of the servers.
///
/// # Panics
/// Where a program is missing: a run of this shape needs them all.
pub(crate) fn on_shared(setup: Setup) -> Setup {
    let shared = SHARED.get_or_init(|| aside(start()));
    let own = format!("mesh-{}-{}", std::process::id(), MESHES.fetch_add(1, Ordering::Relaxed));
    aside(shared.weed.make_bucket(&own));
    shared.postgres.create(&own);
    let setup = setup.on_bus(&shared.nats, shared.nats.port).set("EVENTS__JETSTREAM__PREFIX", &own);
    setup.on_bucket(shared.weed.s3, &own).on_postgres(shared.postgres.port, &own)
}

async fn start() -> Shared {
    let name = "a mesh of several processes";
    let missing = "MILLRACE_SHAPE=processes needs nats-server, weed and PostgreSQL";
    let nats = Nats::prepare(name).expect(missing);
    let weed = Weed::prepare(name).expect(missing);
    let postgres = Postgres::prepare(name, false).expect(missing);
    nats.launch().await;
    weed.launch().await;
    postgres.launch().await;
    // What is static is not dropped, so the folders are removed by one who outlives us.
    let (reader, writer) = std::io::pipe().expect("a pipe can be made");
    let mut janitor = Command::new("sh");
    janitor.args(["-c", r#"cat >/dev/null; sleep 5; rm -rf "$@""#, "sh"]);
    janitor.args([nats.folder(), weed.folder(), postgres.folder()]).stdin(Stdio::from(reader));
    let janitor = janitor.spawn().expect("sh is there");
    Shared { nats, weed, postgres, _janitor: (janitor, writer) }
}

/// Runs what waits on a thread of its own, since tests stand in a runtime already.
fn aside<T: Send>(work: impl Future<Output = T> + Send) -> T {
    let run = || {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        runtime.block_on(work)
    };
    std::thread::scope(|scope| scope.spawn(run).join()).expect("the servers start")
}
