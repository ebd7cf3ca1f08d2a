//! Leases, fencing, attempts and back-off.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use types::{WorkError, WorkPhase};

use super::Store;
use crate::Error;
use crate::work::{self, Backlog, Backoff, Claim, Filter, LOST_IN_A_ROW, NewWork, Outcome, Queue, WorkRow};

pub(super) const LEASE: Duration = Duration::from_secs(30);
pub(super) const BACKOFF: Backoff = Backoff { first: Duration::from_secs(10), max: Duration::from_secs(25) };

pub(super) fn new(id: &str, priority: i32) -> NewWork {
    NewWork {
        id: id.to_owned(),
        tenant: "main".parse().unwrap(),
        resource: format!("things/{id}"),
        priority,
        input: b"input".to_vec(),
        detail: Vec::new(),
        max_attempts: 3,
        not_before: None,
    }
}

fn failure(retryable: bool) -> Outcome {
    Outcome::Failed(WorkError { reason: "HTTP_STATUS".into(), message: "503".into(), retryable })
}

pub(super) fn success() -> Outcome {
    Outcome::Succeeded { counts: vec![("rows".into(), 7)], detail: b"done".to_vec() }
}

impl Store {
    pub(super) fn queue(&self) -> Queue {
        Queue::new(self.db.clone(), "jobs", LEASE, BACKOFF)
    }

    pub(super) async fn insert(&self, work: NewWork) {
        let now = self.db.now();
        let done: Result<(), Error> =
            self.db.write(|conn| Box::pin(async move { work::insert(conn, "jobs", work, now).await })).await;
        done.unwrap();
    }

    pub(super) async fn get(&self, id: &'static str) -> WorkRow {
        let row = self.db.read(|conn| Box::pin(async move { work::get(conn, "jobs", id).await })).await;
        row.unwrap().unwrap()
    }

    pub(super) async fn claim(&self) -> Option<Claim> {
        self.queue().claim().await.unwrap()
    }

    pub(super) async fn finish(&self, claim: Claim, outcome: Outcome) -> Result<WorkPhase, Error> {
        let now = self.db.now();
        self.db.write(|conn| Box::pin(async move { claim.finish(conn, now, outcome).await })).await
    }

    async fn cancel(&self, id: &'static str) -> WorkRow {
        let now = self.db.now();
        let row = self.db.write(|conn| Box::pin(async move { work::cancel(conn, "jobs", id, now).await })).await;
        row.unwrap().unwrap()
    }

    async fn retry(&self, id: &'static str) -> WorkRow {
        let now = self.db.now();
        let row = self.db.write(|conn| Box::pin(async move { work::retry(conn, "jobs", id, now).await })).await;
        row.unwrap().unwrap()
    }
}

pub async fn the_greatest_priority_then_the_oldest_is_claimed_first(store: Store) {
    store.insert(new("b-old", 0)).await;
    store.clock.advance(Duration::from_secs(1));
    store.insert(new("a-new", 0)).await;
    store.insert(new("urgent", 5)).await;
    let mut order = Vec::new();
    while let Some(claim) = store.claim().await {
        order.push(claim.row.id);
    }
    assert_eq!(order, ["urgent", "b-old", "a-new"]);
}

pub async fn what_is_raised_goes_first(store: Store) {
    for id in ["first", "second", "third"] {
        store.insert(new(id, 5)).await;
        store.clock.advance(Duration::from_secs(1));
    }
    for (id, priority) in [("third", 10), ("second", 0), ("nothing", 10)] {
        let raise = store.db.write(|conn| Box::pin(async move { work::raise(conn, "jobs", id, priority).await }));
        raise.await.unwrap();
    }
    let mut order = Vec::new();
    while let Some(claim) = store.claim().await {
        order.push((claim.row.id, claim.row.priority));
    }
    let wanted = [("third", 10), ("first", 5), ("second", 5)];
    assert_eq!(order, wanted.map(|(id, priority)| (id.to_owned(), priority)));
}

pub async fn a_backlog_is_told_by_state(store: Store) {
    assert_eq!(store.queue().backlog().await.unwrap(), Backlog::default());
    for id in ["a", "b", "c", "d", "e"] {
        store.insert(NewWork { max_attempts: 2, ..new(id, 0) }).await;
    }
    store.insert(NewWork { not_before: Some(store.db.now() + LEASE * 2), ..new("later", 0) }).await;
    let (done, failed, again) =
        (store.claim().await.unwrap(), store.claim().await.unwrap(), store.claim().await.unwrap());
    store.finish(done, success()).await.unwrap();
    store.finish(failed, failure(false)).await.unwrap();
    store.finish(again, failure(true)).await.unwrap();
    store.claim().await.unwrap();
    let backlog = store.queue().backlog().await.unwrap();
    let waited = |wait| Backlog { claimable: 1, delayed: 2, running: 1, failed: 1, longest_wait: Some(wait) };
    assert_eq!(backlog, waited(Duration::ZERO));
    // The lease of whoever runs one ends, and what failed is due again.
    store.clock.advance(LEASE + Duration::from_secs(1));
    let backlog = store.queue().backlog().await.unwrap();
    let waited = Backlog { claimable: 3, delayed: 1, running: 0, ..waited(LEASE + Duration::from_secs(1)) };
    assert_eq!(backlog, waited);
}

