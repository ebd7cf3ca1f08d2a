//! Tenants, users, roles and keys: who may do what to whom.

use std::collections::BTreeSet;

use proto::identity::v1 as pb;
use proto::identity::v1::Role::{Admin, Operator, Publisher, Reader};
use tonic::Code;
use tonic_types::StatusExt as _;
use types::Secret;

use super::harness::{HASH_KEY, Mesh, Over, database, info, told, with};
use super::over_both_transports;

testkit::on_every_store! {
    a_first_key_that_was_not_kept_was_not_made,
    whoever_owns_the_directory_gets_in_again,
}

over_both_transports! {
    the_caller_learns_who_they_are,
    bad_fields_are_listed_every_one,
    a_new_tenant_gets_its_first_administrator_from_an_operator,
    an_administrator_stays_within_the_tenant,
    nobody_makes_themselves_an_operator,
    the_last_administrator_and_the_last_operator_stay,
    a_repeated_request_has_one_effect,
    keys_are_listed_without_their_secrets,
    a_disabled_tenant_is_refused_until_it_is_enabled,
}

async fn the_caller_learns_who_they_are(mesh: Mesh) {
    let key = mesh.user("ada", &[Publisher]).await;
    let caller = mesh.identity().get_caller(with(&key, pb::GetCallerRequest {})).await.unwrap().into_inner();
    let caller = caller.caller.unwrap();
    assert_eq!((caller.user.as_str(), caller.tenant.as_str()), ("tenants/main/users/ada", "tenants/main"));
    assert!(caller.permissions.contains(&"datasets.write".to_owned()));
    assert!(!caller.permissions.contains(&"users.administer".to_owned()));
}

async fn bad_fields_are_listed_every_one(mesh: Mesh) {
    let request = pb::CreateUserRequest {
        parent: "tenants/main".into(),
        user_id: "Not An Id".into(),
        user: Some(pb::User { title: "x".repeat(201), roles: vec![1, 0, 99], ..pb::User::default() }),
        password: "short".into(),
        request_id: "no uuid".into(),
    };
    let status = mesh.identity().create_user(mesh.asks(request)).await.unwrap_err();
    assert_eq!((status.code(), info(&status).reason.as_str()), (Code::InvalidArgument, "BAD_REQUEST"));
    let fields: BTreeSet<_> =
        status.get_details_bad_request().unwrap().field_violations.into_iter().map(|v| v.field).collect();
    let expected = ["user_id", "user.title", "user.roles[1]", "user.roles[2]", "password", "request_id"];
    assert_eq!(fields, expected.map(str::to_owned).into());

    let request = pb::ListUsersRequest { parent: "tenants/main".into(), page_size: -1, page_token: String::new() };
    assert_eq!(
        told(mesh.identity().list_users(mesh.asks(request)).await),
        (Code::InvalidArgument, "BAD_REQUEST".into())
    );
}

async fn a_new_tenant_gets_its_first_administrator_from_an_operator(mesh: Mesh) {
    let request = pb::CreateTenantRequest { tenant_id: "acme".into(), ..pb::CreateTenantRequest::default() };
    mesh.identity().create_tenant(mesh.asks(request.clone())).await.unwrap();
    let again = mesh.identity().create_tenant(mesh.asks(request)).await;
    assert_eq!(told(again), (Code::AlreadyExists, "ALREADY_EXISTS".into()));
    let user = mesh.user_in("acme", "boss", &[Admin]).await;
    assert_eq!(user.name, "tenants/acme/users/boss");
    let listed = pb::ListUsersRequest { parent: "tenants/acme".into(), ..pb::ListUsersRequest::default() };
    assert_eq!(mesh.identity().list_users(mesh.asks(listed)).await.unwrap().into_inner().users.len(), 1);
    // More than that an operator may not do elsewhere.
    let name = "tenants/acme/users/boss".to_owned();
    let refused = mesh.identity().disable_user(mesh.asks(pb::DisableUserRequest { name })).await;
    assert_eq!(told(refused), (Code::PermissionDenied, "TENANT_FORBIDDEN".into()));
    // A user of a tenant that is not there is not made.
    let request = pb::CreateUserRequest {
        parent: "tenants/nowhere".into(),
        user_id: "x".into(),
        ..pb::CreateUserRequest::default()
    };
    assert_eq!(told(mesh.identity().create_user(mesh.asks(request)).await).0, Code::NotFound);
    let list = async |page_token: String| {
        let request = pb::ListTenantsRequest { page_size: 1, page_token };
        mesh.identity().list_tenants(mesh.asks(request)).await.unwrap().into_inner()
    };
    let first = list(String::new()).await;
    assert_eq!(first.tenants[0].name, "tenants/acme");
    let rest = list(first.next_page_token).await;
    assert_eq!((rest.tenants[0].name.as_str(), rest.next_page_token.as_str()), ("tenants/main", ""));
}

