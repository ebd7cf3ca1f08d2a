//! What every store of catalog promises. Each promise is one function; the macro makes a test of each for a back end.

use std::sync::Arc;

use proto::profiling::v1::{SemanticType, StructuralType};
use runtime::Tasks;
use sql::Database;
use testkit::ManualClock;
use types::{BoundingBox, Digest, Materialization, Origin, Revision, TimeRange, WorkError};

use super::*;
use crate::record::{
    Attempt, AttemptPhase, Column, EditedField, Found, IndexMark, Metadata, Newest, Recipe, Table, TableWords, Tables,
};

/// A store with its database, which vanishes with it.
struct Bench {
    database: Database,
    store: Arc<dyn Store>,
    _folder: tempfile::TempDir,
}

/// Makes a test of each promise on every database.
macro_rules! conformance {
    ($($promise:ident),+ $(,)?) => {
        mod tests {
            testkit::on_every_store! { $($promise),+ }
            $(
                async fn $promise() {
                    super::$promise(super::Bench::open().await).await;
                }
            )+
        }
    };
}

conformance!(
    a_record_reads_back_as_it_was_saved,
    a_version_reads_back_as_it_was_put,
    saves_are_numbered_in_their_order,
    a_change_that_concerns_the_index_waits_for_it,
    what_an_older_index_lost_waits_again,
    lists_show_what_passes_their_filter_by_id,
    tenants_do_not_see_each_other,
);

impl Bench {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = testkit::database_url(&folder.path().join("catalog.db"));
        let settings = sql::Settings {
            schema: "catalog".into(),
            user: "postgres".into(),
            server_clock: false,
            ..Default::default()
        };
        let clock = ManualClock::default().shared();
        let database = Database::open_with(&url, &settings, &crate::migrations(), clock).await.unwrap();
        Self { database, store: Arc::new(Tables), _folder: folder }
    }
}

/// Runs steps of one transaction that commits.
macro_rules! steps {
    ($bench:ident, |$store:ident, $tx:ident| $steps:expr) => {{
        let $store = $bench.store.clone();
        $bench.database.write(move |$tx| Box::pin(async move { Ok::<_, crate::Error>($steps) })).await.unwrap()
    }};
}

fn scope() -> SystemScope {
    Tasks::new("test").scope()
}

fn now() -> Timestamp {
    Timestamp::from_micros(7)
}

fn record(name: &str) -> Record {
    let name: DatasetName = name.parse().unwrap();
    let origin = Origin::File { path: "/data/a.csv".into() };
    let materialization = Materialization { origin, version_token: "t1".to_owned() };
    let found = Found { source: None, source_kind: "folder".to_owned(), path: "a.csv".to_owned(), materialization };
    Record::new(name, found, Metadata::default(), now())
}

/// A record in which no field is empty.
fn full() -> Record {
    let mut record = record("tenants/main/datasets/d1");
    record.found.source = Some("tenants/main/sources/s1".parse().unwrap());
    record.retracted = true;
    record.hidden = true;
    record.metadata = Metadata {
        title: "A title".to_owned(),
        description: "äöü".to_owned(),
        license: "CC0".to_owned(),
        tags: vec!["a".to_owned(), "b,c".to_owned()],
        origins: vec!["somewhere".to_owned()],
    };
    record.edited = vec![EditedField::Title, EditedField::Tags];
    record.attempt = Some(Attempt {
        job: "tenants/main/jobs/j1".parse().unwrap(),
        phase: AttemptPhase::Failed,
        attempts: 3,
        next: Some(now()),
        error: Some(WorkError { reason: "EMPTY".to_owned(), message: "nothing".to_owned(), retryable: true }),
        version_token: "t0".to_owned(),
    });
    record.newest = Some(Newest { version: 2, version_token: "t1".to_owned() });
    record.current = Some(1);
    record.index = IndexMark { change: 0, done: true, held: Some(1), cause: "00-a".to_owned(), touched: false };
    record.revision = Revision(4);
    record
}

