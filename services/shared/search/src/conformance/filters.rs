//! What filters let pass, and what facets count.

use types::{BoundingBox, TimeRange, Timestamp};

use super::{Index, columns, document, passing, put, titled};
use crate::{ColumnFilter, Document, FacetField, Filter, MAX_FACET_COUNTS, Query, Range};

pub async fn values_of_one_filter_are_joined_by_or_and_filters_by_and(index: Index) {
    let of = |id: &str, source: &str, kind: &str, license: &str, tags: &[&str], format: &str| Document {
        source: source.into(),
        source_kind: kind.into(),
        license: license.into(),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        format: format.into(),
        ..document(id)
    };
    put(
        &index,
        [
            of("a", "tenants/main/sources/x", "folder", "CC BY 4.0", &["red", "blue"], "csv"),
            of("b", "tenants/main/sources/y", "http_index", "CC0", &["red"], "tsv"),
            of("c", "", "upload", "", &[], "csv"),
        ],
    )
    .await;
    let filter = Filter::default;
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let sources = texts(&["tenants/main/sources/x", "tenants/main/sources/z"]);
    assert_eq!(passing(&index, Filter { sources, ..filter() }).await, ["a"]);
    assert_eq!(passing(&index, Filter { source_kinds: texts(&["upload", "folder"]), ..filter() }).await, ["a", "c"]);
    assert_eq!(passing(&index, Filter { licenses: texts(&["CC BY 4.0"]), ..filter() }).await, ["a"]);
    assert_eq!(passing(&index, Filter { licenses: texts(&["cc by 4.0", "CC"]), ..filter() }).await, [""; 0]);
    assert_eq!(passing(&index, Filter { tags: texts(&["red"]), ..filter() }).await, ["a", "b"]);
    assert_eq!(passing(&index, Filter { formats: texts(&["csv"]), ..filter() }).await, ["a", "c"]);
    let both = Filter { tags: texts(&["red", "blue"]), formats: texts(&["tsv"]), ..filter() };
    assert_eq!(passing(&index, both).await, ["b"]);
    assert_eq!(passing(&index, filter()).await, ["a", "b", "c"]);
}

fn column(name: Option<&str>, structural_type: Option<&str>) -> ColumnFilter {
    ColumnFilter { name: name.map(str::to_owned), structural_type: structural_type.map(str::to_owned) }
}

pub async fn a_column_filter_holds_for_one_column(index: Index) {
    let endless = "x".repeat(100_000);
    put(
        &index,
        [
            Document { columns: columns(&[("Fare Amount", "float"), ("zone", "text")]), ..document("a") },
            Document { columns: columns(&[("fare amount", "text"), ("tip", "float")]), ..document("b") },
            Document { columns: columns(&[(&endless, "text")]), ..document("c") },
            document("d"),
        ],
    )
    .await;
    for (filter, expected) in [
        (column(Some("FARE amount"), None), vec!["a", "b"]),
        (column(Some("fare amount"), Some("float")), vec!["a"]),
        (column(None, Some("float")), vec!["a", "b"]),
        (column(Some("fare"), None), vec![]),
        (column(Some("tip"), Some("text")), vec![]),
        (column(Some(&endless.to_uppercase()), Some("text")), vec!["c"]),
        (column(None, None), vec!["a", "b", "c"]),
    ] {
        assert_eq!(passing(&index, Filter { columns: vec![filter], ..Filter::default() }).await, expected);
    }
}

pub async fn all_column_filters_must_hold(index: Index) {
    put(
        &index,
        [
            Document { columns: columns(&[("lat", "float"), ("lon", "float")]), ..document("both") },
            Document { columns: columns(&[("lat", "float")]), ..document("one") },
        ],
    )
    .await;
    let filters = vec![column(Some("lat"), None), column(Some("lon"), Some("float"))];
    assert_eq!(passing(&index, Filter { columns: filters, ..Filter::default() }).await, ["both"]);
}

