//! The table `api_keys`.

use sql::Conn;
use types::{ApiKeyName, KeyId, Role, TenantId, Timestamp, UserId};

use super::{read_roles, time, write_roles};
use crate::Error;
use crate::identity::token::Hash;

/// The record of an API key.
#[derive(Debug, Clone)]
pub struct ApiKey {
    pub name: ApiKeyName,
    pub title: String,
    /// None: those of the user.
    pub roles: Option<Vec<Role>>,
    pub created: Timestamp,
    pub expires: Option<Timestamp>,
    pub revoked: Option<Timestamp>,
}

pub async fn insert(conn: &mut Conn, key: &ApiKey, hash: &Hash) -> Result<(), Error> {
    sql::query(
        "INSERT INTO api_keys (id, tenant, \"user\", title, roles, hash, created, expires) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(key.name.api_key.as_str())
    .bind(key.name.tenant.as_str())
    .bind(key.name.user.as_str())
    .bind(&key.title)
    .bind(key.roles.as_deref().map(write_roles))
    .bind(hash.as_bytes().as_slice())
    .bind(key.created.as_micros())
    .bind(key.expires.map(Timestamp::as_micros))
    .execute(conn)
    .await?;
    Ok(())
}

type Row = (String, String, String, Option<String>, i64, Option<i64>, Option<i64>);

/// Gets a key by its id alone; ids are unique over all users.
pub async fn get(conn: &mut Conn, id: &KeyId) -> Result<Option<ApiKey>, Error> {
    let row: Option<Row> =
        sql::query_as("SELECT tenant, \"user\", title, roles, created, expires, revoked FROM api_keys WHERE id = ?")
            .bind(id.as_str())
            .fetch_optional(conn)
            .await?;
    let Some((tenant, user, title, roles, created, expires, revoked)) = row else { return Ok(None) };
    let malformed = |column| move |_| Error::Malformed { column };
    Ok(Some(ApiKey {
        name: ApiKeyName::new(
            tenant.parse().map_err(malformed("api_keys.tenant"))?,
            user.parse().map_err(malformed("api_keys.user"))?,
            id.clone(),
        ),
        title,
        roles: roles.map(|roles| read_roles(&roles, "api_keys.roles")).transpose()?,
        created: Timestamp::from_micros(created),
        expires: time(expires),
        revoked: time(revoked),
    }))
}

/// The ids of a tenant's keys, or of one user's, by creation time.
pub async fn ids(conn: &mut Conn, tenant: &TenantId, user: Option<&UserId>) -> Result<Vec<String>, sql::Error> {
    let select = sql::query_scalar(
        "SELECT id FROM api_keys WHERE tenant = ?1 AND (?2 IS NULL OR \"user\" = ?2) ORDER BY created, id",
    );
    select.bind(tenant.as_str()).bind(user.map(UserId::as_str)).fetch_all(conn).await
}

/// Revokes a key; the first time counts.
pub async fn revoke(conn: &mut Conn, id: &KeyId, now: Timestamp) -> Result<(), Error> {
    sql::query("UPDATE api_keys SET revoked = coalesce(revoked, ?) WHERE id = ?")
        .bind(now.as_micros())
        .bind(id.as_str())
        .execute(conn)
        .await?;
    Ok(())
}
