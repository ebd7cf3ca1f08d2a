//! The whole path: a folder of tables from empty to searchable, in both shapes.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use proto::discovery::v1::source::Settings;
use proto::discovery::v1::{CreateSourceRequest, FolderSettings, Source};

use crate::client::{Client, TENANT, Wait};
use crate::figures::{Row, Table, progress, seconds};
use crate::many::{MISSING, Many, PROFILERS};
use crate::process::{Launch, Mesh};
use crate::{Options, kernel, tables};

const LOOK: Wait = Wait { period: Duration::from_millis(100), limit: Duration::from_secs(3600) };
/// Files that the profiler alone is timed with.
const ALONE: usize = 30;

pub async fn measure(options: &Options, work: &Path, table: &mut Table) -> Result<()> {
    let folder = work.join("tables");
    progress(format_args!("writing {} tables of {} bytes", options.datasets, options.dataset_bytes));
    let bytes = tables::write(&folder, options.datasets, options.dataset_bytes)?;
    table.add(profiler_alone(&folder)?);
    let figure = |shape: &str| {
        let megabytes = options.dataset_bytes as f64 / 1e6;
        format!("{} datasets of {megabytes:.1} MB from empty to searchable, {shape}", options.datasets)
    };

    let arguments = vec!["--folder-root".to_owned(), folder.display().to_string()];
    let mesh = Mesh::start(&Launch::up(&options.binary, work, arguments)).await?;
    let measured = timed(&mesh.client, &folder, options.datasets, bytes).await?;
    table.add(Row::new(figure("one process (`up`)"), "60 MB/s", measured, "1"));
    drop(mesh);

    let shape = format!("a process per role, {PROFILERS} profilers, on the same cores");
    let measured = match Many::start(&options.binary, &[&folder], &[]).await? {
        Some(many) => timed(&many.client, &folder, options.datasets, bytes).await?,
        None => MISSING.to_owned(),
    };
    table.add(Row::new(figure(&shape), "no slower", measured, "1"));
    std::fs::remove_dir_all(&folder)?;
    table.note(
        "Whole path: from the call that creates the source until every dataset can be searched; CSV files with ten \
         columns, in the page cache when the crawl begins. Behind the rate stands what each program computed meanwhile, \
         servers included; PostgreSQL and NATS run with their settings as shipped.",
    );
    Ok(())
}

/// Crawls a folder and waits until all of it can be searched; tells how fast that was.
async fn timed(client: &Client, folder: &Path, datasets: usize, bytes: u64) -> Result<String> {
    let before = kernel::computed_by_program();
    let taken = fill(client, "tables", folder, datasets).await?;
    let spent = kernel::spent(&before, &kernel::computed_by_program());
    let rate = bytes as f64 / 1e6 / taken.as_secs_f64();
    Ok(format!("{rate:.1} MB/s in {} (computed: {spent})", seconds(taken)))
}

/// Has the folder crawled as the source `id`, and waits until so many datasets can be searched in all.
pub async fn fill(client: &Client, id: &str, folder: &Path, expected: usize) -> Result<Duration> {
    let begun = Instant::now();
    create_source(client, id, folder).await?;
    client.wait_until_searchable(expected, begun, LOOK).await
}

/// Creates a folder source, which is crawled at once.
pub async fn create_source(client: &Client, id: &str, folder: &Path) -> Result<()> {
    let settings = Settings::Folder(FolderSettings { path: folder.display().to_string() });
    let source = Source { title: id.to_owned(), settings: Some(settings), ..Default::default() };
    let request = CreateSourceRequest {
        parent: TENANT.to_owned(),
        source_id: id.to_owned(),
        source: Some(source),
        ..Default::default()
    };
    client.discovery().create_source(request).await.context("cannot create the source")?;
    Ok(())
}

/// What the profiler does of the same files on one core, without anything around it.
fn profiler_alone(folder: &Path) -> Result<Row> {
    let files = tables::some(folder, ALONE)?;
    let own = std::process::id();
    let (begun, before, mut bytes) = (Instant::now(), kernel::computed(own), 0);
    for file in &files {
        bytes += file.metadata()?.len();
        let hint = profile::Hint::named("measurements.csv");
        profile::profile(file, &hint, &profile::Options::default())?;
    }
    let (taken, computed) = (begun.elapsed(), kernel::computed(own).saturating_sub(before));
    let rate = |time: Duration| bytes as f64 / 1e6 / time.as_secs_f64();
    let measured = format!("{:.1} MB/s, {:.1} MB for each second that it computed", rate(taken), rate(computed));
    let runs = format!("{} files, one after the other", files.len());
    Ok(Row::new("the profiler alone of the files of the whole path, one at a time", "", measured, runs))
}
