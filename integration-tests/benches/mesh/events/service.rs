//! Two services of the bench: one that tells, and one that acts on it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use events::topology::DATASET_ANNOUNCED;
use events::{Applying, Event, Handler, HandlerError, outbox};
use millrace_integration_tests::Postgres;
use proto::common::v1::EventEnvelope;
use runtime::SystemClock;
use sql::{Bind as _, Database, Kind};
use types::TenantId;

/// Events of one transaction: as many as discovery's crawls announce in one.
pub const IN_A_TRANSACTION: usize = 200;
const KEYS: usize = 1000;

/// Where services keep their state.
pub enum Store<'a> {
    /// In SQLite, in a folder.
    Files(PathBuf),
    Postgres(&'a Postgres),
}

impl Store<'_> {
    /// A database without anything in it.
    pub async fn database(&self) -> Result<Database> {
        let (clock, name) = (Arc::new(SystemClock), format!("s{}", uuid::Uuid::new_v4().simple()));
        Ok(match self {
            Self::Files(folder) => {
                let url = format!("sqlite:{}", folder.join(name).display());
                Database::open(&url, &[&events::MIGRATIONS], clock).await?
            }
            Self::Postgres(server) => {
                let url = format!("postgres://127.0.0.1:{}/postgres", server.port);
                let settings = sql::Settings { schema: name, user: "postgres".to_owned(), ..sql::Settings::default() };
                Database::open_with(&url, &settings, &[&events::MIGRATIONS], clock).await?
            }
        })
    }
}

/// Commits events to the outbox, `in_one` in a transaction.
pub async fn tell(db: &Database, count: usize, in_one: usize) -> Result<()> {
    let tenant: TenantId = "main".parse()?;
    let message = proto::discovery::v1::DatasetAnnounced::default();
    let event = |n: usize| {
        let key = format!("tenants/main/datasets/{}", n % KEYS);
        let payload = "millrace.discovery.v1.DatasetAnnounced";
        Event::new(DATASET_ANNOUNCED, key.clone(), tenant.clone(), "services/bench", key, payload, &message)
    };
    for first in (0..count).step_by(in_one) {
        let events: Vec<_> = (first..(first + in_one).min(count)).map(event).collect();
        let now = db.now();
        db.write(move |conn| Box::pin(async move { outbox::append(conn, &events, now).await })).await?;
    }
    Ok(())
}

/// A row for each event, under a key that admits none twice.
pub struct Effects;

/// Makes the table of the effects.
pub async fn make_effects(db: &Database) -> Result<()> {
    let make = "CREATE TABLE effects (key TEXT, sequence BIGINT, PRIMARY KEY (key, sequence))";
    let made = db.write(move |conn| Box::pin(async move { sql::query(make).execute(conn).await }));
    made.await?;
    Ok(())
}

#[async_trait]
impl Handler for Effects {
    type Prepared = ();

    async fn prepare(&self, _event: &EventEnvelope) -> Result<(), HandlerError> {
        Ok(())
    }

    async fn handle(&self, conn: &mut sql::Conn, event: &EventEnvelope, (): &()) -> Result<(), HandlerError> {
        let insert = "INSERT INTO effects (key, sequence) VALUES (?, ?)";
        sql::query(insert).bind(&event.key).bind(event.sequence).execute(conn).await?;
        Ok(())
    }

    async fn handle_all(&self, conn: &mut sql::Conn, events: &[Applying<'_, ()>]) -> Result<(), HandlerError> {
        let mut insert = sql::Builder::new("INSERT INTO effects (key, sequence) ");
        insert.push_table(conn.dialect(), [Kind::Text, Kind::Int], events, |one| {
            [(&one.event.key).value(), one.event.sequence.value()]
        });
        insert.build().execute(conn).await?;
        Ok(())
    }
}