async fn an_administrator_stays_within_the_tenant(mesh: Mesh) {
    let admin = mesh.user("ada", &[Admin]).await;
    let mut identity = mesh.identity();
    let mut refused = Vec::new();
    for tenant in ["main2", "nowhere"] {
        let parent = format!("tenants/{tenant}");
        let list = pb::ListUsersRequest { parent: parent.clone(), ..pb::ListUsersRequest::default() };
        refused.push(told(identity.list_users(with(&admin, list)).await));
        let name = format!("{parent}/users/x");
        let roles = pb::SetUserRolesRequest { name: name.clone(), roles: vec![] };
        refused.push(told(identity.set_user_roles(with(&admin, roles)).await));
        let key = pb::CreateApiKeyRequest { parent: name, ..pb::CreateApiKeyRequest::default() };
        refused.push(told(identity.create_api_key(with(&admin, key)).await));
    }
    assert!(refused.iter().all(|told| *told == (Code::PermissionDenied, "TENANT_FORBIDDEN".into())), "{refused:?}");
    let tenant = identity.create_tenant(with(&admin, pb::CreateTenantRequest::default())).await;
    assert_eq!(told(tenant).1, "PERMISSION_MISSING");
}

async fn nobody_makes_themselves_an_operator(mesh: Mesh) {
    let admin = mesh.user("ada", &[Admin]).await;
    let mut identity = mesh.identity();
    let operator: i32 = Operator.into();
    let roles = pb::SetUserRolesRequest { name: "tenants/main/users/ada".into(), roles: vec![operator] };
    assert_eq!(told(identity.set_user_roles(with(&admin, roles)).await).1, "OPERATOR_REQUIRED");
    let user = pb::CreateUserRequest {
        parent: "tenants/main".into(),
        user_id: "eve".into(),
        user: Some(pb::User { roles: vec![operator], ..pb::User::default() }),
        ..pb::CreateUserRequest::default()
    };
    assert_eq!(told(identity.create_user(with(&admin, user)).await).1, "OPERATOR_REQUIRED");
    // Nor do they take over somebody who is one.
    let name = "tenants/main/users/admin".to_owned();
    let password = pb::SetPasswordRequest { name: name.clone(), password: "correct horse battery".into() };
    assert_eq!(told(identity.set_password(with(&admin, password)).await).1, "OPERATOR_REQUIRED");
    let key = pb::CreateApiKeyRequest { parent: name.clone(), ..pb::CreateApiKeyRequest::default() };
    assert_eq!(told(identity.create_api_key(with(&admin, key)).await).1, "OPERATOR_REQUIRED");
    let disable = pb::DisableUserRequest { name };
    assert_eq!(told(identity.disable_user(with(&admin, disable)).await).1, "OPERATOR_REQUIRED");
}

async fn the_last_administrator_and_the_last_operator_stay(mesh: Mesh) {
    let name = "tenants/main/users/admin".to_owned();
    let mut identity = mesh.identity();
    let disable = identity.disable_user(mesh.asks(pb::DisableUserRequest { name: name.clone() })).await;
    assert_eq!(told(disable), (Code::FailedPrecondition, "LAST_ADMIN".into()));
    mesh.user("ada", &[Admin]).await;
    let roles = pb::SetUserRolesRequest { name: name.clone(), roles: vec![Admin.into()] };
    assert_eq!(told(identity.set_user_roles(mesh.asks(roles)).await).1, "LAST_OPERATOR");
    let tenant = pb::DisableTenantRequest { name: "tenants/main".into() };
    assert_eq!(told(identity.disable_tenant(mesh.asks(tenant)).await).1, "LAST_OPERATOR");
    // Nothing of it was done.
    let roles = pb::SetUserRolesRequest { name, roles: vec![Operator.into()] };
    let user = identity.set_user_roles(mesh.asks(roles)).await.unwrap().into_inner().user.unwrap();
    assert_eq!((user.disabled, user.roles), (false, vec![i32::from(Operator)]));
}

async fn a_repeated_request_has_one_effect(mesh: Mesh) {
    let request = pb::CreateUserRequest {
        parent: "tenants/main".into(),
        user_id: "ada".into(),
        user: Some(pb::User { roles: vec![Reader.into()], ..pb::User::default() }),
        password: "correct horse battery".into(),
        request_id: "0198c0de-0000-7000-8000-000000000001".into(),
    };
    let first = mesh.identity().create_user(mesh.asks(request.clone())).await.unwrap().into_inner();
    let second = mesh.identity().create_user(mesh.asks(request.clone())).await.unwrap().into_inner();
    assert_eq!(first, second);
    let other = pb::CreateUserRequest { user_id: "bob".into(), ..request };
    assert_eq!(told(mesh.identity().create_user(mesh.asks(other)).await).1, "REQUEST_ID_REUSED");
}

