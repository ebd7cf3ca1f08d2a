//! Messages of `identity.v1` to domain values and back.

use std::collections::BTreeSet;

use prost::Message as _;
use proto::identity::v1 as pb;
use rpc::Violations;
use types::{Role, Secret, UserName};

use super::password;
use super::sessions::Tokens;
use super::store::keys::ApiKey;
use super::store::tenants::Tenant;
use super::store::users::User;
use crate::Error;

/// The longest title, in characters.
const TITLE: usize = 200;

pub fn tenant(tenant: &Tenant) -> pb::Tenant {
    pb::Tenant {
        name: format!("tenants/{}", tenant.id),
        title: tenant.title.clone(),
        disabled: tenant.disabled,
        create_time: Some(tenant.created.into()),
    }
}

pub fn user(user: &User) -> pb::User {
    pb::User {
        name: user.name.to_string(),
        title: user.title.clone(),
        roles: write_roles(&user.roles),
        disabled: user.disabled,
        has_password: user.password.is_some(),
        create_time: Some(user.created.into()),
    }
}

pub fn api_key(key: &ApiKey) -> pb::ApiKey {
    pb::ApiKey {
        name: key.name.to_string(),
        title: key.title.clone(),
        roles: write_roles(key.roles.as_deref().unwrap_or_default()),
        create_time: Some(key.created.into()),
        expire_time: key.expires.map(Into::into),
        revoke_time: key.revoked.map(Into::into),
    }
}

pub fn tokens(tokens: &Tokens) -> pb::Tokens {
    pb::Tokens {
        access_token: tokens.access.expose().clone(),
        access_expire_time: Some(tokens.access_expires.into()),
        refresh_token: tokens.refresh.expose().clone(),
        refresh_expire_time: Some(tokens.refresh_expires.into()),
    }
}

pub fn write_roles(roles: &[Role]) -> Vec<i32> {
    roles.iter().map(|role| pb::Role::from(*role).into()).collect()
}

/// Reads roles: each one known, and each once.
pub fn roles(violations: &mut Violations, field: &str, given: &[i32]) -> Vec<Role> {
    let mut roles = BTreeSet::new();
    for (index, number) in given.iter().enumerate() {
        let role = pb::Role::try_from(*number).map_err(|_| "is no role that is known".to_owned());
        let role = role.and_then(|role| Role::try_from(role).map_err(|error| error.to_string()));
        roles.extend(violations.take(format!("{field}[{index}]"), role));
    }
    roles.into_iter().collect()
}

pub fn title(violations: &mut Violations, field: &str, title: String) -> String {
    violations.check(title.chars().count() <= TITLE, field, format!("takes at most {TITLE} characters"));
    violations.check(!title.chars().any(char::is_control), field, "must not hold control characters");
    title
}

/// Reads a new password; an empty one is none.
pub fn password(violations: &mut Violations, field: &str, text: String) -> Option<Secret<String>> {
    if text.is_empty() {
        return None;
    }
    let fits = password::LENGTH.contains(&text.chars().count());
    violations.check(fits, field, "takes 10 to 1024 characters");
    Some(Secret::new(text))
}

pub fn request_id(violations: &mut Violations, text: &str) {
    let fits = text.is_empty() || uuid::Uuid::parse_str(text).is_ok();
    violations.check(fits, "request_id", "must be a UUID, or empty");
}

/// A tenant as the reply that a repeated request gets.
pub fn write_tenant(given: &Tenant) -> Vec<u8> {
    tenant(given).encode_to_vec()
}

pub fn read_tenant(reply: &[u8]) -> Result<Tenant, Error> {
    let malformed = || Error::Malformed { column: "requests.reply" };
    let message = pb::Tenant::decode(reply).map_err(|_| malformed())?;
    let name: types::TenantName = message.name.parse().map_err(|_| malformed())?;
    let created = message.create_time.and_then(|time| time.try_into().ok()).ok_or_else(malformed)?;
    Ok(Tenant { id: name.tenant, title: message.title, disabled: message.disabled, created })
}

/// A user as the reply that a repeated request gets.
pub fn write_user(given: &User) -> Vec<u8> {
    user(given).encode_to_vec()
}

pub fn read_user(reply: &[u8]) -> Result<User, Error> {
    let malformed = || Error::Malformed { column: "requests.reply" };
    let message = pb::User::decode(reply).map_err(|_| malformed())?;
    let name: UserName = message.name.parse().map_err(|_| malformed())?;
    let roles: Option<Vec<_>> = message.roles().map(|role| Role::try_from(role).ok()).collect();
    let created = message.create_time.and_then(|time| time.try_into().ok()).ok_or_else(malformed)?;
    Ok(User {
        name,
        title: message.title,
        roles: roles.ok_or_else(malformed)?,
        disabled: message.disabled,
        // Only whether there is one matters to a reply.
        password: message.has_password.then(String::new),
        created,
    })
}
