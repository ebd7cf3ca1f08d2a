//! Fills a mesh with many small datasets, as a user would: a crawl of a folder.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::client::{Client, Wait};
use crate::figures::{Row, Table, seconds};
use crate::whole_path::create_source;

const LIMIT: Duration = Duration::from_secs(1800);

/// More jobs at once than the defaults let run: the files are tiny, so what a job mostly does is wait for the disk. The
/// index is filled in the steps of the defaults, since the searches that follow depend on its segments.
pub const SETTINGS: [(&str, &str); 2] =
    [("MILLRACE__PROFILING__WORKERS", "8"), ("MILLRACE__DISCOVERY__PAGE_SIZE", "1000")];

/// Has the folder crawled, and waits until all of it can be searched.
pub async fn fill(client: &Client, folder: &Path, expected: usize, table: &mut Table) -> Result<()> {
    let begun = Instant::now();
    create_source(client, "bench", folder).await?;
    let wait = Wait { period: Duration::from_millis(100), limit: LIMIT };
    let taken = client.wait_until_searchable(expected, begun, wait).await?;
    let rate = expected as f64 / taken.as_secs_f64();
    let measured = format!("{rate:.0} datasets/s ({expected} in {})", seconds(taken));
    table.add(Row::new("rate of a crawl of small files, from its start until all can be searched", "", measured, "1"));
    Ok(())
}
