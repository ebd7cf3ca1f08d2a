//! What every object store promises, one function per promise.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use types::{BoxError, Digest, Fault};

use crate::{Error, Key, ObjectBody, ObjectStore, ObjectStoreExt, Put, PutResult};

/// Makes a test of each promise. Takes an `async` closure of the test's name that gives a new, empty store and what keeps
/// it alive, or nothing where the back end is missing and the look-up has said so.
#[macro_export]
macro_rules! conformance_tests {
    ($make:expr) => {
        $crate::conformance_tests!(@each $make;
            a_put_object_reads_back_with_size_and_digest,
            an_empty_object_is_an_object,
            a_missing_object_is_not_found,
            a_put_replaces_the_whole_object,
            if_absent_leaves_what_is_there,
            of_concurrent_conditional_puts_exactly_one_stores,
            a_body_that_fails_leaves_the_key_as_it_was,
            bytes_that_are_not_their_digest_leave_the_key_as_it_was,
            a_dropped_put_leaves_the_key_as_it_was,
            a_reader_sees_one_put_to_the_end,
            a_range_reads_these_bytes_and_the_whole_size,
            a_range_that_holds_nothing_is_refused,
            deleting_is_idempotent,
            a_key_may_begin_another,
            lists_come_in_key_order_and_in_pages,
            a_prefix_need_not_end_at_a_slash,
            a_large_object_streams_in_pieces,
            an_object_larger_than_the_limit_is_refused,
        );
    };
    (@each $make:expr; $($promise:ident,)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let Some((store, _keep)) = ($make)(concat!(module_path!(), "::", stringify!($promise))).await else {
                    return;
                };
                $crate::conformance::$promise(std::sync::Arc::new(store)).await;
            }
        )+
    };
}

type Store = Arc<dyn ObjectStore>;

fn key(text: &str) -> Key {
    text.parse().expect("a key")
}

async fn put(store: &Store, name: &str, bytes: &'static str) -> PutResult {
    store.put_bytes(&key(name), Bytes::from_static(bytes.as_bytes()), Put::Always).await.expect("stores")
}

async fn read(store: &Store, name: &str) -> Bytes {
    store.get_bytes(&key(name), u64::MAX).await.expect("reads")
}

pub async fn a_put_object_reads_back_with_size_and_digest(store: Store) {
    let PutResult::Stored(stored) = put(&store, "content/main/abc", "hello").await else { panic!("existed") };
    assert_eq!(stored.size_bytes, 5);
    assert_eq!(stored.digest, Some(Digest::of(b"hello")));
    assert_eq!(read(&store, "content/main/abc").await, "hello");
    let head = store.head(&key("content/main/abc")).await.unwrap();
    assert_eq!(head.size_bytes, 5);
    assert!(head.modified.is_some() && (stored.modified.is_none() || stored.modified == head.modified));
    assert!(head.digest.is_none_or(|digest| digest == Digest::of(b"hello")));
}

pub async fn an_empty_object_is_an_object(store: Store) {
    let nothing = ObjectBody::stream(stream::empty::<Result<Bytes, BoxError>>());
    let stored = store.put(&key("empty"), nothing, Put::IfAbsent).await.unwrap();
    assert_eq!(stored.meta().digest, Some(Digest::of(b"")));
    assert_eq!(read(&store, "empty").await, "");
}

pub async fn a_missing_object_is_not_found(store: Store) {
    put(&store, "a/b", "x").await;
    for name in ["nothing", "a", "a/b/c", "a/x"] {
        assert_eq!(store.head(&key(name)).await.unwrap_err().reason(), "OBJECT_NOT_FOUND", "{name}");
        let got = store.get(&key(name), None).await.map(|_| ());
        assert_eq!(got.unwrap_err().reason(), "OBJECT_NOT_FOUND", "{name}");
    }
}

pub async fn a_put_replaces_the_whole_object(store: Store) {
    put(&store, "k", "a long first value").await;
    put(&store, "k", "short").await;
    assert_eq!(read(&store, "k").await, "short");
}

pub async fn if_absent_leaves_what_is_there(store: Store) {
    put(&store, "k", "first").await;
    let second = store.put_bytes(&key("k"), Bytes::from_static(b"second"), Put::IfAbsent).await.unwrap();
    let PutResult::Existed(meta) = second else { panic!("replaced") };
    assert_eq!(meta.size_bytes, 5);
    assert_eq!(read(&store, "k").await, "first");
}

