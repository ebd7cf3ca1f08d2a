//! Tenants, users, keys: who there is, and that they stay apart.

use millrace_integration_tests::{Mesh, PATIENCE, Session, Setup, Web, csv, reason};
use proto::catalog::v1::{ListDatasetsRequest, SearchDatasetsRequest};
use proto::common::v1::WorkPhase;
use proto::discovery::v1::source::Settings;
use proto::discovery::v1::{CreateSourceRequest, FolderSettings, HttpIndexSettings, Source};
use proto::identity::v1::*;
use proto::profiling::v1::{Job, ListJobsRequest};
use tonic::Code;

const PASSWORD: &str = "a long enough password";

async fn create_tenant(admin: &Session, id: &str) {
    let tenant = Tenant { title: format!("The {id}"), ..Tenant::default() };
    let request = CreateTenantRequest { tenant_id: id.into(), tenant: Some(tenant), request_id: String::new() };
    admin.identity().create_tenant(request).await.unwrap();
}

async fn create_user(admin: &Session, tenant: &str, id: &str, role: Role) -> String {
    let user = User { roles: vec![role.into()], ..User::default() };
    let request = CreateUserRequest {
        parent: format!("tenants/{tenant}"),
        user_id: id.into(),
        user: Some(user),
        password: PASSWORD.into(),
        request_id: String::new(),
    };
    admin.identity().create_user(request).await.unwrap().into_inner().user.unwrap().name
}

async fn login(mesh: &Mesh, tenant: &str, user: &str, password: &str) -> Result<Tokens, tonic::Status> {
    let request = LoginRequest { tenant: tenant.into(), user: user.into(), password: password.into() };
    let answer = mesh.anonymous().await.identity().login(request).await?;
    Ok(answer.into_inner().tokens.unwrap())
}

async fn is_known(mesh: &Mesh, token: &str) -> bool {
    mesh.session(token).await.identity().get_caller(GetCallerRequest {}).await.is_ok()
}

#[tokio::test]
async fn a_tenant_sees_nothing_of_another() {
    let mesh = Mesh::start().await;
    let admin = mesh.admin().await;
    admin.upload("mine", "mine.csv", csv("pangolin", 10).into_bytes()).await.unwrap();
    testkit::eventually!(admin.search("pangolin").await.total_size == 1);
    create_tenant(&admin, "acme").await;
    create_user(&admin, "acme", "ann", Role::Admin).await;
    let ann = mesh.session(&login(&mesh, "acme", "ann", PASSWORD).await.unwrap().access_token).await;

    let own = SearchDatasetsRequest { parent: "tenants/acme".into(), query: "pangolin".into(), ..Default::default() };
    assert_eq!(ann.catalog().search_datasets(own.clone()).await.unwrap().into_inner().total_size, 0);
    let other = SearchDatasetsRequest { parent: "tenants/main".into(), ..own };
    let status = ann.catalog().search_datasets(other).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "TENANT_FORBIDDEN"));
    let list = ListDatasetsRequest { parent: "tenants/acme".into(), ..Default::default() };
    assert!(ann.catalog().list_datasets(list).await.unwrap().into_inner().datasets.is_empty());
    let users = ListUsersRequest { parent: "tenants/main".into(), ..Default::default() };
    assert_eq!(ann.identity().list_users(users).await.unwrap_err().code(), Code::PermissionDenied);
}

/// The jobs of a tenant, as it sees them.
async fn jobs(session: &Session, tenant: &str) -> Vec<Job> {
    let request = ListJobsRequest { parent: format!("tenants/{tenant}"), page_size: 1000, ..Default::default() };
    session.profiling().list_jobs(request).await.unwrap().into_inner().jobs
}

fn started(job: &Job) -> Option<(i64, i32)> {
    let start = job.status.as_ref()?.start_time.as_ref()?;
    Some((start.seconds, start.nanos))
}

