//! Connections, lent for one transaction each.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::Error;
use crate::database::PATIENCE;
use crate::error::is_stale;

/// How long a new connection may take.
const TO_CONNECT: Duration = Duration::from_secs(5);
/// How long the answer to a statement may take beyond what the server allows the statement.
const ON_THE_WAY: Duration = Duration::from_secs(5);

/// Connections with the same options. Those who wait for one are served in order.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    size: u32,
}

struct Shared {
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<PgConnection>>,
    options: PgConnectOptions,
    /// How long a statement may take as seen from here.
    limit: Duration,
}

impl Shared {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<PgConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pool {
    /// At most `size` connections, of which a statement takes at most `statement`.
    pub fn new(size: u32, options: PgConnectOptions, statement: Duration) -> Self {
        let permits = Arc::new(Semaphore::new(size as usize));
        Self {
            shared: Arc::new(Shared { permits, idle: Mutex::default(), options, limit: statement + ON_THE_WAY }),
            size,
        }
    }

    /// Lends a connection on which `statement` has begun a transaction.
    ///
    /// A connection that was idle may have been cut since, as when the server was started anew; then a new one is made.
    /// Nothing was asked of it before, so that nothing happens twice.
    pub async fn begin(&self, statement: &str) -> Result<Lent, Error> {
        let (mut lent, idle) = self.lend().await?;
        match lent.raw(statement).await {
            Ok(()) => Ok(lent),
            Err(Error::Unavailable(_)) if idle => {
                let mut lent = self.renew(lent).await?;
                lent.raw(statement).await?;
                Ok(lent)
            }
            Err(error) => Err(error),
        }
    }

    /// Lends a connection, and tells whether it was idle, so that it may have been cut since.
    pub async fn lend(&self) -> Result<(Lent, bool), Error> {
        let permit = timeout(PATIENCE, self.shared.permits.clone().acquire_owned()).await;
        let permit = permit.map_err(|_| Error::Busy(sqlx::Error::PoolTimedOut))?;
        let permit = permit.map_err(|_| Error::Other(sqlx::Error::PoolClosed))?;
        let idle = self.shared.idle().pop();
        Ok(match idle {
            Some(conn) => (Lent::new(conn, self.shared.clone(), permit), true),
            None => (Lent::new(connect(&self.shared.options).await?, self.shared.clone(), permit), false),
        })
    }

    /// Lends a new connection in the place of one that was cut; those that were idle with it are closed too.
    pub async fn renew(&self, cut: Lent) -> Result<Lent, Error> {
        self.shared.idle().clear();
        let permit = cut.forfeit();
        Ok(Lent::new(connect(&self.shared.options).await?, self.shared.clone(), permit))
    }

    /// Waits until all connections are back, and closes them.
    pub async fn close(&self) {
        // No permit comes back after this one was taken, because all are in it.
        let _all = self.shared.permits.acquire_many(self.size).await;
        self.shared.permits.close();
        let idle = std::mem::take(&mut *self.shared.idle());
        for conn in idle {
            let _gone_either_way = timeout(ON_THE_WAY, conn.close()).await;
        }
    }
}

/// Makes a connection, in bounded time.
pub(crate) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, Error> {
    match timeout(TO_CONNECT, PgConnection::connect_with(options)).await {
        Ok(connected) => Ok(connected?),
        Err(_) => Err(silence()),
    }
}

fn silence() -> Error {
    Error::Unavailable(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "the server does not answer")))
}

/// A connection on loan. Unless its transaction, or what was asked without one, ended in order, it is closed, and the server
/// undoes the transaction. So is one that holds a statement that was prepared before its tables were changed.
pub(crate) struct Lent {
    conn: Option<PgConnection>,
    pool: Arc<Shared>,
    permit: Option<OwnedSemaphorePermit>,
    clean: bool,
    stale: bool,
}

impl Lent {
    fn new(conn: PgConnection, pool: Arc<Shared>, permit: OwnedSemaphorePermit) -> Self {
        Self { conn: Some(conn), pool, permit: Some(permit), clean: false, stale: false }
    }

    /// Runs something on the connection, in bounded time. After a silence, the connection is not asked again.
    pub async fn run<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, Error> {
        let Some(conn) = &mut self.conn else { return Err(silence()) };
        match timeout(self.pool.limit, work(conn)).await {
            Ok(done) => Ok(done.inspect_err(|error| self.note(error))?),
            Err(_) => {
                self.conn = None;
                Err(silence())
            }
        }
    }

    /// What is prepared here may be prepared on those that are idle too, so that they are closed at once.
    fn note(&mut self, error: &sqlx::Error) {
        if is_stale(error) {
            self.stale = true;
            self.pool.idle().clear();
        }
    }

    async fn raw(&mut self, statement: &str) -> Result<(), Error> {
        let statement = AssertSqlSafe(statement);
        self.run(async |conn| sqlx::raw_sql(statement).execute(conn).await.map(drop)).await
    }

    /// Ends the transaction, and so the loan.
    pub async fn end(&mut self, statement: &'static str) -> Result<(), Error> {
        self.raw(statement).await?;
        self.free();
        Ok(())
    }

    /// Says that it is in no transaction, and may be lent again.
    pub fn free(&mut self) {
        self.clean = true;
    }

    /// Closes the connection, and gives the permit to make another.
    fn forfeit(mut self) -> OwnedSemaphorePermit {
        self.conn = None;
        self.permit.take().expect("it is held until the loan ends")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take()
            && self.clean
            && !self.stale
        {
            self.pool.idle().push(conn);
        }
    }
}