fn version(number: u64) -> Version {
    Version {
        name: format!("tenants/main/datasets/d1/versions/{number}").parse().unwrap(),
        digest: Digest::of(b"bytes"),
        size_bytes: 5,
        profile: "tenants/main/profiles/p1".parse().unwrap(),
        recipe: Recipe { format: "csv".to_owned(), header: true, ..Recipe::default() },
        row_count: 10,
        column_count: 2,
        columns: vec![Column {
            name: "lat".to_owned(),
            structural_type: StructuralType::Float,
            semantic_types: vec![SemanticType::Latitude],
        }],
        tables: Tables {
            count: 200,
            profiled: 150,
            shown: vec![
                Table { name: "One".to_owned(), figures: Some((10, 2)), error: None },
                Table {
                    name: "Two".to_owned(),
                    figures: None,
                    error: Some(WorkError {
                        reason: "EMPTY".to_owned(),
                        message: "it is empty".to_owned(),
                        retryable: false,
                    }),
                },
                Table { name: "Three".to_owned(), figures: None, error: None },
            ],
        },
        time_range: Some(TimeRange { start: None, end: Some(now()) }),
        bounding_box: Some(BoundingBox { west: 170.0, south: -1.0, east: -170.0, north: 1.0 }),
        content_key: Some("content/main/x".to_owned()),
        materialization: record("tenants/main/datasets/d1").found.materialization,
        file_name: "a.csv".to_owned(),
        indexed: false,
        created: now(),
    }
}

async fn read(bench: &Bench, name: &str) -> Option<Record> {
    let name: DatasetName = name.parse().unwrap();
    steps!(bench, |store, tx| store.records(tx, &name.tenant, std::slice::from_ref(&name.dataset)).await?.pop())
}

async fn save(bench: &Bench, mut record: Record) -> Record {
    steps!(bench, |store, tx| {
        store.save(tx, &mut record, &[], now()).await?;
        record
    })
}

async fn a_record_reads_back_as_it_was_saved(bench: Bench) {
    let saved = save(&bench, full()).await;
    assert_eq!(read(&bench, "tenants/main/datasets/d1").await.unwrap(), saved);
    // Once more, as a change of what is there.
    let plain = save(&bench, record("tenants/main/datasets/d1")).await;
    assert_eq!(read(&bench, "tenants/main/datasets/d1").await.unwrap(), plain);
}

async fn a_version_reads_back_as_it_was_put(bench: Bench) {
    save(&bench, full()).await;
    let columns = vec![("lat".to_owned(), StructuralType::Float)];
    let tables = vec![TableWords { name: "One".to_owned(), columns: 1, values: 1 }];
    let words = Words { columns, values: vec!["a \"b\"".to_owned()], tables };
    let id: DatasetId = "d1".parse().unwrap();
    let wanted = vec![(id.clone(), 1), (id.clone(), 2), (id.clone(), 9)];
    let (versions, read_words, numbers) = steps!(bench, |store, tx| {
        store.put_version(tx, &version(1), &Words::default()).await?;
        store.put_version(tx, &version(2), &words).await?;
        store.mark_indexed(tx, &version(1).name).await?;
        let tenant = "main".parse().unwrap();
        let name: DatasetName = "tenants/main/datasets/d1".parse().unwrap();
        let versions = store.versions(tx, &tenant, &wanted).await?;
        let read_words = store.words(tx, &tenant, &wanted[1..]).await?;
        (versions, (read_words, words), store.list_versions(tx, &name).await?)
    });
    assert_eq!(versions.len(), 2);
    assert!(versions.contains(&Version { indexed: true, ..version(1) }));
    assert!(versions.contains(&version(2)));
    assert_eq!(read_words.0, [(id, read_words.1)]);
    assert_eq!(numbers, [2, 1]);
}

async fn saves_are_numbered_in_their_order(bench: Bench) {
    let first = save(&bench, record("tenants/main/datasets/d1")).await;
    let second = save(&bench, record("tenants/main/datasets/d2")).await;
    let again = save(&bench, first.clone()).await;
    assert!(first.change < second.change && second.change < again.change);
    let changed =
        steps!(bench, |store, tx| store.changed(tx, &"main".parse().unwrap(), None, first.change, 10).await?);
    assert_eq!(changed, [second, again]);
}

