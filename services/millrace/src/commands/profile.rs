//! `profile FILE`, without a mesh, and `dataset profile`, which reads what the mesh has stored.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use proto::catalog::v1::GetDatasetRequest;
use proto::profiling::v1 as pb;
use types::{ByteSize, Fault, QuantityError};

use super::{Context, profile_text};
use crate::client::{Client, PAGE, pages};
use crate::failure::Failure;
use crate::progress::Progress;

/// What to profile.
#[derive(Debug, Args)]
pub struct ProfileArgs {
    /// The file: CSV, TSV, fixed width, JSON, JSON lines, Parquet, Arrow, Avro, ORC, Stata, an Excel or OpenDocument workbook, an SQLite
    /// database, a shapefile in an archive, dBASE; each also in gzip, Zstandard, bzip2, xz, zip or tar.
    file: PathBuf,
    /// Which table of a file with several: the path in an archive, the sheet of a workbook, the table of a database, or
    /// `PATH#TABLE` for both. The first one unless given.
    #[arg(long, value_name = "NAME", conflicts_with = "tables")]
    table: Option<String>,
    /// Only list the tables that the file holds.
    #[arg(long)]
    tables: bool,
    /// Keep in this file what it takes to append rows to the profile later.
    #[arg(long, value_name = "STATE", conflicts_with = "tables")]
    save_state: Option<PathBuf>,
    /// Profile the rows of FILE after those whose state an earlier profile kept in this file. That they belong together is
    /// not checked, but for their columns.
    #[arg(long, value_name = "STATE", conflicts_with = "tables")]
    append_to: Option<PathBuf>,
    /// How much memory it may take: a file that needs more is refused.
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = memory)]
    memory: ByteSize,
}

fn memory(text: &str) -> Result<ByteSize, String> {
    let memory: ByteSize = text.parse().map_err(|error: QuantityError| error.to_string())?;
    if memory < profile::LEAST_MEMORY {
        return Err(format!("it takes at least {}", profile::LEAST_MEMORY));
    }
    Ok(memory)
}

pub async fn run(context: &Context, args: ProfileArgs) -> Result<(), Failure> {
    if args.tables {
        let (tables, left_out) = runtime::blocking(move || list(&args)).await?;
        return context.out.document(&tables_json(&tables, &left_out), || profile_text::tables(&tables, &left_out));
    }
    let profile = runtime::blocking(move || local(&args)).await?;
    context.out.reply(&profile, profile_text::describe)
}

/// The tables of a file, and what else it holds.
fn list(args: &ProfileArgs) -> Result<(Vec<pb::FileTable>, Vec<String>), Failure> {
    let hint = profile::Hint::named(check(&args.file)?);
    let listed = profile::file_tables(&args.file, &hint, &options(args)?);
    listed.map_err(|error| Failure::of(&error))
}

/// Options whose parsers run in children of this program.
fn options(args: &ProfileArgs) -> Result<profile::Options, Failure> {
    let isolation = profile::Isolation::this_program(args.memory)?;
    Ok(profile::Options { isolation, ..profile::Options::within(args.memory) })
}