pub async fn ranges_are_closed_and_ends_may_be_open(index: Index) {
    let of = |id: &str, n: i64| Document { rows: n, size_bytes: 10 * n, ..document(id) };
    put(&index, [of("a", 0), of("b", 5), of("c", 1 << 40)]).await;
    for (min, max, expected) in [
        (Some(5), Some(5), vec!["b"]),
        (Some(5), None, vec!["b", "c"]),
        (None, Some(5), vec!["a", "b"]),
        (None, None, vec!["a", "b", "c"]),
        (Some(6), Some(4), vec![]),
        (Some(i64::MIN), Some(i64::MAX), vec!["a", "b", "c"]),
    ] {
        let rows = Filter { rows: Range { min, max }, ..Filter::default() };
        assert_eq!(passing(&index, rows).await, expected, "{min:?} {max:?}");
    }
    let bytes = Filter { size_bytes: Range { min: Some(50), max: Some(50) }, ..Filter::default() };
    assert_eq!(passing(&index, bytes).await, ["b"]);
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

pub async fn only_what_was_updated_since_passes(index: Index) {
    put(&index, [-1, 0, 1].map(|n| Document { updated: at(n), ..document(&format!("at{n}")) })).await;
    let since = Filter { updated_since: Some(at(0)), ..Filter::default() };
    assert_eq!(passing(&index, since).await, ["at0", "at1"]);
}

pub async fn time_ranges_meet_when_they_share_an_instant(index: Index) {
    let range = |start: Option<i64>, end: Option<i64>| TimeRange { start: start.map(at), end: end.map(at) };
    let of = |id: &str, start, end| Document { time_range: Some(range(start, end)), ..document(id) };
    // The first covers the year 1565.
    let early = of("1565", Some(-12_780_547_200_000_000), Some(-12_749_011_200_000_001));
    put(&index, [early, of("mid", Some(10), Some(20)), of("from", Some(15), None), of("until", None, Some(5))]).await;
    put(&index, [document("never")]).await;
    for (start, end, expected) in [
        (Some(20), Some(30), vec!["from", "mid"]),
        (Some(21), Some(30), vec!["from"]),
        (Some(6), Some(9), vec![]),
        (Some(5), Some(10), vec!["mid", "until"]),
        (None, Some(-12_780_547_200_000_000), vec!["1565", "until"]),
        (Some(1 << 60), None, vec!["from"]),
        (None, None, vec!["1565", "from", "mid", "until"]),
    ] {
        let filter = Filter { time_range: Some(range(start, end)), ..Filter::default() };
        assert_eq!(passing(&index, filter).await, expected, "{start:?} {end:?}");
    }
}

pub async fn boxes_meet_also_across_the_antimeridian(index: Index) {
    let area = |west, south, east, north| BoundingBox { west, south, east, north };
    let of = |id: &str, bounds| Document { bounding_box: Some(bounds), ..document(id) };
    put(
        &index,
        [
            of("zurich", area(8.4, 47.3, 8.6, 47.5)),
            of("fiji", area(177.0, -19.0, -178.0, -16.0)),
            of("world", area(-180.0, -90.0, 180.0, 90.0)),
            of("samoa", area(-172.8, -14.1, -171.4, -13.4)),
            document("nowhere"),
        ],
    )
    .await;
    for (asked, expected) in [
        (area(8.0, 47.0, 9.0, 48.0), vec!["world", "zurich"]),
        (area(8.6, 47.5, 9.0, 48.0), vec!["world", "zurich"]),
        (area(8.0, 48.0, 9.0, 49.0), vec!["world"]),
        (area(178.0, -18.0, 179.0, -17.0), vec!["fiji", "world"]),
        (area(-179.0, -18.0, -178.5, -17.0), vec!["fiji", "world"]),
        (area(0.0, -18.0, 10.0, -17.0), vec!["world"]),
        (area(170.0, -20.0, -170.0, -10.0), vec!["fiji", "samoa", "world"]),
        (area(-180.0, -90.0, 180.0, 90.0), vec!["fiji", "samoa", "world", "zurich"]),
    ] {
        let filter = Filter { bounding_box: Some(asked), ..Filter::default() };
        assert_eq!(passing(&index, filter).await, expected, "{asked:?}");
    }
    put(&index, [of("edge", area(170.0, 60.0, 180.0, 61.0))]).await;
    let beyond = Filter { bounding_box: Some(area(-180.0, 60.0, -179.0, 61.0)), ..Filter::default() };
    assert_eq!(passing(&index, beyond).await, ["edge", "world"]);
}

pub async fn filters_do_not_change_scores(index: Index) {
    let of = |id: &str, n: i64| Document { rows: n, tags: vec!["wild".into()], ..titled(id, "heron") };
    put(&index, [of("a", 1), of("b", 2)]).await;
    let plain = index.search(&Query::words("main", "heron")).await.unwrap().hits;
    let filter = Filter { tags: vec!["wild".into()], rows: Range { min: Some(1), max: None }, ..Filter::default() };
    let filtered = index.search(&Query { filter, ..Query::words("main", "heron") }).await.unwrap().hits;
    assert_eq!(plain, filtered);
}

pub async fn facets_count_exactly_over_all_that_matches(index: Index) {
    let of = |id: &str, tags: &[&str], kinds: &[(&str, &str)]| Document {
        source: "s".into(),
        source_kind: "folder".into(),
        format: "csv".into(),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        columns: columns(kinds),
        ..titled(id, "heron")
    };
    put(&index, [of("a", &["x", "y", "x"], &[("p", "text"), ("q", "text")]), of("b", &["y"], &[("p", "float")])]).await;
    put(&index, [of("c", &[], &[]), of("gone", &["x"], &[]), titled("d", "stork")]).await;
    index.apply(vec![crate::Op::Delete("gone".into())], 2).await.unwrap();
    let facets = vec![
        FacetField::Tag,
        FacetField::ColumnType,
        FacetField::License,
        FacetField::Format,
        FacetField::Source,
        FacetField::SourceKind,
    ];
    let query = Query { facets: facets.clone(), limit: 0, ..Query::words("main", "heron") };
    let found = index.search(&query).await.unwrap().facets;
    assert!(found.iter().map(|facet| facet.field).eq(facets));
    let counts = |at: usize| {
        assert_eq!(found[at].other_count, 0);
        found[at].counts.iter().map(|count| (count.value.as_str(), count.count)).collect::<Vec<_>>()
    };
    assert_eq!(counts(0), [("y", 2), ("x", 1)]);
    assert_eq!(counts(1), [("float", 1), ("text", 1)]);
    assert_eq!(counts(2), []);
    assert_eq!(counts(3), [("csv", 3)]);
    assert_eq!(counts(4), [("s", 3)]);
    assert_eq!(counts(5), [("folder", 3)]);
}

pub async fn values_beyond_the_most_frequent_are_counted_by_dataset(index: Index) {
    // Each of the first values is on two datasets; `rare` and `seldom` are on one, together with a frequent one.
    let frequent: Vec<String> = (0..MAX_FACET_COUNTS).map(|n| format!("tag{n:02}")).collect();
    let with = |id: &str, tags: Vec<String>| Document { tags, ..document(id) };
    put(&index, [with("a", frequent.clone())]).await;
    put(&index, [with("b", frequent.clone())]).await;
    put(&index, [with("c", vec!["rare".into(), "seldom".into(), "tag00".into()]), with("d", vec!["tag01".into()])])
        .await;
    let query = Query { facets: vec![FacetField::Tag], ..Query::words("main", "") };
    let facet = index.search(&query).await.unwrap().facets.remove(0);
    assert_eq!(facet.counts.len(), MAX_FACET_COUNTS);
    assert_eq!((facet.counts[0].value.as_str(), facet.counts[0].count), ("tag00", 3));
    assert!(facet.counts.iter().all(|count| count.count >= 2));
    assert_eq!(facet.other_count, 1);
}
