//! Fills a mesh with many small datasets, as a user would: a crawl of a folder.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use proto::discovery::v1::source::Settings;
use proto::discovery::v1::{CreateSourceRequest, FolderSettings, Source};

use crate::client::{Client, TENANT, Wait};
use crate::figures::{Row, Table, seconds};

const LIMIT: Duration = Duration::from_secs(1800);

/// More jobs at once than the defaults let run: the files are tiny, so what a job mostly does is wait for the disk. The
/// index is filled in the steps of the defaults, since the searches that follow depend on its segments.
pub const SETTINGS: [(&str, &str); 2] =
    [("MILLRACE__PROFILING__WORKERS", "8"), ("MILLRACE__DISCOVERY__PAGE_SIZE", "1000")];

/// Has the folder crawled, and waits until all of it can be searched.
pub async fn fill(client: &Client, folder: &Path, expected: usize, table: &mut Table) -> Result<()> {
    let settings = Settings::Folder(FolderSettings { path: folder.display().to_string() });
    let source = Source { title: "bench".to_owned(), settings: Some(settings), ..Default::default() };
    let request = CreateSourceRequest {
        parent: TENANT.to_owned(),
        source_id: "bench".to_owned(),
        source: Some(source),
        ..Default::default()
    };
    let begun = Instant::now();
    client.discovery().create_source(request).await.context("cannot create the source")?;
    let wait = Wait { period: Duration::from_millis(100), limit: LIMIT };
    let taken = client.wait_until_searchable(expected, begun, wait).await?;
    let rate = expected as f64 / taken.as_secs_f64();
    let measured = format!("{rate:.0} datasets/s ({expected} in {})", seconds(taken));
    table.add(Row::new("rate of a crawl of small files, from its start until all can be searched", "", measured, "1"));
    Ok(())
}
