//! PostgreSQL: a schema of its own for each service, on a server that many processes share.
//!
//! One transaction writes at a time, over all processes, because each takes the lock of the schema first; see
//! `docs/adr/0003`. The pool is our own, so that a server that cannot be reached is told from one that is busy, and a
//! connection that was left in the middle of something is never used again.

mod clock;
mod listen;
mod migrate;
mod pool;
mod probe;

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::sync::watch;
use types::{Clock, Digest};

use crate::migrations::Migrations;
use crate::settings::{Place, Settings, Tls};
use crate::{Conn, Error, Query, Row, conn::Link};

pub(crate) use pool::Lent;
use pool::Pool;
pub use probe::{Probe, probe};

/// How long a writer may be silent within its transaction: others wait for it, and its machine may be gone.
const SILENT_WRITER: Duration = Duration::from_secs(10);
const SILENT_READER: Duration = Duration::from_secs(60);
/// How many prepared statements a connection keeps.
const STATEMENTS: usize = 256;
/// Holds for statements outside a transaction as well.
const READ_ONLY: [(&str, &str); 1] = [("default_transaction_read_only", "on")];
/// All that a transaction sees is of one moment.
const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// A schema on a server.
pub(crate) struct Server {
    /// One connection, so that the writers of this process wait here in order, and one alone on the server.
    writer: Pool,
    readers: Pool,
    options: PgConnectOptions,
    /// Begins a transaction with the lock of the schema.
    write: String,
    channel: String,
    /// What the server's clock shows beyond ours, in microseconds.
    ahead: AtomicI64,
    server_clock: bool,
    /// Ticks after every commit of this process.
    committed: watch::Sender<u64>,
    /// Tells the words of this process from those of others.
    process: String,
}

impl Server {
    pub async fn open(
        url: &str,
        settings: &Settings,
        parts: &[&'static Migrations],
        clock: &dyn Clock,
    ) -> Result<Self, Error> {
        let place = Place::parse(url)?;
        settings.validate()?;
        let store = format!("{place}, schema {}", settings.schema);
        let options = options(&place, settings);
        let key = lock_key(&settings.schema);
        migrate::run(&options, settings, key, parts, &store).await?;
        let limit = settings.statement_timeout.as_duration();
        let with_silence =
            |silence| options.clone().options([("idle_in_transaction_session_timeout", millis(silence))]);
        let server = Self {
            writer: Pool::new(1, with_silence(SILENT_WRITER), limit),
            readers: Pool::new(settings.pool_size - 1, with_silence(SILENT_READER).options(READ_ONLY), limit),
            options,
            write: format!("BEGIN; SELECT pg_advisory_xact_lock({key})"),
            channel: format!("millrace_{}", settings.schema),
            ahead: AtomicI64::new(0),
            server_clock: settings.server_clock,
            committed: watch::Sender::new(0),
            process: uuid::Uuid::new_v4().simple().to_string(),
        };
        server.learn_clock(clock).await.map_err(|source| Error::Open { store, source: source.into() })?;
        Ok(server)
    }

    pub async fn read(&self) -> Result<Conn, Error> {
        Ok(Conn::new(Link::Postgres(self.readers.begin(READ).await?)))
    }

    /// Reads by one statement, without a transaction around it.
    pub async fn read_once(&self, query: Query<'_>) -> Result<Vec<Row>, Error> {
        let (lent, idle) = self.readers.lend().await?;
        let (lent, rows) = read_on(lent, query.clone()).await;
        match rows {
            // It may have been cut since it was used last; reading twice does no harm.
            Err(Error::Unavailable(_)) if idle => {
                let lent = self.readers.renew(lent).await?;
                read_on(lent, query).await.1
            }
            rows => rows,
        }
    }

    pub async fn write(&self) -> Result<Conn, Error> {
        Ok(Conn::new(Link::Postgres(self.writer.begin(&self.write).await?)))
    }

    /// To be called after every commit.
    pub fn note_commit(&self) {
        self.committed.send_modify(|commits| *commits += 1);
    }

    /// What the server's clock shows beyond ours, in microseconds.
    pub fn ahead(&self) -> i64 {
        self.ahead.load(Ordering::Relaxed)
    }

    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

async fn read_on(lent: Lent, query: Query<'_>) -> (Lent, Result<Vec<Row>, Error>) {
    let mut conn = Conn::new(Link::Postgres(lent));
    let rows = query.fetch_all(&mut conn).await;
    let Link::Postgres(mut lent) = conn.link else { unreachable!("it was made of one") };
    if rows.is_ok() {
        lent.free();
    }
    (lent, rows)
}

fn options(place: &Place, settings: &Settings) -> PgConnectOptions {
    let tls = settings.tls.unwrap_or(if place.is_local() { Tls::Off } else { Tls::Verify });
    let mode = match tls {
        Tls::Off => PgSslMode::Disable,
        Tls::Encrypt => PgSslMode::Require,
        Tls::Verify => PgSslMode::VerifyFull,
    };
    let mut options = PgConnectOptions::new_without_pgpass()
        .host(&place.host)
        .port(place.port)
        .database(&place.database)
        .username(&settings.user)
        .ssl_mode(mode)
        .application_name(&format!("millrace {}", settings.schema))
        .statement_cache_capacity(STATEMENTS)
        .options([("search_path", settings.schema.as_str()), ("client_min_messages", "warning")])
        // A peer that is gone without a word holds what it holds until the server notices.
        .options([("tcp_keepalives_idle", 10), ("tcp_keepalives_interval", 5), ("tcp_keepalives_count", 3)])
        .options([
            ("statement_timeout", millis(settings.statement_timeout.as_duration())),
            ("lock_timeout", millis(crate::database::PATIENCE)),
        ]);
    if let Some(password) = &settings.password {
        options = options.password(password.expose());
    }
    if let Some(ca) = &settings.ca {
        options = options.ssl_root_cert(ca);
    }
    if let (Some(certificate), Some(key)) = (&settings.certificate, &settings.key) {
        options = options.ssl_client_cert(certificate).ssl_client_key(key);
    }
    options
}

fn millis(duration: Duration) -> u128 {
    duration.as_millis()
}

/// The number of the lock that writers of a schema take. Locks are numbered per database.
fn lock_key(schema: &str) -> i64 {
    let digest = Digest::of(format!("millrace schema {schema}").as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest.as_bytes()[..8]);
    i64::from_be_bytes(first)
}
