//! What stands behind a bearer token, joined over the tables.

use sql::Conn;
use types::{Identity, KeyId, Subject, Timestamp};

use super::{read_roles, time};
use crate::Error;
use crate::identity::token::Hash;
use crate::permission::covers;

type Row = (String, String, String, bool, bool, Option<String>, Option<i64>, Option<i64>);

/// Finds the identity behind an API key, or tells why it is none (any more).
pub async fn of_key(conn: &mut Conn, id: &KeyId, hash: &Hash, now: Timestamp) -> Result<Identity, Error> {
    let row: Option<Row> = sql::query_as(
        "SELECT u.tenant, u.id, u.roles, u.disabled, t.disabled, k.roles, k.expires, k.revoked FROM api_keys k \
         JOIN users u ON u.tenant = k.tenant AND u.id = k.\"user\" JOIN tenants t ON t.id = k.tenant \
         WHERE k.id = ? AND k.hash = ?",
    )
    .bind(id.as_str())
    .bind(hash.as_bytes().as_slice())
    .fetch_optional(conn)
    .await?;
    judge(row, now)
}

/// Finds the identity behind an access token, or tells why it is none (any more).
pub async fn of_access_token(conn: &mut Conn, hash: &Hash, now: Timestamp) -> Result<Identity, Error> {
    let row: Option<Row> = sql::query_as(
        "SELECT u.tenant, u.id, u.roles, u.disabled, t.disabled, NULL, a.expires, s.ended FROM access_tokens a \
         JOIN sessions s ON s.id = a.session JOIN users u ON u.tenant = s.tenant AND u.id = s.\"user\" \
         JOIN tenants t ON t.id = s.tenant WHERE a.hash = ?",
    )
    .bind(hash.as_bytes().as_slice())
    .fetch_optional(conn)
    .await?;
    judge(row, now)
}

fn judge(row: Option<Row>, now: Timestamp) -> Result<Identity, Error> {
    let (tenant, user, roles, user_disabled, tenant_disabled, narrowed, expires, ended) =
        row.ok_or(Error::CredentialInvalid)?;
    let expires = time(expires);
    if ended.is_some() {
        return Err(Error::CredentialRevoked);
    }
    if expires.is_some_and(|expires| expires <= now) {
        return Err(Error::CredentialExpired);
    }
    if user_disabled {
        return Err(Error::UserDisabled);
    }
    if tenant_disabled {
        return Err(Error::TenantDisabled);
    }
    let held = read_roles(&roles, "users.roles")?;
    let roles = match narrowed {
        None => held,
        // What the user has lost since the key was made, the key has lost too.
        Some(narrowed) => {
            let mut narrowed = read_roles(&narrowed, "api_keys.roles")?;
            narrowed.retain(|role| covers(&held, *role));
            narrowed
        }
    };
    let malformed = |_| Error::Malformed { column: "users.id" };
    Ok(Identity {
        subject: Subject::User(user.parse().map_err(malformed)?),
        tenant: Some(tenant.parse().map_err(malformed)?),
        roles,
        credential_expires: expires,
    })
}
