//! Objects that rows name.

use std::time::Duration;

use types::Timestamp;

use super::Store;
use crate::keeping::{self, generation_of};
use crate::{Conn, Error};

const KEY: &str = "content/main/0af3";
const HOUR: Duration = Duration::from_secs(3600);

impl Store {
    async fn hold(&self, holder: &'static str) -> String {
        let until = self.db.now() + HOUR;
        let held: Result<_, Error> =
            self.db.write(|conn| Box::pin(async move { keeping::hold(conn, KEY, holder, until).await })).await;
        held.unwrap()
    }

    async fn end_hold(&self, key: &str, holder: &'static str) -> bool {
        let (key, now) = (key.to_owned(), self.db.now());
        let ended: Result<_, Error> =
            self.db.write(|conn| Box::pin(async move { keeping::end_hold(conn, &key, holder, now).await })).await;
        ended.unwrap()
    }

    async fn give_up(&self, key: &str) -> bool {
        async fn both(conn: &mut Conn, key: &str, now: Timestamp) -> Result<bool, Error> {
            let given_up = keeping::give_up(conn, key, now).await?;
            assert_eq!(keeping::is_given_up(conn, key).await?, given_up);
            Ok(given_up)
        }
        let (key, now) = (key.to_owned(), self.db.now());
        self.db.write(|conn| Box::pin(async move { both(conn, &key, now).await })).await.unwrap()
    }
}

pub async fn what_is_held_is_not_given_up(store: Store) {
    assert_eq!(store.hold("a").await, KEY);
    assert_eq!(store.hold("b").await, KEY);
    assert!(!store.give_up(KEY).await);
    assert!(store.end_hold(KEY, "a").await);
    assert!(!store.give_up(KEY).await, "the other still holds it");
    assert!(store.end_hold(KEY, "b").await);
    assert!(store.give_up(KEY).await);
}

pub async fn a_key_that_was_given_up_is_never_used_again(store: Store) {
    assert!(store.give_up(KEY).await);
    let second = store.hold("a").await;
    assert_eq!(generation_of(&second), (KEY, 1));
    assert!(store.give_up(KEY).await, "a sweep that goes on after a kill finds the first one given up");
    assert!(!store.give_up(&second).await);
    assert!(store.end_hold(&second, "a").await);
    assert!(store.give_up(&second).await);
    assert_eq!(generation_of(&store.hold("a").await), (KEY, 2));
}

pub async fn a_hold_that_ran_out_is_told(store: Store) {
    store.hold("a").await;
    store.clock.advance(HOUR);
    assert!(store.give_up(KEY).await);
    assert!(!store.end_hold(KEY, "a").await);
    let now = store.db.now();
    let forget = store.db.write(|conn| Box::pin(async move { keeping::forget_holds(conn, now).await }));
    let forgotten: Result<_, Error> = forget.await;
    assert_eq!(forgotten.unwrap(), 1);
}

pub async fn a_database_is_told_from_others(store: Store) {
    let mut ids = Vec::new();
    for _ in 0..2 {
        let id: Result<_, Error> = store.db.write(|conn| Box::pin(async move { keeping::owner(conn).await })).await;
        ids.push(id.unwrap());
    }
    assert!(!ids[0].is_empty() && ids[0] == ids[1]);
}

#[test]
fn generations_are_read_from_keys() {
    for (key, read) in [("a/b", ("a/b", 0)), ("a/b.g12", ("a/b", 12)), ("p/x.pb", ("p/x.pb", 0)), ("x.gz", ("x.gz", 0))]
    {
        assert_eq!(generation_of(key), read);
    }
}
