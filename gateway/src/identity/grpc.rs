//! `millrace.identity.v1.IdentityService`: decodes, calls [`Identities`], encodes.

use prost::Message;
use proto::identity::v1 as pb;
use proto::identity::v1::identity_service_server::IdentityService;
use rpc::{BadRequest, Violations};
use tonic::{Request, Response, Status};
use types::{Identity, Malformed, Permitted, Scoped, Secret, TenantId, TenantName, UserId, UserName};

use super::keys::NewKey;
use super::tenants::Repeatable;
use super::users::NewUser;
use super::{Identities, Operators, convert, may_administer};
use crate::{Error, permission};

type Answer<T> = Result<Response<T>, Status>;

/// The address of whoever calls, put among the request's extensions by the edge.
#[derive(Debug, Clone)]
pub(crate) struct Peer(pub(crate) String);

/// Serves the calls.
pub struct Grpc {
    identities: Identities,
}

impl Grpc {
    pub fn new(identities: Identities) -> Self {
        Self { identities }
    }

    /// The id of a request with the hash of all of it. Keyed, because the request may hold a password.
    fn repeatable(&self, request_id: &str, request: &impl Message) -> Repeatable {
        let fingerprint = self.identities.hash_key.digest(&request.encode_to_vec());
        Repeatable { request_id: request_id.to_owned(), fingerprint }
    }
}

#[tonic::async_trait]
impl IdentityService for Grpc {
    async fn login(&self, request: Request<pb::LoginRequest>) -> Answer<pb::LoginResponse> {
        let address = request.extensions().get::<Peer>().map_or_else(String::new, |peer| peer.0.clone());
        let pb::LoginRequest { tenant, user, password } = request.into_inner();
        let mut violations = Violations::new();
        for (field, value) in [("tenant", &tenant), ("user", &user), ("password", &password)] {
            violations.check(!value.is_empty(), field, "must be given");
            violations.check(value.len() <= 4096, field, "is too long");
        }
        violations.finish()?;
        let tokens = self.identities.login(&tenant, &user, Secret::new(password), &address).await?;
        Ok(Response::new(pb::LoginResponse { tokens: Some(convert::tokens(&tokens)) }))
    }

    async fn refresh_tokens(&self, request: Request<pb::RefreshTokensRequest>) -> Answer<pb::RefreshTokensResponse> {
        let tokens = self.identities.refresh(&given("refresh_token", request.into_inner().refresh_token)?).await?;
        Ok(Response::new(pb::RefreshTokensResponse { tokens: Some(convert::tokens(&tokens)) }))
    }

    async fn logout(&self, request: Request<pb::LogoutRequest>) -> Answer<pb::LogoutResponse> {
        self.identities.logout(&given("refresh_token", request.into_inner().refresh_token)?).await?;
        Ok(Response::new(pb::LogoutResponse {}))
    }

    async fn get_caller(&self, request: Request<pb::GetCallerRequest>) -> Answer<pb::GetCallerResponse> {
        let caller = rpc::identity(request.extensions())?;
        let tenant = caller.tenant.as_ref().map(|tenant| format!("tenants/{tenant}")).unwrap_or_default();
        let caller = pb::Caller {
            user: format!("{tenant}/{}", caller.subject),
            tenant,
            roles: convert::write_roles(&caller.roles),
            permissions: permission::granted(&caller.roles),
            expire_time: caller.credential_expires.map(Into::into),
        };
        Ok(Response::new(pb::GetCallerResponse { caller: Some(caller) }))
    }

    async fn create_tenant(&self, request: Request<pb::CreateTenantRequest>) -> Answer<pb::CreateTenantResponse> {
        let message = request.into_inner();
        let call = self.repeatable(&message.request_id, &message);
        let mut violations = Violations::new();
        let id = violations.parse::<TenantId>("tenant_id", &message.tenant_id);
        let title = message.tenant.map(|tenant| tenant.title).unwrap_or_default();
        let title = convert::title(&mut violations, "tenant.title", title);
        convert::request_id(&mut violations, &message.request_id);
        let id = all(violations, id)?;
        let tenant = self.identities.create_tenant(id, title, call).await?;
        Ok(Response::new(pb::CreateTenantResponse { tenant: Some(convert::tenant(&tenant)) }))
    }

    async fn list_tenants(&self, request: Request<pb::ListTenantsRequest>) -> Answer<pb::ListTenantsResponse> {
        let pb::ListTenantsRequest { page_size, page_token } = request.into_inner();
        let (tenants, next_page_token) = self.identities.list_tenants(page_size, &page_token).await?;
        let tenants = tenants.iter().map(convert::tenant).collect();
        Ok(Response::new(pb::ListTenantsResponse { tenants, next_page_token }))
    }

