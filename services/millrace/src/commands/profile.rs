//! `profile FILE`, without a mesh, and `dataset profile`, which reads what the mesh has stored.

use std::path::PathBuf;

use clap::Args;
use proto::catalog::v1::GetDatasetRequest;
use proto::profiling::v1 as pb;

use super::{Context, profile_text};
use crate::client::{Client, PAGE, pages};
use crate::failure::Failure;
use crate::progress::Progress;

/// What to profile.
#[derive(Debug, Args)]
pub struct ProfileArgs {
    /// The file: CSV, TSV, JSON, JSON lines or Parquet, each also in gzip.
    file: PathBuf,
}

pub async fn run(context: &Context, args: ProfileArgs) -> Result<(), Failure> {
    let profile = runtime::blocking(move || local(&args.file)).await?;
    context.out.reply(&profile, profile_text::describe)
}

fn local(path: &std::path::Path) -> Result<pb::StoredProfile, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::usage(format!("cannot read {}: {error}", path.display()));
    let metadata = std::fs::metadata(path).map_err(|error| failed(&error))?;
    if !metadata.is_file() {
        return Err(failed(&"it is no file"));
    }
    let file_name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut progress = Progress::new("profile");
    let (seen, shown) = std::sync::mpsc::channel();
    let options = profile::Options {
        progress: Some(Box::new(move |now| {
            let _unless_done = seen.send(now);
        })),
        ..profile::Options::default()
    };
    let result = std::thread::scope(|scope| {
        let work = scope.spawn(move || profile::profile(path, &profile::Hint::named(file_name), &options));
        for now in shown {
            progress.set(now.read_bytes, Some(metadata.len()), &format!("{} rows", now.rows));
        }
        work.join()
    });
    let result = result.map_err(|_| Failure::other("the profiler panicked; please report it with the file"))?;
    let profile = result.map_err(|error| {
        use types::Fault;
        Failure::other(format!("cannot profile {}: {error} ({})", path.display(), error.reason()))
    })?;
    progress.finish(&format!("{} rows", profile.table.as_ref().map_or(0, |table| table.row_count)));
    Ok(profile)
}

/// Prints the stored profile of a dataset's current version.
pub async fn of_dataset(context: &Context, client: &Client, dataset: &str) -> Result<(), Failure> {
    let name = client.name("datasets", dataset).await?;
    let reply = client.catalog().get_dataset(GetDatasetRequest { name: name.clone() }).await?.into_inner();
    let version = reply.dataset.and_then(|dataset| dataset.current_version);
    let Some(version) = version else {
        return Err(Failure::other(format!("{name} has no version yet; `millrace dataset get` shows its state")));
    };
    let request = pb::GetProfileRequest { name: version.profile.clone() };
    let table = client.profiling().get_profile(request).await?.into_inner().profile;
    let page = async |page_token| {
        let request = pb::ListColumnProfilesRequest { parent: version.profile.clone(), page_size: PAGE, page_token };
        client.profiling().list_column_profiles(request).await
    };
    let columns = pages(None, page).await?.column_profiles;
    let profile = pb::StoredProfile { table, columns, ..pb::StoredProfile::default() };
    context.out.reply(&profile, profile_text::describe)
}