async fn a_change_that_concerns_the_index_waits_for_it(bench: Bench) {
    let untouched = save(&bench, record("tenants/main/datasets/d1")).await;
    assert!(untouched.index.done);
    let mut touched = record("tenants/main/datasets/d2");
    touched.newest = Some(Newest { version: 1, version_token: String::new() });
    touched.index.touched = true;
    let touched = save(&bench, touched).await;
    assert_eq!((touched.index.change, touched.index.done), (touched.change, false));
    let waiting = steps!(bench, |store, tx| store.to_index(tx, &scope(), 10).await?);
    assert_eq!(waiting, std::slice::from_ref(&touched));
    let mut done = touched.clone();
    done.settle(Some(1), touched.index.change, now());
    let done = save(&bench, done).await;
    assert_eq!(done.index.change, touched.index.change, "what the indexer says is no change for the index");
    assert!(steps!(bench, |store, tx| store.to_index(tx, &scope(), 10).await?).is_empty());
}

async fn what_an_older_index_lost_waits_again(bench: Bench) {
    let mut ids = Vec::new();
    for number in 1..=3 {
        let mut record = record(&format!("tenants/main/datasets/d{number}"));
        record.newest = Some(Newest { version: 1, version_token: String::new() });
        record.index.touched = true;
        let mut record = save(&bench, record).await;
        record.settle(Some(1), record.index.change, now());
        ids.push(save(&bench, record).await.index.change);
    }
    let (again, waiting, last) = steps!(bench, |store, tx| {
        let again = store.index_again(tx, &scope(), ids[1]).await?;
        (again, store.to_index(tx, &scope(), 10).await?, store.last_index_change(tx, &scope()).await?)
    });
    assert_eq!((again, waiting.len(), waiting[0].index.change), (1, 1, last));
    let changed = steps!(bench, |store, tx| store.index_changed(tx, &scope(), 0, 2).await?);
    assert_eq!(changed.len(), 2, "as many as asked for, whether they wait or not");
}

async fn lists_show_what_passes_their_filter_by_id(bench: Bench) {
    save(&bench, record("tenants/main/datasets/d2")).await;
    save(&bench, record("tenants/main/datasets/d1")).await;
    save(&bench, Record { hidden: true, ..record("tenants/main/datasets/d3") }).await;
    let mut of_source = record("tenants/main/datasets/d4");
    of_source.found.source = Some("tenants/main/sources/s1".parse().unwrap());
    save(&bench, Record { retracted: true, ..of_source }).await;
    for (filter, expected) in [
        (ListFilter::default(), vec!["d1", "d2", "d4"]),
        (ListFilter { show_hidden: true, ..ListFilter::default() }, vec!["d1", "d2", "d3", "d4"]),
        (ListFilter { states: vec![State::Announced], ..ListFilter::default() }, vec!["d1", "d2"]),
        (ListFilter { states: vec![State::Failed, State::Retracted], ..ListFilter::default() }, vec!["d4"]),
        (ListFilter { source: Some("s1".parse().unwrap()), ..ListFilter::default() }, vec!["d4"]),
    ] {
        let listed = steps!(bench, |store, tx| store.list(tx, &"main".parse().unwrap(), &filter).await?);
        assert_eq!(listed.iter().map(DatasetId::as_str).collect::<Vec<_>>(), expected);
    }
}

async fn tenants_do_not_see_each_other(bench: Bench) {
    save(&bench, record("tenants/other/datasets/d1")).await;
    assert!(read(&bench, "tenants/main/datasets/d1").await.is_none());
    let (listed, changed) = steps!(bench, |store, tx| {
        let tenant = "main".parse().unwrap();
        let listed = store.list(tx, &tenant, &ListFilter::default()).await?;
        (listed, store.changed(tx, &tenant, None, 0, 10).await?)
    });
    assert!(listed.is_empty() && changed.is_empty());
}
