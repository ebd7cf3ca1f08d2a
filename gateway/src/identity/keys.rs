//! API keys: create, list, revoke. Everybody manages their own; administrators those of their tenant.

use std::time::Duration;

use sql::pages;
use types::{ApiKeyName, Identity, KeyId, Permitted, Role, Secret, Subject, TenantId, TenantName, UserId, UserName};

use super::store::keys::{self, ApiKey};
use super::store::{users, word};
use super::{Identities, Operators, may_act_on, may_administer, token};
use crate::Error;
use crate::permission::covers;

/// An API key to be made.
pub struct NewKey {
    pub user: Permitted<UserName>,
    pub title: String,
    /// Empty: those of the user, as they change.
    pub roles: Vec<Role>,
    pub lifetime: Option<Duration>,
}

impl Identities {
    /// Makes a key and gives the secret, which nobody can ask for again.
    pub async fn create_key(&self, caller: &Identity, new: NewKey) -> Result<(ApiKey, Secret<String>), Error> {
        may_use(caller, &new.user.tenant, Some(&new.user.user))?;
        let (id, now, caller) = (KeyId::random(), self.db.now(), caller.clone());
        let secret = token::api_key(&id);
        let hash = self.hash_key.hash(secret.expose());
        let user = new.user.into_inner();
        let key = ApiKey {
            name: ApiKeyName::new(user.tenant.clone(), user.user.clone(), id),
            title: new.title,
            roles: (!new.roles.is_empty()).then_some(new.roles),
            created: now,
            expires: new.lifetime.map(|lifetime| now + lifetime),
            revoked: None,
        };
        let key = self
            .db
            .write(move |conn| {
                Box::pin(async move {
                    let held = users::existing(conn, &user).await?.roles;
                    may_pass_on(&caller, &user, &held, key.roles.as_deref())?;
                    keys::insert(conn, &key, &hash).await?;
                    Ok::<_, Error>(key)
                })
            })
            .await?;
        Ok((key, secret))
    }

    /// Lists the keys of a user, or with `None` of all users of the tenant.
    pub async fn list_keys(
        &self,
        caller: &Identity,
        tenant: Permitted<TenantName>,
        user: Option<UserId>,
        page_size: i32,
        page_token: &str,
    ) -> Result<(Vec<ApiKey>, String), Error> {
        let tenant = tenant.into_inner().tenant;
        may_use(caller, &tenant, user.as_ref())?;
        let query = format!("ListApiKeys {}", user.as_ref().map_or("-", UserId::as_str));
        let of = tenant.clone();
        let page = pages::page(&self.db, tenant.as_str(), &query, page_token, page_size, move |conn| {
            Box::pin(async move { keys::ids(conn, &of, user.as_ref()).await })
        })
        .await?;
        let found = self.db.read(|conn| {
            Box::pin(async move {
                let mut found = Vec::with_capacity(page.ids.len());
                for id in page.ids {
                    let id = id.parse().map_err(|_| Error::Malformed { column: "api_keys.id" })?;
                    found.extend(keys::get(conn, &id).await?);
                }
                Ok::<_, Error>(found)
            })
        });
        Ok((found.await?, page.next_page_token))
    }

    /// Revokes a key. To revoke it again changes nothing.
    pub async fn revoke_key(&self, caller: &Identity, name: Permitted<ApiKeyName>) -> Result<ApiKey, Error> {
        may_use(caller, &name.tenant, Some(&name.user))?;
        let _tell = self.revocations.when_done();
        let (name, caller, now) = (name.into_inner(), caller.clone(), self.db.now());
        self.db
            .write(move |conn| {
                Box::pin(async move {
                    let not_found = || Error::NotFound { name: name.to_string() };
                    keys::get(conn, &name.api_key).await?.filter(|key| key.name == name).ok_or_else(not_found)?;
                    if !is(&caller, &name.user) {
                        let user = UserName::new(name.tenant.clone(), name.user.clone());
                        may_act_on(&caller, &users::existing(conn, &user).await?.roles)?;
                    }
                    keys::revoke(conn, &name.api_key, now).await?;
                    keys::get(conn, &name.api_key).await?.ok_or_else(not_found)
                })
            })
            .await
    }
}

fn is(caller: &Identity, user: &UserId) -> bool {
    caller.subject == Subject::User(user.clone())
}

/// One's own keys are one's own; those of others take an administrator.
fn may_use(caller: &Identity, tenant: &TenantId, user: Option<&UserId>) -> Result<(), Error> {
    if user.is_some_and(|user| is(caller, user)) {
        return Ok(());
    }
    may_administer(caller, tenant, Operators::AtHome)
}

/// A key has no role that its user does not have; and nobody makes a key that may do more than they may themselves,
/// but for an administrator, who may give other users of the tenant keys for what those may do.
fn may_pass_on(caller: &Identity, user: &UserName, held: &[Role], asked: Option<&[Role]>) -> Result<(), Error> {
    let passed = asked.unwrap_or(held);
    may_act_on(caller, passed)?;
    let own = is(caller, &user.user);
    let lacking = |role: &&Role| !covers(held, **role) || (own && !covers(&caller.roles, **role));
    match passed.iter().find(lacking) {
        Some(role) => Err(Error::RoleNotHeld { role: word(*role) }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(user: &str, roles: &[Role]) -> Identity {
        Identity {
            subject: Subject::User(user.parse().unwrap()),
            tenant: Some("main".parse().unwrap()),
            roles: roles.to_vec(),
            credential_expires: None,
        }
    }

    #[test]
    fn a_key_never_may_more_than_its_maker() {
        use Role::{Admin, Operator, Reader};
        let ada: UserName = "tenants/main/users/ada".parse().unwrap();
        let check = |caller: &Identity, held: &[Role], asked: Option<&[Role]>| {
            may_pass_on(caller, &ada, held, asked).map_err(|error| types::Fault::reason(&error))
        };
        let held = [Admin, Operator];
        assert_eq!(check(&caller("ada", &held), &held, None), Ok(()));
        // A key of hers that is narrowed to reading cannot make a wider one.
        assert_eq!(check(&caller("ada", &[Reader]), &[Reader, Admin], None), Err("ROLE_NOT_HELD"));
        assert_eq!(check(&caller("ada", &[Admin]), &held, None), Err("OPERATOR_REQUIRED"));
        // Nobody passes on what the user does not have.
        assert_eq!(check(&caller("ada", &held), &[Reader], Some(&[Admin])), Err("ROLE_NOT_HELD"));
        // What a role covers may be passed on.
        assert_eq!(check(&caller("ada", &held), &held, Some(&[Reader])), Ok(()));
        // An administrator makes keys for others, but none that operates the platform.
        assert_eq!(check(&caller("bob", &[Admin]), &[Reader], None), Ok(()));
        assert_eq!(check(&caller("bob", &[Admin]), &held, None), Err("OPERATOR_REQUIRED"));
    }
}
