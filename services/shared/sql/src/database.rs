//! A database: opening it, reading in snapshots, writing one transaction at a time.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use types::{BoxFuture, Clock, Timestamp};

use crate::migrations::Migrations;
use crate::postgres::Server;
use crate::settings::{Settings, is_postgres};
use crate::sqlite::{self, File};
use crate::work::{self, Dropped};
use crate::{Conn, Dialect, Error, FromRow, QueryAs};

/// How long a transaction waits for those before it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// One database. Clones share it.
#[derive(Clone)]
pub struct Database(Arc<Shared>);

struct Shared {
    store: Store,
    changed: watch::Sender<u64>,
    clock: Arc<dyn Clock>,
    dropped: Dropped,
}

enum Store {
    Sqlite(File),
    Postgres(Box<Server>),
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("commits", &*self.0.changed.borrow()).finish_non_exhaustive()
    }
}

impl Database {
    /// Opens a database that needs no settings: a file, `sqlite:PATH`. See [`Database::open_with`].
    pub async fn open(url: &str, migrations: &[&'static Migrations], clock: Arc<dyn Clock>) -> Result<Self, Error> {
        Self::open_with(url, &Settings::default(), migrations, clock).await
    }

    /// Opens the database at `url`, and brings its schema up to date.
    ///
    /// `sqlite:PATH` is a file; it is created, readable by its owner alone, where it is missing.
    /// `postgres://HOST[:PORT]/DATABASE` is a schema on a server, as `settings` say; the schema is created where it is
    /// missing. `migrations` are those of the service and of the crates that keep tables in its database; they are
    /// merged with those of this crate into one list.
    ///
    /// Fails with [`Error::NewerSchema`] when the database has a migration that is not among them. A caller who may
    /// start before its server tries again while the kind of the error is `Unavailable`.
    pub async fn open_with(
        url: &str,
        settings: &Settings,
        migrations: &[&'static Migrations],
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let store = match is_postgres(url) {
            true => Store::Postgres(Box::new(Server::open(url, settings, migrations, &*clock).await?)),
            false => Store::Sqlite(File::open(&sqlite::path_of(url)?, migrations).await?),
        };
        Ok(Self(Arc::new(Shared { store, changed: watch::Sender::new(0), clock, dropped: Dropped::default() })))
    }

    /// Reads in one snapshot: all that `work` sees is of one moment.
    ///
    /// ```
    /// # use millrace_sql as sql;
    /// # async fn example(db: sql::Database) -> Result<(), sql::Error> {
    /// let count: i64 = db
    ///     .read(|conn| {
    ///         Box::pin(async move { sql::query_scalar("SELECT count(*) FROM work").fetch_one(conn).await })
    ///     })
    ///     .await?;
    /// # assert_eq!(count, 0); Ok(()) }
    /// ```
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<T, E>> + Send,
        E: From<Error>,
    {
        let mut conn = match &self.0.store {
            Store::Sqlite(file) => file.read().await?,
            Store::Postgres(server) => server.read().await?,
        };
        let result = work(&mut conn).await;
        conn.rollback().await;
        result
    }

    /// Reads by one statement, which sees one moment by itself: on a server it costs one way there and back, where
    /// [`Database::read`] costs two more to begin and to end.
    ///
    /// ```
    /// # use millrace_sql as sql;
    /// # async fn example(db: sql::Database) -> Result<(), sql::Error> {
    /// let open: Vec<(String, i64)> = db.read_once(sql::query_as("SELECT id, change FROM work")).await?;
    /// # assert!(open.is_empty()); Ok(()) }
    /// ```
    pub async fn read_once<T: FromRow>(&self, query: QueryAs<'_, T>) -> Result<Vec<T>, Error> {
        match &self.0.store {
            Store::Sqlite(file) => {
                let mut conn = file.read().await?;
                let rows = query.fetch_all(&mut conn).await;
                conn.rollback().await;
                rows
            }
            Store::Postgres(server) => server.read_once(query.query).await?.iter().map(T::from_row).collect(),
        }
    }

    /// Runs `work` as the only writer, in one transaction. On a server that is so over all processes.
    ///
    /// `Ok` commits; what was written is on disk when this returns. `Err` rolls back, and so does dropping the
    /// future. `work` takes what it needs by value (`move`), and must not wait for anything but this database: all
    /// other writers wait for it. It may come to share one commit with other writers, and sees only its own effects
    /// and those of writers before it. After a statement that failed, it can but fail.
    ///
    /// When a server is lost during the commit, the error cannot tell whether there was one: repeat such a write so
    /// that it has its effect once, as with a request id.
    ///
    /// ```
    /// # use millrace_sql as sql;
    /// # async fn example(db: sql::Database) -> Result<(), sql::Error> {
    /// let title = String::from("taken by value");
    /// let change = db
    ///     .write(move |conn| {
    ///         Box::pin(async move {
    ///             sql::query("UPDATE page_pins SET query = ?").bind(title).execute(conn).await?;
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
        let mut conn = match &self.0.store {
            Store::Sqlite(file) => file.write().await?,
            Store::Postgres(server) => server.write().await?,
        };
        match work(&mut conn).await {
            Ok(value) => {
                conn.commit().await?;
                self.note_commit();
                Ok(value)
            }
            Err(error) => {
                conn.rollback().await;
                Err(error)
            }
        }
    }

    fn note_commit(&self) {
        self.0.changed.send_modify(|commits| *commits += 1);
        if let Store::Postgres(server) = &self.0.store {
            server.note_commit();
        }
    }

    /// Ticks after every commit of this process; on a server also after those of others, while somebody runs
    /// [`Database::listen`]. A tick says "look now", and may stand for several commits, or for none.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// Hears of the commits of other processes, tells them of ours, and follows the server's clock, until the
    /// connection is lost; to be run again then. On a file there is nobody to hear, so that it waits for ever.
    ///
    /// Whoever opens a database on a server keeps one of these running.
    pub async fn listen(&self) -> Result<Infallible, Error> {
        match &self.0.store {
            Store::Sqlite(_) => std::future::pending().await,
            Store::Postgres(server) => server.listen(&self.0.changed, &*self.0.clock).await,
        }
    }

    /// Tells this database from all others, its copies excepted: made when it is first asked for, and kept.
    pub async fn id(&self) -> Result<String, Error> {
        self.write(|conn| Box::pin(async move { crate::keeping::owner(conn).await })).await
    }

    /// Which SQL it speaks.
    pub fn dialect(&self) -> Dialect {
        match &self.0.store {
            Store::Sqlite(_) => Dialect::Sqlite,
            Store::Postgres(_) => Dialect::Postgres,
        }
    }

    /// The present instant, on the clock that leases and ages of this database are told by: ours for a file, the
    /// server's for a server.
    pub fn now(&self) -> Timestamp {
        let now = self.0.clock.now();
        Timestamp::from_micros(now.as_micros().saturating_add(self.clock_ahead_micros()))
    }

    /// What the database's clock shows beyond that of this machine, in microseconds. 0 for a file.
    pub fn clock_ahead_micros(&self) -> i64 {
        match &self.0.store {
            Store::Sqlite(_) => 0,
            Store::Postgres(server) => server.ahead(),
        }
    }

    /// The claims on work that were dropped lately.
    pub(crate) fn dropped(&self) -> &Dropped {
        &self.0.dropped
    }

    /// Gives back what is held of claims on work that were dropped, waits for those who hold connections, and closes.
    pub async fn close(&self) {
        // What is not given back counts as lost, like that of a process that was killed.
        let _given_or_lost = work::give_back(self).await;
        match &self.0.store {
            Store::Sqlite(file) => file.close().await,
            Store::Postgres(server) => server.close().await,
        }
    }
}
