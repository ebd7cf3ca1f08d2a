//! From `source run` to searchable: one new file in a folder of an idle mesh, in both shapes.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use proto::discovery::v1::RunSourceRequest;

use crate::client::{Client, TENANT, Wait};
use crate::figures::{Row, Table, median, millis, progress, quantile};
use crate::many::{MISSING, Many};
use crate::process::{Launch, Mesh};
use crate::whole_path::create_source;
use crate::{Options, tables};

/// Looking costs a millisecond, and seldom would round the figure.
const LOOK: Wait = Wait { period: Duration::from_millis(4), limit: Duration::from_secs(60) };
/// How long the mesh is left alone before each run. The times differ, so that no period of a loop is met by all.
const IDLE: Duration = Duration::from_millis(2300);
const BYTES: usize = 20_000;

pub async fn measure(options: &Options, work: &Path, table: &mut Table) -> Result<()> {
    let folder = work.join("one-by-one");
    std::fs::create_dir_all(&folder)?;
    let arguments = vec!["--folder-root".to_owned(), folder.display().to_string()];
    let mesh = Mesh::start(&Launch::up(&options.binary, work, arguments)).await?;
    table.add(timed(&mesh.client, &folder, "one process (`up`)", options.runs).await?);
    drop(mesh);

    std::fs::remove_dir_all(&folder)?;
    std::fs::create_dir_all(&folder)?;
    let shape = "a process per role, on NATS, PostgreSQL and S3";
    match Many::start(&options.binary, &[&folder], &[]).await? {
        Some(many) => table.add(timed(&many.client, &folder, shape, options.runs).await?),
        None => table.add(Row::new(figure(shape), "2 s", MISSING, "0")),
    }
    Ok(())
}

fn figure(shape: &str) -> String {
    format!("from `source run` to searchable, one new file in a folder, idle, {shape}")
}

async fn timed(client: &Client, folder: &Path, shape: &str, runs: usize) -> Result<Row> {
    progress(format_args!("{}", figure(shape)));
    put(folder, 0)?;
    create_source(client, "one-by-one", folder).await?;
    client.wait_until_searchable(1, Instant::now(), LOOK).await?;
    let mut times = Vec::with_capacity(runs);
    for run in 1..=runs {
        tokio::time::sleep(IDLE + Duration::from_millis(run as u64 * 73 % 1000)).await;
        put(folder, run)?;
        let begun = Instant::now();
        let request = RunSourceRequest { name: format!("{TENANT}/sources/one-by-one"), ..Default::default() };
        client.discovery().run_source(request).await.context("cannot run the source")?;
        times.push(client.wait_until_searchable(run + 1, begun, LOOK).await?);
    }
    let measured = format!(
        "{} (fastest {}, p90 {}, slowest {})",
        millis(median(&times)),
        millis(quantile(&times, 0.0)),
        millis(quantile(&times, 0.9)),
        millis(quantile(&times, 1.0))
    );
    Ok(Row::new(figure(shape), "2 s", measured, runs.to_string()))
}

/// Writes a file under its name at once, so that no crawl meets half of it.
fn put(folder: &Path, number: usize) -> Result<()> {
    let (half, whole) = (folder.join(".half"), folder.join(format!("table-{number}.csv")));
    std::fs::write(&half, tables::table(number, BYTES))?;
    Ok(std::fs::rename(half, whole)?)
}
