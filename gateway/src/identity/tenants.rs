//! Tenants: create, list, disable. Operators alone get here, by the permission of these calls.

use sql::{pages, requests};
use types::{Role, TenantId};

use super::store::tenants::{self, Tenant};
use super::store::users;
use super::token::Hash;
use super::{Identities, convert};
use crate::Error;

/// The owner of what belongs to no tenant, in the tables of pages and requests. No tenant has this id.
const PLATFORM: &str = "-";

/// A call that may be repeated: its id, and the keyed hash of the whole request.
pub struct Repeatable {
    pub request_id: String,
    pub fingerprint: Hash,
}

impl Identities {
    pub async fn create_tenant(&self, id: TenantId, title: String, call: Repeatable) -> Result<Tenant, Error> {
        let now = self.db.now();
        self.db
            .write(move |conn| {
                Box::pin(async move {
                    const METHOD: &str = "CreateTenant";
                    let Repeatable { request_id, fingerprint } = call;
                    if let Some(reply) = requests::seen(conn, PLATFORM, METHOD, &request_id, &fingerprint).await? {
                        return convert::read_tenant(&reply);
                    }
                    let tenant = Tenant { id, title, disabled: false, created: now };
                    tenants::insert(conn, &tenant).await?;
                    let reply = convert::write_tenant(&tenant);
                    requests::record(conn, PLATFORM, METHOD, &request_id, &fingerprint, &reply, now).await?;
                    Ok(tenant)
                })
            })
            .await
    }

    pub async fn list_tenants(&self, page_size: i32, token: &str) -> Result<(Vec<Tenant>, String), Error> {
        let page = pages::page(&self.db, PLATFORM, "ListTenants", token, page_size, |conn| {
            Box::pin(async move { tenants::ids(conn).await })
        })
        .await?;
        let found = self.db.read(|conn| {
            Box::pin(async move {
                let mut found = Vec::with_capacity(page.ids.len());
                for id in page.ids {
                    let id = id.parse().map_err(|_| Error::Malformed { column: "tenants.id" })?;
                    found.extend(tenants::get(conn, &id).await?);
                }
                Ok::<_, Error>(found)
            })
        });
        Ok((found.await?, page.next_page_token))
    }

    /// Disables or enables a tenant. The tenant of the last operator cannot be disabled.
    pub async fn set_tenant_disabled(&self, id: TenantId, disabled: bool) -> Result<Tenant, Error> {
        let _tell = self.revocations.when_done();
        self.db
            .write(move |conn| {
                Box::pin(async move {
                    let not_found = || Error::NotFound { name: format!("tenants/{id}") };
                    let tenant = tenants::get(conn, &id).await?.ok_or_else(not_found)?;
                    tenants::set_disabled(conn, &id, disabled).await?;
                    if disabled && !users::somebody_is(conn, Role::Operator, None).await? {
                        return Err(Error::LastOperator);
                    }
                    Ok(Tenant { disabled, ..tenant })
                })
            })
            .await
    }
}
