//! Reads how a consumer stands with keys.

use std::collections::HashMap;

use sql::{Bind as _, Kind};

use super::{Key, Standing};
use crate::Error;

/// How `consumer` stands with each of `keys`, as of now. Within a transaction that writes it stays so until its end, since
/// nobody else writes.
pub(crate) async fn stand(conn: &mut sql::Conn, consumer: &str, keys: &[Key]) -> Result<HashMap<Key, Standing>, Error> {
    let seen = seen(conn.dialect(), consumer, keys).fetch_all(&mut *conn).await?;
    let (mut standings, trouble) = read(keys, seen);
    if trouble {
        add_trouble(conn, consumer, &mut standings).await?;
    }
    Ok(standings)
}

/// The same as it is at some moment, in one way to the server where there is no trouble.
pub(crate) async fn stand_once(
    db: &sql::Database,
    consumer: &'static str,
    keys: Vec<Key>,
) -> Result<HashMap<Key, Standing>, Error> {
    let seen = db.read_once(seen(db.dialect(), consumer, &keys)).await?;
    match read(&keys, seen) {
        (standings, false) => Ok(standings),
        (_, true) => db.read(move |conn| Box::pin(async move { stand(conn, consumer, &keys).await })).await,
    }
}

/// A row that says that `consumer` keeps dead letters, parked events or failed tries at all.
const TROUBLE: i64 = -1;

/// What is recorded of each key, and the row of trouble.
fn seen<'q>(dialect: sql::Dialect, consumer: &'q str, keys: &'q [Key]) -> sql::QueryAs<'q, (String, String, i64)> {
    let mut seen = sql::Builder::new("WITH wanted (thing, key) AS (");
    seen.push_table(dialect, [Kind::Text, Kind::Text], keys, |(thing, key)| [thing.value(), key.value()]);
    seen.push(") SELECT i.thing, i.key, i.last FROM wanted CROSS JOIN inbox i WHERE i.consumer = ").push_bind(consumer);
    seen.push(" AND i.thing = wanted.thing AND i.key = wanted.key UNION ALL SELECT '', '', ").push_bind(TROUBLE);
    seen.push(" WHERE EXISTS (SELECT 1 FROM dead_letters WHERE consumer = ").push_bind(consumer);
    seen.push(") OR EXISTS (SELECT 1 FROM parked_events WHERE consumer = ").push_bind(consumer);
    seen.push(") OR EXISTS (SELECT 1 FROM event_attempts WHERE consumer = ").push_bind(consumer).push(")");
    seen.build_as()
}

/// The standings without what trouble adds to them, and whether there is any.
fn read(keys: &[Key], seen: Vec<(String, String, i64)>) -> (HashMap<Key, Standing>, bool) {
    let mut standings: HashMap<_, _> = keys.iter().map(|key| (key.clone(), Standing::default())).collect();
    let mut trouble = false;
    for (thing, key, last) in seen {
        match last {
            TROUBLE => trouble = true,
            last => drop(standings.insert((thing, key), Standing::at(last))),
        }
    }
    (standings, trouble)
}

/// Adds letters and traces.
async fn add_trouble(
    conn: &mut sql::Conn,
    consumer: &str,
    standings: &mut HashMap<Key, Standing>,
) -> Result<(), Error> {
    let letter = "SELECT sequence FROM dead_letters WHERE consumer = ? AND thing = ? AND key = ?";
    for ((thing, key), standing) in standings.iter_mut() {
        standing.blocked_at =
            sql::query_scalar(letter).bind(consumer).bind(thing).bind(key).fetch_optional(&mut *conn).await?;
        // Tries are kept by event, not by key: while there are any, whatever is settled is cleared.
        standing.traces = true;
    }
    Ok(())
}
