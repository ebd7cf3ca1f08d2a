//! Bad calls, and what they get.

use millrace_integration_tests::{Mesh, Session, reason};
use proto::catalog::v1::{GetDatasetRequest, ListDatasetsRequest, SearchDatasetsRequest, SearchFilter};
use proto::common::v1::GetStatusRequest;
use proto::discovery::v1::{CreateSourceRequest, Source};
use proto::identity::v1::{CreateUserRequest, GetCallerRequest, LoginRequest, RefreshTokensRequest, Role, User};
use tonic::Code;
use tonic_types::StatusExt as _;

#[tokio::test]
async fn an_unknown_method_is_unimplemented() {
    let mesh = Mesh::start().await;
    for path in ["/millrace.catalog.v1.CatalogService/EatDataset", "/no.such.Service/Call"] {
        let mut client = tonic::client::Grpc::new(mesh.admin().await.transport());
        client.ready().await.unwrap();
        let path = http_path(path);
        let codec = tonic_prost::ProstCodec::<GetDatasetRequest, GetDatasetRequest>::default();
        let request = tonic::Request::new(GetDatasetRequest::default());
        let status = client.unary(request, path, codec).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unimplemented, "METHOD_UNKNOWN"));
    }
}

fn http_path(path: &str) -> http::uri::PathAndQuery {
    path.parse().unwrap()
}

#[tokio::test]
async fn a_call_without_a_good_credential_is_unauthenticated() {
    let mesh = Mesh::start().await;
    let genuine = mesh.token();
    let forged = format!("{}x", &genuine[..genuine.len() - 1]);
    let anonymous = mesh.anonymous().await;
    let status = anonymous.identity().get_caller(GetCallerRequest {}).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "CREDENTIAL_MISSING"));
    for token in [forged.as_str(), "nonsense", "mrk_a_b", ""] {
        let status = mesh.session(token).await.identity().get_caller(GetCallerRequest {}).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{token}: {status:?}");
        assert!(reason(&status).starts_with("CREDENTIAL_"), "{status:?}");
    }
}

#[tokio::test]
async fn an_identity_header_of_a_client_is_dropped() {
    let mesh = Mesh::start().await;
    let header = ("millrace-identity-bin", "AAAA".to_owned());
    let forging = Session::with_headers(mesh.address(), vec![header.clone()]).await;
    let status = forging.identity().get_caller(GetCallerRequest {}).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    let bearer = ("authorization", format!("Bearer {}", mesh.token()));
    let both = Session::with_headers(mesh.address(), vec![header, bearer]).await;
    both.identity().get_caller(GetCallerRequest {}).await.unwrap();
    let request = ListDatasetsRequest { parent: "tenants/main".into(), ..Default::default() };
    both.catalog().list_datasets(request).await.unwrap();
}

#[tokio::test]
async fn another_tenant_is_denied_the_same_whether_the_thing_exists_or_not() {
    let mesh = Mesh::start().await;
    let admin = mesh.admin().await;
    let mut statuses = Vec::new();
    for tenant in ["other", "nobody"] {
        if tenant == "other" {
            let tenant_id = tenant.to_owned();
            let request = proto::identity::v1::CreateTenantRequest { tenant_id, ..Default::default() };
            admin.identity().create_tenant(request).await.unwrap();
        }
        let request = GetDatasetRequest { name: format!("tenants/{tenant}/datasets/d1") };
        let status = admin.catalog().get_dataset(request).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "TENANT_FORBIDDEN"));
        statuses.push(status.message().replace(tenant, "T"));
    }
    assert_eq!(statuses[0], statuses[1]);
}

#[tokio::test]
async fn every_bad_field_is_named() {
    let mesh = Mesh::start().await;
    let admin = mesh.admin().await;
    let source = Source { title: "x".repeat(201), ..Source::default() };
    let request = CreateSourceRequest {
        parent: "tenants/main".into(),
        source_id: "Not An Id".into(),
        source: Some(source),
        request_id: "not a uuid".into(),
    };
    let status = admin.discovery().create_source(request).await.unwrap_err();
    bad_fields(&status, &["source_id", "source.title", "request_id"]);
    let filter = SearchFilter { sources: vec!["nonsense".into()], ..SearchFilter::default() };
    let request = SearchDatasetsRequest {
        parent: "tenants/main".into(),
        query: "x".repeat(1001),
        filter: Some(filter),
        page_size: 101,
        ..SearchDatasetsRequest::default()
    };
    let status = admin.catalog().search_datasets(request).await.unwrap_err();
    bad_fields(&status, &["query", "filter.sources", "page_size"]);
}

