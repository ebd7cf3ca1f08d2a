//! Which documents match, and in what order.

use types::Timestamp;

use super::{Index, columns, document, find, ids, put, titled};
use crate::{Document, MAX_HITS, MatchField, Op, Query, highlight};

pub async fn a_word_in_any_field_is_found(index: Index) {
    put(
        &index,
        [
            titled("title", "Heron counts"),
            Document { description: "the grey heron".into(), ..document("description") },
            Document { tags: vec!["birds".into(), "heron".into()], ..document("tag") },
            Document { path: "birds/heron-2020.csv".into(), ..document("path") },
            Document { columns: columns(&[("id", "integer"), ("heron_id", "integer")]), ..document("column") },
            Document { values: vec!["stork".into(), "Heron".into()], ..document("value") },
            titled("none", "Stork counts"),
        ],
    )
    .await;
    let mut found = find(&index, "heron").await;
    found.sort();
    assert_eq!(found, ["column", "description", "path", "tag", "title", "value"]);
}

pub async fn every_word_must_match(index: Index) {
    let across = Document { columns: columns(&[("fare", "float")]), ..titled("across", "taxi trips") };
    put(&index, [across, titled("one", "taxi zones"), titled("other", "fare zones")]).await;
    assert_eq!(find(&index, "taxi fare").await, ["across"]);
    assert_eq!(find(&index, "fare TAXI trip taxi").await, ["across"]);
    assert!(find(&index, "taxi fare elephant").await.is_empty());
}

pub async fn case_accents_and_inflection_do_not_count(index: Index) {
    put(&index, [titled("a", "Crèmes in Zürich cities"), titled("b", "東京 Москва")]).await;
    for text in ["creme", "CRÈME", "zurich", "Zu\u{308}rich", "city", "Cities zürich"] {
        assert_eq!(find(&index, text).await, ["a"], "{text}");
    }
    for text in ["東京", "京", "москва"] {
        assert_eq!(find(&index, text).await, ["b"], "{text}");
    }
}

pub async fn names_are_found_by_their_parts_and_whole(index: Index) {
    let names = [("tpep_pickup_datetime", "timestamp"), ("PULocationID", "integer"), ("COVID19", "integer")];
    put(&index, [Document { columns: columns(&names), path: "nyc/yellow-taxis.csv".into(), ..document("a") }]).await;
    for text in
        ["pickup", "tpep_pickup_datetime", "pickup_datetime", "location id", "pulocationid", "covid-19", "covid19"]
    {
        assert_eq!(find(&index, text).await, ["a"], "{text}");
    }
    for text in ["yellow taxi", "yellow-taxis.csv", "nyc/yellow-taxis.csv", "yellow_taxi"] {
        assert_eq!(find(&index, text).await, ["a"], "{text}");
    }
    assert!(find(&index, "pick").await.is_empty());
}

pub async fn a_title_counts_more_than_a_column_than_a_description_than_a_value(index: Index) {
    put(
        &index,
        [
            Document { values: vec!["heron".into()], ..document("a-value") },
            Document { description: "heron".into(), ..document("b-description") },
            Document { columns: columns(&[("heron", "text")]), ..document("c-column") },
            titled("d-title", "heron"),
        ],
    )
    .await;
    assert_eq!(find(&index, "heron").await, ["d-title", "c-column", "b-description", "a-value"]);
    let hits = index.search(&Query::words("main", "heron")).await.unwrap().hits;
    assert!(hits.windows(2).all(|pair| pair[0].score > pair[1].score) && hits[3].score > 0.0, "{hits:?}");
}

pub async fn equal_scores_are_ordered_by_id(index: Index) {
    for batch in [["d", "a"], ["c", "e"], ["b", "f"]] {
        put(&index, batch.map(|id| titled(id, "the same title"))).await;
    }
    assert_eq!(find(&index, "same title").await, ["a", "b", "c", "d", "e", "f"]);
    let first = Query { limit: 3, ..Query::words("main", "title") };
    assert_eq!(ids(index.search(&first).await.unwrap()), ["a", "b", "c"]);
}

pub async fn without_words_the_newest_come_first(index: Index) {
    let at = |id: &str, micros| Document { updated: Timestamp::from_micros(micros), ..document(id) };
    put(&index, [at("old", -5), at("same-b", 7), at("new", 9)]).await;
    put(&index, [at("same-a", 7)]).await;
    let hits = index.search(&Query::words("main", "")).await.unwrap();
    assert!(hits.hits.iter().all(|hit| hit.score == 0.0));
    assert_eq!(ids(hits), ["new", "same-a", "same-b", "old"]);
    let first = Query { limit: 2, ..Query::words("main", " ") };
    assert_eq!(ids(index.search(&first).await.unwrap()), ["new", "same-a"]);
}

