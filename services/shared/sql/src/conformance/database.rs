//! Transactions and change numbers; and what is SQLite's own: the file.

use std::collections::BTreeSet;

use futures::FutureExt as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use testkit::ManualClock;
use types::{ErrorKind, Fault as _};

use super::Store;
use crate::{Bind as _, Builder, Database, Dialect, Error, Kind, Migrations, Value, query};

pub async fn count(db: &Database) -> i64 {
    let count: Result<_, Error> = db
        .read(|conn| {
            Box::pin(async move { crate::query_scalar("SELECT value FROM change_counter").fetch_one(conn).await })
        })
        .await;
    count.unwrap()
}

pub async fn an_error_leaves_nothing_behind(store: Store) {
    let failed: Result<(), Error> = store
        .db
        .write(|conn| {
            Box::pin(async move {
                crate::next_change(conn).await?;
                Err(Error::PageTokenInvalid)
            })
        })
        .await;
    assert!(matches!(failed, Err(Error::PageTokenInvalid)));
    assert_eq!(count(&store.db).await, 0);
}

pub async fn a_dropped_write_leaves_nothing_behind_and_blocks_nobody(store: Store) {
    let mut write = Box::pin(store.db.write(|conn| {
        Box::pin(async move {
            crate::next_change(conn).await?;
            std::future::pending::<Result<(), Error>>().await
        })
    }));
    // Until the counter was raised within the transaction; it never commits.
    for _ in 0..100 {
        assert!(write.as_mut().now_or_never().is_none());
        tokio::time::timeout(std::time::Duration::from_millis(1), write.as_mut()).await.unwrap_err();
    }
    drop(write);
    assert_eq!(store.change().await.unwrap(), 1);
    assert_eq!(count(&store.db).await, 1);
}

pub async fn a_reader_sees_one_moment(store: Store) {
    let other = store.db.clone();
    let (before, after): (i64, i64) = store
        .db
        .read(|conn| {
            Box::pin(async move {
                let sql = "SELECT value FROM change_counter";
                let before = crate::query_scalar(sql).fetch_one(&mut *conn).await?;
                other.write(|conn| Box::pin(async move { crate::next_change(conn).await })).await?;
                Ok::<_, Error>((before, crate::query_scalar(sql).fetch_one(&mut *conn).await?))
            })
        })
        .await
        .unwrap();
    assert_eq!((before, after), (0, 0));
    assert_eq!(count(&store.db).await, 1);
}

pub async fn a_reader_cannot_write(store: Store) {
    let refused = store.db.read(|conn| Box::pin(async move { crate::next_change(conn).await })).await;
    assert!(matches!(refused, Err(Error::ReadOnly(_))), "{refused:?}");
}

pub async fn writers_wait_for_each_other_and_all_get_their_turn(store: Store) {
    let writes = (0..100).map(|_| store.change());
    let numbers: BTreeSet<i64> = futures::future::join_all(writes).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(numbers, (1..=100).collect());
}

pub async fn change_numbers_commit_in_order(store: Store) {
    let writers = futures::future::join_all((0..50).map(|_| store.change()));
    let watcher = async {
        let mut last = 0;
        while last < 50 {
            let seen = count(&store.db).await;
            assert!(seen >= last);
            last = seen;
        }
    };
    let (numbers, ()) = futures::join!(writers, watcher);
    assert_eq!(numbers.into_iter().map(Result::unwrap).collect::<BTreeSet<_>>().len(), 50);
}

pub async fn a_commit_ticks_and_a_failure_does_not(store: Store) {
    let mut ticks = store.db.changed();
    let _: Result<(), Error> = store.db.write(|_| Box::pin(async { Err(Error::PageTokenInvalid) })).await;
    assert!(!ticks.has_changed().unwrap());
    store.change().await.unwrap();
    assert!(ticks.has_changed().unwrap());
    ticks.mark_unchanged();
    assert_eq!(count(&store.db).await, 1);
    assert!(!ticks.has_changed().unwrap());
}

