//! What each process of a mesh of many holds, with nothing to do and under load.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::client::Wait;
use crate::figures::{Row, Table, megabytes, progress};
use crate::kernel::Memory;
use crate::many::{MISSING, Many};
use crate::process::repository;
use crate::start::demonstration_datasets;
use crate::whole_path::{create_source, fill};
use crate::{Options, tables};

/// How long the mesh is left alone before its memory is read.
const IDLE: Duration = Duration::from_secs(5);
const LOOK: Wait = Wait { period: Duration::from_millis(100), limit: Duration::from_secs(300) };
const FIGURES: [(&str, &str); 3] = [
    ("memory of each process of many, idle after the demonstration, most", "60 MB"),
    ("memory of each process of many, peak while the tables of the whole path come in, most", "256 MB"),
    ("memory of each process of many, 5 s after that load, most", ""),
];

pub async fn measure(options: &Options, work: &Path, table: &mut Table) -> Result<()> {
    let (folder, demonstration) = (work.join("tables"), repository().join("deploy/demo"));
    progress(format_args!("writing {} tables of {} bytes", options.datasets, options.dataset_bytes));
    tables::write(&folder, options.datasets, options.dataset_bytes)?;
    let Some(many) = Many::start(&options.binary, &[&folder, &demonstration], &[]).await? else {
        FIGURES.iter().for_each(|(figure, reach)| table.add(Row::new(*figure, reach, MISSING, "0")));
        return Ok(std::fs::remove_dir_all(&folder)?);
    };
    let known = demonstration_datasets()?;
    create_source(&many.client, "demonstration", &demonstration).await?;
    many.client.wait_until_searchable(known, Instant::now(), LOOK).await?;
    tokio::time::sleep(IDLE).await;
    table.add(row(FIGURES[0], &many, |memory| memory.resident));

    fill(&many.client, "tables", &folder, known + options.datasets).await?;
    table.add(row(FIGURES[1], &many, |memory| memory.peak));
    tokio::time::sleep(IDLE).await;
    table.add(row(FIGURES[2], &many, |memory| memory.resident));
    Ok(std::fs::remove_dir_all(&folder)?)
}

fn row((figure, reach): (&str, &'static str), many: &Many, of: fn(&Memory) -> u64) -> Row {
    let mut all: Vec<_> = many.memory().iter().map(|(name, memory)| (of(memory), name.clone())).collect();
    all.sort_by(|a, b| b.cmp(a));
    let Some((most, _)) = all.first() else { return Row::new(figure, reach, "not measured: there is no /proc", "0") };
    let each: Vec<_> = all.iter().map(|(bytes, name)| format!("{name} {:.0}", *bytes as f64 / 1e6)).collect();
    Row::new(figure, reach, format!("{} ({})", megabytes(*most), each.join(", ")), "1")
}
