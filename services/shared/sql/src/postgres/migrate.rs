//! Making the schema, and bringing it up to date.

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection as _};

use super::pool;
use crate::Error;
use crate::migrations::{self, Migrations};
use crate::settings::Settings;

/// Brings the schema up to date, on a connection of its own.
///
/// Of processes that do so at once, one goes first and the others find everything done. What lasts long, such as a new
/// index over many rows, is not bounded here.
pub(super) async fn run(
    options: &PgConnectOptions,
    settings: &Settings,
    key: i64,
    parts: &[&'static Migrations],
    store: &str,
) -> Result<(), Error> {
    let unopened = |source: Error| Error::Open { store: store.to_owned(), source: source.into() };
    let options = options.clone().options([("statement_timeout", 0), ("lock_timeout", 0)]);
    let mut conn = pool::connect(&options).await.map_err(unopened)?;
    lock(&mut conn, key).await.map_err(unopened)?;
    refuse_standby(&mut conn).await.map_err(unopened)?;
    make_schema(&mut conn, &settings.schema).await.map_err(unopened)?;
    let mut merged = migrations::merge(parts, |part| part.postgres);
    merged.set_locking(false);
    merged.run_direct(None, &mut conn, false).await.map_err(|source| migrations::failure(source, store))?;
    // The lock goes with the connection.
    let _gone_either_way = conn.close().await;
    Ok(())
}

/// Waits for other migrators, and for writers: a table is changed between two transactions, never within one.
async fn lock(conn: &mut PgConnection, key: i64) -> Result<(), Error> {
    sqlx::query("SELECT pg_advisory_lock($1)").bind(key).execute(conn).await?;
    Ok(())
}

/// A server that takes no writes would be noticed late where there is nothing to migrate.
async fn refuse_standby(conn: &mut PgConnection) -> Result<(), Error> {
    let read_only: String = sqlx::query_scalar("SHOW transaction_read_only").fetch_one(conn).await?;
    match read_only.as_str() {
        "off" => Ok(()),
        _ => Err(Error::ReadOnly(sqlx::Error::Protocol("the server, or the database, is set to read-only".into()))),
    }
}

/// Asks before it makes the schema: who may use one that is there may lack the right to make one.
async fn make_schema(conn: &mut PgConnection, schema: &str) -> Result<(), Error> {
    let there: bool =
        sqlx::query_scalar("SELECT to_regnamespace($1) IS NOT NULL").bind(schema).fetch_one(&mut *conn).await?;
    if !there {
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE SCHEMA \"{schema}\""))).execute(conn).await?;
    }
    Ok(())
}
