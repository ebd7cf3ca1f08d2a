//! What needs a server that the test has in its hand, or none.

use bytes::Bytes;
use futures::StreamExt;
use types::{BoxError, Digest, Fault};

use super::cases::key;
use super::*;
use crate::ObjectStoreExt;
use crate::s3::parts::PART;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_takes_its_time_bounds_what_is_read_ahead() {
    let (fixture, faults) = embedded::faulty(1).await;
    // The part by which the server is tried out passes.
    let store = fixture.open().await;
    let read = std::sync::Arc::new(AtomicU64::new(0));
    let body = futures::stream::iter(0..48u8).map({
        let read = read.clone();
        move |n| {
            read.fetch_add(1 << 20, Ordering::SeqCst);
            Ok::<_, BoxError>(Bytes::from(vec![n; 1 << 20]))
        }
    });
    let putting = tokio::spawn(async move {
        let put = store.put(&key("large"), ObjectBody::stream(body), Put::Always).await;
        (put, store)
    });
    let most = 4 * PART as u64 + (1 << 20);
    testkit::eventually!(faults.came.load(Ordering::SeqCst) == 4 && read.load(Ordering::SeqCst) > 3 * PART as u64);
    assert!(read.load(Ordering::SeqCst) <= most);
    faults.parts.add_permits(1);
    testkit::eventually!(faults.came.load(Ordering::SeqCst) == 5);
    assert!(read.load(Ordering::SeqCst) <= most + PART as u64);
    faults.parts.add_permits(100);
    let (put, store) = putting.await.unwrap();
    let bytes = store.get_bytes(&key("large"), u64::MAX).await.unwrap();
    assert_eq!((bytes.len(), put.unwrap().meta().digest), (48 << 20, Some(Digest::of(&bytes))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_whose_answer_was_lost_knows_its_own_object() {
    let (fixture, faults) = embedded::faulty(100).await;
    let store = fixture.open().await;
    for (name, length) in [("small", 10), ("large", PART + 1)] {
        faults.lose.store(1, Ordering::SeqCst);
        let bytes = Bytes::from(vec![b'x'; length]);
        let body = ObjectBody::bytes(bytes.clone()).with_digest(Digest::of(&bytes));
        let put = store.put(&key(name), body, Put::IfAbsent).await.unwrap();
        assert_eq!(faults.lose.load(Ordering::SeqCst), 0);
        let PutResult::Stored(stored) = put else { panic!("{put:?}") };
        let head = store.head(&key(name)).await.unwrap();
        assert_eq!(ObjectMeta { modified: None, ..head }, ObjectMeta { modified: None, ..stored });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_conditions_is_found_out_and_one_process_still_keeps_its_own_puts_apart() {
    let fixture = embedded::heedless().await;
    let store = std::sync::Arc::new(fixture.open().await);
    let none = Capabilities { conditional_put: false, conditional_large_put: false };
    assert_eq!(store.capabilities(), none);
    assert_eq!(fixture.uploads().await, 0);
    for length in [10, PART + 1] {
        let name = key(&format!("race/{length}"));
        let puts = (0..4u8).map(|n| store.put_bytes(&name, Bytes::from(vec![n; length]), Put::IfAbsent));
        let results = futures::future::try_join_all(puts).await.unwrap();
        assert_eq!(results.iter().filter(|result| matches!(result, PutResult::Stored(_))).count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_goes_on_where_its_connection_broke_or_stood_still() {
    let (fixture, faults) = embedded::faulty(100).await;
    let patient = S3Settings { attempt_timeout: Duration::from_secs(1).into(), ..settings() };
    let store = S3::open(&fixture.url(), &patient).await.unwrap();
    let bytes: Bytes = (0..1_000_000u32).map(|n| (n % 251) as u8).collect::<Vec<_>>().into();
    store.put_bytes(&key("k"), bytes.clone(), Put::Always).await.unwrap();
    faults.cuts.add_permits(100);
    for fault in [&faults.cut, &faults.stall] {
        fault.store(2, Ordering::SeqCst);
        assert!(store.get_bytes(&key("k"), u64::MAX).await.unwrap() == bytes);
        assert_eq!(fault.load(Ordering::SeqCst), 0);
    }
    // More than there are attempts: where a reply breaks before its headers came, the SDK asks again by itself.
    faults.cut.store(1_000, Ordering::SeqCst);
    let error = store.get_bytes(&key("k"), u64::MAX).await.unwrap_err();
    assert_eq!(error.reason(), "OBJECT_STORE_UNREACHABLE");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_read_does_not_go_on_in_another_object() {
    let (fixture, faults) = embedded::faulty(100).await;
    let store = fixture.open().await;
    store.put_bytes(&key("k"), Bytes::from(vec![b'o'; 1 << 20]), Put::Always).await.unwrap();
    faults.cut.store(1, Ordering::SeqCst);
    let (_, mut reading) = store.get(&key("k"), None).await.unwrap();
    store.put_bytes(&key("k"), Bytes::from(vec![b'n'; 1 << 20]), Put::Always).await.unwrap();
    faults.cuts.add_permits(1);
    let error = loop {
        match reading.next().await.expect("an error comes before the end") {
            Ok(piece) => assert!(piece.iter().all(|byte| *byte == b'o')),
            Err(error) => break error,
        }
    };
    assert_eq!(error.reason(), "OBJECT_CHANGED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_changed_under_its_digest_is_never_served_whole() {
    let fixture = embedded::fixture().await;
    let store = fixture.open().await;
    for (name, length) in [("small", 10), ("large", PART + 1)] {
        store.put_bytes(&key(name), Bytes::from(vec![b'x'; length]), Put::Always).await.unwrap();
        let path = fixture.folder.as_ref().unwrap().join(&fixture.bucket).join("mesh").join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[length / 2] = b'y';
        std::fs::write(&path, bytes).unwrap();
        let (_, mut reading) = store.get(&key(name), None).await.unwrap();
        let (mut served, mut failed) = (0, None);
        while let Some(piece) = reading.next().await {
            match piece {
                Ok(piece) => served += piece.len(),
                Err(error) => failed = Some(error.reason()),
            }
        }
        assert!(served < length, "{served}");
        assert_eq!(failed, Some("OBJECT_CHECKSUM_MISMATCH"));
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("s3://bucket/mesh?endpoint=http://{nowhere}&path_style=true");
    let error = S3::open(&url, &S3Settings { attempts: 2, ..settings() }).await.unwrap_err();
    assert_eq!((error.reason(), error.kind().is_transient()), ("OBJECT_STORE_UNREACHABLE", true));
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("s3://bucket/mesh?endpoint=http://{}&path_style=true", silent.local_addr().unwrap());
    let short = Duration::from_millis(100).into();
    let error = S3::open(&url, &S3Settings { attempt_timeout: short, attempts: 2, ..settings() }).await.unwrap_err();
    assert_eq!(error.reason(), "OBJECT_STORE_UNREACHABLE");
}

#[tokio::test]
async fn a_bucket_without_credentials_is_refused_whatever_the_environment_holds() {
    let error = crate::open("s3://bucket/mesh?region=eu-central-1").await.unwrap_err();
    assert_eq!(error.reason(), "OBJECT_STORE_SETTING_INVALID");
}

#[tokio::test]
async fn buckets_are_named_in_the_path_or_in_the_host() {
    for (style, expected) in [
        ("true", "https://objects.example:9000/bucket/mesh/content.main.abc?"),
        ("false", "https://bucket.objects.example:9000/mesh/content.main.abc?"),
    ] {
        let url = format!("s3://bucket/mesh?endpoint=https://objects.example:9000&path_style={style}");
        let place = Place::parse(&url).unwrap();
        let client = client(&place, &settings()).await.unwrap();
        let bucket =
            Bucket { client, name: place.bucket.clone(), names: Names::beneath(&place.prefix), place: place.text() };
        let capabilities = Capabilities { conditional_put: true, conditional_large_put: true };
        let store = S3 { bucket, capabilities, orphans_after: Duration::ZERO, turns: Vec::new() };
        let signed = store.presign_get(&key("content/main/abc"), Duration::from_secs(1)).await.unwrap();
        assert!(signed.expose().starts_with(expected), "{}", signed.expose());
    }
}