pub async fn work_is_claimed_once(store: Store) {
    for n in 0..20 {
        store.insert(new(&format!("w{n:02}"), 0)).await;
    }
    let workers = (0..30).map(|_| store.claim());
    let mut claimed: Vec<_> =
        futures::future::join_all(workers).await.into_iter().flatten().map(|claim| claim.row.id).collect();
    claimed.sort();
    assert_eq!(claimed, (0..20).map(|n| format!("w{n:02}")).collect::<Vec<_>>());
}

pub async fn work_not_yet_due_is_left_alone(store: Store) {
    store.insert(NewWork { not_before: Some(store.db.now() + Duration::from_secs(5)), ..new("w", 0) }).await;
    assert!(store.claim().await.is_none());
    store.clock.advance(Duration::from_secs(5));
    assert!(store.claim().await.is_some());
}

pub async fn a_lease_that_ended_is_claimed_by_another_and_the_first_is_fenced_off(store: Store) {
    store.insert(new("w", 0)).await;
    let first = store.claim().await.unwrap();
    store.clock.advance(LEASE - Duration::from_secs(1));
    assert!(store.claim().await.is_none());
    store.clock.advance(Duration::from_secs(1));
    let second = store.claim().await.unwrap();
    assert!(second.fence > first.fence);
    let renewed = first.renew(&store.queue(), None, Vec::new(), b"late".to_vec()).await;
    assert!(matches!(renewed, Err(Error::LostLease { .. })));
    assert!(matches!(store.finish(first, success()).await, Err(Error::LostLease { .. })));
    assert_eq!(store.get("w").await.detail, b"");
    assert_eq!(store.finish(second, success()).await.unwrap(), WorkPhase::Succeeded);
    let row = store.get("w").await;
    assert_eq!((row.status.attempts, row.status.progress, row.detail.as_slice()), (1, Some(1.0), b"done".as_slice()));
    assert_eq!(row.status.counts, [("rows".to_owned(), 7)]);
    assert_eq!(row.status.ended, Some(store.db.now()));
}

pub async fn a_renewed_lease_is_kept(store: Store) {
    store.insert(new("w", 0)).await;
    let claim = store.claim().await.unwrap();
    for _ in 0..5 {
        store.clock.advance(LEASE - Duration::from_secs(1));
        let counts = vec![("bytes".to_owned(), 9)];
        let renewed = claim.renew(&store.queue(), Some(0.5), counts, b"page 3".to_vec()).await.unwrap();
        assert!(!renewed.cancel_requested);
        assert!(store.claim().await.is_none());
    }
    let row = store.get("w").await;
    assert_eq!((row.status.progress, row.detail.as_slice()), (Some(0.5), b"page 3".as_slice()));
    assert_eq!(row.status.attempts, 1);
}

pub async fn a_retryable_failure_waits_longer_each_time_and_fails_at_last(store: Store) {
    store.insert(new("w", 0)).await;
    for (attempt, full) in [(1, 10), (2, 20)] {
        let claim = store.claim().await.unwrap();
        assert_eq!(claim.row.status.attempts, attempt);
        assert_eq!(store.finish(claim, failure(true)).await.unwrap(), WorkPhase::Waiting);
        let row = store.get("w").await;
        assert_eq!(row.status.error.as_ref().unwrap().reason, "HTTP_STATUS");
        let wait = row.status.next_attempt.unwrap().since(store.db.now());
        assert!(wait <= Duration::from_secs(full) && wait * 4 >= Duration::from_secs(full) * 3, "{wait:?}");
        assert!(store.claim().await.is_none());
        store.clock.advance(Duration::from_secs(full));
    }
    let last = store.claim().await.unwrap();
    assert_eq!(store.finish(last, failure(true)).await.unwrap(), WorkPhase::Failed);
    assert!(store.claim().await.is_none());
    assert_eq!(store.queue().stats().await.unwrap().dead, 1);
}

