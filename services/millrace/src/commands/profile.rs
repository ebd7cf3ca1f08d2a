//! `profile FILE`, without a mesh, and `dataset profile`, which reads what the mesh has stored.

use std::path::{Path, PathBuf};

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
    /// The file: CSV, TSV, JSON, JSON lines, Parquet, Arrow, Avro, an Excel or OpenDocument workbook, an SQLite database;
    /// each also in gzip, Zstandard, bzip2, xz, zip or tar.
    file: PathBuf,
    /// Which table of a file with several: the path in an archive, the sheet of a workbook, the table of a database, or
    /// `PATH#TABLE` for both. The first one unless given.
    #[arg(long, value_name = "NAME", conflicts_with = "tables")]
    table: Option<String>,
    /// Only list the tables that the file holds.
    #[arg(long)]
    tables: bool,
}

pub async fn run(context: &Context, args: ProfileArgs) -> Result<(), Failure> {
    if args.tables {
        let (tables, left_out) = runtime::blocking(move || list(&args.file)).await?;
        return context.out.document(&tables_json(&tables, &left_out), || profile_text::tables(&tables, &left_out));
    }
    let profile = runtime::blocking(move || local(&args.file, args.table.as_deref().unwrap_or_default())).await?;
    context.out.reply(&profile, profile_text::describe)
}

/// The tables of a file, and what else it holds.
fn list(path: &Path) -> Result<(Vec<pb::FileTable>, Vec<String>), Failure> {
    let hint = profile::Hint::named(check(path)?);
    let listed = profile::file_tables(path, &hint, &profile::Options::default());
    listed.map_err(|error| Failure::of(&error))
}

fn tables_json(tables: &[pb::FileTable], left_out: &[String]) -> serde_json::Value {
    let table = |table: &pb::FileTable| {
        let pb::FileTable { name, member, table, profiled: _ } = table;
        serde_json::json!({ "name": name, "member": member, "table": table })
    };
    serde_json::json!({ "tables": tables.iter().map(table).collect::<Vec<_>>(), "leftOut": left_out })
}

/// The name of a file that is there.
fn check(path: &Path) -> Result<String, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::usage(format!("cannot read {}: {error}", path.display()));
    let metadata = std::fs::metadata(path).map_err(|error| failed(&error))?;
    if !metadata.is_file() {
        return Err(failed(&"it is no file"));
    }
    Ok(path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default())
}

fn local(path: &Path, table: &str) -> Result<pb::StoredProfile, Failure> {
    let hint = profile::Hint::named(check(path)?).wanting(table);
    let mut progress = Progress::new("profile");
    let (seen, shown) = std::sync::mpsc::channel();
    let options = profile::Options {
        progress: Some(Box::new(move |now| {
            let _unless_done = seen.send(now);
        })),
        ..profile::Options::default()
    };
    let result = std::thread::scope(|scope| {
        let work = scope.spawn(move || profile::profile(path, &hint, &options));
        for now in shown {
            progress.set(now.read_bytes, Some(now.size_bytes), &format!("{} rows", now.rows));
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
