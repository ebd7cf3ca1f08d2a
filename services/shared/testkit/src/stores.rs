//! The same tests on every database.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::Postgres;

tokio::task_local! {
    /// The databases of the test that runs, where that is on PostgreSQL, by the files that they stand for.
    static DATABASES: (&'static Postgres, RefCell<HashMap<PathBuf, String>>);
}

/// The URL of a test's database: `file` in SQLite, or a database that stands for this file where
/// [`on_every_store!`](crate::on_every_store!) runs the test on PostgreSQL. The user is `postgres`, without a password.
pub fn database_url(file: &Path) -> String {
    let on_postgres = DATABASES.try_with(|(server, known)| {
        known.borrow_mut().entry(file.to_owned()).or_insert_with(|| server.database()).clone()
    });
    on_postgres.unwrap_or_else(|_| format!("sqlite:{}", file.display()))
}

/// Runs a test with [`database_url`] on PostgreSQL; where there is none, it is reported skipped by name.
#[doc(hidden)]
pub async fn on_postgres(test: &str, run: impl Future<Output = ()>) {
    if let Some(server) = Postgres::shared(test) {
        DATABASES.scope((server, RefCell::default()), run).await;
    }
}

/// Makes two tests of each function that is named: on SQLite, and on PostgreSQL. They take no arguments, and ask
/// [`database_url`] where their database is.
#[macro_export]
macro_rules! on_every_store {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                super::$test().await;
            })+
        }
        mod postgres {
            $(#[tokio::test]
            async fn $test() {
                $crate::on_postgres(stringify!($test), super::$test()).await;
            })+
        }
    };
}