pub async fn what_is_postponed_is_tried_again_for_as_long_as_it_takes(store: Store) {
    store.insert(new("w", 0)).await;
    for _ in 0..10 {
        let claim = store.claim().await.unwrap();
        assert_eq!(claim.row.status.attempts, 1, "the attempts before do not count");
        assert_eq!(store.finish(claim, Outcome::Postponed(away())).await.unwrap(), WorkPhase::Waiting);
        assert!(store.claim().await.is_none(), "it waits");
        store.clock.advance(Duration::from_secs(10));
    }
    let claim = store.claim().await.unwrap();
    assert_eq!(store.finish(claim, success()).await.unwrap(), WorkPhase::Succeeded);
}

pub async fn a_final_failure_is_not_tried_again(store: Store) {
    store.insert(new("w", 0)).await;
    let claim = store.claim().await.unwrap();
    assert_eq!(store.finish(claim, failure(false)).await.unwrap(), WorkPhase::Failed);
    store.clock.advance(Duration::from_secs(3600));
    assert!(store.claim().await.is_none());
}

pub async fn lost_attempts_are_exhausted_with_a_word(store: Store) {
    store.insert(new("w", 5)).await;
    store.insert(new("next", 0)).await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hook_heard = heard.clone();
    let queue = store.queue().when_settled(Arc::new(move |_, row, _| {
        hook_heard.lock().unwrap().push((row.id.clone(), row.status.phase));
        Box::pin(async { Ok(()) })
    }));
    let mut waits = Vec::new();
    for lost in 0..LOST_IN_A_ROW {
        let claim = queue.claim().await.unwrap().unwrap();
        assert_eq!((claim.row.id.as_str(), claim.row.lost, claim.row.status.attempts), ("w", lost, 1));
        store.clock.advance(LEASE);
        if (2..LOST_IN_A_ROW - 1).contains(&lost) {
            waits.push(a_wait(&store, &queue).await);
            assert_eq!(heard.lock().unwrap().pop(), Some(("w".to_owned(), WorkPhase::Waiting)));
        }
        assert_eq!(*heard.lock().unwrap(), []);
    }
    assert!(
        waits[0] < BACKOFF.first && waits.windows(2).all(|pair| pair[0] < pair[1] || pair[1] > BACKOFF.max / 2),
        "{waits:?}"
    );
    assert_eq!(queue.claim().await.unwrap().unwrap().row.id, "next");
    assert_eq!(store.get("w").await.status.error.unwrap().reason, "ATTEMPTS_EXHAUSTED");
    assert_eq!(*heard.lock().unwrap(), [("w".to_owned(), WorkPhase::Failed)]);
}

/// Lets the time pass that the row `w` waits after a lost attempt, while other work goes on.
async fn a_wait(store: &Store, queue: &Queue) -> Duration {
    let other = queue.claim().await.unwrap().unwrap();
    assert_eq!(other.row.id, "next", "others come first meanwhile");
    assert_eq!(store.finish(other, Outcome::Postponed(away())).await.unwrap(), WorkPhase::Waiting);
    let row = store.get("w").await;
    assert_eq!((row.status.phase, row.status.attempts), (WorkPhase::Waiting, 0));
    let wait = row.status.next_attempt.unwrap().since(store.db.now());
    store.clock.advance(wait);
    wait
}

fn away() -> WorkError {
    WorkError { reason: "OBJECT_STORE_UNREACHABLE".into(), message: "away".into(), retryable: true }
}

pub async fn lost_attempts_count_no_more_after_one_that_ended(store: Store) {
    store.insert(new("w", 0)).await;
    for _ in 0..4 {
        let lost = store.claim().await.unwrap();
        store.clock.advance(LEASE);
        let claim = store.claim().await.unwrap();
        assert_eq!((claim.row.status.attempts, claim.row.lost), (1, 1));
        assert!(matches!(store.finish(lost, success()).await, Err(Error::LostLease { .. })));
        assert_eq!(store.finish(claim, Outcome::Postponed(away())).await.unwrap(), WorkPhase::Waiting);
        assert_eq!(store.get("w").await.lost, 0);
        store.clock.advance(BACKOFF.max);
    }
    for attempts in 1..=3 {
        store.claim().await.unwrap();
        store.clock.advance(LEASE);
        let claim = store.claim().await.unwrap();
        assert_eq!(claim.row.status.attempts, attempts, "each that failed counts once");
        store.finish(claim, failure(true)).await.unwrap();
        store.clock.advance(BACKOFF.max);
    }
    assert_eq!(store.get("w").await.status.phase, WorkPhase::Failed);
}

