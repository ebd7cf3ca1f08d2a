//! Waiting for long work, by watching it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use proto::catalog::v1::{self as catalog, DatasetState};
use proto::common::v1::{WorkPhase, WorkStatus};
use proto::discovery::v1 as discovery;
use proto::profiling::v1 as profiling;
use tonic::{Response, Status, Streaming};
use types::Timestamp;

use super::Context;
use crate::client::{Client, Seen, Watched, follow};
use crate::failure::Failure;
use crate::output::{self, Named};
use crate::progress::Progress;

/// Prints what a watch tells until it is interrupted: every message as JSON, or a line by `line` for what a reader cares
/// about.
pub async fn print_changes<W: Watched + Named + Clone>(
    context: &Context,
    client: &Client,
    open: impl AsyncFnMut(String) -> Result<Response<Streaming<W>>, Status>,
    line: impl Fn(Seen<W::Item>) -> Option<String>,
) -> Result<(), Failure> {
    let out = context.out;
    follow(client, open, |message: W| {
        if out.is_json() {
            out.item(&message, |_| String::new())?;
        } else if let Some(text) = message.clone().seen().and_then(&line) {
            out.item(&message, |_| text)?;
        }
        Ok(ControlFlow::Continue(()))
    })
    .await
}

/// Watches a crawl until it has ended.
pub async fn crawl_to_end(client: &Client, crawl: discovery::Crawl) -> Result<discovery::Crawl, Failure> {
    let parent = crawl.name.rsplit_once("/crawls/").map(|(source, _)| source.to_owned()).unwrap_or_default();
    let mut progress = Progress::new("crawl");
    let mut latest = crawl;
    let open = async |resume_token| {
        client.discovery().watch_crawls(discovery::WatchCrawlsRequest { parent: parent.clone(), resume_token }).await
    };
    follow(client, open, |message: discovery::WatchCrawlsResponse| {
        if let Some(Seen::Item(crawl)) = message.seen()
            && crawl.name == latest.name
        {
            latest = *crawl;
            show(&mut progress, latest.status.as_ref());
        }
        Ok(if ended(latest.status.as_ref()) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })
    .await?;
    progress.finish(&output::work(latest.status.as_ref()));
    Ok(latest)
}

/// Watches a profiling job until it has ended.
pub async fn job_to_end(client: &Client, job: profiling::Job) -> Result<profiling::Job, Failure> {
    let parent = client.parent().await?;
    let mut progress = Progress::new("job");
    let mut latest = job;
    let open = async |resume_token| {
        client.profiling().watch_jobs(profiling::WatchJobsRequest { parent: parent.clone(), resume_token }).await
    };
    follow(client, open, |message: profiling::WatchJobsResponse| {
        if let Some(Seen::Item(job)) = message.seen()
            && job.name == latest.name
        {
            latest = *job;
            show(&mut progress, latest.status.as_ref());
        }
        Ok(if ended(latest.status.as_ref()) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })
    .await?;
    progress.finish(&output::work(latest.status.as_ref()));
    Ok(latest)
}

/// Watches a rebuild of the index until it has ended.
pub async fn rebuild_to_end(client: &Client, rebuild: catalog::IndexRebuild) -> Result<catalog::IndexRebuild, Failure> {
    let mut progress = Progress::new("rebuild");
    let mut latest = rebuild;
    let open = async |resume_token| {
        client.catalog().watch_index_rebuilds(catalog::WatchIndexRebuildsRequest { resume_token }).await
    };
    follow(client, open, |message: catalog::WatchIndexRebuildsResponse| {
        if let Some(Seen::Item(rebuild)) = message.seen()
            && rebuild.name == latest.name
        {
            latest = *rebuild;
            show(&mut progress, latest.status.as_ref());
        }
        Ok(if ended(latest.status.as_ref()) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })
    .await?;
    progress.finish(&output::work(latest.status.as_ref()));
    Ok(latest)
}

fn show(progress: &mut Progress, status: Option<&WorkStatus>) {
    let hundredth = status.and_then(|status| status.progress).map(|part| part.clamp(0.0, 1.0) * 100.0);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Between 0 and 100.
    let done = hundredth.map(|part| part as u64);
    progress.set(done.unwrap_or(0), done.map(|_| 100), &output::work(status));
}

fn ended(status: Option<&WorkStatus>) -> bool {
    let phase = status.map(WorkStatus::phase);
    matches!(phase, Some(WorkPhase::Succeeded | WorkPhase::Failed | WorkPhase::Cancelled))
}

/// Watches the datasets of a source until what `crawl` announced is indexed or has failed.
pub async fn datasets_settled(client: &Client, crawl: &discovery::Crawl) -> Result<(), Failure> {
    let source = crawl.name.rsplit_once("/crawls/").map(|(source, _)| source.to_owned()).unwrap_or_default();
    let reply = client.discovery().get_source(discovery::GetSourceRequest { name: source.clone() }).await?.into_inner();
    let expected = reply.source.map_or(0, |source| source.dataset_count);
    let mut board = Board::new(crawl, usize::try_from(expected).unwrap_or(0));
    let mut progress = Progress::new("datasets");
    let parent = client.parent().await?;
    let open = async |resume_token| {
        let request = catalog::WatchDatasetsRequest { parent: parent.clone(), resume_token, source: source.clone() };
        client.catalog().watch_datasets(request).await
    };
    let mut complete = false;
    follow(client, open, |message: catalog::WatchDatasetsResponse| {
        match message.seen() {
            Some(Seen::Item(dataset)) => board.see(&dataset),
            Some(Seen::Removed(name)) => drop(board.states.remove(&name)),
            Some(Seen::Complete) => complete = true,
            None => {}
        }
        // Half a snapshot would look like a loss.
        if !complete {
            return Ok(ControlFlow::Continue(()));
        }
        let (settled, total) = board.settled();
        progress.set(settled as u64, Some(total as u64), &board.text());
        Ok(if board.is_done() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })
    .await?;
    progress.finish(&board.text());
    for error in board.failures.values() {
        output::note(&format!("failed: {error}"));
    }
    Ok(())
}

/// What is known of the datasets of one source while a crawl of it is worked off.
struct Board {
    states: BTreeMap<String, DatasetState>,
    failures: BTreeMap<String, String>,
    touched: BTreeMap<String, ()>,
    since: Option<Timestamp>,
    expected: usize,
    changes: usize,
}

impl Board {
    fn new(crawl: &discovery::Crawl, expected: usize) -> Self {
        let status = crawl.status.clone().unwrap_or_default();
        let count = |name: &str| status.counts.iter().find(|count| count.name == name).map_or(0, |count| count.value);
        Self {
            states: BTreeMap::new(),
            failures: BTreeMap::new(),
            touched: BTreeMap::new(),
            since: status.create_time.and_then(|time| Timestamp::try_from(time).ok()),
            expected,
            changes: usize::try_from(count("announced") + count("retracted")).unwrap_or(0),
        }
    }

    fn see(&mut self, dataset: &catalog::Dataset) {
        let updated = dataset.update_time.and_then(|time| Timestamp::try_from(time).ok());
        if updated >= self.since {
            self.touched.insert(dataset.name.clone(), ());
        }
        let state = dataset.state();
        let error = dataset.latest_attempt.as_ref().and_then(|attempt| attempt.error.as_ref());
        match error {
            Some(error) if state == DatasetState::Failed => {
                let text = format!("{}: {} ({})", dataset.path, error.message, error.reason);
                self.failures.insert(dataset.name.clone(), text);
            }
            _ => drop(self.failures.remove(&dataset.name)),
        }
        self.states.insert(dataset.name.clone(), state);
    }

    fn count(&self, state: DatasetState) -> usize {
        self.states.values().filter(|known| **known == state).count()
    }

    /// How many have come to rest, of how many.
    fn settled(&self) -> (usize, usize) {
        let gone = self.count(DatasetState::Retracted);
        let settled = self.count(DatasetState::Indexed) + self.count(DatasetState::Failed);
        (settled, self.expected.max(self.states.len() - gone))
    }

    /// All of the source's datasets are there and at rest, and as many as the crawl changed were touched since it
    /// began: a dataset that was announced anew still shows its old state until the catalog has heard of it.
    fn is_done(&self) -> bool {
        let (settled, total) = self.settled();
        settled >= total && self.touched.len() >= self.changes
    }

    fn text(&self) -> String {
        let (_, total) = self.settled();
        let mut parts = vec![format!("{} of {total} indexed", self.count(DatasetState::Indexed))];
        for (state, word) in [
            (DatasetState::Announced, "announced"),
            (DatasetState::Queued, "queued"),
            (DatasetState::Fetching, "fetching"),
            (DatasetState::Profiling, "profiling"),
            (DatasetState::Failed, "failed"),
        ] {
            match self.count(state) {
                0 => {}
                count => parts.push(format!("{count} {word}")),
            }
        }
        parts.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use proto::common::v1::WorkCount;

    use super::*;

    fn at(seconds: i64) -> Option<prost_types::Timestamp> {
        Some(prost_types::Timestamp { seconds, nanos: 0 })
    }

    fn crawl(announced: i64) -> discovery::Crawl {
        let counts = vec![WorkCount { name: "announced".into(), value: announced }];
        let status = WorkStatus { counts, create_time: at(100), ..Default::default() };
        discovery::Crawl { status: Some(status), ..Default::default() }
    }

    fn dataset(name: &str, state: DatasetState, updated: i64) -> catalog::Dataset {
        catalog::Dataset { name: name.into(), state: state.into(), update_time: at(updated), ..Default::default() }
    }

    #[test]
    fn a_dataset_announced_anew_is_waited_for_though_its_old_state_is_at_rest() {
        let mut board = Board::new(&crawl(1), 2);
        board.see(&dataset("a", DatasetState::Indexed, 50));
        board.see(&dataset("b", DatasetState::Indexed, 50));
        assert!(!board.is_done());
        board.see(&dataset("b", DatasetState::Queued, 101));
        assert!(!board.is_done());
        board.see(&dataset("b", DatasetState::Indexed, 102));
        assert!(board.is_done());
        assert_eq!(board.text(), "2 of 2 indexed");
    }

    #[test]
    fn what_is_not_in_the_catalog_yet_is_waited_for() {
        let mut board = Board::new(&crawl(2), 2);
        board.see(&dataset("a", DatasetState::Indexed, 101));
        assert!(!board.is_done());
        board.see(&dataset("b", DatasetState::Failed, 101));
        assert!(board.is_done());
        assert_eq!(board.text(), "1 of 2 indexed, 1 failed");
    }
}
