//! Streams that send the present state, a marker, and then what changes.

use std::future::Future;
use std::time::Duration;

use futures::Stream;
use tokio::sync::watch;
use tonic::Status;
use types::Fault;

use crate::{BadRequest, to_status};

/// Changes are looked for this often even when nothing pokes.
const PERIOD: Duration = Duration::from_secs(1);
/// So many changes are read at a time.
const BATCH: usize = 200;

/// What a message of a watch says.
#[derive(Debug, Clone, PartialEq)]
pub enum WatchItem<T> {
    /// A resource as it is now.
    Item(T),
    /// The name of a resource that is gone.
    Removed(String),
    /// The present state is complete; changes follow.
    SnapshotComplete,
}

/// A message of a watch, and the token that resumes after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Watched<T> {
    /// What it says.
    pub item: WatchItem<T>,
    /// Resumes the watch after this message.
    pub resume_token: String,
}

/// Makes the stream of a watch.
///
/// `fetch(after, limit)` reads up to `limit` resources whose change number is greater than `after`, in the order of
/// these numbers, each as it is now or as removed; so changes between two looks are coalesced. `poke` says "look now";
/// a look is taken each second in any case. Without a `resume_token` the stream begins with the present state, in which
/// what was removed is left out; with one, with what changed since. Either way the marker follows. A token that no
/// watch gave is `INVALID_ARGUMENT`; a failing `fetch` ends the stream with its status.
pub fn stream<T, E, F, Fut>(
    resume_token: &str,
    mut poke: watch::Receiver<u64>,
    mut fetch: F,
) -> impl Stream<Item = Result<Watched<T>, Status>> + Send + use<T, E, F, Fut>
where
    T: Send + 'static,
    E: Fault,
    F: FnMut(i64, usize) -> Fut + Send,
    Fut: Future<Output = Result<Vec<(i64, WatchItem<T>)>, E>> + Send,
{
    let start = read_token(resume_token);
    let show_removed_at_once = !resume_token.is_empty();
    async_stream::try_stream! {
        let mut after = start?;
        let mut in_snapshot = true;
        loop {
            // Seen before the look: what is committed while we look pokes again.
            poke.borrow_and_update();
            let batch = fetch(after, BATCH).await.map_err(|fault| to_status(&fault))?;
            let complete = batch.len() < BATCH;
            for (change, item) in batch {
                after = after.max(change);
                let skip = in_snapshot && !show_removed_at_once && matches!(item, WatchItem::Removed(_));
                if !skip {
                    yield Watched { item, resume_token: write_token(after) };
                }
            }
            if complete && in_snapshot {
                in_snapshot = false;
                yield Watched { item: WatchItem::SnapshotComplete, resume_token: write_token(after) };
            }
            if complete {
                changed(&mut poke).await;
            }
        }
    }
}

async fn changed(poke: &mut watch::Receiver<u64>) {
    let poked = async {
        if poke.changed().await.is_err() {
            // Nobody pokes any more; the period is left.
            std::future::pending::<()>().await;
        }
    };
    let _ = tokio::time::timeout(PERIOD, poked).await;
}

fn write_token(change: i64) -> String {
    format!("w{change}")
}

fn read_token(token: &str) -> Result<i64, BadRequest> {
    if token.is_empty() {
        return Ok(0);
    }
    let change = token.strip_prefix('w').and_then(|number| number.parse().ok()).filter(|change| *change >= 0);
    change.ok_or_else(|| BadRequest::field("resume_token", "no watch gave this token; leave it empty to begin anew"))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use futures::StreamExt as _;

    use super::*;
    use crate::Error;

    type Rows = Arc<Mutex<Vec<(i64, WatchItem<&'static str>)>>>;

    type Watch = std::pin::Pin<Box<dyn Stream<Item = Result<Watched<&'static str>, Status>> + Send>>;

    fn watch_rows(rows: &Rows, token: &str, poke: watch::Receiver<u64>) -> Watch {
        let rows = Arc::clone(rows);
        Box::pin(stream(token, poke, move |after, limit| {
            let found: Vec<_> =
                rows.lock().unwrap().iter().filter(|(change, _)| *change > after).take(limit).cloned().collect();
            async move { Ok::<_, Error>(found) }
        }))
    }

    #[tokio::test]
    async fn a_watch_sends_the_state_then_the_marker_then_changes() {
        let removed = || WatchItem::Removed("b".into());
        let rows: Rows = Arc::new(Mutex::new(vec![(1, WatchItem::Item("a")), (2, removed())]));
        let (sender, poke) = watch::channel(0);
        let mut watch = watch_rows(&rows, "", poke);
        assert_eq!(watch.next().await.unwrap().unwrap().item, WatchItem::Item("a"));
        let marker = watch.next().await.unwrap().unwrap();
        assert_eq!((&marker.item, marker.resume_token.as_str()), (&WatchItem::SnapshotComplete, "w2"));
        rows.lock().unwrap().push((3, removed()));
        sender.send_modify(|tick| *tick += 1);
        let change = watch.next().await.unwrap().unwrap();
        assert_eq!((change.item, change.resume_token.as_str()), (removed(), "w3"));
    }

    #[tokio::test]
    async fn a_watch_resumes_after_its_token() {
        let rows: Rows = Arc::new(Mutex::new((1..=5).map(|n| (n, WatchItem::Item("x"))).collect()));
        let (_sender, poke) = watch::channel(0);
        let mut watch = watch_rows(&rows, "w3", poke);
        let tokens = [watch.next().await, watch.next().await, watch.next().await];
        let tokens: Vec<_> = tokens.into_iter().map(|message| message.unwrap().unwrap().resume_token).collect();
        assert_eq!(tokens, ["w4", "w5", "w5"]);
    }

    #[tokio::test]
    async fn a_change_is_seen_without_a_poke() {
        let rows: Rows = Rows::default();
        let (sender, poke) = watch::channel(0);
        drop(sender);
        let mut watch = watch_rows(&rows, "", poke);
        assert_eq!(watch.next().await.unwrap().unwrap().item, WatchItem::SnapshotComplete);
        rows.lock().unwrap().push((1, WatchItem::Item("late")));
        assert_eq!(watch.next().await.unwrap().unwrap().item, WatchItem::Item("late"));
    }

    #[tokio::test]
    async fn a_token_that_no_watch_gave_is_refused() {
        let (_sender, poke) = watch::channel(0);
        let status = watch_rows(&Rows::default(), "nonsense", poke).next().await.unwrap().unwrap_err();
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
    }
}
