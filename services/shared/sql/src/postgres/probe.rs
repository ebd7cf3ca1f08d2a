//! Looking at a server without changing anything there.

use sqlx::Connection as _;
use types::Clock;

use super::{options, pool};
use crate::Error;
use crate::settings::{Place, Settings};

/// What a server is, as far as it matters before a database on it is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Its version: `15.20`.
    pub version: String,
    /// Whether it takes no writes.
    pub read_only: bool,
    /// Whether the schema is there.
    pub has_schema: bool,
    /// Whether the user may make a schema that is not.
    pub may_create: bool,
    /// What its clock shows beyond that of this machine, in microseconds.
    pub ahead_micros: i64,
}

/// Looks at the server at `url`.
pub async fn probe(url: &str, settings: &Settings, clock: &dyn Clock) -> Result<Probe, Error> {
    const ASKS: &str = "SELECT current_setting('server_version'), current_setting('transaction_read_only') = 'on', \
         to_regnamespace($1) IS NOT NULL, has_database_privilege(current_database(), 'CREATE')";
    const TIME: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    let place = Place::parse(url)?;
    settings.validate()?;
    let mut conn = pool::connect(&options(&place, settings)).await?;
    let asked: (String, bool, bool, bool) =
        sqlx::query_as(ASKS).bind(&settings.schema).fetch_one(&mut conn).await.map_err(Error::from)?;
    let (version, read_only, has_schema, may_create) = asked;
    let before = clock.now().as_micros();
    let shown: i64 = sqlx::query_scalar(TIME).fetch_one(&mut conn).await.map_err(Error::from)?;
    let after = clock.now().as_micros();
    let _gone_either_way = conn.close().await;
    let ahead_micros = shown - (before + (after - before).max(0) / 2);
    Ok(Probe { version, read_only, has_schema, may_create, ahead_micros })
}
