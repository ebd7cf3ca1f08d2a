//! The table `users`.

use sql::Conn;
use types::{Role, TenantId, Timestamp, UserName};

use super::{read_roles, word, write_roles};
use crate::Error;

/// A user.
#[derive(Debug, Clone)]
pub struct User {
    pub name: UserName,
    pub title: String,
    pub roles: Vec<Role>,
    pub disabled: bool,
    /// Argon2id in the PHC form.
    pub password: Option<String>,
    pub created: Timestamp,
}

pub async fn insert(conn: &mut Conn, user: &User) -> Result<(), Error> {
    let done = sql::query(
        "INSERT INTO users (tenant, id, title, roles, disabled, password, created) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(user.name.tenant.as_str())
    .bind(user.name.user.as_str())
    .bind(&user.title)
    .bind(write_roles(&user.roles))
    .bind(user.disabled)
    .bind(&user.password)
    .bind(user.created.as_micros())
    .execute(conn)
    .await;
    match done {
        Err(error) if error.is_unique_violation() => Err(Error::AlreadyExists { name: user.name.to_string() }),
        Err(error) if error.is_foreign_key_violation() => {
            Err(Error::NotFound { name: format!("tenants/{}", user.name.tenant) })
        }
        done => Ok(done.map(drop)?),
    }
}

pub async fn get(conn: &mut Conn, name: &UserName) -> Result<Option<User>, Error> {
    let row: Option<(String, String, bool, Option<String>, i64)> =
        sql::query_as("SELECT title, roles, disabled, password, created FROM users WHERE tenant = ? AND id = ?")
            .bind(name.tenant.as_str())
            .bind(name.user.as_str())
            .fetch_optional(conn)
            .await?;
    let Some((title, roles, disabled, password, created)) = row else { return Ok(None) };
    let roles = read_roles(&roles, "users.roles")?;
    let created = Timestamp::from_micros(created);
    Ok(Some(User { name: name.clone(), title, roles, disabled, password, created }))
}

/// Gets a user, or fails with [`Error::NotFound`].
pub async fn existing(conn: &mut Conn, name: &UserName) -> Result<User, Error> {
    get(conn, name).await?.ok_or_else(|| Error::NotFound { name: name.to_string() })
}

pub async fn ids(conn: &mut Conn, tenant: &TenantId) -> Result<Vec<String>, sql::Error> {
    let select = sql::query_scalar("SELECT id FROM users WHERE tenant = ? ORDER BY id").bind(tenant.as_str());
    select.fetch_all(conn).await
}

/// Stores roles, title, password and whether the user is disabled.
pub async fn update(conn: &mut Conn, user: &User) -> Result<(), Error> {
    sql::query("UPDATE users SET title = ?, roles = ?, disabled = ?, password = ? WHERE tenant = ? AND id = ?")
        .bind(&user.title)
        .bind(write_roles(&user.roles))
        .bind(user.disabled)
        .bind(&user.password)
        .bind(user.name.tenant.as_str())
        .bind(user.name.user.as_str())
        .execute(conn)
        .await?;
    Ok(())
}

/// Tells whether an enabled user of an enabled tenant has `role`; of `tenant` alone when it is given.
pub async fn somebody_is(conn: &mut Conn, role: Role, tenant: Option<&TenantId>) -> Result<bool, Error> {
    let found: Option<i64> = sql::query_scalar(
        "SELECT 1 FROM users JOIN tenants ON tenants.id = users.tenant \
         WHERE users.disabled = 0 AND (?2 IS NOT NULL OR tenants.disabled = 0) \
         AND (?2 IS NULL OR users.tenant = ?2) AND ' ' || users.roles || ' ' LIKE '% ' || ?1 || ' %' LIMIT 1",
    )
    .bind(word(role))
    .bind(tenant.map(TenantId::as_str))
    .fetch_optional(conn)
    .await?;
    Ok(found.is_some())
}
