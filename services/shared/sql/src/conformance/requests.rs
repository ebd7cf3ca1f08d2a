//! Request ids.

use std::time::Duration;

use types::Digest;

use super::Store;
use crate::{Error, requests};

impl Store {
    async fn seen(&self, owner: &'static str, id: &'static str, request: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let digest = Digest::of(request);
        self.db.read(|conn| Box::pin(async move { requests::seen(conn, owner, "Create", id, &digest).await })).await
    }

    async fn record(&self, owner: &'static str, id: &'static str, request: &[u8], reply: &'static [u8]) {
        let (digest, now) = (Digest::of(request), self.db.now());
        let done = self.db.write(|conn| {
            Box::pin(async move { requests::record(conn, owner, "Create", id, &digest, reply, now).await })
        });
        done.await.unwrap();
    }
}

pub async fn a_repeated_request_gets_the_recorded_reply(store: Store) {
    assert_eq!(store.seen("t", "1", b"a").await.unwrap(), None);
    store.record("t", "1", b"a", b"reply").await;
    assert_eq!(store.seen("t", "1", b"a").await.unwrap().as_deref(), Some(b"reply".as_slice()));
}

pub async fn a_reused_id_is_refused(store: Store) {
    store.record("t", "1", b"a", b"reply").await;
    assert!(matches!(store.seen("t", "1", b"b").await, Err(Error::RequestIdReused { .. })));
}

pub async fn owners_and_methods_are_apart_and_an_empty_id_is_never_seen(store: Store) {
    store.record("t", "1", b"a", b"reply").await;
    store.record("t", "", b"a", b"reply").await;
    assert_eq!(store.seen("u", "1", b"a").await.unwrap(), None);
    assert_eq!(store.seen("t", "", b"a").await.unwrap(), None);
    let other: Result<_, Error> = store
        .db
        .read(|conn| Box::pin(async move { requests::seen(conn, "t", "Update", "1", &Digest::of(b"z")).await }))
        .await;
    assert_eq!(other.unwrap(), None);
}

pub async fn a_reply_is_forgotten_after_a_day(store: Store) {
    store.record("t", "1", b"a", b"reply").await;
    store.clock.advance(Duration::from_secs(24 * 3600));
    store.record("t", "2", b"a", b"reply").await;
    assert_eq!(store.seen("t", "1", b"b").await.unwrap(), None);
}
