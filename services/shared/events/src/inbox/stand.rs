//! Reads how a consumer stands with keys.

use std::sync::Arc;

use sql::{Bind as _, Kind};

use super::{Key, Standing};
use crate::Error;

/// How `consumer` stands with each of `keys`, in their order, as of now. Within a transaction that writes it stays so until
/// its end, since nobody else writes.
pub(crate) async fn stand(conn: &mut sql::Conn, consumer: &str, keys: &[Key]) -> Result<Vec<Standing>, Error> {
    let seen = seen(conn.dialect(), consumer, keys).fetch_all(&mut *conn).await?;
    let (mut standings, trouble) = read(keys.len(), &seen);
    if trouble {
        add_trouble(conn, consumer, keys, &mut standings).await?;
    }
    Ok(standings)
}

/// The same as it is at some moment, in one way to the server where there is no trouble.
pub(crate) async fn stand_once(
    db: &sql::Database,
    consumer: &'static str,
    keys: Arc<Vec<Key>>,
) -> Result<Vec<Standing>, Error> {
    let seen = db.read_once(seen(db.dialect(), consumer, &keys)).await?;
    match read(keys.len(), &seen) {
        (standings, false) => Ok(standings),
        (_, true) => db.read(move |conn| Box::pin(async move { stand(conn, consumer, &keys).await })).await,
    }
}

/// What is recorded of keys, by their numbers; and a row with a number of none, where `consumer` keeps dead letters,
/// parked events or failed tries at all.
fn seen<'q>(dialect: sql::Dialect, consumer: &'q str, keys: &'q [Key]) -> sql::QueryAs<'q, (i64, i64)> {
    let mut seen = sql::Builder::new("WITH wanted (number, thing, key) AS (");
    seen.push_table(dialect, [Kind::Int, Kind::Text, Kind::Text], (0i64..).zip(keys), |(number, (thing, key))| {
        [number.value(), thing.value(), key.value()]
    });
    seen.push(") SELECT wanted.number, i.last FROM wanted CROSS JOIN inbox i WHERE i.consumer = ").push_bind(consumer);
    seen.push(" AND i.thing = wanted.thing AND i.key = wanted.key UNION ALL SELECT -1, 0");
    seen.push(" WHERE EXISTS (SELECT 1 FROM dead_letters WHERE consumer = ").push_bind(consumer);
    seen.push(") OR EXISTS (SELECT 1 FROM parked_events WHERE consumer = ").push_bind(consumer);
    seen.push(") OR EXISTS (SELECT 1 FROM event_attempts WHERE consumer = ").push_bind(consumer).push(")");
    seen.build_as()
}

/// The standings without what trouble adds to them, and whether there is any.
fn read(keys: usize, seen: &[(i64, i64)]) -> (Vec<Standing>, bool) {
    let (mut standings, mut trouble) = (vec![Standing::default(); keys], false);
    for &(number, last) in seen {
        match usize::try_from(number) {
            Ok(number) => standings[number].last = last,
            Err(_) => trouble = true,
        }
    }
    (standings, trouble)
}

/// Adds letters and traces.
async fn add_trouble(
    conn: &mut sql::Conn,
    consumer: &str,
    keys: &[Key],
    standings: &mut [Standing],
) -> Result<(), Error> {
    let letter = "SELECT sequence FROM dead_letters WHERE consumer = ? AND thing = ? AND key = ?";
    for ((thing, key), standing) in keys.iter().zip(standings) {
        standing.blocked_at =
            sql::query_scalar(letter).bind(consumer).bind(thing).bind(key).fetch_optional(&mut *conn).await?;
        // Tries are kept by event, not by key: while there are any, whatever is settled is cleared.
        standing.traces = true;
    }
    Ok(())
}
