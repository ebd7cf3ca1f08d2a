//! How a new index takes the place of the present one.

use super::{Index, find, put, titled};
use crate::{Document, Error, Op};

pub async fn a_rebuild_takes_the_place_of_the_index_at_once(index: Index) {
    put(&index, [titled("stale", "heron"), titled("kept", "heron")]).await;
    let mut rebuild = index.begin_rebuild().await.unwrap();
    rebuild.add(vec![titled("kept", "heron")]).await.unwrap();
    rebuild.add(vec![titled("new", "heron")]).await.unwrap();
    rebuild.add(Vec::new()).await.unwrap();
    assert_eq!(find(&index, "heron").await, ["kept", "stale"]);
    rebuild.finish(50).await.unwrap();
    assert_eq!(find(&index, "heron").await, ["kept", "new"]);
    assert_eq!(index.reached().await.unwrap(), 50);
    put(&index, [titled("later", "heron")]).await;
    assert_eq!(find(&index, "heron").await, ["kept", "later", "new"]);
    index.begin_rebuild().await.unwrap().finish(60).await.unwrap();
    assert_eq!(index.count().await.unwrap(), 0);
}

pub async fn a_dropped_rebuild_leaves_no_trace(index: Index) {
    put(&index, [titled("a", "heron")]).await;
    for _ in 0..3 {
        let mut rebuild = index.begin_rebuild().await.unwrap();
        rebuild.add(vec![titled("b", "heron")]).await.unwrap();
    }
    assert_eq!(find(&index, "heron").await, ["a"]);
    assert_eq!(index.reached().await.unwrap(), 1);
}

pub async fn only_one_rebuild_runs_at_a_time(index: Index) {
    let first = index.begin_rebuild().await.unwrap();
    assert!(matches!(index.begin_rebuild().await.map(drop), Err(Error::RebuildRunning)));
    first.finish(1).await.unwrap();
    index.begin_rebuild().await.unwrap().finish(2).await.unwrap();
}

pub async fn what_is_applied_during_a_rebuild_wins(index: Index) {
    put(&index, [titled("edited", "old"), titled("deleted", "old"), titled("plain", "old")]).await;
    let mut rebuild = index.begin_rebuild().await.unwrap();
    rebuild.add(vec![titled("early", "old"), titled("plain", "old")]).await.unwrap();
    let applied = vec![
        Op::put(Document { version: 2, ..titled("edited", "new") }),
        Op::put(titled("early", "new")),
        Op::put(titled("born", "new")),
        Op::Delete("deleted".into()),
    ];
    index.apply(applied, 30).await.unwrap();
    // Read from the records before the changes, and added after them.
    rebuild.add(vec![titled("edited", "old"), titled("deleted", "old")]).await.unwrap();
    rebuild.finish(20).await.unwrap();
    assert_eq!(find(&index, "new").await, ["born", "early", "edited"]);
    assert_eq!(find(&index, "old").await, ["plain"]);
    assert_eq!(index.reached().await.unwrap(), 30);
}

pub async fn of_two_documents_with_one_id_a_rebuild_keeps_the_later(index: Index) {
    let mut rebuild = index.begin_rebuild().await.unwrap();
    rebuild.add(vec![titled("a", "first"), titled("a", "second")]).await.unwrap();
    rebuild.add(vec![titled("a", "third")]).await.unwrap();
    rebuild.finish(1).await.unwrap();
    assert_eq!(find(&index, "third").await, ["a"]);
    assert_eq!(index.count().await.unwrap(), 1);
}
