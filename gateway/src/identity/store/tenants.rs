//! The table `tenants`.

use sql::Conn;
use types::{TenantId, Timestamp};

use crate::Error;

/// A tenant.
#[derive(Debug, Clone)]
pub struct Tenant {
    pub id: TenantId,
    pub title: String,
    pub disabled: bool,
    pub created: Timestamp,
}

pub async fn insert(conn: &mut Conn, tenant: &Tenant) -> Result<(), Error> {
    let done = sql::query("INSERT INTO tenants (id, title, disabled, created) VALUES (?, ?, ?, ?)")
        .bind(tenant.id.as_str())
        .bind(&tenant.title)
        .bind(tenant.disabled)
        .bind(tenant.created.as_micros())
        .execute(conn)
        .await;
    match done {
        Err(error) if error.is_unique_violation() => {
            Err(Error::AlreadyExists { name: format!("tenants/{}", tenant.id) })
        }
        done => Ok(done.map(drop)?),
    }
}

pub async fn get(conn: &mut Conn, id: &TenantId) -> Result<Option<Tenant>, Error> {
    let row: Option<(String, bool, i64)> = sql::query_as("SELECT title, disabled, created FROM tenants WHERE id = ?")
        .bind(id.as_str())
        .fetch_optional(conn)
        .await?;
    Ok(row.map(|(title, disabled, created)| Tenant {
        id: id.clone(),
        title,
        disabled,
        created: Timestamp::from_micros(created),
    }))
}

pub async fn ids(conn: &mut Conn) -> Result<Vec<String>, sql::Error> {
    sql::query_scalar("SELECT id FROM tenants ORDER BY id").fetch_all(conn).await
}

pub async fn set_disabled(conn: &mut Conn, id: &TenantId, disabled: bool) -> Result<(), Error> {
    let update = sql::query("UPDATE tenants SET disabled = ? WHERE id = ?").bind(disabled).bind(id.as_str());
    update.execute(conn).await?;
    Ok(())
}
