//! Migrations: what brings a schema up to date, for both back ends.

use sqlx::migrate::{MigrateError, Migrator};

use crate::Error;

/// The migrations of the tables of one crate, for both back ends: the same tables. What one of them needs alone, an estimate
/// for its planner say, is a version of that one alone.
#[derive(Debug, Clone, Copy)]
pub struct Migrations {
    /// For SQLite: `migrations/sqlite/`.
    pub sqlite: &'static Migrator,
    /// For PostgreSQL: `migrations/postgres/`.
    pub postgres: &'static Migrator,
}

impl Migrations {
    /// Those of tables that are kept in SQLite alone.
    pub const fn sqlite_alone(sqlite: &'static Migrator) -> Self {
        static NONE: Migrator = Migrator::DEFAULT;
        Self { sqlite, postgres: &NONE }
    }
}

/// Joins the migrations of all crates that keep tables in one database, this one's included.
pub(crate) fn merge(parts: &[&'static Migrations], of: impl Fn(&'static Migrations) -> &'static Migrator) -> Migrator {
    let parts = std::iter::once(&crate::MIGRATIONS).chain(parts.iter().copied());
    let mut all: Vec<_> = parts.flat_map(|part| of(part).iter()).cloned().collect();
    all.sort_by_key(|migration| migration.version);
    all.dedup_by(|a, b| a.version == b.version && a.checksum == b.checksum);
    Migrator::with_migrations(all)
}

pub(crate) fn failure(error: MigrateError, store: &str) -> Error {
    let store = store.to_owned();
    match error {
        MigrateError::Execute(error) => Error::Open { store, source: Error::from(error).into() },
        MigrateError::VersionMissing(_) => Error::NewerSchema { store },
        MigrateError::ExecuteMigration(error, version) => match Error::from(error) {
            Error::Other(error) => {
                Error::Migration { store, source: MigrateError::ExecuteMigration(error, version).into() }
            }
            known => Error::Open { store, source: known.into() },
        },
        source => Error::Migration { store, source: source.into() },
    }
}

/// The migrations in the folders `migrations/sqlite` and `migrations/postgres` of the crate that calls this. That crate
/// depends on `sqlx` too, which reads them when it is built.
#[macro_export]
macro_rules! migrations {
    () => {
        $crate::Migrations {
            sqlite: {
                static SQLITE: ::sqlx::migrate::Migrator = ::sqlx::migrate!("migrations/sqlite");
                &SQLITE
            },
            postgres: {
                static POSTGRES: ::sqlx::migrate::Migrator = ::sqlx::migrate!("migrations/postgres");
                &POSTGRES
            },
        }
    };
}