pub async fn cancelling_ends_what_waits_and_asks_what_runs(store: Store) {
    store.insert(new("queued", 0)).await;
    assert_eq!(store.cancel("queued").await.status.phase, WorkPhase::Cancelled);
    assert!(store.claim().await.is_none());

    store.insert(new("running", 0)).await;
    let claim = store.claim().await.unwrap();
    let row = store.cancel("running").await;
    assert_eq!((row.status.phase, row.cancel_requested), (WorkPhase::Running, true));
    let change = row.change;
    assert_eq!(store.cancel("running").await.change, change);
    assert!(claim.renew(&store.queue(), None, Vec::new(), Vec::new()).await.unwrap().cancel_requested);
    assert_eq!(store.finish(claim, failure(true)).await.unwrap(), WorkPhase::Cancelled);
    assert_eq!(store.cancel("running").await.status.phase, WorkPhase::Cancelled);
}

pub async fn a_retry_starts_anew(store: Store) {
    store.insert(new("w", 0)).await;
    let claim = store.claim().await.unwrap();
    assert_eq!(store.retry("w").await.status.phase, WorkPhase::Running);
    store.finish(claim, failure(false)).await.unwrap();
    let row = store.retry("w").await;
    assert_eq!((row.status.phase, row.status.attempts, row.status.ended), (WorkPhase::Queued, 0, None));
    assert!(store.claim().await.is_some());
}

pub async fn leases_of_an_earlier_process_are_void_and_their_attempts_lost(store: Store) {
    store.insert(new("w", 0)).await;
    let before = store.claim().await.unwrap();
    assert_eq!(store.queue().release_all().await.unwrap(), 1);
    assert!(matches!(store.finish(before, success()).await, Err(Error::LostLease { .. })));
    let after = store.claim().await.unwrap();
    assert_eq!((after.row.status.attempts, after.row.lost), (1, 1));
}

pub async fn changes_are_listed_in_order(store: Store) {
    for id in ["a", "b", "c"] {
        store.insert(new(id, 0)).await;
    }
    store.cancel("a").await;
    let after = |after: i64, tenant: &'static str| {
        let db = store.db.clone();
        async move {
            let tenant = tenant.parse().unwrap();
            let rows: Result<_, Error> = db
                .read(|conn| Box::pin(async move { work::changed_after(conn, "jobs", Some(&tenant), after, 2).await }))
                .await;
            rows.unwrap().into_iter().map(|row| row.id).collect::<Vec<_>>()
        }
    };
    assert_eq!(after(0, "main").await, ["b", "c"]);
    assert_eq!(after(3, "main").await, ["a"]);
    assert!(after(4, "main").await.is_empty());
    assert!(after(0, "other").await.is_empty());
}

pub async fn a_listing_filters(store: Store) {
    for id in ["a", "b", "c"] {
        store.insert(new(id, 0)).await;
        store.clock.advance(Duration::from_secs(1));
    }
    store.cancel("b").await;
    let list = |filter: Filter| {
        let db = store.db.clone();
        async move {
            let ids: Result<_, Error> = db
                .read(|conn| {
                    Box::pin(async move {
                        let ids = work::ids(conn, "jobs", &filter).await?;
                        let rows = work::list(conn, "jobs", &filter).await?;
                        assert!(rows.iter().map(|row| &row.id).eq(&ids));
                        Ok(ids)
                    })
                })
                .await;
            ids.unwrap()
        }
    };
    assert_eq!(list(Filter::default()).await, ["c", "b", "a"]);
    assert_eq!(list(Filter { resource: Some("things/a".into()), ..Filter::default() }).await, ["a"]);
    let phases = vec![WorkPhase::Queued, WorkPhase::Running];
    assert_eq!(list(Filter { phases, ..Filter::default() }).await, ["c", "a"]);
    assert!(list(Filter { tenant: Some("other".parse().unwrap()), ..Filter::default() }).await.is_empty());
}

pub async fn an_idle_queue_writes_nothing(store: Store) {
    let ticks = store.db.changed();
    assert!(store.claim().await.is_none());
    assert!(!ticks.has_changed().unwrap());
    let stats = store.queue().stats().await.unwrap();
    assert_eq!((stats.waiting, stats.running, stats.dead, stats.oldest_age), (0, 0, 0, None));
    store.insert(new("w", 0)).await;
    store.clock.advance(Duration::from_secs(3));
    let stats = store.queue().stats().await.unwrap();
    assert_eq!((stats.waiting, stats.oldest_age), (1, Some(Duration::from_secs(3))));
}

#[test]
fn the_wait_doubles_up_to_its_bound() {
    let waits: Vec<_> = (1..=4).map(|attempts| BACKOFF.delay(attempts, 0.0).as_secs()).collect();
    assert_eq!(waits, [10, 20, 25, 25]);
    assert_eq!(BACKOFF.delay(u32::MAX, 1.0), Duration::from_millis(18_750));
}
