//! `up`: every role in one process with one data directory, on embedded back ends; state, events and objects may lie
//! elsewhere.

mod banner;
mod demo;

use std::convert::Infallible;
use std::path::PathBuf;

use clap::Args;

use crate::failure::Failure;
use crate::mesh;
use crate::mesh::Ready;
use crate::mesh::role::{Role, Shape};
use crate::mesh::settings::{Flags, Settings};
use crate::output::note;
use banner::Banner;

/// How to run the mesh.
#[derive(Debug, Args)]
pub struct UpArgs {
    /// Register the demonstration folder as a source, and wait until it can be searched.
    #[arg(long)]
    demo: bool,
    /// Where the gateway listens [default: 127.0.0.1:7070].
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    #[command(flatten)]
    flags: Flags,
}

/// Runs the mesh until it is asked to stop.
pub async fn run(args: UpArgs) -> Result<(), Failure> {
    let listen: Vec<_> = args.listen.into_iter().map(|address| (Role::Gateway, address)).collect();
    let mut settings = Settings::load(&args.flags, &Shape::alone(), &listen, args.demo)?;
    if args.flags.print_config {
        print!("{}", settings.print()?);
        return Ok(());
    }
    if args.demo && settings.has_tls(Role::Gateway) {
        return Err(Failure::usage("`--demo` signs in by itself, in plain text; leave `gateway.tls` out"));
    }
    let demo_folder = args.demo.then(demo::find).transpose()?;
    settings.folder_roots.extend(demo_folder.clone());
    let tls = settings.has_tls(Role::Gateway);
    mesh::run(settings, Shape::alone(), |ready| tell(ready, tls, demo_folder)).await
}

/// What the person at the terminal sees while the mesh runs.
async fn tell(ready: Ready, tls: bool, demo_folder: Option<PathBuf>) -> Infallible {
    let gateway = ready.addresses.gateway().expect("the gateway is one of all roles");
    let banner = Banner { gateway, tls, admin: ready.addresses.admin, token: ready.token };
    if let Some(folder) = demo_folder
        && let Err(failure) = demo::register(&banner, &folder).await
    {
        failure.report();
        note("the demonstration could not be registered; the mesh runs on without it");
    }
    banner.show();
    std::future::pending().await
}