    async fn disable_tenant(&self, request: Request<pb::DisableTenantRequest>) -> Answer<pb::DisableTenantResponse> {
        let name: TenantName = read("name", &request.into_inner().name)?;
        let tenant = self.identities.set_tenant_disabled(name.tenant, true).await?;
        Ok(Response::new(pb::DisableTenantResponse { tenant: Some(convert::tenant(&tenant)) }))
    }

    async fn enable_tenant(&self, request: Request<pb::EnableTenantRequest>) -> Answer<pb::EnableTenantResponse> {
        let name: TenantName = read("name", &request.into_inner().name)?;
        let tenant = self.identities.set_tenant_disabled(name.tenant, false).await?;
        Ok(Response::new(pb::EnableTenantResponse { tenant: Some(convert::tenant(&tenant)) }))
    }

    async fn create_user(&self, request: Request<pb::CreateUserRequest>) -> Answer<pb::CreateUserResponse> {
        let caller = rpc::identity(request.extensions())?.clone();
        let parent: TenantName = read("parent", &request.get_ref().parent)?;
        let parent = administered(&caller, parent, Operators::Everywhere)?;
        let message = request.into_inner();
        let call = self.repeatable(&message.request_id, &message);
        let mut violations = Violations::new();
        let id = violations.parse::<UserId>("user_id", &message.user_id);
        let user = message.user.unwrap_or_default();
        let roles = convert::roles(&mut violations, "user.roles", &user.roles);
        let title = convert::title(&mut violations, "user.title", user.title);
        let password = convert::password(&mut violations, "password", message.password);
        convert::request_id(&mut violations, &message.request_id);
        let id = all(violations, id)?;
        let name = UserName::new(parent.tenant.clone(), id);
        let name = administered(&caller, name, Operators::Everywhere)?;
        let user = self.identities.create_user(&caller, NewUser { name, title, roles, password }, call).await?;
        Ok(Response::new(pb::CreateUserResponse { user: Some(convert::user(&user)) }))
    }

    async fn list_users(&self, request: Request<pb::ListUsersRequest>) -> Answer<pb::ListUsersResponse> {
        let caller = rpc::identity(request.extensions())?.clone();
        let pb::ListUsersRequest { parent, page_size, page_token } = request.into_inner();
        let parent = administered(&caller, read::<TenantName>("parent", &parent)?, Operators::Everywhere)?;
        let (users, next_page_token) = self.identities.list_users(parent, page_size, &page_token).await?;
        let users = users.iter().map(convert::user).collect();
        Ok(Response::new(pb::ListUsersResponse { users, next_page_token }))
    }

    async fn disable_user(&self, request: Request<pb::DisableUserRequest>) -> Answer<pb::DisableUserResponse> {
        let caller = rpc::identity(request.extensions())?.clone();
        let name = administered(&caller, read::<UserName>("name", &request.into_inner().name)?, Operators::AtHome)?;
        let user = self.identities.set_user_disabled(&caller, name, true).await?;
        Ok(Response::new(pb::DisableUserResponse { user: Some(convert::user(&user)) }))
    }

    async fn enable_user(&self, request: Request<pb::EnableUserRequest>) -> Answer<pb::EnableUserResponse> {
        let caller = rpc::identity(request.extensions())?.clone();
        let name = administered(&caller, read::<UserName>("name", &request.into_inner().name)?, Operators::AtHome)?;
        let user = self.identities.set_user_disabled(&caller, name, false).await?;
        Ok(Response::new(pb::EnableUserResponse { user: Some(convert::user(&user)) }))
    }

    async fn set_password(&self, request: Request<pb::SetPasswordRequest>) -> Answer<pb::SetPasswordResponse> {
        let caller = rpc::identity(request.extensions())?.clone();
        let pb::SetPasswordRequest { name, password } = request.into_inner();
        let name = administered(&caller, read::<UserName>("name", &name)?, Operators::AtHome)?;
        let mut violations = Violations::new();
        let password = convert::password(&mut violations, "password", password);
        let password = violations.required("password", password);
        self.identities.set_password(&caller, name, all(violations, password)?).await?;
        Ok(Response::new(pb::SetPasswordResponse {}))
    }