pub async fn violations_are_told_apart(store: Store) {
    let run = |sql: &'static str| {
        let db = store.db.clone();
        async move {
            let done: Result<(), Error> = db
                .write(|conn| {
                    Box::pin(async move {
                        crate::query(sql).execute(conn).await?;
                        Ok(())
                    })
                })
                .await;
            done.unwrap_err()
        }
    };
    assert!(run("INSERT INTO change_counter VALUES (1, 1)").await.is_unique_violation());
    assert!(run("INSERT INTO page_pin_chunks VALUES ('no', 1, '')").await.is_foreign_key_violation());
    let other = run("INSERT INTO change_counter VALUES (2, 1)").await;
    assert_eq!((other.kind(), other.reason()), (ErrorKind::Internal, "STORE_FAILED"));
}

pub async fn values_of_all_kinds_read_back(store: Store) {
    let bytes = [0u8, 255].as_slice();
    type Row = (i64, bool, Option<f64>, String, Vec<u8>, Option<String>, Option<i64>, u32);
    let row: Result<Row, Error> = store
        .db
        .write(move |conn| {
            Box::pin(async move {
                let insert = "INSERT INTO work (queue, id, tenant, resource, priority, phase, max_attempts, progress, \
                     created, cancel_requested, input, detail, change, error_reason) \
                     VALUES (?, ?, ?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?)";
                let insert = crate::query(insert).bind("q").bind("id".to_owned()).bind("täße?").bind("");
                let insert = insert.bind(-7).bind(3u32).bind(0.25).bind(i64::MAX).bind(true).bind(bytes);
                let done = insert.bind(Vec::new()).bind(Some(1i64)).bind(None::<&str>).execute(conn).await?;
                assert_eq!(done, 1);
                let select = "SELECT created, cancel_requested, progress, tenant, input, error_reason, lease_until, \
                     max_attempts FROM work WHERE priority < 0 AND tenant <> '?' AND id = ?1 AND queue = ?2";
                crate::query_as(select).bind("id").bind("q").fetch_one(conn).await
            })
        })
        .await;
    let expected = (i64::MAX, true, Some(0.25), "täße?".to_owned(), bytes.to_vec(), None, None, 3);
    assert_eq!(row.unwrap(), expected);
    let wrong: Result<i64, Error> = store
        .db
        .read(|conn| Box::pin(async move { crate::query("SELECT id FROM work").fetch_one(conn).await?.get("id") }))
        .await;
    assert_eq!(wrong.unwrap_err().reason(), "STORE_FAILED");
}

/// Adds requests under these ids.
async fn insert_requests(store: &Store, ids: &'static [&'static str]) {
    let done: Result<u64, Error> = store
        .db
        .write(move |conn| {
            Box::pin(async move {
                let mut insert = Builder::new(
                    "INSERT INTO requests (tenant, method, request_id, fingerprint, reply, created) VALUES ",
                );
                insert.push_rows(ids.iter().enumerate(), |(number, id)| {
                    let text = |text: &'static str| Value::Text(Some(text.into()));
                    let bytes = || Value::Bytes(Some([1u8].as_slice().into()));
                    vec![text("t"), text("m"), text(id), bytes(), bytes(), Value::Int(Some(number as i64))]
                });
                insert.build().execute(conn).await
            })
        })
        .await;
    assert_eq!(done.unwrap(), ids.len() as u64);
}

pub async fn lists_are_read_in_one_statement(store: Store) {
    insert_requests(&store, &["a", "b", "c", "d"]).await;
    let found: Result<(Vec<String>, Vec<String>), Error> = store
        .db
        .read(|conn| {
            Box::pin(async move {
                let wanted = crate::list([("a", 0), ("c", 9), ("d", 3)]);
                let pairs = crate::query_scalar(
                    "SELECT r.request_id FROM json_each(?1) AS wanted CROSS JOIN requests AS r WHERE r.tenant = ?2 \
                     AND r.request_id = wanted.value ->> 0 AND r.created = CAST(wanted.value ->> 1 AS BIGINT) ORDER BY 1",
                );
                let pairs = pairs.bind(wanted).bind("t").fetch_all(conn).await?;
                let mut some = Builder::new("SELECT request_id FROM requests WHERE request_id IN ");
                some.push_list(["b", "x"]).push(" OR request_id IN ").push_list(Vec::<&str>::new());
                Ok((pairs, some.build_scalar().fetch_all(conn).await?))
            })
        })
        .await;
    assert_eq!(found.unwrap(), (vec!["a".to_owned(), "d".to_owned()], vec!["b".to_owned()]));
}

