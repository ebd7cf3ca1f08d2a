//! Copies of several databases as they were at one instant, while others write to them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use crate::Error;

/// How long until the next try to be the only writer. Writers of a busy database leave gaps that are short.
const NEXT_TRY: Duration = Duration::from_millis(1);

/// Databases, of this process or of others, in which nobody can commit while this value lives.
///
/// ```text
/// begin: the writer's lock of every database    nobody commits from here …
/// pin:   a snapshot of each                     all of the same instant
/// end:   the locks are given back               … to here: a few milliseconds
/// copy:  each snapshot into a file, at leisure  while others write again
/// ```
///
/// One after the other, snapshots would not fit together: a consumer could have applied an event of which the producer's
/// older snapshot knows nothing, and whose sequence it would give to another one. What is pinned in one freeze is what a
/// kill of all processes at that instant would have left.
pub struct Freeze {
    conn: SqliteConnection,
}

impl Freeze {
    /// Waits up to `patience` to be the only writer of all databases at `paths`, which must be there.
    pub async fn begin(paths: &[PathBuf], patience: Duration) -> Result<Self, Error> {
        let Some((first, others)) = paths.split_first() else { return Err(Error::Url { url: String::new() }) };
        let mut conn = existing(first).connect().await.map_err(|error| unopened(first, error))?;
        for (number, path) in others.iter().enumerate() {
            attach(&mut conn, path, &format!("frozen{number}")).await?;
        }
        let begun = Instant::now();
        loop {
            // It takes the lock of every database that is attached, or of none.
            match sqlx::query("BEGIN IMMEDIATE").execute(&mut conn).await.map_err(Error::from) {
                Ok(_) => return Ok(Self { conn }),
                Err(Error::Busy(_)) if begun.elapsed() < patience => tokio::time::sleep(NEXT_TRY).await,
                Err(error) => return Err(error),
            }
        }
    }

    /// Pins the present state of the database at `from`, one of those frozen, so that it can be copied to `to`: a new
    /// file, for its owner alone.
    pub async fn pin(&mut self, from: &Path, to: &Path) -> Result<Pinned, Error> {
        crate::sqlite::create_file(to)
            .map_err(|source| Error::Open { store: to.display().to_string(), source: source.into() })?;
        // What becomes of a copy that was not finished is its maker's affair, so it needs no journal.
        let options = existing(to).journal_mode(SqliteJournalMode::Off).synchronous(SqliteSynchronous::Off);
        let mut conn = options.connect().await.map_err(|error| unopened(to, error))?;
        attach(&mut conn, from, "source").await?;
        sqlx::query("BEGIN").execute(&mut conn).await?;
        // The first look pins what is seen from then on.
        sqlx::query("SELECT count(*) FROM source.sqlite_schema").execute(&mut conn).await?;
        Ok(Pinned { conn })
    }

    /// Lets others write again.
    pub async fn end(mut self) -> Result<(), Error> {
        sqlx::query("ROLLBACK").execute(&mut self.conn).await?;
        Ok(self.conn.close().await?)
    }
}

/// The state of one database at the instant when it was pinned. Until it is copied or dropped, the log of that database
/// grows with all that is written.
pub struct Pinned {
    conn: SqliteConnection,
}

impl Pinned {
    /// Copies all tables with their rows, and whatever stands on them. The copy is whole when this returns, and on disk
    /// when its maker has synced it.
    pub async fn copy(mut self) -> Result<(), Error> {
        let conn = &mut self.conn;
        let schema: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT type, name, sql FROM source.sqlite_schema
             WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite@_%' ESCAPE '@' ORDER BY rowid",
        )
        .fetch_all(&mut *conn)
        .await?;
        let (tables, others): (Vec<_>, Vec<_>) = schema.into_iter().partition(|(kind, ..)| kind == "table");
        for (_, name, sql) in tables {
            run(conn, sql).await?;
            let name = quoted(&name);
            run(conn, format!("INSERT INTO main.{name} SELECT * FROM source.{name}")).await?;
        }
        copy_counters(conn).await?;
        for (.., sql) in others {
            run(conn, sql).await?;
        }
        run(conn, "COMMIT".to_owned()).await?;
        Ok(self.conn.close().await?)
    }
}

/// Copies what AUTOINCREMENT remembers: a position that was given must not be given again, though its row is gone.
async fn copy_counters(conn: &mut SqliteConnection) -> Result<(), Error> {
    let known = "SELECT count(*) FROM source.sqlite_schema WHERE name = 'sqlite_sequence'";
    let known: i64 = sqlx::query_scalar(known).fetch_one(&mut *conn).await?;
    if known > 0 {
        run(conn, "DELETE FROM main.sqlite_sequence".to_owned()).await?;
        run(conn, "INSERT INTO main.sqlite_sequence SELECT * FROM source.sqlite_sequence".to_owned()).await?;
    }
    Ok(())
}

/// Runs a statement that a database holds of itself, or that is put together of names that it gave.
async fn run(conn: &mut SqliteConnection, statement: String) -> Result<(), Error> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(conn).await?;
    Ok(())
}

async fn attach(conn: &mut SqliteConnection, path: &Path, name: &str) -> Result<(), Error> {
    let statement = format!("ATTACH ? AS {name}");
    let attached = sqlx::query(AssertSqlSafe(statement)).bind(path.to_string_lossy().into_owned()).execute(conn).await;
    attached.map(drop).map_err(|error| unopened(path, error))
}

