//! What becomes of operations.

use types::{BoundingBox, TimeRange, Timestamp};

use super::{Index, columns, document, find, put, titled};
use crate::{Document, Op, Query};

pub async fn what_was_applied_is_found_at_once(index: Index) {
    for n in 0..10 {
        let id = format!("d{n}");
        index.apply(vec![Op::put(titled(&id, &format!("word{n}x")))], n).await.unwrap();
        assert_eq!(find(&index, &format!("word{n}x")).await, [id]);
        assert_eq!(index.count().await.unwrap(), n as u64 + 1);
    }
}

pub async fn a_put_replaces_the_document(index: Index) {
    put(&index, [titled("a", "heron")]).await;
    put(&index, [Document { version: 2, ..titled("a", "stork") }]).await;
    assert!(find(&index, "heron").await.is_empty());
    let hits = index.search(&Query::words("main", "stork")).await.unwrap();
    assert_eq!((hits.total, hits.hits[0].version), (1, 2));
    assert_eq!(index.count().await.unwrap(), 1);
}

pub async fn a_delete_takes_the_document_in_the_same_commit(index: Index) {
    put(&index, [titled("a", "heron"), titled("b", "heron")]).await;
    index
        .apply(vec![Op::Delete("a".into()), Op::Delete("never".into()), Op::put(titled("c", "heron"))], 2)
        .await
        .unwrap();
    assert_eq!(find(&index, "heron").await, ["b", "c"]);
    assert_eq!(index.count().await.unwrap(), 2);
}

pub async fn operations_apply_in_order(index: Index) {
    let operations = vec![
        Op::put(titled("a", "first")),
        Op::Delete("a".into()),
        Op::put(titled("a", "second")),
        Op::put(titled("a", "third")),
        Op::put(titled("b", "third")),
        Op::Delete("b".into()),
    ];
    index.apply(operations, 1).await.unwrap();
    assert_eq!(find(&index, "third").await, ["a"]);
    assert_eq!(find(&index, "").await, ["a"]);
}

pub async fn a_hidden_document_is_not_found_until_it_is_shown(index: Index) {
    put(&index, [titled("a", "heron"), titled("b", "heron")]).await;
    put(&index, [Document { hidden: true, ..titled("a", "heron") }]).await;
    assert_eq!(find(&index, "heron").await, ["b"]);
    assert_eq!(find(&index, "").await, ["b"]);
    put(&index, [titled("a", "heron")]).await;
    assert_eq!(find(&index, "heron").await, ["a", "b"]);
}

pub async fn the_change_number_is_kept_and_never_goes_back(index: Index) {
    assert_eq!(index.reached().await.unwrap(), 0);
    index.apply(vec![Op::put(document("a"))], 5).await.unwrap();
    assert_eq!(index.reached().await.unwrap(), 5);
    index.apply(Vec::new(), 9).await.unwrap();
    assert_eq!(index.reached().await.unwrap(), 9);
    index.apply(vec![Op::Delete("a".into())], 7).await.unwrap();
    assert_eq!(index.reached().await.unwrap(), 9);
    assert_eq!(index.count().await.unwrap(), 0);
}

pub async fn applying_twice_is_applying_once(index: Index) {
    let operations = vec![Op::put(titled("a", "heron")), Op::put(titled("b", "heron")), Op::Delete("b".into())];
    for _ in 0..2 {
        index.apply(operations.clone(), 3).await.unwrap();
    }
    assert_eq!(find(&index, "heron").await, ["a"]);
    assert_eq!(index.reached().await.unwrap(), 3);
}

pub async fn concurrent_writers_and_readers_lose_nothing(index: Index) {
    let writers = (0..4).map(|writer| {
        let index = index.clone();
        async move {
            for n in 0..5 {
                let change = i64::from(n * 4 + writer + 1);
                index.apply(vec![Op::put(titled(&format!("w{writer}n{n}"), "heron"))], change).await.unwrap();
                let seen = index.search(&Query::words("main", "heron")).await.unwrap();
                assert!(seen.hits.iter().any(|hit| hit.id == format!("w{writer}n{n}")));
                assert_eq!(seen.total, seen.hits.len() as u64);
            }
        }
    });
    let mut tasks = tokio::task::JoinSet::new();
    writers.for_each(|writer| drop(tasks.spawn(writer)));
    tasks.join_all().await;
    assert_eq!((index.count().await.unwrap(), index.reached().await.unwrap()), (20, 20));
}

pub async fn odd_documents_are_taken(index: Index) {
    let odd = Document {
        title: "\u{0}\u{1f} \u{202e}x".into(),
        description: "word ".repeat(100_000),
        path: "a".repeat(100_000),
        tags: vec![String::new(), "t".repeat(70_000)],
        columns: columns(&[("", ""), ("", "text"), ("\u{1f}", "text")]),
        values: (0..1_000).map(|n| format!("value {n}")).collect(),
        rows: i64::MAX,
        size_bytes: i64::MIN,
        updated: Timestamp::from_micros(i64::MIN),
        time_range: Some(TimeRange { start: None, end: None }),
        bounding_box: Some(BoundingBox { west: f64::NAN, south: 1.0, east: 2.0, north: 0.0 }),
        version: u64::MAX,
        ..document("odd")
    };
    put(&index, [odd, titled("even", "word")]).await;
    assert_eq!(find(&index, "word value 999").await, ["odd"]);
    assert_eq!(find(&index, "").await, ["even", "odd"]);
    let hits = index.search(&Query::words("main", "999")).await.unwrap();
    assert_eq!(hits.hits[0].version, u64::MAX);
}