fn tables_json(tables: &[pb::FileTable], left_out: &[String]) -> serde_json::Value {
    let table = |table: &pb::FileTable| {
        let pb::FileTable { name, member, table, .. } = table;
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

fn local(args: &ProfileArgs) -> Result<pb::StoredProfile, Failure> {
    let path = args.file.as_path();
    let hint = profile::Hint::named(check(path)?).wanting(args.table.as_deref().unwrap_or_default());
    let earlier = args.append_to.as_deref().map(read_state).transpose()?;
    let mut progress = Progress::new("profile");
    let (seen, shown) = std::sync::mpsc::channel();
    let options = profile::Options {
        progress: Some(Box::new(move |now| {
            let _unless_done = seen.send(now);
        })),
        ..options(args)?
    };
    let keep = args.save_state.is_some();
    let result = std::thread::scope(|scope| {
        let work = scope.spawn(move || make(path, &hint, earlier, keep, &options));
        for now in shown {
            progress.set(now.read_bytes, Some(now.size_bytes), &format!("{} rows", now.rows));
        }
        work.join()
    });
    let result = result.map_err(|_| Failure::other("the profiler panicked; please report it with the file"))?;
    let (profile, state) = result
        .map_err(|error| Failure::other(format!("cannot profile {}: {error} ({})", path.display(), error.reason())))?;
    if let (Some(to), Some(state)) = (&args.save_state, state) {
        write_state(to, &state)?;
    }
    progress.finish(&format!("{} rows", profile.table.as_ref().map_or(0, |table| table.row_count)));
    Ok(profile)
}

fn make(
    path: &Path,
    hint: &profile::Hint,
    earlier: Option<profile::State>,
    keep: bool,
    options: &profile::Options,
) -> Result<(pb::StoredProfile, Option<profile::State>), profile::Error> {
    Ok(match earlier {
        None if !keep => (profile::profile(path, hint, options)?, None),
        None => profile::profile_with_state(path, hint, options).map(|(profile, state)| (profile, Some(state)))?,
        Some(state) => profile::append(state, path, hint, options).map(|(profile, state)| (profile, Some(state)))?,
    })
}

fn read_state(path: &Path) -> Result<profile::State, Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::usage(format!("cannot read the state in {}: {error}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| failed(&error))?;
    profile::State::decode(&bytes).map_err(|error| failed(&format!("{error} ({})", error.reason())))
}

/// Writes a state beside its place first, so that a file that is there is replaced whole or not at all.
fn write_state(path: &Path, state: &profile::State) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::other(format!("cannot write the state to {}: {error}", path.display()))
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|error| failed(&error))?;
    file.write_all(&state.encode()).map_err(|error| failed(&error))?;
    file.persist(path).map(drop).map_err(|error| failed(&error))
}

/// Prints the stored profile of a dataset's current version: of this table, or of the first one.
pub async fn of_dataset(context: &Context, client: &Client, dataset: &str, table: String) -> Result<(), Failure> {
    let name = client.name("datasets", dataset).await?;
    let reply = client.catalog().get_dataset(GetDatasetRequest { name: name.clone() }).await?.into_inner();
    let version = reply.dataset.and_then(|dataset| dataset.current_version);
    let Some(version) = version else {
        return Err(Failure::other(format!("{name} has no version yet; `millrace dataset get` shows its state")));
    };
    let request = pb::GetProfileRequest { name: version.profile.clone(), table: table.clone() };
    let profile = client.profiling().get_profile(request).await?.into_inner().profile;
    let page = async |page_token| {
        let (parent, table) = (version.profile.clone(), table.clone());
        let request = pb::ListColumnProfilesRequest { parent, page_size: PAGE, page_token, table };
        client.profiling().list_column_profiles(request).await
    };
    let columns = pages(None, page).await?.column_profiles;
    let profile = pb::StoredProfile { table: profile, columns, ..pb::StoredProfile::default() };
    context.out.reply(&profile, profile_text::describe)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(file: &Path, save_state: Option<&Path>, append_to: Option<&Path>) -> ProfileArgs {
        ProfileArgs {
            file: file.to_owned(),
            table: None,
            tables: false,
            memory: profile::LEAST_MEMORY,
            save_state: save_state.map(Path::to_owned),
            append_to: append_to.map(Path::to_owned),
        }
    }

    #[test]
    fn rows_are_appended_by_a_state_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let (first, more, other) = (at("a.csv", "x,y\n1,a\n"), at("b.csv", "x,y\n2,b\n"), at("c.csv", "x,z\n2,b\n"));
        let state = folder.path().join("state");
        local(&args(&first, Some(&state), None)).unwrap();
        for rows in [2, 3] {
            let profile = local(&args(&more, Some(&state), Some(&state))).unwrap();
            assert_eq!(profile.table.unwrap().row_count, rows);
        }
        let refused = local(&args(&other, None, Some(&state))).unwrap_err();
        assert!(refused.message().contains("OTHER_COLUMNS"), "{}", refused.message());
        let refused = local(&args(&more, None, Some(&first))).unwrap_err();
        assert!(refused.message().contains("PROFILE_STATE_UNREADABLE"), "{}", refused.message());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4, "nothing is left beside them");
    }
}
