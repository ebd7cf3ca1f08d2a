//! What is PostgreSQL's own: a server that others use too, that restarts, refuses, and has a clock.

use std::collections::BTreeSet;
use std::time::Duration;

use testkit::{ManualClock, Postgres};
use types::{ErrorKind, Fault as _, Timestamp};

use super::database::{count, part};
use super::{change, settings};
use crate::{Database, Error, Settings, query, query_scalar};

async fn open(url: &str, settings: &Settings) -> Result<Database, Error> {
    Database::open_with(url, settings, &[], ManualClock::default().shared()).await
}

/// The error with all its causes, as an operator sees it.
fn whole(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[tokio::test]
async fn a_restart_of_the_server_heals() {
    let Some(server) = Postgres::own("a_restart_of_the_server_heals", &[]) else { return };
    let db = open(&server.database(), &settings()).await.unwrap();
    assert_eq!(change(&db).await.unwrap(), 1);
    server.stop();
    server.start();
    let value = || crate::query_as::<(i64,)>("SELECT value FROM change_counter");
    assert_eq!(db.read_once(value()).await.unwrap(), [(1,)], "connections that were cut are replaced without an error");
    assert_eq!(count(&db).await, 1);
    assert_eq!(change(&db).await.unwrap(), 2);
    server.stop();
    assert_eq!(db.read_once(value()).await.unwrap_err().reason(), "STORE_UNAVAILABLE");
    for _ in 0..2 {
        let down = change(&db).await.unwrap_err();
        assert_eq!((down.kind(), down.reason()), (ErrorKind::Unavailable, "STORE_UNAVAILABLE"), "{}", whole(&down));
        assert_eq!(down.retry_after(), Some(Duration::from_secs(1)));
    }
    server.start();
    assert_eq!(change(&db).await.unwrap(), 3);
}

#[tokio::test]
async fn migrators_at_once_do_the_work_once() {
    let Some(server) = Postgres::shared("migrators_at_once_do_the_work_once") else { return };
    let url = server.database();
    let own = part(1000, "CREATE TABLE own (id BIGINT); INSERT INTO own VALUES (1); SELECT pg_sleep(0.2)");
    let settings = settings();
    let opens = (0..6).map(|_| Database::open_with(&url, &settings, std::slice::from_ref(&own), clock()));
    let all = futures::future::join_all(opens).await;
    let db = all.into_iter().map(Result::unwrap).next().unwrap();
    let rows: Result<i64, Error> =
        db.read(|conn| Box::pin(async move { query_scalar("SELECT count(*) FROM own").fetch_one(conn).await })).await;
    assert_eq!(rows.unwrap(), 1);
}

fn clock() -> std::sync::Arc<dyn types::Clock> {
    ManualClock::default().shared()
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let Some(server) = Postgres::shared("a_newer_schema_is_refused") else { return };
    let url = server.database();
    let own = part(1000, "CREATE TABLE own (id BIGINT)");
    Database::open_with(&url, &settings(), &[own], clock()).await.unwrap().close().await;
    let refused = open(&url, &settings()).await.unwrap_err();
    assert!(matches!(&refused, Error::NewerSchema { store } if store.ends_with("schema test")), "{refused:?}");
    Database::open_with(&url, &settings(), &[own], clock()).await.unwrap();
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_refused() {
    let Some(server) = Postgres::shared("a_server_that_takes_no_writes_is_refused") else { return };
    let url = server.database();
    let name = url.rsplit('/').next().unwrap();
    open(&url, &settings()).await.unwrap().close().await;
    server.sql("postgres", &format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
    let refused = open(&url, &settings()).await.unwrap_err();
    assert_eq!(refused.reason(), "STORE_READ_ONLY", "{}", whole(&refused));
    server.sql("postgres", &format!("ALTER DATABASE {name} RESET default_transaction_read_only"));
    open(&url, &settings()).await.unwrap();
}

#[tokio::test]
async fn what_the_server_refuses_is_told_by_name() {
    let Some(server) = Postgres::shared("what_the_server_refuses_is_told_by_name") else { return };
    let url = server.database();
    server.sql("postgres", "CREATE ROLE guest LOGIN");
    let as_user = |user: &str| Settings { user: user.into(), ..settings() };
    for (url, settings, word) in [
        (url.clone(), as_user("guest"), "permission denied"),
        (url.clone(), as_user("nobody"), "\"nobody\""),
        (server.url("nowhere"), settings(), "\"nowhere\""),
        (url.clone(), Settings { tls: Some(crate::Tls::Encrypt), ..settings() }, "TLS"),
    ] {
        let refused = open(&url, &settings).await.unwrap_err();
        assert_eq!((refused.kind(), refused.reason()), (ErrorKind::Precondition, "STORE_REFUSED"), "{refused:?}");
        assert!(whole(&refused).contains(word) && whole(&refused).contains("schema test"), "{}", whole(&refused));
    }
    // Who may use the schema, but make none, needs no more.
    server.sql(url.rsplit('/').next().unwrap(), "CREATE SCHEMA test AUTHORIZATION guest");
    change(&open(&url, &as_user("guest")).await.unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_server_out_of_connections_is_busy_and_heals() {
    let options = ["max_connections=5", "superuser_reserved_connections=0"];
    let Some(server) = Postgres::own("a_server_out_of_connections_is_busy_and_heals", &options) else { return };
    let url = server.database();
    let mut open_ones = Vec::new();
    let refused = loop {
        match open(&url, &settings()).await {
            Ok(db) if change(&db).await.is_ok() => open_ones.push(db),
            Ok(_) => continue,
            Err(error) => break error,
        }
        assert!(open_ones.len() < 6);
    };
    assert_eq!((refused.kind(), refused.reason()), (ErrorKind::Unavailable, "STORE_BUSY"), "{}", whole(&refused));
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(1)));
    for db in open_ones {
        db.close().await;
    }
    testkit::eventually!(open(&url, &settings()).await.is_ok());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_waited_for_by_the_caller() {
    let nobody = open("postgres://127.0.0.1:9/x", &settings()).await.unwrap_err();
    assert_eq!((nobody.kind(), nobody.reason()), (ErrorKind::Unavailable, "STORE_UNAVAILABLE"));
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://{}/x", silent.local_addr().unwrap());
    let silent = open(&url, &settings()).await.unwrap_err();
    assert_eq!(silent.reason(), "STORE_UNAVAILABLE", "{}", whole(&silent));
}

#[tokio::test]
async fn processes_write_one_at_a_time_and_schemas_apart() {
    let Some(server) = Postgres::shared("processes_write_one_at_a_time_and_schemas_apart") else { return };
    let url = server.database();
    let (one, two) = (open(&url, &settings()).await.unwrap(), open(&url, &settings()).await.unwrap());
    let other = open(&url, &Settings { schema: "other".into(), ..settings() }).await.unwrap();
    let writes = (0..40).map(|n| change(if n % 2 == 0 { &one } else { &two }));
    let numbers: BTreeSet<i64> = futures::future::join_all(writes).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(numbers, (1..=40).collect());
    let inside = other.clone();
    let within: Result<i64, Error> = one
        .write(move |conn| {
            Box::pin(async move {
                crate::next_change(conn).await?;
                change(&inside).await
            })
        })
        .await;
    assert_eq!(within.unwrap(), 1, "a writer of another schema does not wait for this one");
}

#[tokio::test]
async fn a_commit_of_another_process_ticks() {
    let Some(server) = Postgres::own("a_commit_of_another_process_ticks", &["fsync=off"]) else { return };
    let url = server.database();
    let (one, two) = (open(&url, &settings()).await.unwrap(), open(&url, &settings()).await.unwrap());
    let listening = async {
        loop {
            // As the runtime does it: again after each end.
            let (Err(_ended), _) =
                futures::future::select(Box::pin(one.listen()), Box::pin(two.listen())).await.factor_first();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let mut ticks = two.changed();
    let acts = async {
        for restart in [false, true] {
            if restart {
                server.stop();
                server.start();
            }
            testkit::eventually!(ticks.has_changed().unwrap());
            for _ in 0..5 {
                ticks.mark_unchanged();
                change(&one).await.unwrap();
                testkit::eventually!(ticks.has_changed().unwrap());
            }
        }
    };
    tokio::select! {
        () = listening => unreachable!("it never ends"),
        () = acts => (),
    }
}

#[tokio::test]
async fn a_statement_that_takes_too_long_ends_and_harms_nobody() {
    let Some(server) = Postgres::shared("a_statement_that_takes_too_long_ends_and_harms_nobody") else { return };
    let settings = Settings { statement_timeout: Duration::from_secs(1).into(), ..settings() };
    let db = open(&server.database(), &settings).await.unwrap();
    let slow: Result<u64, Error> = db
        .write(|conn| {
            Box::pin(async move {
                crate::next_change(conn).await?;
                query("SELECT pg_sleep(30)").execute(conn).await
            })
        })
        .await;
    assert_eq!(slow.unwrap_err().reason(), "STORE_BUSY");
    assert_eq!(change(&db).await.unwrap(), 1);
}

#[tokio::test]
async fn a_statement_that_failed_is_not_committed_around() {
    let Some(server) = Postgres::shared("a_statement_that_failed_is_not_committed_around") else { return };
    let db = open(&server.database(), &settings()).await.unwrap();
    let swallowed: Result<(), Error> = db
        .write(|conn| {
            Box::pin(async move {
                crate::next_change(conn).await?;
                query("INSERT INTO change_counter VALUES (1, 1)").execute(conn).await.unwrap_err();
                Ok(())
            })
        })
        .await;
    assert_eq!(swallowed.unwrap_err().reason(), "STORE_FAILED");
    assert_eq!(count(&db).await, 0);
}

#[tokio::test]
async fn a_statement_that_a_migration_outdated_fails_once() {
    let Some(server) = Postgres::shared("a_statement_that_a_migration_outdated_fails_once") else { return };
    let url = server.database();
    let own = part(1000, "CREATE TABLE own (id BIGINT)");
    let db = Database::open_with(&url, &settings(), &[own], clock()).await.unwrap();
    let write =
        async || db.write(|conn| Box::pin(async move { query("SELECT * FROM own").fetch_all(conn).await })).await;
    let read = async || db.read(|conn| Box::pin(async move { query("SELECT * FROM own").fetch_all(conn).await })).await;
    write().await.unwrap();
    // Two that are idle afterwards.
    let (one, two) = tokio::join!(read(), read());
    one.and(two).unwrap();
    server.sql(url.rsplit('/').next().unwrap(), "ALTER TABLE test.own ADD COLUMN note TEXT");
    let outdated: [Error; 2] = [write().await.unwrap_err(), read().await.unwrap_err()];
    assert_eq!(outdated.each_ref().map(Error::reason), ["STORE_UNAVAILABLE"; 2], "{outdated:?}");
    write().await.unwrap();
    read().await.unwrap();
}

#[tokio::test]
async fn a_text_that_cannot_be_stored_is_told() {
    let Some(server) = Postgres::shared("a_text_that_cannot_be_stored_is_told") else { return };
    let db = open(&server.database(), &settings()).await.unwrap();
    let refused: Result<u64, Error> = db
        .write(|conn| Box::pin(async move { query("UPDATE page_pins SET owner = ?").bind("a\0b").execute(conn).await }))
        .await;
    let refused = refused.unwrap_err();
    assert_eq!((refused.kind(), refused.reason()), (ErrorKind::Invalid, "TEXT_UNSTORABLE"), "{}", whole(&refused));
}

#[tokio::test]
async fn machines_whose_clocks_differ_agree_on_the_time() {
    let Some(server) = Postgres::shared("machines_whose_clocks_differ_agree_on_the_time") else { return };
    let (url, settings) = (server.database(), Settings { server_clock: true, ..settings() });
    let (right, wrong) = (ManualClock::default(), ManualClock::at(Timestamp::from_micros(7)));
    let one = Database::open_with(&url, &settings, &[], right.shared()).await.unwrap();
    let two = Database::open_with(&url, &settings, &[], wrong.shared()).await.unwrap();
    let apart = two.now().since(one.now()).max(one.now().since(two.now()));
    assert!(apart < Duration::from_secs(5), "{apart:?}");
    assert!(two.clock_ahead_micros() > one.clock_ahead_micros());
    let lease = crate::Lease::acquire(&one, "catalog", "one", Duration::from_secs(60)).await.unwrap();
    assert!(lease.is_some());
    assert!(crate::Lease::acquire(&two, "catalog", "two", Duration::from_secs(60)).await.unwrap().is_none());
}
