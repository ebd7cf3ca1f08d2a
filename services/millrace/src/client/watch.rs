//! Watching: a stream of states that is opened again, where it broke off, when it ends.

use std::ops::ControlFlow;
use std::time::Duration;

use proto::{catalog, discovery, profiling};
use tonic::{Code, Response, Status, Streaming};

use super::Client;
use crate::failure::Failure;

/// How often in a row a stream may break off before it is given up.
const PATIENCE: u32 = 8;

/// One message of a watch.
pub enum Seen<T> {
    /// Something as it is now.
    Item(Box<T>),
    /// The name of something that is gone.
    Removed(String),
    /// The present state is complete.
    Complete,
}

/// A message of a Watch call.
pub trait Watched {
    /// What is watched.
    type Item;
    /// The token that resumes after this message.
    fn resume_token(&self) -> &str;
    /// What the message holds.
    fn seen(self) -> Option<Seen<Self::Item>>;
}

macro_rules! watched {
    ($($package:ident::$module:ident::$reply:ident, $variant:ident($item:ident));+ $(;)?) => {
        $(impl Watched for $package::v1::$reply {
            type Item = $package::v1::$item;

            fn resume_token(&self) -> &str {
                &self.resume_token
            }

            fn seen(self) -> Option<Seen<Self::Item>> {
                use $package::v1::$module::Item;
                Some(match self.item? {
                    Item::$variant(item) => Seen::Item(Box::new(item)),
                    Item::Removed(name) => Seen::Removed(name),
                    Item::SnapshotComplete(_) => Seen::Complete,
                })
            }
        })+
    };
}

watched!(
    discovery::watch_crawls_response::WatchCrawlsResponse, Crawl(Crawl);
    profiling::watch_jobs_response::WatchJobsResponse, Job(Job);
    catalog::watch_datasets_response::WatchDatasetsResponse, Dataset(Dataset);
    catalog::watch_index_rebuilds_response::WatchIndexRebuildsResponse, IndexRebuild(IndexRebuild);
);

/// Follows a watch until `see` breaks it off. A stream that ends, by a restart of the mesh or the end of a token, is
/// opened again after the last message that was seen.
pub async fn follow<W: Watched>(
    client: &Client,
    mut open: impl AsyncFnMut(String) -> Result<Response<Streaming<W>>, Status>,
    mut see: impl FnMut(W) -> Result<ControlFlow<()>, Failure>,
) -> Result<(), Failure> {
    let mut resume = String::new();
    let mut broken = 0;
    loop {
        let end = match open(resume.clone()).await {
            Ok(stream) => {
                let mut stream = stream.into_inner();
                loop {
                    match stream.message().await {
                        Ok(Some(message)) => {
                            resume = message.resume_token().to_owned();
                            broken = 0;
                            if see(message)?.is_break() {
                                return Ok(());
                            }
                        }
                        Ok(None) => break None,
                        Err(status) => break Some(status),
                    }
                }
            }
            Err(status) => Some(status),
        };
        broken += 1;
        if let Some(status) = end
            && !may_pass(&status, broken)
        {
            return Err(status.into());
        }
        if broken > PATIENCE {
            return Err(Failure::unreachable("the watch keeps ending; is the mesh stopping?"));
        }
        tokio::time::sleep(Duration::from_millis(100) * 2u32.pow(broken.min(5))).await;
        client.refresh().await?;
    }
}

fn may_pass(status: &Status, broken: u32) -> bool {
    match status.code() {
        // A token that ended ends its streams; the refreshed one opens them again, or is refused for good.
        Code::Unauthenticated => broken <= 1,
        Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded | Code::Unknown => broken <= PATIENCE,
        _ => false,
    }
}
