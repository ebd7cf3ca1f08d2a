//! From nothing to ready, from ready to searchable, and what the mesh takes when it has nothing to do.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::Options;
use crate::client::Wait;
use crate::figures::{Row, Table, median, megabytes, millis, progress, seconds};
use crate::kernel::Memory;
use crate::process::{Launch, Mesh, repository};

/// How long the mesh is left alone before its memory is read.
const IDLE: Duration = Duration::from_secs(5);

/// The demonstration corpus is small: looking often costs little, and seldom would round the figure.
const LOOK: Wait = Wait { period: Duration::from_millis(5), limit: Duration::from_secs(120) };

pub async fn measure(options: &Options, work: &Path, table: &mut Table) -> Result<()> {
    let runs = options.starts.to_string();
    let mut starts = Vec::new();
    for run in 1..=options.starts {
        progress(format_args!("start {run} of {}", options.starts));
        let mesh = Mesh::start(&Launch::up(&options.binary, work, vec![])).await?;
        starts.push(mesh.start);
    }
    let measured = format!("{} (slowest {})", millis(median(&starts)), millis(slowest(&starts)));
    table.add(Row::new("start of `up` on an empty directory to ready", "1 s", measured, &runs));

    let datasets = demonstration_datasets()?;
    let (mut times, mut memories) = (Vec::new(), Vec::new());
    for run in 1..=options.starts {
        progress(format_args!("demonstration {run} of {}", options.starts));
        let arguments = vec!["--demo".to_owned()];
        let mesh = Mesh::start(&Launch::up(&options.binary, work, arguments)).await?;
        times.push(mesh.client.wait_until_searchable(datasets, mesh.ready, LOOK).await?);
        tokio::time::sleep(IDLE).await;
        memories.extend(mesh.memory());
    }
    let figure = format!("demonstration corpus ({datasets} datasets) searchable after ready");
    let measured = format!("{} (slowest {})", seconds(median(&times)), seconds(slowest(&times)));
    table.add(Row::new(figure, "3 s", measured, &runs));
    let figure = format!("idle memory, {} s after all of it was indexed", IDLE.as_secs());
    table.add(Row::new(figure, "150 MB", describe(&memories), runs));
    table.note(
        "Ready: the first search with the administrator's token is answered through the gateway, counted from the \
         start of the process.",
    );
    Ok(())
}

fn slowest(times: &[Duration]) -> Duration {
    times.iter().copied().max().unwrap_or_default()
}

/// The medians of what the kernel told.
pub fn describe(memories: &[Memory]) -> String {
    if memories.is_empty() {
        return "not measured: there is no /proc".to_owned();
    }
    let of = |field: fn(&Memory) -> u64| megabytes(median(&memories.iter().map(field).collect::<Vec<_>>()));
    format!(
        "{} resident ({} anonymous, peak {})",
        of(|memory| memory.resident),
        of(|memory| memory.anonymous),
        of(|memory| memory.peak)
    )
}

/// The files of the demonstration folder; its `datapackage.json` describes them and is none of them.
pub fn demonstration_datasets() -> Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir(repository().join("deploy/demo"))? {
        count += usize::from(entry?.file_name() != "datapackage.json");
    }
    ensure!(count > 0, "the demonstration folder is empty");
    Ok(count)
}
