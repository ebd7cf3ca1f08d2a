//! SQLite: a file, one connection that writes, some that read.

use std::path::{Path, PathBuf};

use sqlx::Sqlite;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

use crate::database::PATIENCE;
use crate::migrations::{self, Migrations};
use crate::{Conn, Error, conn::Link};

const READERS: u32 = 4;

/// A file.
pub(crate) struct File {
    /// One connection: whoever holds it is the writer. Waiters are served in order.
    writer: SqlitePool,
    /// Connections that can only read.
    readers: SqlitePool,
}

impl File {
    pub async fn open(path: &Path, parts: &[&'static Migrations]) -> Result<Self, Error> {
        let store = path.display().to_string();
        let unopened = |source| Error::Open { store: store.clone(), source };
        create_file(path).map_err(|source| unopened(source.into()))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(PATIENCE);
        let refused = |source: sqlx::Error| unopened(Error::from(source).into());
        let writer = pool(1).connect_with(options.clone()).await.map_err(refused)?;
        let merged = migrations::merge(parts, |part| part.sqlite);
        let mut conn = writer.acquire().await?;
        merged.run_direct(None, &mut *conn, false).await.map_err(|source| migrations::failure(source, &store))?;
        drop(conn);
        let readers = pool(READERS).connect_with(options.pragma("query_only", "1")).await.map_err(refused)?;
        Ok(Self { writer, readers })
    }

    pub async fn read(&self) -> Result<Conn, Error> {
        begin(&self.readers, "BEGIN").await
    }

    pub async fn write(&self) -> Result<Conn, Error> {
        begin(&self.writer, "BEGIN IMMEDIATE").await
    }

    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

async fn begin(pool: &SqlitePool, statement: &'static str) -> Result<Conn, Error> {
    let mut lent = Lent { conn: pool.acquire().await?, clean: false };
    lent.run(statement).await?;
    Ok(Conn::new(Link::Sqlite(lent)))
}

/// A connection on loan. Unless its transaction ended in order, it is closed instead of being used again: SQLite ends
/// a transaction by itself when the disk is full, and the driver then takes the connection for still being in one.
pub(crate) struct Lent {
    pub conn: PoolConnection<Sqlite>,
    clean: bool,
}

impl Lent {
    pub async fn commit(&mut self) -> Result<(), Error> {
        self.run("COMMIT").await?;
        self.clean = true;
        Ok(())
    }

    pub async fn rollback(&mut self) {
        self.clean = self.run("ROLLBACK").await.is_ok();
    }

    async fn run(&mut self, statement: &'static str) -> Result<(), Error> {
        sqlx::query(statement).execute(&mut *self.conn).await?;
        Ok(())
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

/// The path in a URL `sqlite:PATH`.
pub(crate) fn path_of(url: &str) -> Result<PathBuf, Error> {
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
