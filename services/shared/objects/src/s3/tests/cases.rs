//! What a bucket promises beyond what every store does, one function per promise.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use types::{BoxError, Digest, Fault};

use super::*;
use crate::ObjectStoreExt;
use crate::s3::parts::PART;

/// Makes a test of each. Takes an `async` closure of the test's name that gives a [`Fixture`], or nothing.
macro_rules! bucket_tests {
    ($make:expr) => {
        $crate::s3::tests::cases::bucket_tests!(@each $make;
            a_body_of_many_parts_reads_back_with_its_digest,
            a_large_body_that_fails_leaves_neither_object_nor_upload,
            a_large_put_that_is_dropped_leaves_no_upload,
            of_large_conditional_puts_one_stores,
            of_conditional_puts_through_two_stores_one_stores,
            a_presigned_url_reads_this_object_and_no_other,
            wrong_credentials_are_named,
            a_missing_bucket_is_named,
            conditional_puts_are_found_to_work,
            strangers_in_the_bucket_are_no_objects,
        );
    };
    (@each $make:expr; $($promise:ident,)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let name = concat!(module_path!(), "::", stringify!($promise));
                let Some(fixture) = ($make)(name).await else { return };
                $crate::s3::tests::cases::$promise(fixture).await;
            }
        )+
    };
}
pub(super) use bucket_tests;

pub fn key(text: &str) -> Key {
    text.parse().unwrap()
}

/// So many MiB, in pieces of one.
pub fn mebibytes(count: usize) -> impl futures::Stream<Item = Result<Bytes, BoxError>> + Send + 'static {
    stream::iter((0..count).map(|n| Ok(Bytes::from(vec![n as u8; 1 << 20]))))
}

pub async fn a_body_of_many_parts_reads_back_with_its_digest(fixture: Fixture) {
    let store = fixture.open().await;
    let put = store.put(&key("large"), ObjectBody::stream(mebibytes(20)), Put::IfAbsent).await.unwrap();
    let PutResult::Stored(stored) = put else { panic!("{put:?}") };
    assert_eq!(stored.size_bytes, 20 << 20);
    assert_eq!(ObjectMeta { modified: None, ..store.head(&key("large")).await.unwrap() }, stored);
    let bytes = store.get_bytes(&key("large"), u64::MAX).await.unwrap();
    assert_eq!(Some(Digest::of(&bytes)), stored.digest);
    let (_, range) = store.get(&key("large"), Some((PART as u64 - 1)..(PART as u64 + 1))).await.unwrap();
    let pieces: Vec<Bytes> = futures::TryStreamExt::try_collect(range).await.unwrap();
    assert_eq!(pieces.concat(), [7, 8]);
    assert_eq!(fixture.uploads().await, 0);
}

pub async fn a_large_body_that_fails_leaves_neither_object_nor_upload(fixture: Fixture) {
    let store = fixture.open().await;
    let cut = stream::iter([Err("cut".into())]);
    let body = ObjectBody::stream(futures::StreamExt::chain(mebibytes(20), cut));
    let error = store.put(&key("large"), body, Put::Always).await.unwrap_err();
    assert_eq!(error.reason(), "OBJECT_BODY_FAILED");
    assert_eq!(fixture.uploads().await, 0);
    assert!(store.list("", None, 10).await.unwrap().is_empty());
}

pub async fn a_large_put_that_is_dropped_leaves_no_upload(fixture: Fixture) {
    let store = Arc::new(fixture.open().await);
    let stalls = stream::pending::<Result<Bytes, BoxError>>();
    let body = ObjectBody::stream(futures::StreamExt::chain(mebibytes(20), stalls));
    let putting = tokio::spawn({
        let store = store.clone();
        async move { store.put(&key("large"), body, Put::Always).await }
    });
    testkit::eventually!(fixture.uploads().await > 0);
    putting.abort();
    testkit::eventually!(fixture.uploads().await == 0);
    assert!(store.list("", None, 10).await.unwrap().is_empty());
}

pub async fn of_large_conditional_puts_one_stores(fixture: Fixture) {
    // One store, because both servers look first and complete later: only a store can keep its own puts apart.
    let first = Arc::new(fixture.open().await);
    let puts = (0..4u8).map(|n| {
        let store = first.clone();
        let body = ObjectBody::bytes(vec![n; PART + 1]).with_digest(Digest::of(&vec![n; PART + 1]));
        async move { store.put(&key("large"), body, Put::IfAbsent).await.unwrap() }
    });
    let results = futures::future::join_all(puts).await;
    let stored: Vec<_> = results.iter().filter(|result| matches!(result, PutResult::Stored(_))).collect();
    assert_eq!(stored.len(), 1, "{results:?}");
    let bytes = first.get_bytes(&key("large"), u64::MAX).await.unwrap();
    assert_eq!(stored[0].meta().digest, Some(Digest::of(&bytes)));
    assert!(results.iter().all(|result| result.meta().digest == stored[0].meta().digest));
    assert_eq!(fixture.uploads().await, 0);
}

