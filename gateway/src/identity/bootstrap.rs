//! The first administrator, and the way back in for whoever owns the data directory.

use sql::{Conn, Database};
use types::{ApiKeyName, BoxError, KeyId, Role, Secret, TenantId, Timestamp, UserName};

use super::store::keys::{self, ApiKey};
use super::store::tenants::{self, Tenant};
use super::store::users::{self, User};
use super::token::{self, Hash, HashKey};
use crate::Error;

/// The name of the first administrator.
const ADMIN: &str = "tenants/main/users/admin";

/// Gives an empty store its first tenant `main` and user `admin`, administrator and operator, with an API key that
/// does not expire. Gives that key, or `None` when the store was not empty.
///
/// `keep` puts the key where its owner finds it. It is called before the commit: when it fails, or the process dies,
/// the store stays empty and the next start does the same again, so that no key is ever lost.
pub async fn bootstrap(
    db: &Database,
    hash_key: &Secret<[u8; 32]>,
    keep: impl FnOnce(&Secret<String>) -> Result<(), BoxError> + Send + 'static,
) -> Result<Option<Secret<String>>, Error> {
    let (made, now) = (Made::new(hash_key), db.now());
    db.write(move |conn| {
        Box::pin(async move {
            if !tenants::ids(conn).await?.is_empty() {
                return Ok(None);
            }
            made.store(conn, now).await?;
            keep(&made.secret).map_err(Error::KeepKey)?;
            Ok(Some(made.secret))
        })
    })
    .await
}

/// Gives the user `admin` of the tenant `main` a new API key that does not expire, and the roles administrator and
/// operator again; enables both where they are disabled, and creates them where they are missing. Takes nothing from
/// anybody. `keep` works as with [`bootstrap`].
pub async fn reset_admin_key(
    db: &Database,
    hash_key: &Secret<[u8; 32]>,
    keep: impl FnOnce(&Secret<String>) -> Result<(), BoxError> + Send + 'static,
) -> Result<Secret<String>, Error> {
    let (made, now) = (Made::new(hash_key), db.now());
    db.write(move |conn| {
        Box::pin(async move {
            made.store(conn, now).await?;
            keep(&made.secret).map_err(Error::KeepKey)?;
            Ok(made.secret)
        })
    })
    .await
}

struct Made {
    id: KeyId,
    secret: Secret<String>,
    hash: Hash,
}

impl Made {
    fn new(hash_key: &Secret<[u8; 32]>) -> Self {
        let id = KeyId::random();
        let secret = token::api_key(&id);
        let hash = HashKey::new(hash_key).hash(secret.expose());
        Self { id, secret, hash }
    }

    async fn store(&self, conn: &mut Conn, now: Timestamp) -> Result<(), Error> {
        let name: UserName = ADMIN.parse().expect("the name is one");
        restore_tenant(conn, &name.tenant, now).await?;
        restore_user(conn, &name, now).await?;
        let key = ApiKey {
            name: ApiKeyName::new(name.tenant, name.user, self.id.clone()),
            title: "made at the start, or by `millrace admin reset-token`".into(),
            roles: None,
            created: now,
            expires: None,
            revoked: None,
        };
        keys::insert(conn, &key, &self.hash).await
    }
}

async fn restore_tenant(conn: &mut Conn, id: &TenantId, now: Timestamp) -> Result<(), Error> {
    match tenants::get(conn, id).await? {
        Some(tenant) if tenant.disabled => tenants::set_disabled(conn, id, false).await,
        Some(_) => Ok(()),
        None => {
            let tenant = Tenant { id: id.clone(), title: "Main".into(), disabled: false, created: now };
            tenants::insert(conn, &tenant).await
        }
    }
}

async fn restore_user(conn: &mut Conn, name: &UserName, now: Timestamp) -> Result<(), Error> {
    let Some(mut user) = users::get(conn, name).await? else {
        let user = User {
            name: name.clone(),
            title: "Administrator".into(),
            roles: vec![Role::Admin, Role::Operator],
            disabled: false,
            password: None,
            created: now,
        };
        return users::insert(conn, &user).await;
    };
    for role in [Role::Admin, Role::Operator] {
        if !user.roles.contains(&role) {
            user.roles.push(role);
        }
    }
    user.disabled = false;
    users::update(conn, &user).await
}
