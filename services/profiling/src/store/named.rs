//! Which objects rows name, and giving up those that none names.

use std::collections::{BTreeMap, BTreeSet};

use objects::Key;
use prost::Message;
use proto::common::v1::materialization::Origin;
use runtime::SystemScope;
use sql::{Conn, keeping};
use types::Timestamp;

use crate::Error;
use crate::job::{Input, QUEUE};

/// Those of `keys` that no profile and no job names, or that were given up before.
pub async fn unnamed(conn: &mut Conn, _: SystemScope, keys: Vec<Key>) -> Result<Vec<Key>, Error> {
    let mut of_jobs = BTreeMap::new();
    let mut unnamed = Vec::new();
    for key in keys {
        if keeping::is_given_up(conn, key.as_str()).await? || !is_named(conn, &key, &mut of_jobs).await? {
            unnamed.push(key);
        }
    }
    Ok(unnamed)
}

/// Gives up those of `keys` that still nothing names and nobody holds, and forgets holds that ran out.
pub async fn give_up(conn: &mut Conn, scope: SystemScope, keys: Vec<Key>, now: Timestamp) -> Result<Vec<Key>, Error> {
    let mut given_up = Vec::new();
    for key in unnamed(conn, scope, keys).await? {
        if keeping::give_up(conn, key.as_str(), now).await? {
            given_up.push(key);
        }
    }
    keeping::forget_holds(conn, now).await?;
    Ok(given_up)
}

/// A key of another form than profiling makes counts as named.
async fn is_named(conn: &mut Conn, key: &Key, of_jobs: &mut BTreeMap<String, BTreeSet<String>>) -> Result<bool, Error> {
    let first = keeping::generation_of(key.as_str()).0.to_owned();
    let parts: Vec<_> = first.split('/').collect();
    let [kind, tenant, name] = parts[..] else { return Ok(true) };
    let profiles = match kind {
        "content" => sql::query_scalar::<i64>("SELECT count(*) FROM profiles WHERE tenant = ? AND digest = ?")
            .bind(tenant)
            .bind(name),
        "profiles" => {
            let Some(id) = name.strip_suffix(".pb") else { return Ok(true) };
            sql::query_scalar::<i64>("SELECT count(*) FROM profiles WHERE tenant = ? AND id = ?").bind(tenant).bind(id)
        }
        "states" => {
            let Some(id) = name.strip_suffix(".state") else { return Ok(true) };
            sql::query_scalar::<i64>("SELECT count(*) FROM profiles WHERE tenant = ? AND id = ?").bind(tenant).bind(id)
        }
        _ => return Ok(true),
    };
    if profiles.fetch_one(&mut *conn).await? > 0 {
        return Ok(true);
    }
    if !of_jobs.contains_key(tenant) {
        of_jobs.insert(tenant.to_owned(), named_by_jobs(conn, tenant).await?);
    }
    Ok(of_jobs[tenant].contains(key.as_str()))
}

/// The objects that jobs of a tenant are or will be made from: the latest ones of its datasets, where those have no
/// profile, and those that append and have not ended.
async fn named_by_jobs(conn: &mut Conn, tenant: &str) -> Result<BTreeSet<String>, Error> {
    let of_datasets = sql::query_scalar::<Vec<u8>>(
        "SELECT work.input FROM dataset_jobs JOIN work ON work.queue = ? AND work.id = dataset_jobs.job \
         WHERE work.tenant = ? AND work.phase <> 'succeeded'",
    );
    let mut inputs = of_datasets.bind(QUEUE).bind(tenant).fetch_all(&mut *conn).await?;
    let appending = sql::query_scalar::<Vec<u8>>(
        "SELECT work.input FROM work WHERE work.queue = ? AND work.tenant = ? AND work.resource LIKE ? \
         AND work.phase IN ('queued', 'waiting', 'running')",
    );
    let profiles = format!("tenants/{tenant}/profiles/%");
    inputs.extend(appending.bind(QUEUE).bind(tenant).bind(profiles).fetch_all(conn).await?);
    let mut named = BTreeSet::new();
    for input in inputs {
        let input = Input::decode(input.as_slice()).map_err(|_| Error::JobDamaged { id: "of a sweep".to_owned() })?;
        if let Some(Origin::Object(object)) = input.materialization.and_then(|from| from.origin) {
            named.insert(object.key);
        }
    }
    Ok(named)
}
