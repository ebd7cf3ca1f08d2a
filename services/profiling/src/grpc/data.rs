//! `ProfileData`: bytes in, progress and a profile out, nothing stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures::{Stream, StreamExt};
use profile::Hint;
use proto::profiling::v1::profile_data_response::Item;
use proto::profiling::v1::{ProfileDataProgress, ProfileDataRequest, ProfileDataResponse};
use rpc::upload::Upload;
use tonic::{Status, Streaming};

use crate::config::Config;
use crate::engine::{self, Bounds};
use crate::spool::Spool;
use crate::{Error, tasks};

/// How often progress is told.
const RHYTHM: Duration = Duration::from_millis(250);

/// Ends the profiler when the caller goes away.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Spools an upload and profiles the table that `hint` asks for. The stream tells progress while it works, then the table, then each column.
pub fn profile(
    upload: Upload<Streaming<ProfileDataRequest>>,
    hint: Hint,
    spool: Spool,
    bounds: Bounds,
    config: Arc<Config>,
) -> impl Stream<Item = Result<ProfileDataResponse, Status>> + Send {
    async_stream::try_stream! {
        let (read, rows) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let stop = StopOnDrop(Arc::default());
        let work = {
            let (read, rows, stop) = (read.clone(), rows.clone(), stop.0.clone());
            async move {
                let limit = ("profiling.max_upload_bytes", config.max_upload_bytes);
                let taken = |bytes| { read.fetch_add(bytes, Ordering::Relaxed); };
                let spooled = spool.take(upload.into_stream::<ProfileDataRequest>(), limit, taken).await?;
                let progress = move |seen: profile::Progress| rows.store(seen.rows, Ordering::Relaxed);
                tasks::guarded(move || engine::profile(&spooled, &hint, &bounds, stop, progress)).await
            }
        };
        let mut work = std::pin::pin!(work);
        let stored = loop {
            match tokio::time::timeout(RHYTHM, work.as_mut()).await {
                Ok(done) => break done.map_err(|error: Error| rpc::to_status(&error))?,
                Err(_) => {
                    let count = |value: &AtomicU64| i64::try_from(value.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
                    let progress = ProfileDataProgress { read_bytes: count(&read), rows: count(&rows) };
                    yield message(Item::Progress(progress));
                }
            }
        };
        if let Some(table) = stored.table {
            yield message(Item::Table(table));
        }
        let mut columns = futures::stream::iter(stored.columns);
        while let Some(column) = columns.next().await {
            yield message(Item::Column(column));
        }
    }
}

fn message(item: Item) -> ProfileDataResponse {
    ProfileDataResponse { item: Some(item) }
}
