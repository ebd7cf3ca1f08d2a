//! Users: create, list, disable, passwords and roles.

use sql::{Conn, pages, requests};
use types::{Identity, Permitted, Role, Secret, TenantName, UserName};

use super::store::sessions;
use super::store::users::{self, User};
use super::tenants::Repeatable;
use super::{Identities, convert, may_act_on};
use crate::Error;

/// A user to be created.
pub struct NewUser {
    pub name: Permitted<UserName>,
    pub title: String,
    pub roles: Vec<Role>,
    pub password: Option<Secret<String>>,
}

impl Identities {
    pub async fn create_user(&self, caller: &Identity, new: NewUser, call: Repeatable) -> Result<User, Error> {
        may_act_on(caller, &new.roles)?;
        let password = match new.password {
            Some(password) => Some(self.passwords.hash(password).await?),
            None => None,
        };
        let (name, now) = (new.name.into_inner(), self.db.now());
        let user = User { name, title: new.title, roles: new.roles, disabled: false, password, created: now };
        self.db
            .write(move |conn| {
                Box::pin(async move {
                    const METHOD: &str = "CreateUser";
                    let Repeatable { request_id, fingerprint } = call;
                    let owner = user.name.tenant.clone();
                    if let Some(reply) = requests::seen(conn, owner.as_str(), METHOD, &request_id, &fingerprint).await?
                    {
                        return convert::read_user(&reply);
                    }
                    users::insert(conn, &user).await?;
                    let reply = convert::write_user(&user);
                    requests::record(conn, owner.as_str(), METHOD, &request_id, &fingerprint, &reply, now).await?;
                    Ok(user)
                })
            })
            .await
    }

    pub async fn list_users(
        &self,
        tenant: Permitted<TenantName>,
        page_size: i32,
        token: &str,
    ) -> Result<(Vec<User>, String), Error> {
        let tenant = tenant.into_inner().tenant;
        let of = tenant.clone();
        let page = pages::page(&self.db, tenant.as_str(), "ListUsers", token, page_size, move |conn| {
            Box::pin(async move { users::ids(conn, &of).await })
        })
        .await?;
        let found = self.db.read(|conn| {
            Box::pin(async move {
                let mut found = Vec::with_capacity(page.ids.len());
                for id in page.ids {
                    let id = id.parse().map_err(|_| Error::Malformed { column: "users.id" })?;
                    found.extend(users::get(conn, &UserName::new(tenant.clone(), id)).await?);
                }
                Ok::<_, Error>(found)
            })
        });
        Ok((found.await?, page.next_page_token))
    }

    /// Disables or enables a user. Disabling ends the user's sessions.
    pub async fn set_user_disabled(
        &self,
        caller: &Identity,
        name: Permitted<UserName>,
        disabled: bool,
    ) -> Result<User, Error> {
        self.change(caller, name, move |user| user.disabled = disabled).await
    }

    /// Sets a password, and ends the user's sessions.
    pub async fn set_password(
        &self,
        caller: &Identity,
        name: Permitted<UserName>,
        password: Secret<String>,
    ) -> Result<(), Error> {
        let password = self.passwords.hash(password).await?;
        let _tell = self.revocations.when_done();
        let (name, caller, now) = (name.into_inner(), caller.clone(), self.db.now());
        self.db
            .write(move |conn| {
                Box::pin(async move {
                    let user = users::existing(conn, &name).await?;
                    may_act_on(&caller, &user.roles)?;
                    users::update(conn, &User { password: Some(password), ..user }).await?;
                    sessions::end_all(conn, &name, now).await
                })
            })
            .await
    }

    /// Replaces the roles of a user. Only an operator makes an operator, or changes one.
    pub async fn set_roles(
        &self,
        caller: &Identity,
        name: Permitted<UserName>,
        roles: Vec<Role>,
    ) -> Result<User, Error> {
        may_act_on(caller, &roles)?;
        self.change(caller, name, move |user| user.roles = roles).await
    }

    /// Changes a user, unless that would leave the tenant without an administrator or the platform without an
    /// operator.
    async fn change(
        &self,
        caller: &Identity,
        name: Permitted<UserName>,
        change: impl FnOnce(&mut User) + Send + 'static,
    ) -> Result<User, Error> {
        let _tell = self.revocations.when_done();
        let (name, caller, now) = (name.into_inner(), caller.clone(), self.db.now());
        self.db
            .write(move |conn| {
                Box::pin(async move {
                    let before = users::existing(conn, &name).await?;
                    may_act_on(&caller, &before.roles)?;
                    let mut after = before.clone();
                    change(&mut after);
                    users::update(conn, &after).await?;
                    if after.disabled && !before.disabled {
                        sessions::end_all(conn, &name, now).await?;
                    }
                    somebody_is_left(conn, &before, &after).await?;
                    Ok(after)
                })
            })
            .await
    }
}

async fn somebody_is_left(conn: &mut Conn, before: &User, after: &User) -> Result<(), Error> {
    let lost = |role: Role| {
        let had = !before.disabled && before.roles.contains(&role);
        had && (after.disabled || !after.roles.contains(&role))
    };
    let tenant = &after.name.tenant;
    if lost(Role::Admin) && !users::somebody_is(conn, Role::Admin, Some(tenant)).await? {
        return Err(Error::LastAdmin { tenant: tenant.to_string() });
    }
    if lost(Role::Operator) && !users::somebody_is(conn, Role::Operator, None).await? {
        return Err(Error::LastOperator);
    }
    Ok(())
}