pub async fn of_concurrent_conditional_puts_exactly_one_stores(store: Store) {
    for round in 0..5 {
        let name = key(&format!("race/{round}"));
        let puts = (0..16).map(|n| {
            let (store, name) = (store.clone(), name.clone());
            async move {
                // Each body takes several turns, so that all of them pass the first look before any is done.
                let pieces = stream::iter(0..20).then(move |_| async move {
                    tokio::task::yield_now().await;
                    Ok::<_, BoxError>(Bytes::from(format!("{n:02}")))
                });
                store.put(&name, ObjectBody::stream(pieces), Put::IfAbsent).await.unwrap()
            }
        });
        let results = futures::future::join_all(puts).await;
        let stored: Vec<_> = results.iter().filter(|result| matches!(result, PutResult::Stored(_))).collect();
        assert_eq!(stored.len(), 1);
        let bytes = store.get_bytes(&name, 100).await.unwrap();
        assert_eq!(stored[0].meta().digest, Some(Digest::of(&bytes)));
    }
}

pub async fn a_body_that_fails_leaves_the_key_as_it_was(store: Store) {
    put(&store, "k", "before").await;
    for name in ["k", "new"] {
        let pieces: [Result<Bytes, BoxError>; 2] = [Ok(Bytes::from_static(b"half")), Err("cut".into())];
        let error = store.put(&key(name), ObjectBody::stream(stream::iter(pieces)), Put::Always).await.unwrap_err();
        let Error::Body(source) = error else { panic!("{error}") };
        assert_eq!(source.to_string(), "cut");
    }
    assert_eq!(read(&store, "k").await, "before");
    assert_eq!(store.list("", None, 10).await.unwrap().len(), 1);
}

pub async fn bytes_that_are_not_their_digest_leave_the_key_as_it_was(store: Store) {
    put(&store, "k", "before").await;
    // The second body is too large for one request to a bucket.
    for (bytes, name) in [(vec![1; 10], "k"), (vec![2; 9 << 20], "large")] {
        let right = Digest::of(&bytes);
        let body = ObjectBody::bytes(bytes.clone()).with_digest(Digest::of(b"other"));
        let error = store.put(&key(name), body, Put::Always).await.unwrap_err();
        assert_eq!(error.reason(), "OBJECT_CHECKSUM_MISMATCH");
        let body = ObjectBody::bytes(bytes).with_digest(right);
        let fresh = key(&format!("{name}/right"));
        assert_eq!(store.put(&fresh, body, Put::IfAbsent).await.unwrap().meta().digest, Some(right));
    }
    assert_eq!(read(&store, "k").await, "before");
    assert_eq!(store.list("", None, 10).await.unwrap().len(), 3);
}