async fn keys_are_listed_without_their_secrets(mesh: Mesh) {
    let ada = mesh.user("ada", &[Reader]).await;
    let bob = mesh.user("bob", &[Reader]).await;
    let list = |user: &str| pb::ListApiKeysRequest {
        parent: format!("tenants/main/users/{user}"),
        ..pb::ListApiKeysRequest::default()
    };
    let all = mesh.identity().list_api_keys(mesh.asks(list("-"))).await.unwrap().into_inner().api_keys;
    assert_eq!(all.len(), 3);
    let own = mesh.identity().list_api_keys(with(&ada, list("ada"))).await.unwrap().into_inner().api_keys;
    assert!(own.len() == 1 && own[0].name.starts_with("tenants/main/users/ada/apiKeys/"));
    for user in ["bob", "-"] {
        assert_eq!(told(mesh.identity().list_api_keys(with(&ada, list(user))).await).1, "PERMISSION_MISSING");
    }
    // One's own key one may revoke, that of another not.
    let name = own[0].name.clone();
    let refused = mesh.identity().revoke_api_key(with(&bob, pb::RevokeApiKeyRequest { name: name.clone() })).await;
    assert_eq!(told(refused).1, "PERMISSION_MISSING");
    mesh.identity().revoke_api_key(with(&ada, pb::RevokeApiKeyRequest { name })).await.unwrap();
    assert_eq!(told(mesh.reads(&ada).await).1, "CREDENTIAL_REVOKED");
    // A key cannot have more than its user.
    assert_eq!(told(mesh.key("bob", &[Admin]).await).1, "ROLE_NOT_HELD");
}

async fn a_disabled_tenant_is_refused_until_it_is_enabled(mesh: Mesh) {
    let request = pb::CreateTenantRequest { tenant_id: "acme".into(), ..pb::CreateTenantRequest::default() };
    mesh.identity().create_tenant(mesh.asks(request)).await.unwrap();
    mesh.user_in("acme", "boss", &[Admin]).await;
    let login =
        pb::LoginRequest { tenant: "acme".into(), user: "boss".into(), password: super::harness::PASSWORD.into() };
    let tokens = mesh.identity().login(login.clone()).await.unwrap().into_inner().tokens.unwrap();
    let who = || with(&tokens.access_token, pb::GetCallerRequest {});
    mesh.identity().get_caller(who()).await.unwrap();
    let name = "tenants/acme".to_owned();
    mesh.identity().disable_tenant(mesh.asks(pb::DisableTenantRequest { name: name.clone() })).await.unwrap();
    assert_eq!(told(mesh.identity().get_caller(who()).await), (Code::Unauthenticated, "TENANT_DISABLED".into()));
    assert_eq!(told(mesh.identity().login(login).await).1, "TENANT_DISABLED");
    mesh.identity().enable_tenant(mesh.asks(pb::EnableTenantRequest { name })).await.unwrap();
    mesh.identity().get_caller(who()).await.unwrap();
}

async fn a_first_key_that_was_not_kept_was_not_made() {
    let (dir, clock) = (testkit::temp_dir(), testkit::ManualClock::default());
    let db = database(&dir, &clock).await;
    let key = Secret::new(HASH_KEY);
    let failed = crate::bootstrap(&db, &key, |_| Err("the disk is full".into())).await;
    assert_eq!(types::Fault::reason(&failed.unwrap_err()), "ADMIN_KEY_NOT_KEPT");
    assert!(crate::bootstrap(&db, &key, |_| Ok(())).await.unwrap().is_some());
    assert!(crate::bootstrap(&db, &key, |_| panic!("the store is not empty")).await.unwrap().is_none());
}

async fn whoever_owns_the_directory_gets_in_again() {
    let mesh = Mesh::start(Over::Process).await;
    mesh.user("ada", &[Admin, Operator]).await;
    let name = "tenants/main/users/admin".to_owned();
    let ada = mesh.key("ada", &[]).await.unwrap().secret;
    let disable = pb::DisableUserRequest { name };
    mesh.identity().disable_user(with(&ada, disable)).await.unwrap();
    assert_eq!(told(mesh.reads(&mesh.admin.clone()).await).1, "USER_DISABLED");
    let reset = crate::reset_admin_key(&mesh.db, &Secret::new(HASH_KEY), |_| Ok(())).await.unwrap();
    mesh.reads(reset.expose()).await.unwrap();
    let caller = mesh.last_seen().0;
    assert_eq!(caller.roles, [types::Role::Admin, types::Role::Operator]);
    mesh.reads(&ada).await.unwrap();
}
