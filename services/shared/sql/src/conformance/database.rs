//! Transactions and change numbers; and what is SQLite's own: the file.

use std::collections::BTreeSet;

use futures::FutureExt as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use testkit::ManualClock;
use types::{ErrorKind, Fault as _};

use super::Store;
use crate::{Database, Error};

async fn count(db: &Database) -> i64 {
    let count: Result<_, Error> = db
        .read(|conn| {
            Box::pin(async move { Ok(sqlx::query_scalar("SELECT value FROM change_counter").fetch_one(conn).await?) })
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
                let before = sqlx::query_scalar(sql).fetch_one(&mut *conn).await?;
                other.write(|conn| Box::pin(async move { crate::next_change(conn).await })).await?;
                Ok::<_, Error>((before, sqlx::query_scalar(sql).fetch_one(&mut *conn).await?))
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
                        sqlx::query(sql).execute(conn).await?;
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

fn url(dir: &tempfile::TempDir) -> String {
    format!("sqlite:{}", dir.path().join("test.db").display())
}

async fn open(dir: &tempfile::TempDir, parts: &[&'static Migrator]) -> Result<Database, Error> {
    Database::open(&url(dir), parts, ManualClock::default().shared()).await
}

fn part(version: i64, sql: &'static str) -> &'static Migrator {
    use sqlx::SqlSafeStr as _;
    let migration = Migration::new(version, "part".into(), MigrationType::Simple, sql.into_sql_str(), false);
    Box::leak(Box::new(Migrator::with_migrations(vec![migration])))
}

#[tokio::test]
async fn what_was_written_is_there_after_reopening() {
    let store = Store::sqlite().await;
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
    let store = Store::sqlite().await;
    let fill: Result<(), Error> = store
        .db
        .write(|conn| {
            Box::pin(async move {
                sqlx::query("PRAGMA max_page_count = 40").fetch_all(&mut *conn).await?;
                let sql = "INSERT INTO requests VALUES ('t', 'm', 'r', x'', zeroblob(1000000), 0)";
                sqlx::query(sql).execute(conn).await?;
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
    let store = Store::sqlite().await;
    store.change().await.unwrap();
    for entry in std::fs::read_dir(store.dir.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
}