fn existing(path: &Path) -> SqliteConnectOptions {
    // Keys between tables hold at an instant, and not while its tables are copied one after the other.
    SqliteConnectOptions::new().filename(path).foreign_keys(false).busy_timeout(Duration::ZERO)
}

fn unopened(path: &Path, error: sqlx::Error) -> Error {
    Error::Open { store: path.display().to_string(), source: Error::from(error).into() }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use testkit::ManualClock;

    use super::*;
    use crate::Database;

    const PATIENCE: Duration = Duration::from_secs(10);

    async fn open(path: &Path) -> Database {
        Database::open(&format!("sqlite:{}", path.display()), &[], ManualClock::default().shared()).await.unwrap()
    }

    async fn write(db: &Database, statement: &'static str) -> Result<(), Error> {
        db.write(move |conn| {
            Box::pin(async move {
                // A trigger has semicolons of its own, within its line.
                for statement in statement.split(";\n") {
                    crate::query(statement).execute(&mut *conn).await?;
                }
                Ok(())
            })
        })
        .await
    }

    async fn number(db: &Database, query: &'static str) -> i64 {
        db.read(move |conn| Box::pin(async move { crate::query_scalar(query).fetch_one(conn).await })).await.unwrap()
    }

    #[tokio::test]
    async fn copies_are_of_the_instant_of_the_freeze() {
        let dir = testkit::temp_dir();
        let paths = [dir.path().join("a.db"), dir.path().join("b.db")];
        let (a, b) = (open(&paths[0]).await, open(&paths[1]).await);
        for db in [&a, &b] {
            write(db, "UPDATE change_counter SET value = 7").await.unwrap();
        }

        let mut freeze = Freeze::begin(&paths, PATIENCE).await.unwrap();
        let copies = [dir.path().join("a.copy"), dir.path().join("b.copy")];
        let mut held = Box::pin(write(&a, "UPDATE change_counter SET value = 8"));
        let waits = tokio::time::timeout(Duration::from_millis(50), &mut held).await;
        assert!(waits.is_err(), "somebody wrote into what is frozen");
        let pinned =
            [freeze.pin(&paths[0], &copies[0]).await.unwrap(), freeze.pin(&paths[1], &copies[1]).await.unwrap()];
        freeze.end().await.unwrap();
        held.await.unwrap();
        write(&b, "UPDATE change_counter SET value = 9").await.unwrap();
        for pinned in pinned {
            pinned.copy().await.unwrap();
        }

        for copy in &copies {
            assert_eq!(number(&open(copy).await, "SELECT value FROM change_counter").await, 7);
        }
        assert_eq!(number(&a, "SELECT value FROM change_counter").await, 8);
    }

    #[tokio::test]
    async fn a_copy_has_whatever_its_database_has() {
        let dir = testkit::temp_dir();
        let (from, to) = (dir.path().join("from.db"), dir.path().join("to.db"));
        let db = open(&from).await;
        write(
            &db,
            "CREATE TABLE positions (position INTEGER PRIMARY KEY AUTOINCREMENT, bytes BLOB);
             INSERT INTO positions (bytes) VALUES (x'00ff'), (NULL);
             DELETE FROM positions WHERE position = 2;
             CREATE TABLE \"odd \"\" name\" (a TEXT NOT NULL PRIMARY KEY, b REAL) STRICT, WITHOUT ROWID;
             INSERT INTO \"odd \"\" name\" VALUES ('x', 0.5), ('y', NULL);
             CREATE TABLE child (a TEXT REFERENCES \"odd \"\" name\" (a));
             INSERT INTO child VALUES ('x');
             CREATE INDEX some ON child (a) WHERE a IS NOT NULL;
             CREATE VIEW seen AS SELECT a FROM child;
             CREATE TRIGGER doubled AFTER INSERT ON child BEGIN INSERT INTO positions (bytes) VALUES (x'01'); END;",
        )
        .await
        .unwrap();
        let mut freeze = Freeze::begin(std::slice::from_ref(&from), PATIENCE).await.unwrap();
        let pinned = freeze.pin(&from, &to).await.unwrap();
        freeze.end().await.unwrap();
        pinned.copy().await.unwrap();

        let copy = open(&to).await;
        for query in [
            "SELECT count(*) FROM sqlite_schema",
            "SELECT count(*) FROM _sqlx_migrations",
            "SELECT count(*) * 100 + sum(length(bytes)) FROM positions",
            "SELECT seq FROM sqlite_sequence WHERE name = 'positions'",
            "SELECT count(*) FROM \"odd \"\" name\" WHERE b = 0.5 OR b IS NULL",
            "SELECT count(*) FROM seen",
        ] {
            assert_eq!(number(&copy, query).await, number(&db, query).await, "{query}");
        }
        let sound: String = copy
            .read(|conn| Box::pin(async move { crate::query_scalar("PRAGMA integrity_check").fetch_one(conn).await }))
            .await
            .unwrap();
        assert_eq!(sound, "ok");
        write(&copy, "INSERT INTO child VALUES ('y')").await.unwrap();
        assert_eq!(number(&copy, "SELECT max(position) FROM positions").await, 3, "a position was given twice");
    }

    #[tokio::test]
    async fn what_is_not_there_is_not_made() {
        let dir = testkit::temp_dir();
        let missing = dir.path().join("missing.db");
        let there = dir.path().join("there.db");
        open(&there).await;
        for paths in [vec![missing.clone()], vec![there.clone(), missing.clone()]] {
            assert!(matches!(Freeze::begin(&paths, PATIENCE).await, Err(Error::Open { .. })), "{paths:?}");
        }
        assert!(!missing.exists());
    }
}