type Mixed = (Option<String>, Option<i64>, Option<f64>, Option<Vec<u8>>);

async fn insert_table(store: &Store, rows: Vec<Mixed>) -> u64 {
    let inserted: Result<u64, Error> = store
        .db
        .write(move |conn| {
            Box::pin(async move {
                let mut insert = Builder::new("INSERT INTO mixed (t, i, r, b) ");
                let kinds = [Kind::Text, Kind::Int, Kind::Real, Kind::Bytes];
                insert.push_table(conn.dialect(), kinds, &rows, |(text, int, real, bytes)| {
                    [text.value(), (*int).value(), (*real).value(), bytes.as_ref().value()]
                });
                insert.push(" ON CONFLICT DO NOTHING");
                insert.build().execute(conn).await
            })
        })
        .await;
    inserted.unwrap()
}

async fn read_table(store: &Store, wanted: &[(&str, Option<i64>, f64)]) -> Vec<Mixed> {
    let mut read = Builder::new("WITH wanted (t, i, r) AS (");
    read.push_table(store.db.dialect(), [Kind::Text, Kind::Int, Kind::Real], wanted, |(text, int, real)| {
        [(*text).value(), (*int).value(), (*real).value()]
    });
    read.push(") SELECT m.t, m.i, m.r, m.b FROM wanted CROSS JOIN mixed m WHERE m.t = wanted.t AND m.r = wanted.r");
    read.push(" AND COALESCE(m.i, 0) = COALESCE(wanted.i, 0) ORDER BY m.t");
    store.db.read_once(read.build_as()).await.unwrap()
}

pub async fn tables_of_all_kinds_are_written_and_read_in_one_statement(store: Store) {
    let create = match store.db.dialect() {
        Dialect::Sqlite => "CREATE TABLE mixed (t TEXT PRIMARY KEY, i BIGINT, r DOUBLE PRECISION, b BLOB)",
        Dialect::Postgres => {
            "CREATE TABLE mixed (t TEXT COLLATE \"C\" PRIMARY KEY, i BIGINT, r DOUBLE PRECISION, b BYTEA)"
        }
    };
    let created: Result<u64, Error> =
        store.db.write(|conn| Box::pin(async move { query(create).execute(conn).await })).await;
    created.unwrap();
    let rows: Vec<Mixed> = vec![
        (Some("it's \"{,}\\ ö\n".to_owned()), Some(i64::MIN), Some(-0.1), Some(vec![0, 255, 39])),
        (Some(String::new()), Some(i64::MAX), Some(1.0), Some(Vec::new())),
        (Some("NULL".to_owned()), None, Some(1e300), None),
    ];
    assert_eq!(insert_table(&store, rows.clone()).await, 3);
    assert_eq!(insert_table(&store, rows.clone()).await, 0);
    assert_eq!(insert_table(&store, Vec::new()).await, 0);
    let wanted = [("it's \"{,}\\ ö\n", Some(i64::MIN), -0.1), ("NULL", None, 1e300), ("", Some(1), 1.0)];
    assert_eq!(read_table(&store, &wanted).await, [rows[2].clone(), rows[0].clone()]);
    assert_eq!(read_table(&store, &wanted[2..]).await, []);
    assert_eq!(read_table(&store, &[]).await, []);
}

pub async fn one_statement_reads_by_itself_and_cannot_write(store: Store) {
    store.change().await.unwrap();
    let value = || crate::query_as::<(i64,)>("SELECT value FROM change_counter");
    assert_eq!(store.db.read_once(value()).await.unwrap(), [(1,)]);
    for refused in ["UPDATE change_counter SET value = 7 RETURNING value", "SELECT value FROM nowhere"] {
        store.db.read_once(crate::query_as::<(i64,)>(refused)).await.unwrap_err();
    }
    assert_eq!(store.db.read_once(value()).await.unwrap(), [(1,)]);
}

pub async fn texts_are_ordered_by_their_bytes(store: Store) {
    insert_requests(&store, &["b", "B", "a-c", "ab", "ä", "_"]).await;
    let ordered: Result<Vec<String>, Error> = store
        .db
        .read(|conn| {
            Box::pin(async move {
                let all = "SELECT request_id FROM requests WHERE request_id > ? ORDER BY request_id";
                crate::query_scalar(all).bind("B").fetch_all(conn).await
            })
        })
        .await;
    assert_eq!(ordered.unwrap(), ["_", "a-c", "ab", "b", "ä"]);
}