pub async fn of_conditional_puts_through_two_stores_one_stores(fixture: Fixture) {
    if !fixture.atomic {
        return; // s3s-fs looks before it writes: only one store can keep its own puts apart.
    }
    let stores = [fixture.open().await, fixture.open().await];
    for round in 0..10 {
        let name = key(&format!("race/{round}"));
        let puts = (0..8).map(|n| stores[n % 2].put_bytes(&name, Bytes::from(format!("{n}")), Put::IfAbsent));
        let results = futures::future::try_join_all(puts).await.unwrap();
        let stored: Vec<_> = results.iter().filter(|result| matches!(result, PutResult::Stored(_))).collect();
        assert_eq!(stored.len(), 1, "{results:?}");
        let bytes = stores[0].get_bytes(&name, 10).await.unwrap();
        assert_eq!(stored[0].meta().digest, Some(Digest::of(&bytes)));
    }
}

pub async fn a_presigned_url_reads_this_object_and_no_other(fixture: Fixture) {
    let store = fixture.open().await;
    for name in ["one", "two"] {
        store.put_bytes(&key(name), Bytes::from_static(name.as_bytes()), Put::Always).await.unwrap();
    }
    let signer = store.presign().expect("a bucket signs");
    let url = signer.presign_get(&key("one"), Duration::from_secs(60)).await.unwrap().expose().clone();
    let get = async |url: String| reqwest::get(url).await.unwrap();
    assert_eq!(get(url.clone()).await.text().await.unwrap(), "one");
    let (signed, signature) = url.split_once("X-Amz-Signature=").expect("a signed URL");
    let other = if signature.starts_with('0') { "1" } else { "0" };
    assert_eq!(get(format!("{signed}X-Amz-Signature={other}{}", &signature[1..])).await.status(), 403);
    assert_eq!(get(url.replacen("/one?", "/two?", 1)).await.status(), 403);
    let error = signer.presign_get(&key("one"), Duration::from_secs(8 * 24 * 3600)).await.unwrap_err();
    assert_eq!(error.reason(), "OBJECT_STORE_SETTING_INVALID");
}

pub async fn wrong_credentials_are_named(fixture: Fixture) {
    for (id, secret) in [(ID, "wrong"), ("nobody", SECRET)] {
        let wrong = S3Settings::with_keys(id, Secret::new(secret.to_owned()));
        let error = S3::open(&fixture.url(), &wrong).await.unwrap_err();
        assert_eq!(error.reason(), "OBJECT_STORE_CREDENTIALS_REFUSED", "{error:?}");
    }
}

pub async fn a_missing_bucket_is_named(fixture: Fixture) {
    let error = S3::open(&fixture.url_of("no-such-bucket"), &settings()).await.unwrap_err();
    assert_eq!(error.reason(), "OBJECT_BUCKET_MISSING", "{error:?}");
}

pub async fn conditional_puts_are_found_to_work(fixture: Fixture) {
    let all = Capabilities { conditional_put: true, conditional_large_put: true };
    assert_eq!(fixture.open().await.capabilities(), all);
    // Also when the object by which it is found out is there already.
    assert_eq!(fixture.open().await.capabilities(), all);
    assert_eq!(fixture.uploads().await, 0);
}

pub async fn strangers_in_the_bucket_are_no_objects(fixture: Fixture) {
    let (store, client) = (fixture.open().await, fixture.client().await);
    for name in ["mesh/folder/file", "mesh/.hidden", "meshy", "mesh/two words"] {
        let body = aws_sdk_s3::primitives::ByteStream::from_static(b"?");
        client.put_object().bucket(&fixture.bucket).key(name).body(body).send().await.unwrap();
    }
    for name in ["a", "b", "z"] {
        store.put_bytes(&key(name), Bytes::new(), Put::Always).await.unwrap();
    }
    for limit in [1, 3, 100] {
        let (mut names, mut after) = (Vec::new(), None);
        loop {
            let page = store.list("", after.as_ref(), limit).await.unwrap();
            names.extend(page.iter().map(|meta| meta.key.to_string()));
            after = page.last().map(|meta| meta.key.clone());
            if page.len() < limit {
                break;
            }
        }
        assert_eq!(names, ["a", "b", "z"]);
    }
}