pub async fn a_text_without_words_finds_nothing_and_an_empty_one_everything(index: Index) {
    put(&index, [document("a")]).await;
    assert!(find(&index, "?! -- ___").await.is_empty());
    assert_eq!(find(&index, " ").await, ["a"]);
}

pub async fn tenants_do_not_see_each_other(index: Index) {
    let other = |id| Document { tenant: "other".into(), tags: vec!["t".into()], ..titled(id, "heron") };
    put(&index, [titled("a", "heron"), other("b"), other("c")]).await;
    assert_eq!(find(&index, "heron").await, ["a"]);
    assert_eq!(find(&index, "").await, ["a"]);
    let hits = index.search(&Query::words("other", "heron")).await.unwrap();
    assert_eq!(hits.total, 2);
    assert!(index.search(&Query::words("mai", "heron")).await.unwrap().hits.is_empty());
    assert_eq!(index.count().await.unwrap(), 3);
}

pub async fn totals_are_exact_whatever_the_limit(index: Index) {
    put(&index, (0..25).map(|n| titled(&format!("d{n:02}"), if n < 20 { "heron" } else { "stork" }))).await;
    index.apply(vec![Op::Delete("d03".into())], 2).await.unwrap();
    for limit in [0, 1, 19, 20, usize::MAX] {
        let hits = index.search(&Query { limit, ..Query::words("main", "heron") }).await.unwrap();
        assert_eq!((hits.total, hits.hits.len()), (19, limit.min(19)));
    }
}

pub async fn no_more_hits_than_the_greatest_limit_come_back(index: Index) {
    put(&index, (0..MAX_HITS + 5).map(|n| titled(&format!("d{n:06}"), "heron"))).await;
    for text in ["heron", ""] {
        let hits = index.search(&Query { limit: usize::MAX, ..Query::words("main", text) }).await.unwrap();
        assert_eq!((hits.total, hits.hits.len()), (MAX_HITS as u64 + 5, MAX_HITS));
        assert_eq!((hits.hits[0].id.as_str(), hits.hits[MAX_HITS - 1].id.as_str()), ("d000000", "d009999"));
    }
}

pub async fn a_dataset_is_one_hit_however_often_it_matches(index: Index) {
    let many = Document {
        description: "heron heron".into(),
        tags: vec!["heron".into()],
        values: vec!["heron".into(), "Heron".into()],
        version: 42,
        ..titled("a", "heron herons")
    };
    put(&index, [many]).await;
    let hits = index.search(&Query::words("main", "heron")).await.unwrap();
    assert_eq!((hits.total, hits.hits.len(), hits.hits[0].version), (1, 1, 42));
}

pub async fn every_hit_can_be_explained(index: Index) {
    let texts = [
        "Yellow taxi trips",
        "tpep_pickup_datetime",
        "COVID-19 cases",
        "covid19",
        "PULocationID",
        "Crèmes",
        "2019q4",
        "data/taxi-zones.csv",
        "don't",
        "3.14",
        "東京都",
        "a_b-C3",
        "É",
        "l'été",
    ];
    put(&index, texts.iter().enumerate().map(|(n, text)| titled(&format!("d{n:02}"), text))).await;
    for asked in texts.iter().copied().chain(["trip", "covid 19", "pickup", "zone", "ete", "location", "4"]) {
        let found = find(&index, asked).await;
        assert!(!found.is_empty(), "{asked}");
        for id in found {
            let title = texts[id[1..].parse::<usize>().unwrap()];
            assert!(!highlight(asked, &[(MatchField::Title, title)]).is_empty(), "{asked}: {title}");
        }
    }
}

pub async fn hostile_queries_are_only_words(index: Index) {
    put(&index, [titled("a", "heron and stork")]).await;
    for text in
        ["title:heron", "heron AND stork", "\"heron", "(heron", "heron*", "+heron -elephant", "[1 TO 2]", "heron~2"]
    {
        index.search(&Query::words("main", text)).await.expect("no syntax, no error");
    }
    assert_eq!(find(&index, "(\"HERON\" AND +stork").await, ["a"]);
    assert!(find(&index, "heron OR elephant").await.is_empty());
    assert!(find(&index, &"heron elephant ".repeat(70)).await.is_empty());
}