fn url(dir: &tempfile::TempDir) -> String {
    format!("sqlite:{}", dir.path().join("test.db").display())
}

async fn open(dir: &tempfile::TempDir, parts: &[&'static Migrations]) -> Result<Database, Error> {
    Database::open(&url(dir), parts, ManualClock::default().shared()).await
}

pub fn part(version: i64, sql: &'static str) -> &'static Migrations {
    use sqlx::SqlSafeStr as _;
    let migration = Migration::new(version, "part".into(), MigrationType::Simple, sql.into_sql_str(), false);
    let both: &'static Migrator = Box::leak(Box::new(Migrator::with_migrations(vec![migration])));
    Box::leak(Box::new(Migrations { sqlite: both, postgres: both }))
}

#[tokio::test]
async fn what_was_written_is_there_after_reopening() {
    let store = Store::sqlite("").await.unwrap();
    store.change().await.unwrap();
    store.db.close().await;
    assert_eq!(count(&open(&store.dir, &[]).await.unwrap()).await, 1);
}

#[tokio::test]
async fn parts_are_merged_and_may_name_this_crate_again() {
    let dir = testkit::temp_dir();
    let service = part(1000, "CREATE TABLE own (id INTEGER PRIMARY KEY)");
    open(&dir, &[&crate::MIGRATIONS, service]).await.unwrap().close().await;
    let events = part(100, "CREATE TABLE late (id INTEGER PRIMARY KEY)");
    open(&dir, &[events, service]).await.unwrap();
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let dir = testkit::temp_dir();
    open(&dir, &[part(1000, "CREATE TABLE own (id INTEGER PRIMARY KEY)")]).await.unwrap().close().await;
    let older = part(100, "CREATE TABLE late (id INTEGER PRIMARY KEY)");
    let refused = open(&dir, &[older]).await.unwrap_err();
    assert!(matches!(refused, Error::NewerSchema { .. }), "{refused:?}");
    assert_eq!((refused.kind(), refused.reason()), (ErrorKind::Precondition, "STORE_NEWER"));
    open(&dir, &[part(1000, "CREATE TABLE own (id INTEGER PRIMARY KEY)")]).await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_database_is_told() {
    let dir = testkit::temp_dir();
    std::fs::write(dir.path().join("test.db"), vec![0x5a; 8192]).unwrap();
    let refused = open(&dir, &[]).await.unwrap_err();
    assert_eq!((refused.kind(), refused.reason()), (ErrorKind::Internal, "STORE_CORRUPT"), "{refused:?}");
    assert!(refused.to_string().contains("test.db"), "which of the files is told: {refused}");
}

#[tokio::test]
async fn a_full_disk_is_told_and_damages_nothing() {
    let store = Store::sqlite("").await.unwrap();
    let fill: Result<(), Error> = store
        .db
        .write(|conn| {
            Box::pin(async move {
                crate::query("PRAGMA max_page_count = 40").fetch_all(&mut *conn).await?;
                let sql = "INSERT INTO requests VALUES ('t', 'm', 'r', x'', zeroblob(1000000), 0)";
                crate::query(sql).execute(conn).await?;
                Ok(())
            })
        })
        .await;
    let full = fill.unwrap_err();
    assert!(matches!(full, Error::Full(_)), "{full:?}");
    assert_eq!(full.words("cannot read or change the store"), "the disk is full");
    assert_eq!((full.kind(), full.reason()), (ErrorKind::Exhausted, "DISK_FULL"));
    assert_eq!(store.change().await.unwrap(), 1);
}

#[tokio::test]
async fn a_folder_that_is_not_there_and_a_foreign_url_are_told() {
    let clock = ManualClock::default();
    let missing = Database::open("sqlite:/no/such/folder/x.db", &[], clock.shared()).await.unwrap_err();
    assert!(matches!(missing, Error::Open { .. }), "{missing:?}");
    let foreign = Database::open("mysql://x", &[], clock.shared()).await.unwrap_err();
    assert_eq!(foreign.reason(), "STORE_URL_INVALID");
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_are_readable_by_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let store = Store::sqlite("").await.unwrap();
    store.change().await.unwrap();
    for entry in std::fs::read_dir(store.dir.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
}
