//! `backup`, `backup verify` and `restore`: all that a mesh in one process keeps, in one folder, and back.

mod error;
mod manifest;
mod restore;
mod take;
mod tree;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use runtime::SystemClock;
use serde_json::{Value, json};

use self::error::Error;
use self::manifest::{Elsewhere, Manifest};
use self::take::Source;
use self::tree::Stop;
use super::Context;
use crate::failure::Failure;
use crate::mesh::kept::kept;
use crate::output::{self, note};
use crate::progress::Progress;

/// What `backup --help` says below.
const ABOUT_BACKUP: &str = "\
The mesh may run meanwhile: the state is that of one instant, which the result names. The search index is left out, since
a start builds it anew. The administrator's token is left out: the key goes on to serve whoever has it, and
`millrace admin reset-token` makes another. Everything else is there: sources with their settings, hashes of credentials
and the key of these hashes, kept bytes. So keep the back-up as secret as the data directory; its files are for their
owner alone (0600).";

/// What `restore --help` says below.
const ABOUT_RESTORE: &str = "\
Every digest is checked before anything gets its place. Start the mesh on the directory as ever, after the one that was
backed up is stopped for good: two that go on from one state do the same work twice.";

/// How to back up.
#[derive(Debug, Args)]
#[command(after_help = ABOUT_BACKUP, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct BackupArgs {
    /// The folder that becomes the back-up; nothing may lie there yet.
    #[arg(required = true)]
    target: Option<PathBuf>,
    /// The data directory of the mesh [default: ./millrace-data].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The settings of the mesh, which say what lies outside the data directory.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Back up what lies in the data directory, though events or objects lie elsewhere.
    #[arg(long)]
    local_only: bool,
    /// Something else than to back up.
    #[command(subcommand)]
    command: Option<BackupCommand>,
}

/// What to do with a back-up.
#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// Read a back-up to its end, and compare every file with its digest.
    Verify {
        /// The back-up.
        target: PathBuf,
    },
}

/// How to put a back-up back.
#[derive(Debug, Args)]
#[command(after_help = ABOUT_RESTORE)]
pub struct RestoreArgs {
    /// The back-up.
    #[arg(long, value_name = "TARGET")]
    from: PathBuf,
    /// The data directory to be: an empty or a new one.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
}

/// Backs up, or verifies a back-up.
pub async fn run(context: &Context, args: BackupArgs) -> Result<(), Failure> {
    if let Some(BackupCommand::Verify { target }) = args.command {
        return verify(context, target).await;
    }
    let target = args.target.expect("clap asks for it");
    let kept = kept(args.config.as_deref(), args.data_dir.as_deref())?;
    let elsewhere: Vec<_> = kept.elsewhere.iter().map(|part| named(part.what, &part.url)).collect();
    // Without the state there is nothing that the rest could be put back to.
    let lacks_state = elsewhere.iter().any(|part| part.what == "state");
    if lacks_state || (!elsewhere.is_empty() && !args.local_only) {
        let parts: Vec<_> = kept.elsewhere.iter().map(ToString::to_string).collect();
        return Err(Failure::of(&Error::Elsewhere { parts: parts.join(", and ") }));
    }
    let (mut progress, mut done) = (Progress::new("backup"), 0);
    let mut seen = |text: &str, bytes: u64| {
        done += bytes;
        progress.set(done, None, &if done == 0 { text.to_owned() } else { format!("{text}: {}", size(done)) });
    };
    let source = Source { data_dir: kept.data_dir, elsewhere };
    let manifest = take::take(source, &target, &SystemClock, &mut seen).await.map_err(|error| Failure::of(&error))?;
    progress.finish("done");
    for part in &manifest.elsewhere {
        note(&format!("not in this back-up: {} at {}", part.what, part.url));
    }
    show(context, &target, &manifest)
}

/// Puts a back-up back.
pub async fn restore(context: &Context, args: RestoreArgs) -> Result<(), Failure> {
    let (from, data_dir) = (args.from.clone(), args.data_dir.clone());
    let manifest = read_through("restore", move |stop, seen| restore::restore(&from, &data_dir, stop, seen)).await?;
    for part in &manifest.elsewhere {
        note(&format!(
            "not in this back-up: {} at {}; docs/operations.md says what they have to be before a start",
            part.what, part.url
        ));
    }
    note("the administrator's key goes on to serve; `millrace admin reset-token` makes a new one");
    show(context, &args.data_dir, &manifest)
}

async fn verify(context: &Context, target: PathBuf) -> Result<(), Failure> {
    let backup = target.clone();
    let manifest = read_through("verify", move |stop, seen| manifest::verify(&backup, stop, seen)).await?;
    show(context, &target, &manifest)
}

/// Runs what reads a whole back-up where it holds nobody up; it ends soon when this future is dropped.
async fn read_through(
    label: &'static str,
    work: impl FnOnce(&Stop, &mut dyn FnMut(u64)) -> Result<Manifest, Error> + Send + 'static,
) -> Result<Manifest, Failure> {
    let stop = Stop::default();
    let _stopping = stop.on_drop();
    let result = runtime::blocking(move || {
        let (mut progress, mut done) = (Progress::new(label), 0);
        let result = work(&stop, &mut |bytes| {
            done += bytes;
            progress.set(done, None, &size(done));
        });
        if result.is_ok() {
            progress.finish(&format!("{}, every digest is right", size(done)));
        }
        result
    });
    result.await.map_err(|error| Failure::of(&error))
}

fn show(context: &Context, place: &Path, manifest: &Manifest) -> Result<(), Failure> {
    context.out.document(&document(place, manifest), || {
        output::fields(&[
            ("place", place.display().to_string()),
            ("state of", manifest.taken.clone()),
            ("files", manifest.files.to_string()),
            ("size", size(manifest.size_bytes)),
            ("made by", format!("millrace {}", manifest.millrace)),
        ])
    })
}

fn document(place: &Path, manifest: &Manifest) -> Value {
    json!({
        "place": place.display().to_string(),
        "taken": manifest.taken,
        "files": manifest.files,
        "sizeBytes": manifest.size_bytes.to_string(),
        "millrace": manifest.millrace,
        "elsewhere": manifest.elsewhere,
    })
}

fn named(what: &str, url: &str) -> Elsewhere {
    Elsewhere { what: what.to_owned(), url: url.to_owned() }
}

fn size(bytes: u64) -> String {
    output::bytes(i64::try_from(bytes).unwrap_or(i64::MAX))
}
