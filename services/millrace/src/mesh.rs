//! The process: one way to wire and run roles, be it all of them (`up`) or some (`serve`).
//!
//! The order is the promise: settings are checked before anything is touched, sockets are bound before the directory
//! is opened, and answer from then on, if only that the process waits; readiness comes last and goes first.

mod door;
mod drain;
pub mod kept;
pub mod keys;
pub mod peers;
pub mod role;
pub mod settings;
mod single;
pub mod sockets;
pub mod stores;
pub mod tls;
pub mod waiting;
mod wiring;

use std::convert::Infallible;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use runtime::admin::Page;
use runtime::lock::DataDir;
use runtime::{Grace, Readiness, Supervisor, SystemClock, telemetry};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use types::Clock;

use crate::failure::Failure;
use crate::progress::Stderr;
use door::{Door, door};
use role::{Role, Shape};
use settings::Settings;
use sockets::{Addresses, Sockets};
use stores::Stores;
use tls::Certificates;
use waiting::Waiting;

/// What a process that is ready shows.
pub struct Ready {
    /// Where its listeners are.
    pub addresses: Addresses,
    /// The file of the first administrator's key.
    pub token: PathBuf,
}

/// Runs the roles of `shape` until the process is asked to stop. `story` runs beside them once they are ready.
pub async fn run<S>(settings: Settings, shape: Shape, story: impl FnOnce(Ready) -> S) -> Result<(), Failure>
where
    S: Future<Output = Infallible>,
{
    let writer = BoxMakeWriter::new(|| Stderr);
    let guard = telemetry::init_to(&settings.logging, settings.telemetry.outlets(), &process(&shape), writer)
        .map_err(failed)?;
    let stop = runtime::stop_signal()?;
    let result = live(&settings, &shape, story, stop).await;
    guard.flush().await;
    result
}

async fn live<S>(
    settings: &Settings,
    shape: &Shape,
    story: impl FnOnce(Ready) -> S,
    stop: impl Future<Output = &'static str>,
) -> Result<(), Failure>
where
    S: Future<Output = Infallible>,
{
    let metrics = telemetry::metrics().map_err(failed)?;
    let certificates = Certificates::load(settings, shape)?;
    let sockets = Sockets::bind(settings, shape).await?;
    let dir = DataDir::acquire(&settings.data_dir).map_err(failed)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let addresses = sockets.addresses();
    let start = Readiness::new();
    let page = Page::new(env!("CARGO_PKG_VERSION"), Some(metrics), start.clone(), settings.telemetry.profiles);
    let mut supervisor = Supervisor::new(clock.clone()).with_grace(grace(settings));
    let doors = serve(settings, sockets, &certificates, &mut supervisor, &page, &start);

    let mut stop = Box::pin(stop);
    let waiting = Waiting::new(start.clone(), settings.patience());
    let stores = Stores { settings, dir: &dir, clock, waiting };
    let (mut mesh, closing) = tokio::select! {
        built = wiring::build(&stores, shape, &certificates) => built?,
        signal = &mut stop => return supervisor.run(async move { signal }).await.map_err(failed),
    };
    for tasks in mesh.tasks {
        page.show(&tasks);
        supervisor.supervise(tasks);
    }
    for (role, door) in doors {
        door.open(mesh.served.remove(&role).expect("what listens was wired"));
    }
    for (name, beside) in mesh.beside {
        supervisor.serve(name, beside);
    }
    supervisor.at_end("stores", closing);
    start.set_ready();
    supervisor.ready();
    for (role, address) in &addresses.roles {
        tracing::info!(%role, %address, "ready");
    }
    let token = settings.token_file(dir.path());
    let story = story(Ready { addresses, token });
    let until = async {
        tokio::select! {
            signal = stop => signal,
            never = story => match never {},
        }
    };
    supervisor.run(until).await.map_err(failed)
}

/// Serves every listener from now on. Behind each is a door, which is opened once the role is there.
fn serve(
    settings: &Settings,
    sockets: Sockets,
    certificates: &Certificates,
    supervisor: &mut Supervisor,
    page: &Page,
    start: &Readiness,
) -> Vec<(Role, Door)> {
    let mut doors = Vec::new();
    for (role, listener) in sockets.roles {
        let (served, door) = door(role.name(), start.clone());
        let tls = certificates.of(role);
        let limits = settings.connection_limits(role);
        supervisor.serve(role.name(), move |stop| async move {
            let served = drain::end_watches(served, stop.clone());
            Ok(rpc::serve_within(limits, listener, served, tls, stop.cancelled_owned()).await?)
        });
        doors.push((role, door));
    }
    let page = page.clone();
    let admin = rpc::connections(sockets.admin, certificates.of_admin());
    supervisor.serve("admin page", |stop| runtime::admin::serve(admin, page, stop));
    doors
}

/// What traces say of this process. Each start is another instance.
fn process(shape: &Shape) -> telemetry::Process {
    let instance = uuid::Uuid::new_v4().to_string();
    telemetry::Process::new(shape.roles().map(Role::name), env!("CARGO_PKG_VERSION"), instance)
}

fn grace(settings: &Settings) -> Grace {
    let shutdown = &settings.shutdown;
    Grace {
        drain: shutdown.drain.as_duration(),
        loops: shutdown.loops.as_duration(),
        close: shutdown.close.as_duration(),
    }
}

/// An error as a failure.
pub fn failed(error: impl std::error::Error) -> Failure {
    Failure::other(line(&error))
}

/// The data directory cannot be used.
fn unusable(dir: &DataDir, error: std::io::Error) -> Failure {
    Failure::other(format!("cannot use the data directory {}: {error}", dir.path().display()))
}

/// An error with its causes, on one line.
pub fn line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
        cause = error.source();
    }
    text
}
