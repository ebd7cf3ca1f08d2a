//! Attempts whose workers are gone: killed, stopped in order, or gone mad.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use types::WorkPhase;

use super::Store;
use super::work::{BACKOFF, LEASE, new, success};
use crate::work::{LOST_IN_A_ROW, Queue};
use crate::{Database, Error};

/// The phases that a queue told of.
type Told = Arc<Mutex<Vec<WorkPhase>>>;

fn telling(db: Database) -> (Queue, Told) {
    let told = Told::default();
    let heard = told.clone();
    let queue = Queue::new(db, "jobs", LEASE, BACKOFF).when_settled(Arc::new(move |_, row, _| {
        heard.lock().unwrap().push(row.status.phase);
        Box::pin(async { Ok(()) })
    }));
    (queue, told)
}

impl Store {
    /// How long a row waits yet.
    async fn wait_of(&self, id: &'static str) -> Option<Duration> {
        self.get(id).await.status.next_attempt.map(|next| next.since(self.db.now()))
    }

    /// A process that is killed while it runs all that can be claimed.
    async fn lose_all(&self) {
        while self.claim().await.is_some() {}
        self.queue().release_all().await.unwrap();
    }
}

pub async fn what_kills_each_process_waits_longer_each_time_and_is_given_up(store: Store) {
    store.insert(new("w", 0)).await;
    let (queue, told) = telling(store.db.clone());
    let mut waits = Vec::new();
    for _ in 0..LOST_IN_A_ROW {
        assert_eq!(queue.claim().await.unwrap().unwrap().row.status.attempts, 1);
        assert_eq!(queue.release_all().await.unwrap(), 1);
        if let Some(wait) = store.wait_of("w").await {
            assert!(queue.claim().await.unwrap().is_none(), "it waits");
            assert_eq!(store.get("w").await.status.attempts, 0);
            waits.push(wait);
            store.clock.advance(wait);
        }
    }
    assert!(waits[0] <= BACKOFF.first && waits[1..].iter().all(|wait| *wait > BACKOFF.first), "{waits:?}");
    let failed = store.get("w").await;
    assert_eq!(failed.status.error.unwrap().reason, "ATTEMPTS_EXHAUSTED");
    let mut wanted = vec![WorkPhase::Queued; 2];
    wanted.resize(LOST_IN_A_ROW as usize - 1, WorkPhase::Waiting);
    wanted.push(WorkPhase::Failed);
    assert_eq!(*told.lock().unwrap(), wanted);
}

pub async fn work_beside_what_kills_each_process_is_done(store: Store) {
    store.insert(new("long", 0)).await;
    store.insert(new("killer", 0)).await;
    while store.get("killer").await.status.phase != WorkPhase::Failed {
        let mut claims = Vec::new();
        while let Some(claim) = store.claim().await {
            claims.push(claim);
        }
        if claims.iter().any(|claim| claim.row.id == "killer") {
            store.queue().release_all().await.unwrap();
        } else {
            for claim in claims {
                store.finish(claim, success()).await.unwrap();
            }
        }
        let waits = [store.wait_of("long").await, store.wait_of("killer").await];
        store.clock.advance(waits.into_iter().flatten().min().unwrap_or_default());
    }
    assert_eq!(store.get("long").await.status.phase, WorkPhase::Succeeded);
}

pub async fn what_a_stop_drops_is_given_back_and_is_not_lost(store: Store) {
    store.insert(new("w", 0)).await;
    store.lose_all().await;
    for _ in 0..5 {
        let db = store.again().await;
        let (queue, told) = telling(db.clone());
        let claim = queue.claim().await.unwrap().unwrap();
        assert_eq!((claim.row.status.attempts, claim.row.lost), (1, 1));
        claim.renew(&queue, Some(0.5), Vec::new(), b"page 3".to_vec()).await.unwrap();
        drop(claim);
        db.close().await;
        let row = store.get("w").await;
        assert_eq!((row.status.phase, row.status.attempts, row.lost), (WorkPhase::Queued, 0, 1));
        assert_eq!(row.detail, b"page 3");
        assert_eq!(*told.lock().unwrap(), [WorkPhase::Queued]);
    }
    assert!(store.claim().await.is_some(), "at once");
}

pub async fn a_stop_gives_back_nothing_but_what_it_holds(store: Store) {
    for id in ["a-done", "b-taken", "c-running"] {
        store.insert(new(id, 0)).await;
    }
    let db = store.again().await;
    let queue = Queue::new(db.clone(), "jobs", LEASE, BACKOFF);
    let done = queue.claim().await.unwrap().unwrap();
    store.finish(done, success()).await.unwrap();
    let late = queue.claim().await.unwrap().unwrap();
    store.clock.advance(LEASE);
    let others = [store.claim().await.unwrap(), store.claim().await.unwrap()];
    drop(late);
    db.close().await;
    assert_eq!(store.get("a-done").await.status.phase, WorkPhase::Succeeded);
    for claim in others {
        assert_eq!(store.finish(claim, success()).await.unwrap(), WorkPhase::Succeeded);
    }
}

pub async fn a_panic_gives_nothing_back(store: Store) {
    store.insert(new("w", 0)).await;
    let db = store.again().await;
    let claim = Queue::new(db.clone(), "jobs", LEASE, BACKOFF).claim().await.unwrap().unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _held = claim;
        panic!("as a round does that meets a defect");
    }));
    assert!(panicked.is_err());
    db.close().await;
    assert_eq!(store.get("w").await.status.phase, WorkPhase::Running);
}

pub async fn work_that_got_further_forgets_what_was_lost(store: Store) {
    store.insert(new("w", 0)).await;
    store.lose_all().await;
    store.lose_all().await;
    let claim = store.claim().await.unwrap();
    claim.renew(&store.queue(), Some(0.5), Vec::new(), Vec::new()).await.unwrap();
    assert_eq!(store.get("w").await.lost, 2, "a worker that lives is none that got further");
    let (further, now) = (claim.clone(), store.db.now());
    let stored: Result<(), Error> = store
        .db
        .write(|conn| {
            Box::pin(async move {
                further.advance(conn, now, Some(0.6), &[], b"page 4").await?;
                further.forget_lost(conn).await
            })
        })
        .await;
    stored.unwrap();
    assert_eq!(store.get("w").await.lost, 0);
    store.queue().release_all().await.unwrap();
    let row = store.get("w").await;
    assert_eq!((row.status.phase, row.status.attempts, row.lost), (WorkPhase::Queued, 0, 1));
}