fn bad_fields(status: &tonic::Status, fields: &[&str]) {
    assert_eq!((status.code(), reason(status).as_str()), (Code::InvalidArgument, "BAD_REQUEST"), "{status:?}");
    let named: Vec<_> = status.get_details_bad_request().unwrap().field_violations;
    for field in fields {
        assert!(named.iter().any(|bad| bad.field.starts_with(field)), "`{field}` is not named: {named:?}");
    }
}

const PASSWORD: &str = "a long enough password";

async fn new_user(admin: &Session, id: &str, role: Role) {
    let user = User { roles: vec![role.into()], ..User::default() };
    let request = CreateUserRequest {
        parent: "tenants/main".into(),
        user_id: id.into(),
        user: Some(user),
        password: PASSWORD.into(),
        request_id: String::new(),
    };
    admin.identity().create_user(request).await.unwrap();
}

async fn login(mesh: &Mesh, user: &str) -> proto::identity::v1::Tokens {
    let request = LoginRequest { tenant: "main".into(), user: user.into(), password: PASSWORD.into() };
    mesh.anonymous().await.identity().login(request).await.unwrap().into_inner().tokens.unwrap()
}

#[tokio::test]
async fn a_role_permits_what_it_permits_and_nothing_else() {
    let mesh = Mesh::start().await;
    new_user(&mesh.admin().await, "rita", Role::Reader).await;
    let rita = mesh.session(&login(&mesh, "rita").await.access_token).await;
    let list = ListDatasetsRequest { parent: "tenants/main".into(), ..Default::default() };
    rita.catalog().list_datasets(list).await.unwrap();
    let denied = rita.create_folder("hers", &mesh.folder()).await.unwrap_err();
    assert_eq!((denied.code(), reason(&denied).as_str()), (Code::PermissionDenied, "PERMISSION_MISSING"));
    let denied = rita.operator().get_status(GetStatusRequest::default()).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_refresh_token_serves_once() {
    let mesh = Mesh::start().await;
    new_user(&mesh.admin().await, "paul", Role::Publisher).await;
    let tokens = login(&mesh, "paul").await;
    let mut identity = mesh.anonymous().await.identity();
    let refresh = RefreshTokensRequest { refresh_token: tokens.refresh_token };
    let newer = identity.refresh_tokens(refresh.clone()).await.unwrap().into_inner().tokens.unwrap();
    let status = identity.refresh_tokens(refresh).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "REFRESH_TOKEN_REUSED"));
    // Its whole session has ended.
    let paul = mesh.session(&newer.access_token).await;
    let status = paul.identity().get_caller(GetCallerRequest {}).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_wrong_password_tells_nothing() {
    let mesh = Mesh::start().await;
    new_user(&mesh.admin().await, "vera", Role::Reader).await;
    let mut identity = mesh.anonymous().await.identity();
    let mut told = Vec::new();
    for (user, password) in [("vera", "a wrong password"), ("nobody", PASSWORD)] {
        let request = LoginRequest { tenant: "main".into(), user: user.into(), password: password.into() };
        let status = identity.login(request).await.unwrap_err();
        told.push((status.code(), reason(&status), status.message().to_owned()));
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0].1, "LOGIN_FAILED");
}

#[tokio::test]
async fn reflection_shows_the_whole_mesh_as_one_server() {
    use tonic_reflection::pb::v1::ServerReflectionRequest;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
    let mesh = Mesh::start().await;
    let mut client = ServerReflectionClient::new(mesh.anonymous().await.transport());
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let answer = client.server_reflection_info(tokio_stream::once(request)).await.unwrap();
    let answer = answer.into_inner().message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else { panic!("{answer:?}") };
    let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    for rule in proto::RULES {
        let service = rule.path.trim_start_matches('/').split('/').next().unwrap();
        assert!(names.iter().any(|name| name == service), "{service} is not among {names:?}");
    }
}

#[tokio::test]
async fn health_is_public_and_says_serving() {
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_check_response::ServingStatus;
    use tonic_health::pb::health_client::HealthClient;
    let mesh = Mesh::start().await;
    let mut client = HealthClient::new(mesh.anonymous().await.transport());
    for service in ["", "millrace.catalog.v1.CatalogService"] {
        let request = HealthCheckRequest { service: service.into() };
        // The gateway learns of the health of others a moment after they answer.
        testkit::eventually!({
            let answer = client.check(request.clone()).await.unwrap().into_inner();
            answer.status() == ServingStatus::Serving
        });
    }
}