#[tokio::test]
async fn a_tenant_with_much_work_holds_up_nobody() {
    const MANY: usize = 60;
    let mesh =
        Setup::new().set("FETCH__ALLOW_PRIVATE", r#"["127.0.0.0/8"]"#).set("PROFILING__WORKERS", 1).start().await;
    let admin = mesh.admin().await;
    create_tenant(&admin, "zebra").await;
    create_user(&admin, "zebra", "ann", Role::Admin).await;
    let ann = mesh.session(&login(&mesh, "zebra", "ann", PASSWORD).await.unwrap().access_token).await;
    let (web, address) = Web::start().await;
    for n in 0..MANY {
        web.file(&format!("{n:02}.csv"), csv(&format!("tides{n}"), 5));
    }
    web.hold(true);
    let index = HttpIndexSettings { url: format!("http://{address}/"), ..HttpIndexSettings::default() };
    admin.create_source("many", Settings::HttpIndex(index)).await.unwrap();
    testkit::eventually!(PATIENCE, {
        let jobs = jobs(&admin, "main").await;
        jobs.len() == MANY && jobs.iter().filter(|job| started(job).is_some()).count() == 1
    });

    std::fs::write(mesh.folder().join("one.csv"), csv("pangolin", 10)).unwrap();
    let folder = FolderSettings { path: mesh.folder().display().to_string() };
    let source = Source { settings: Some(Settings::Folder(folder)), ..Source::default() };
    let request = CreateSourceRequest {
        parent: "tenants/zebra".into(),
        source_id: "one".into(),
        source: Some(source),
        request_id: String::new(),
    };
    ann.discovery().create_source(request).await.unwrap();
    testkit::eventually!(PATIENCE, jobs(&ann, "zebra").await.len() == 1);
    web.hold(false);
    let job = testkit::eventually("the only job of a tenant", PATIENCE, || async {
        let job = jobs(&ann, "zebra").await.remove(0);
        let phase = job.status.as_ref().map(|status| status.phase()).unwrap_or_default();
        if phase == WorkPhase::Succeeded { Ok(job) } else { Err(format!("it is {phase:?}")) }
    })
    .await;
    let before = jobs(&admin, "main")
        .await
        .iter()
        .filter(|other| started(other).is_some_and(|start| Some(start) < started(&job)))
        .count();
    assert_eq!(before, 1, "the one that ran already; there is one worker");
}

#[tokio::test]
async fn a_disabled_tenant_is_refused_until_it_is_enabled_again() {
    let mesh = Mesh::start().await;
    let admin = mesh.admin().await;
    create_tenant(&admin, "acme").await;
    create_user(&admin, "acme", "ann", Role::Admin).await;
    let token = login(&mesh, "acme", "ann", PASSWORD).await.unwrap().access_token;
    let name = "tenants/acme".to_owned();
    admin.identity().disable_tenant(DisableTenantRequest { name: name.clone() }).await.unwrap();
    assert!(!is_known(&mesh, &token).await);
    let listed = admin.identity().list_tenants(ListTenantsRequest::default()).await.unwrap().into_inner().tenants;
    assert!(listed.iter().any(|tenant| tenant.name == name && tenant.disabled), "{listed:?}");
    admin.identity().enable_tenant(EnableTenantRequest { name }).await.unwrap();
    assert!(is_known(&mesh, &login(&mesh, "acme", "ann", PASSWORD).await.unwrap().access_token).await);
}

#[tokio::test]
async fn a_disabled_user_is_refused_until_enabled_again() {
    let mesh = Mesh::start().await;
    let admin = mesh.admin().await;
    let name = create_user(&admin, "main", "bob", Role::Reader).await;
    let token = login(&mesh, "main", "bob", PASSWORD).await.unwrap().access_token;
    admin.identity().disable_user(DisableUserRequest { name: name.clone() }).await.unwrap();
    assert!(!is_known(&mesh, &token).await);
    assert!(login(&mesh, "main", "bob", PASSWORD).await.is_err());
    let users = ListUsersRequest { parent: "tenants/main".into(), ..Default::default() };
    let users = admin.identity().list_users(users).await.unwrap().into_inner().users;
    assert!(users.iter().any(|user| user.name == name && user.disabled), "{users:?}");
    admin.identity().enable_user(EnableUserRequest { name }).await.unwrap();
    login(&mesh, "main", "bob", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn a_new_password_ends_the_sessions_of_the_old_one() {
    let mesh = Mesh::start().await;
    let admin = mesh.admin().await;
    let name = create_user(&admin, "main", "bob", Role::Reader).await;
    let tokens = login(&mesh, "main", "bob", PASSWORD).await.unwrap();
    let password = "another long password".to_owned();
    admin.identity().set_password(SetPasswordRequest { name, password: password.clone() }).await.unwrap();
    assert!(!is_known(&mesh, &tokens.access_token).await);
    assert!(login(&mesh, "main", "bob", PASSWORD).await.is_err());
    login(&mesh, "main", "bob", &password).await.unwrap();
}

#[tokio::test]
async fn roles_that_are_taken_are_gone_at_once() {
    let mesh = Mesh::start().await;
    let admin = mesh.admin().await;
    let name = create_user(&admin, "main", "bob", Role::Publisher).await;
    let bob = mesh.session(&login(&mesh, "main", "bob", PASSWORD).await.unwrap().access_token).await;
    bob.upload("his", "his.csv", csv("his", 5).into_bytes()).await.unwrap();
    let roles = vec![Role::Reader.into()];
    admin.identity().set_user_roles(SetUserRolesRequest { name, roles }).await.unwrap();
    let token = login(&mesh, "main", "bob", PASSWORD).await.unwrap().access_token;
    for session in [bob, mesh.session(&token).await] {
        let status = session.upload("more", "more.csv", csv("more", 5).into_bytes()).await.unwrap_err();
        assert!([Code::PermissionDenied, Code::Unauthenticated].contains(&status.code()), "{status:?}");
    }
}

#[tokio::test]
async fn a_logout_ends_the_session() {
    let mesh = Mesh::start().await;
    create_user(&mesh.admin().await, "main", "bob", Role::Reader).await;
    let tokens = login(&mesh, "main", "bob", PASSWORD).await.unwrap();
    assert!(is_known(&mesh, &tokens.access_token).await);
    let logout = LogoutRequest { refresh_token: tokens.refresh_token };
    mesh.anonymous().await.identity().logout(logout).await.unwrap();
    assert!(!is_known(&mesh, &tokens.access_token).await);
}

#[tokio::test]
async fn an_api_key_is_shown_once_and_refused_once_it_is_revoked() {
    let mesh = Mesh::start().await;
    let admin = mesh.admin().await;
    let user = create_user(&admin, "main", "bob", Role::Publisher).await;
    let request = CreateApiKeyRequest {
        parent: user.clone(),
        title: "script".into(),
        roles: vec![Role::Reader.into()],
        lifetime: None,
    };
    let created = admin.identity().create_api_key(request).await.unwrap().into_inner();
    let key = created.api_key.unwrap();
    let caller = mesh.session(&created.secret).await.identity().get_caller(GetCallerRequest {}).await.unwrap();
    let caller = caller.into_inner().caller.unwrap();
    assert_eq!((caller.user, caller.roles), (user.clone(), vec![i32::from(Role::Reader)]));
    let request = ListApiKeysRequest { parent: user, ..ListApiKeysRequest::default() };
    let listed = admin.identity().list_api_keys(request).await.unwrap().into_inner().api_keys;
    assert!(listed.iter().any(|each| each.name == key.name && each.title == "script"));
    assert!(!format!("{listed:?}").contains(&created.secret));
    admin.identity().revoke_api_key(RevokeApiKeyRequest { name: key.name }).await.unwrap();
    assert!(!is_known(&mesh, &created.secret).await);
}

#[tokio::test]
async fn a_stream_ends_when_its_credential_is_revoked() {
    let mesh = Mesh::start().await;
    let admin = mesh.admin().await;
    let parent = create_user(&admin, "main", "bob", Role::Reader).await;
    let request = CreateApiKeyRequest { parent, ..CreateApiKeyRequest::default() };
    let created = admin.identity().create_api_key(request).await.unwrap().into_inner();
    let request = proto::profiling::v1::WatchJobsRequest { parent: "tenants/main".into(), ..Default::default() };
    let bob = mesh.session(&created.secret).await;
    let mut watch = bob.profiling().watch_jobs(request).await.unwrap().into_inner();
    watch.message().await.unwrap().unwrap();
    admin.identity().revoke_api_key(RevokeApiKeyRequest { name: created.api_key.unwrap().name }).await.unwrap();
    let status = watch.message().await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "CREDENTIAL_REVOKED"));
}