    async fn set_user_roles(&self, request: Request<pb::SetUserRolesRequest>) -> Answer<pb::SetUserRolesResponse> {
        let caller = rpc::identity(request.extensions())?.clone();
        let pb::SetUserRolesRequest { name, roles } = request.into_inner();
        let name = administered(&caller, read::<UserName>("name", &name)?, Operators::Everywhere)?;
        let mut violations = Violations::new();
        let roles = convert::roles(&mut violations, "roles", &roles);
        violations.finish()?;
        let user = self.identities.set_roles(&caller, name, roles).await?;
        Ok(Response::new(pb::SetUserRolesResponse { user: Some(convert::user(&user)) }))
    }

    async fn create_api_key(&self, request: Request<pb::CreateApiKeyRequest>) -> Answer<pb::CreateApiKeyResponse> {
        let caller = rpc::identity(request.extensions())?.clone();
        let user = rpc::permit::<UserName>(request.extensions(), "parent", &request.get_ref().parent)?;
        let message = request.into_inner();
        let mut violations = Violations::new();
        let title = convert::title(&mut violations, "title", message.title);
        let roles = convert::roles(&mut violations, "roles", &message.roles);
        let lifetime = message.lifetime.map(|lifetime| match Malformed::duration(lifetime) {
            Ok(lifetime) if lifetime.is_zero() => Err(Malformed("the lifetime must not be 0".into())),
            read => read,
        });
        let lifetime = lifetime.and_then(|lifetime| violations.take("lifetime", lifetime));
        violations.finish()?;
        let (key, secret) = self.identities.create_key(&caller, NewKey { user, title, roles, lifetime }).await?;
        let secret = secret.expose().clone();
        Ok(Response::new(pb::CreateApiKeyResponse { api_key: Some(convert::api_key(&key)), secret }))
    }

    async fn list_api_keys(&self, request: Request<pb::ListApiKeysRequest>) -> Answer<pb::ListApiKeysResponse> {
        let caller = rpc::identity(request.extensions())?.clone();
        let (tenant, user) = key_parent(&request.get_ref().parent)?;
        let tenant = rpc::permitted(request.extensions(), tenant)?;
        let pb::ListApiKeysRequest { page_size, page_token, .. } = request.into_inner();
        let (keys, next_page_token) = self.identities.list_keys(&caller, tenant, user, page_size, &page_token).await?;
        let api_keys = keys.iter().map(convert::api_key).collect();
        Ok(Response::new(pb::ListApiKeysResponse { api_keys, next_page_token }))
    }

    async fn revoke_api_key(&self, request: Request<pb::RevokeApiKeyRequest>) -> Answer<pb::RevokeApiKeyResponse> {
        let caller = rpc::identity(request.extensions())?.clone();
        let name = rpc::permit(request.extensions(), "name", &request.get_ref().name)?;
        let key = self.identities.revoke_key(&caller, name).await?;
        Ok(Response::new(pb::RevokeApiKeyResponse { api_key: Some(convert::api_key(&key)) }))
    }
}

/// Permits `name` to an administrator of its tenant, and to operators where the call allows them.
fn administered<N: Scoped>(caller: &Identity, name: N, operators: Operators) -> Result<Permitted<N>, Status> {
    may_administer(caller, name.tenant(), operators)?;
    // For an operator in another tenant, the check above was the comparison.
    let there = Identity { tenant: Some(name.tenant().clone()), ..caller.clone() };
    Permitted::check(&there, name)
        .map_err(|forbidden| Error::TenantForbidden { tenant: forbidden.tenant.to_string() }.into())
}

/// Reads `tenants/{tenant}/users/{user}`, where `-` means all users.
fn key_parent(text: &str) -> Result<(TenantName, Option<UserId>), BadRequest> {
    if let Some(tenant) = text.strip_suffix("/users/-") {
        return Ok((read("parent", tenant)?, None));
    }
    let name: UserName = read("parent", text)?;
    Ok((TenantName::new(name.tenant), Some(name.user)))
}

fn read<N: std::str::FromStr<Err: std::fmt::Display>>(field: &str, text: &str) -> Result<N, BadRequest> {
    text.parse().map_err(|error: N::Err| BadRequest::field(field, error.to_string()))
}

fn given(field: &str, text: String) -> Result<String, BadRequest> {
    if text.is_empty() { Err(BadRequest::field(field, "must be given")) } else { Ok(text) }
}

/// The value, unless something is wrong with the request. It is there when nothing is.
fn all<T>(violations: Violations, value: Option<T>) -> Result<T, BadRequest> {
    violations.finish()?;
    value.ok_or_else(|| BadRequest::field("", "is missing"))
}
