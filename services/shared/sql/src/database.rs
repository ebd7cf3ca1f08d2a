//! A database: opening it, reading in snapshots, writing one transaction at a time.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, Sqlite};
use tokio::sync::watch;
use types::{BoxFuture, Clock, Timestamp};

use crate::Error;

/// A connection in a transaction, as [`Database::read`] and [`Database::write`] hand it out.
pub type Conn = sqlx::SqliteConnection;

/// How long a transaction waits for those before it.
const PATIENCE: Duration = Duration::from_secs(15);
const READERS: u32 = 4;

/// One database. Clones share it.
#[derive(Clone)]
pub struct Database(Arc<Shared>);

struct Shared {
    /// One connection: whoever holds it is the writer. Waiters are served in order.
    writer: SqlitePool,
    /// Connections that can only read.
    readers: SqlitePool,
    changed: watch::Sender<u64>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("commits", &*self.0.changed.borrow()).finish_non_exhaustive()
    }
}

impl Database {
    /// Opens the database at `url`, `sqlite:PATH`, and brings its schema up to date.
    ///
    /// The file is created, readable by its owner alone, where it is missing. `migrations` are those of the service
    /// and of the crates that keep tables in its database; they are merged with those of this crate into one list.
    /// Fails with [`Error::NewerSchema`] when the database has a migration that is not among them.
    pub async fn open(url: &str, migrations: &[&'static Migrator], clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let path = path_of(url)?;
        let unopened = |source| Error::Open { path: path.clone(), source };
        create_file(&path).map_err(|source| unopened(source.into()))?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(PATIENCE);
        let refused = |source: sqlx::Error| unopened(Error::from(source).into());
        let writer = pool(1).connect_with(options.clone()).await.map_err(refused)?;
        migrate(&writer, migrations, &path).await?;
        let readers = pool(READERS).connect_with(options.pragma("query_only", "1")).await.map_err(refused)?;
        Ok(Self(Arc::new(Shared { writer, readers, changed: watch::Sender::new(0), clock })))
    }

    /// Reads in one snapshot: all that `work` sees is of one moment.
    ///
    /// ```
    /// # use millrace_sql as sql;
    /// # async fn example(db: sql::Database) -> Result<(), sql::Error> {
    /// let count: i64 = db
    ///     .read(|conn| {
    ///         Box::pin(async move {
    ///             Ok::<_, sql::Error>(sqlx::query_scalar("SELECT count(*) FROM work").fetch_one(conn).await?)
    ///         })
    ///     })
    ///     .await?;
    /// # assert_eq!(count, 0); Ok(()) }
    /// ```
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<T, E>> + Send,
        E: From<Error>,
    {
        let mut lent = Lent::from(&self.0.readers).await?;
        let mut snapshot = lent.conn.begin().await.map_err(Error::from)?;
        let result = work(&mut snapshot).await;
        lent.clean = snapshot.rollback().await.is_ok();
        result
    }

    /// Runs `work` as the only writer, in one transaction.
    ///
    /// `Ok` commits; what was written is on disk when this returns. `Err` rolls back, and so does dropping the
    /// future. `work` takes what it needs by value (`move`), and must not wait for anything but this database: all
    /// other writers wait for it. It may come to share one commit with other writers, and sees only its own effects
    /// and those of writers before it.
    ///
    /// ```
    /// # use millrace_sql as sql;
    /// # async fn example(db: sql::Database) -> Result<(), sql::Error> {
    /// let title = String::from("taken by value");
    /// let change = db
    ///     .write(move |conn| {
    ///         Box::pin(async move {
    ///             sqlx::query("UPDATE page_pins SET query = ?").bind(title).execute(&mut *conn).await?;
    ///             sql::next_change(conn).await
    ///         })
    ///     })
    ///     .await?;
    /// # assert_eq!(change, 1); Ok(()) }
    /// ```
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<T, E>> + Send,
        E: From<Error>,
    {
        let mut lent = Lent::from(&self.0.writer).await?;
        let mut transaction = lent.conn.begin_with("BEGIN IMMEDIATE").await.map_err(Error::from)?;
        match work(&mut transaction).await {
            Ok(value) => {
                transaction.commit().await.map_err(Error::from)?;
                lent.clean = true;
                self.0.changed.send_modify(|commits| *commits += 1);
                Ok(value)
            }
            Err(error) => {
                lent.clean = transaction.rollback().await.is_ok();
                Err(error)
            }
        }
    }

    /// Ticks after every commit of this process. A tick says "look now", and may stand for several commits.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// The present instant, on the clock that leases and ages of this database are told by.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Waits for those who hold connections, and closes.
    pub async fn close(&self) {
        self.0.readers.close().await;
        self.0.writer.close().await;
    }
}

/// A connection on loan. Unless its transaction ended in order, it is closed instead of being used again: SQLite ends
/// a transaction by itself when the disk is full, and the driver then takes the connection for still being in one.
struct Lent {
    conn: PoolConnection<Sqlite>,
    clean: bool,
}

impl Lent {
    async fn from(pool: &SqlitePool) -> Result<Self, Error> {
        Ok(Self { conn: pool.acquire().await?, clean: false })
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.clean {
            self.conn.close_on_drop();
        }
    }
}

fn pool(size: u32) -> SqlitePoolOptions {
    // Connections to a file need neither a test before use nor an end by age.
    SqlitePoolOptions::new()
        .max_connections(size)
        .acquire_timeout(PATIENCE)
        .test_before_acquire(false)
        .max_lifetime(None)
        .idle_timeout(None)
}

fn path_of(url: &str) -> Result<PathBuf, Error> {
    let path = url.strip_prefix("sqlite:").map(|rest| rest.strip_prefix("//").unwrap_or(rest));
    match path {
        Some(path) if !path.is_empty() && path != ":memory:" => Ok(PathBuf::from(path)),
        _ => Err(Error::Url { url: url.to_owned() }),
    }
}

/// Makes the file before SQLite does, because SQLite would let others read it. Its log and index inherit the mode.
pub(crate) fn create_file(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// Applies what is missing, and nothing at all to a database that a newer version wrote.
async fn migrate(writer: &SqlitePool, parts: &[&'static Migrator], path: &Path) -> Result<(), Error> {
    let mut conn = writer.acquire().await?;
    merge(parts).run_direct(None, &mut *conn, false).await.map_err(|source| of_migration(source, path))
}

fn merge(parts: &[&'static Migrator]) -> Migrator {
    let mut all: Vec<_> = crate::MIGRATIONS.iter().chain(parts.iter().flat_map(|part| part.iter())).cloned().collect();
    all.sort_by_key(|migration| migration.version);
    all.dedup_by(|a, b| a.version == b.version && a.checksum == b.checksum);
    Migrator::with_migrations(all)
}

fn of_migration(error: MigrateError, path: &Path) -> Error {
    match error {
        MigrateError::Execute(error) => Error::Open { path: path.to_owned(), source: Error::from(error).into() },
        MigrateError::VersionMissing(_) => Error::NewerSchema { path: path.to_owned() },
        source => Error::Migration { path: path.to_owned(), source },
    }
}