pub async fn a_dropped_put_leaves_the_key_as_it_was(store: Store) {
    put(&store, "k", "before").await;
    let polled = Arc::new(AtomicUsize::new(0));
    let seen = polled.clone();
    let stalls = stream::poll_fn(move |_| {
        if seen.fetch_add(1, Ordering::SeqCst) == 0 {
            return Poll::Ready(Some(Ok::<_, BoxError>(Bytes::from_static(b"half"))));
        }
        Poll::Pending
    });
    {
        let k = key("k");
        let mut stalled = pin!(store.put(&k, ObjectBody::stream(stalls), Put::Always));
        while polled.load(Ordering::SeqCst) < 2 {
            assert!(stalled.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(read(&store, "k").await, "before");
    assert_eq!(store.list("", None, 10).await.unwrap().len(), 1);
}

pub async fn a_reader_sees_one_put_to_the_end(store: Store) {
    let old = Bytes::from(vec![b'o'; 1 << 20]);
    store.put_bytes(&key("k"), old.clone(), Put::Always).await.unwrap();
    let (_, mut reading) = store.get(&key("k"), None).await.unwrap();
    let mut seen = reading.try_next().await.unwrap().expect("a first piece").to_vec();
    store.put_bytes(&key("k"), Bytes::from(vec![b'n'; 2 << 20]), Put::Always).await.unwrap();
    store.delete(&key("k")).await.unwrap();
    while let Some(piece) = reading.try_next().await.unwrap() {
        seen.extend_from_slice(&piece);
    }
    assert_eq!(Digest::of(&seen), Digest::of(&old));
}

pub async fn a_range_reads_these_bytes_and_the_whole_size(store: Store) {
    put(&store, "k", "0123456789").await;
    for (range, expected) in [(0..10, "0123456789"), (3..5, "34"), (9..10, "9"), (7..100, "789"), (0..1, "0")] {
        let (meta, stream) = store.get(&key("k"), Some(range)).await.unwrap();
        assert_eq!(meta.size_bytes, 10);
        let pieces: Vec<Bytes> = stream.try_collect().await.unwrap();
        assert_eq!(pieces.concat(), expected.as_bytes());
    }
}

pub async fn a_range_that_holds_nothing_is_refused(store: Store) {
    put(&store, "k", "0123456789").await;
    put(&store, "empty", "").await;
    for (name, start, end) in [("k", 10, 11), ("k", 5, 5), ("k", 6, 5), ("empty", 0, 1)] {
        let got = store.get(&key(name), Some(start..end)).await.map(|_| ());
        assert_eq!(got.unwrap_err().reason(), "OBJECT_RANGE_INVALID", "{name} {start}..{end}");
    }
}

pub async fn deleting_is_idempotent(store: Store) {
    put(&store, "a/b", "x").await;
    store.delete(&key("a/b")).await.unwrap();
    store.delete(&key("a/b")).await.unwrap();
    store.delete(&key("never/was")).await.unwrap();
    assert_eq!(store.head(&key("a/b")).await.unwrap_err().reason(), "OBJECT_NOT_FOUND");
    put(&store, "a/b", "again").await;
    assert_eq!(read(&store, "a/b").await, "again");
}

pub async fn a_key_may_begin_another(store: Store) {
    for name in ["a/b", "a", "a/b/c"] {
        put(&store, name, "x").await;
    }
    let listed = store.list("", None, 10).await.unwrap();
    assert_eq!(listed.iter().map(|meta| meta.key.as_str()).collect::<Vec<_>>(), ["a", "a/b", "a/b/c"]);
}

pub async fn lists_come_in_key_order_and_in_pages(store: Store) {
    // `-` and `.` sort before `/`, digits and letters after it: the order of a naive walk differs.
    let names: BTreeSet<&str> =
        ["a-b", "a.b/c", "a/b", "a/z/1", "a0", "a", "b/c-d/e", "b/c/e", "b/c.d", "b/c"].into_iter().collect();
    for name in &names {
        put(&store, name, "x").await;
    }
    for limit in [1, 2, 3, 100] {
        let (mut listed, mut after) = (Vec::new(), None);
        loop {
            let page = store.list("", after.as_ref(), limit).await.unwrap();
            let full = page.len() == limit;
            listed.extend(page.iter().map(|meta| meta.key.to_string()));
            after = page.last().map(|meta| meta.key.clone());
            if !full {
                break;
            }
        }
        assert!(listed.iter().map(String::as_str).eq(names.iter().copied()), "{limit}: {listed:?}");
    }
    assert!(store.list("", None, 0).await.unwrap().is_empty());
    assert!(store.list("c/", None, 10).await.unwrap().is_empty());
}

pub async fn a_prefix_need_not_end_at_a_slash(store: Store) {
    for name in ["ab/1", "ab/2", "abc", "b", "a"] {
        put(&store, name, "x").await;
    }
    let under = |prefix: &'static str, after: Option<&'static str>| {
        let store = store.clone();
        async move {
            let after = after.map(key);
            let page = store.list(prefix, after.as_ref(), 10).await.unwrap();
            page.into_iter().map(|meta| meta.key.to_string()).collect::<Vec<_>>()
        }
    };
    assert_eq!(under("ab", None).await, ["ab/1", "ab/2", "abc"]);
    assert_eq!(under("ab/", None).await, ["ab/1", "ab/2"]);
    assert_eq!(under("ab/2", None).await, ["ab/2"]);
    assert_eq!(under("ab", Some("ab/1")).await, ["ab/2", "abc"]);
    assert_eq!(under("ab", Some("abc")).await, [""; 0]);
}

pub async fn a_large_object_streams_in_pieces(store: Store) {
    let pieces = stream::iter((0..200u8).map(|n| Ok::<_, BoxError>(Bytes::from(vec![n; 50_000]))));
    let stored = store.put(&key("large"), ObjectBody::stream(pieces), Put::Always).await.unwrap();
    assert_eq!(stored.meta().size_bytes, 10_000_000);
    let (_, mut stream) = store.get(&key("large"), None).await.unwrap();
    let mut hasher = types::DigestHasher::default();
    while let Some(piece) = stream.try_next().await.unwrap() {
        assert!(piece.len() <= 1 << 20, "a piece of {} bytes", piece.len());
        hasher.update(&piece);
    }
    assert_eq!(Some(hasher.finish()), stored.meta().digest);
}

pub async fn an_object_larger_than_the_limit_is_refused(store: Store) {
    put(&store, "k", "12345").await;
    assert_eq!(store.get_bytes(&key("k"), 4).await.unwrap_err().reason(), "OBJECT_TOO_LARGE");
    assert_eq!(store.get_bytes(&key("k"), 5).await.unwrap(), "12345");
}
