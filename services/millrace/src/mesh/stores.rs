//! The back ends that the settings name. One that is elsewhere and does not answer yet is waited for.

use std::sync::Arc;

use async_trait::async_trait;
use events::EventBus;
use objects::ObjectStore;
use runtime::lock::DataDir;
use runtime::{Period, Reconcile, Report, Tasks};
use sql::Database;
use types::{BoxError, Clock};

use super::role::Role;
use super::settings::Settings;
use super::unusable;
use super::waiting::Waiting;
use crate::failure::Failure;

/// The tables of a role.
pub type Migrations = sql::Migrations;

/// How often what was left unfinished is looked for.
const SWEEP: Period = Period::secs(60 * 60);

/// Opens the back ends of a process.
pub struct Stores<'a> {
    /// The settings.
    pub settings: &'a Settings,
    /// The data directory.
    pub dir: &'a DataDir,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// How they are waited for.
    pub waiting: Waiting,
}

impl Stores<'_> {
    /// Opens the event bus.
    pub async fn bus(&self) -> Result<Arc<dyn EventBus>, Failure> {
        const WHAT: &str = "event bus";
        let (bus, clock) = (&self.settings.events, || self.clock.clone());
        match bus.url.as_str() {
            "" => Waiting::not(WHAT, events::open(&self.file("events"), &bus.jetstream, clock())).await,
            url => self.waiting.until(WHAT, url, || events::open(url, &bus.jetstream, clock())).await,
        }
    }

    /// Opens the object store.
    pub async fn objects(&self) -> Result<Arc<dyn ObjectStore>, Failure> {
        const WHAT: &str = "object store";
        let bucket = &self.settings.objects;
        match bucket.url.as_str() {
            "" => {
                let folder = self.dir.folder("objects").map_err(|error| unusable(self.dir, error))?;
                Waiting::not(WHAT, objects::open(&format!("file:{}", folder.display()))).await
            }
            url => self.waiting.until(WHAT, url, || objects::open_with(url, &bucket.s3)).await,
        }
    }

    /// The loop that sweeps the object store, where it has something to sweep while it runs.
    pub fn sweep(&self, objects: &Arc<dyn ObjectStore>) -> Option<Tasks> {
        self.settings.objects.url.starts_with("s3:").then(|| {
            let mut tasks = Tasks::new("objects");
            tasks.add("sweep", SWEEP, Box::new(Sweep(objects.clone())));
            tasks
        })
    }

    /// Opens the database of one role.
    pub async fn database(&self, role: Role, migrations: &[&'static Migrations]) -> Result<Database, Failure> {
        match self.settings.store.url.as_str() {
            "" => {
                let url = self.file(role.name());
                Waiting::not(&format!("store of {role}"), Database::open(&url, migrations, self.clock.clone())).await
            }
            _ => shared_database(self.settings, role, migrations, self.clock.clone(), &self.waiting).await,
        }
    }

    /// The URL of a database in the data directory.
    fn file(&self, name: &str) -> String {
        format!("sqlite:{}", self.dir.join(&format!("{name}.db")).display())
    }
}

/// Opens the database of one role on the server that the settings name.
pub async fn shared_database(
    settings: &Settings,
    role: Role,
    migrations: &[&'static Migrations],
    clock: Arc<dyn Clock>,
    waiting: &Waiting,
) -> Result<Database, Failure> {
    let (url, postgres) = (&settings.store.url, settings.store.of_role(role));
    waiting
        .until(&format!("store of {role}"), url, || Database::open_with(url, &postgres, migrations, clock.clone()))
        .await
}

/// Removes what puts of processes that died left unfinished. Where it fails, that takes room, and nothing else.
struct Sweep(Arc<dyn ObjectStore>);

#[async_trait]
impl Reconcile for Sweep {
    async fn reconcile(&mut self) -> Result<Report, BoxError> {
        let removed = self.0.sweep().await?;
        Ok(Report::done(format!("{removed} unfinished uploads removed")))
    }
}
