//! `up`: every role in one process with one data directory, on embedded back ends; events and objects may lie elsewhere.
//!
//! The order is the promise: settings are checked before anything is touched, sockets are bound before the directory
//! is opened, readiness comes last and goes first.

mod banner;
mod demo;
mod drain;
mod keys;
mod mesh;
mod settings;
mod sockets;
mod stores;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use runtime::lock::DataDir;
use runtime::{Grace, Supervisor, SystemClock, telemetry};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use types::Clock;

use crate::failure::Failure;
use crate::output::note;
use crate::progress::Stderr;
use banner::Banner;
use settings::Settings;
use sockets::Sockets;

/// Where the mesh keeps its data when it is not told otherwise.
pub const DEFAULT_DATA_DIR: &str = "./millrace-data";

/// The file in the data directory that holds the first administrator's token.
const TOKEN_FILE: &str = "admin.token";

/// How to run the mesh.
#[derive(Debug, Args)]
pub struct UpArgs {
    /// Register the demonstration folder as a source, and wait until it can be searched.
    #[arg(long)]
    demo: bool,
    /// Where everything lies that the mesh keeps [default: ./millrace-data].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where the gateway listens [default: 127.0.0.1:7070].
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Where the admin page and the metrics are [default: a free port of the loopback].
    #[arg(long, value_name = "HOST:PORT")]
    admin_listen: Option<String>,
    /// A folder beneath which folder sources may lie.
    #[arg(long = "folder-root", value_name = "DIR")]
    folder_roots: Vec<PathBuf>,
    /// Let listeners reach beyond the loopback without TLS.
    #[arg(long)]
    allow_plaintext: bool,
    /// A TOML file of settings.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the settings that are in effect, and end.
    #[arg(long)]
    print_config: bool,
}

/// Runs the mesh until it is asked to stop.
pub async fn run(args: UpArgs) -> Result<(), Failure> {
    let (mut settings, demo) = (Settings::load(&args)?, args.demo);
    if args.print_config {
        print!("{}", settings.print()?);
        return Ok(());
    }
    let demo_folder = demo.then(demo::find).transpose()?;
    settings.folder_roots.extend(demo_folder.clone());
    let writer = BoxMakeWriter::new(|| Stderr);
    let guard = telemetry::init_to(&settings.logging, settings.otlp_endpoint(), writer).map_err(failed)?;
    let stop = runtime::stop_signal()?;
    let result = serve(settings, demo_folder, stop).await;
    guard.flush().await;
    result
}

async fn serve(
    settings: Settings,
    demo_folder: Option<PathBuf>,
    stop: impl Future<Output = &'static str>,
) -> Result<(), Failure> {
    let metrics = telemetry::metrics().map_err(failed)?;
    let sockets = Sockets::bind(&settings).await?;
    let dir = DataDir::acquire(&settings.data_dir).map_err(failed)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut stop = Box::pin(stop);
    let stores = tokio::select! {
        stores = stores::open(&settings, &dir, clock.clone()) => stores?,
        _signal = &mut stop => return Ok(()),
    };
    let (mesh, closing) = mesh::build(&settings, &dir, stores, clock.clone()).await?;

    let grace = Grace {
        drain: settings.shutdown.drain.as_duration(),
        loops: settings.shutdown.loops.as_duration(),
        close: settings.shutdown.close.as_duration(),
    };
    let mut supervisor = Supervisor::new(clock).with_grace(grace);
    let page = runtime::admin::Page {
        roles: mesh.tasks.iter().map(|tasks| (tasks.role(), tasks.states())).collect(),
        metrics: Some(metrics),
        version: env!("CARGO_PKG_VERSION"),
    };
    mesh.tasks.into_iter().for_each(|tasks| supervisor.supervise(tasks));
    let banner =
        Banner { gateway: sockets.gateway_address(), admin: sockets.admin_address(), token: dir.join(TOKEN_FILE) };
    let Sockets { gateway, admin } = sockets;
    let served = mesh.gateway;
    supervisor.serve("gateway", |stop| async move {
        let served = drain::end_watches(served, stop.clone());
        Ok(rpc::serve(gateway, served, stop.cancelled_owned()).await?)
    });
    supervisor.serve("admin page", |stop| runtime::admin::serve(admin, page, stop));
    supervisor.at_end("stores", closing);
    supervisor.ready();
    tracing::info!(gateway = %banner.gateway, admin = %banner.admin, "ready");

    let story = tell(banner, demo_folder);
    let until = async {
        tokio::select! {
            signal = stop => signal,
            never = story => match never {},
        }
    };
    supervisor.run(until).await.map_err(failed)
}

/// What the person at the terminal sees while the mesh runs.
async fn tell(banner: Banner, demo_folder: Option<PathBuf>) -> std::convert::Infallible {
    if let Some(folder) = demo_folder
        && let Err(failure) = demo::register(&banner, &folder).await
    {
        failure.report();
        note("the demonstration could not be registered; the mesh runs on without it");
    }
    banner.show();
    std::future::pending().await
}

/// Writes the first administrator's token anew.
pub async fn reset_token(path: &Path) -> Result<(), Failure> {
    if !path.join("format").exists() {
        return Err(Failure::usage(format!("{} is no data directory of Millrace", path.display())));
    }
    let dir = DataDir::acquire(path).map_err(failed)?;
    let hash_key = keys::hash_key(&dir, keys::Missing::Make)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let database = mesh::database(&dir, gateway::ROLE, &gateway::migrations(), clock).await?;
    let result = gateway::reset_admin_key(&database, &hash_key, keys::keeper(&dir)).await;
    database.close().await;
    result.map_err(failed)?;
    println!("{}", dir.join(TOKEN_FILE).display());
    note("a new token of the first administrator lies there; tokens from before still serve until they are revoked");
    Ok(())
}

fn failed(error: impl std::error::Error) -> Failure {
    Failure::other(line(&error))
}

/// An error with its causes, on one line.
fn line(error: &dyn std::error::Error) -> String {
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
