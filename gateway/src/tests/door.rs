//! Who gets in: credentials, permissions, the identity header, limits.

use std::time::Duration;

use proto::catalog::v1::{GetDatasetRequest, ListDatasetsRequest, UpdateDatasetRequest, WatchDatasetsRequest};
use proto::identity::v1::Role::{Admin, Publisher, Reader};
use proto::identity::v1::{DisableUserRequest, RevokeApiKeyRequest, SetUserRolesRequest};
use rpc::IDENTITY_HEADER;
use tonic::body::Body;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request};
use tower::ServiceExt as _;
use types::{Role, Subject};

use super::harness::{Mesh, Over, info, told, with};
use super::over_both_transports;

over_both_transports! {
    a_call_reaches_its_role_with_the_identity_of_the_caller,
    an_unknown_method_is_unimplemented,
    a_call_without_a_credential_is_unauthenticated,
    a_forged_or_malformed_credential_is_unauthenticated,
    an_expired_access_token_is_unauthenticated,
    a_revoked_key_is_refused_at_once,
    a_disabled_user_is_refused_at_once,
    roles_that_were_taken_are_gone_at_once,
    an_identity_header_of_the_client_is_dropped,
    another_tenants_name_is_denied_whether_the_thing_exists_or_not,
    a_role_without_the_permission_is_denied_by_name,
    a_unary_call_has_a_deadline,
    a_stream_ends_when_its_credential_is_revoked,
    a_stream_ends_when_its_credential_expires,
    a_broken_off_upload_does_not_look_complete,
    a_refusal_is_an_answer_of_headers_alone,
    what_is_no_grpc_gets_an_http_answer,
}

async fn a_call_reaches_its_role_with_the_identity_of_the_caller(mesh: Mesh) {
    let name = "tenants/main/datasets/d".to_owned();
    let answer = mesh.catalog().get_dataset(mesh.asks(GetDatasetRequest { name: name.clone() })).await.unwrap();
    assert_eq!(answer.into_inner().dataset.unwrap().name, name);
    let (caller, headers) = mesh.last_seen();
    assert_eq!(caller.subject, Subject::User("admin".parse().unwrap()));
    assert_eq!(caller.tenant.unwrap().as_str(), "main");
    assert_eq!(caller.roles, [Role::Admin, Role::Operator]);
    assert!(headers.get("authorization").is_none(), "a role has no use for the credential");
}

async fn an_unknown_method_is_unimplemented(mesh: Mesh) {
    let paths = ["/millrace.catalog.v1.CatalogService/NoSuchMethod", "/no.such.Service/M", "/grpc.health.v1.Health/No"];
    for path in paths {
        let mut client = tonic::client::Grpc::new(mesh.transport.clone());
        client.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<GetDatasetRequest, GetDatasetRequest>::default();
        let request = mesh.asks(GetDatasetRequest::default());
        let status = client.unary(request, path.parse().unwrap(), codec).await.unwrap_err();
        assert_eq!((status.code(), info(&status).reason.as_str()), (Code::Unimplemented, "METHOD_UNKNOWN"));
        assert_eq!(info(&status).domain, "millrace.gateway");
    }
}

async fn a_call_without_a_credential_is_unauthenticated(mesh: Mesh) {
    let refused = mesh.catalog().get_dataset(GetDatasetRequest::default()).await;
    assert_eq!(told(refused), (Code::Unauthenticated, "CREDENTIAL_MISSING".into()));
    assert!(mesh.seen.lock().unwrap().is_empty(), "the role never saw it");
}

async fn a_forged_or_malformed_credential_is_unauthenticated(mesh: Mesh) {
    let mut forged = mesh.admin.clone();
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'E' } else { 'A' });
    assert_eq!(told(mesh.reads(&forged).await), (Code::Unauthenticated, "CREDENTIAL_INVALID".into()));
    let unknown = format!("mra_{}", "x".repeat(43));
    assert_eq!(told(mesh.reads(&unknown).await), (Code::Unauthenticated, "CREDENTIAL_INVALID".into()));
    for malformed in ["", "x", "mrk_k1_short"] {
        assert_eq!(told(mesh.reads(malformed).await), (Code::Unauthenticated, "CREDENTIAL_MALFORMED".into()));
    }
    let mut basic = Request::new(GetDatasetRequest::default());
    basic.metadata_mut().insert("authorization", "Basic YTpi".parse().unwrap());
    assert_eq!(told(mesh.catalog().get_dataset(basic).await).1, "CREDENTIAL_MALFORMED");
}

async fn an_expired_access_token_is_unauthenticated(mesh: Mesh) {
    mesh.user("ada", &[Reader]).await;
    let tokens = mesh.login("ada", super::harness::PASSWORD).await.unwrap();
    mesh.reads(&tokens.access_token).await.unwrap();
    mesh.clock.advance(Duration::from_secs(15 * 60));
    assert_eq!(told(mesh.reads(&tokens.access_token).await), (Code::Unauthenticated, "CREDENTIAL_EXPIRED".into()));
}

async fn a_revoked_key_is_refused_at_once(mesh: Mesh) {
    mesh.user("ada", &[Reader]).await;
    let key = mesh.key("ada", &[]).await.unwrap();
    mesh.reads(&key.secret).await.unwrap();
    let name = key.api_key.unwrap().name;
    let revoked = mesh.identity().revoke_api_key(mesh.asks(RevokeApiKeyRequest { name })).await.unwrap();
    assert!(revoked.into_inner().api_key.unwrap().revoke_time.is_some());
    assert_eq!(told(mesh.reads(&key.secret).await), (Code::Unauthenticated, "CREDENTIAL_REVOKED".into()));
}

async fn a_disabled_user_is_refused_at_once(mesh: Mesh) {
    let key = mesh.user("ada", &[Reader]).await;
    mesh.reads(&key).await.unwrap();
    let name = "tenants/main/users/ada".to_owned();
    mesh.identity().disable_user(mesh.asks(DisableUserRequest { name })).await.unwrap();
    assert_eq!(told(mesh.reads(&key).await), (Code::Unauthenticated, "USER_DISABLED".into()));
}

async fn roles_that_were_taken_are_gone_at_once(mesh: Mesh) {
    let key = mesh.user("ada", &[Reader]).await;
    mesh.reads(&key).await.unwrap();
    let name = "tenants/main/users/ada".to_owned();
    mesh.identity().set_user_roles(mesh.asks(SetUserRolesRequest { name, roles: vec![] })).await.unwrap();
    assert_eq!(told(mesh.reads(&key).await), (Code::PermissionDenied, "PERMISSION_MISSING".into()));
}

async fn an_identity_header_of_the_client_is_dropped(mesh: Mesh) {
    // A genuine header of the administrator, taken from a call of theirs.
    mesh.reads(&mesh.admin.clone()).await.unwrap();
    let stolen = mesh.last_seen().1[IDENTITY_HEADER].clone();
    let value = MetadataValue::try_from(stolen.as_bytes()).unwrap();

    let mut alone = Request::new(GetDatasetRequest { name: "tenants/main/datasets/d".into() });
    alone.metadata_mut().insert_bin(IDENTITY_HEADER, value);
    assert_eq!(told(mesh.catalog().get_dataset(alone).await).1, "CREDENTIAL_MISSING");

    let key = mesh.user("ada", &[Reader]).await;
    let mut beside = with(&key, GetDatasetRequest { name: "tenants/main/datasets/d".into() });
    *beside.metadata_mut() = {
        let mut headers = beside.metadata().clone().into_headers();
        headers.append(IDENTITY_HEADER, stolen.clone());
        headers.append(IDENTITY_HEADER, stolen);
        tonic::metadata::MetadataMap::from_headers(headers)
    };
    mesh.catalog().get_dataset(beside).await.unwrap();
    let (caller, headers) = mesh.last_seen();
    assert_eq!(caller.subject, Subject::User("ada".parse().unwrap()));
    assert_eq!(headers.get_all(IDENTITY_HEADER).iter().count(), 1);
}

async fn another_tenants_name_is_denied_whether_the_thing_exists_or_not(mesh: Mesh) {
    let mut answers = Vec::new();
    for name in ["tenants/other/datasets/there", "tenants/other/datasets/not-there"] {
        let status = mesh.catalog().get_dataset(mesh.asks(GetDatasetRequest { name: name.into() })).await.unwrap_err();
        answers.push((status.code(), info(&status).reason, status.message().to_owned()));
    }
    assert_eq!((answers[0].0, answers[0].1.as_str()), (Code::PermissionDenied, "TENANT_FORBIDDEN"));
    assert_eq!(answers[0], answers[1]);
}

async fn a_role_without_the_permission_is_denied_by_name(mesh: Mesh) {
    let reader = mesh.user("ada", &[Reader]).await;
    let status = mesh.catalog().update_dataset(with(&reader, UpdateDatasetRequest::default())).await.unwrap_err();
    assert_eq!((status.code(), info(&status).reason.as_str()), (Code::PermissionDenied, "PERMISSION_MISSING"));
    assert_eq!(info(&status).metadata["permission"], "datasets.write");
    // A key may be narrower than its user.
    mesh.user_in("main", "bob", &[Publisher, Admin]).await;
    let narrow = mesh.key("bob", &[Reader]).await.unwrap().secret;
    mesh.reads(&narrow).await.unwrap();
    let refused = mesh.catalog().update_dataset(with(&narrow, UpdateDatasetRequest::default())).await;
    assert_eq!(told(refused).1, "PERMISSION_MISSING");
}

async fn a_unary_call_has_a_deadline(mesh: Mesh) {
    let mut request = mesh.asks(ListDatasetsRequest::default());
    request.set_timeout(Duration::from_millis(50));
    let status = mesh.catalog().list_datasets(request).await.unwrap_err();
    assert_eq!((status.code(), info(&status).reason.as_str()), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
}

async fn a_stream_ends_when_its_credential_is_revoked(mesh: Mesh) {
    mesh.user("ada", &[Reader]).await;
    let (key, other) = (mesh.key("ada", &[]).await.unwrap(), mesh.key("ada", &[]).await.unwrap());
    let mut watch = mesh.catalog().watch_datasets(with(&key.secret, WatchDatasetsRequest::default())).await.unwrap();
    assert!(watch.get_mut().message().await.unwrap().is_some());
    // What concerns another key leaves it alone.
    for name in [other.api_key.unwrap().name, key.api_key.unwrap().name] {
        let early = tokio::time::timeout(Duration::from_millis(20), watch.get_mut().message()).await;
        assert!(early.is_err(), "the stream goes on: {early:?}");
        mesh.identity().revoke_api_key(mesh.asks(RevokeApiKeyRequest { name })).await.unwrap();
    }
    let ended = watch.get_mut().message().await.unwrap_err();
    assert_eq!(info(&ended).domain, "millrace.gateway");
    assert_eq!(told::<()>(Err(ended)), (Code::Unauthenticated, "CREDENTIAL_REVOKED".into()));
}

async fn a_stream_ends_when_its_credential_expires(mesh: Mesh) {
    mesh.user("ada", &[Reader]).await;
    let tokens = mesh.login("ada", super::harness::PASSWORD).await.unwrap();
    let request = with(&tokens.access_token, WatchDatasetsRequest::default());
    let mut watch = mesh.catalog().watch_datasets(request).await.unwrap();
    assert!(watch.get_mut().message().await.unwrap().is_some());
    mesh.clock.advance(Duration::from_secs(15 * 60));
    assert_eq!(told(watch.get_mut().message().await), (Code::Unauthenticated, "CREDENTIAL_EXPIRED".into()));
}

async fn a_broken_off_upload_does_not_look_complete(mesh: Mesh) {
    use proto::catalog::v1::CreateDatasetRequest;
    let chunks = futures::stream::iter([CreateDatasetRequest::default()]);
    let whole = mesh.catalog().create_dataset(mesh.asks(chunks)).await.unwrap().into_inner();
    assert_eq!(whole.dataset.unwrap().name, "Ok(5)");

    let endless =
        futures::StreamExt::chain(futures::stream::iter([CreateDatasetRequest::default()]), futures::stream::pending());
    let mut request = mesh.asks(endless);
    request.set_timeout(Duration::from_millis(100));
    assert_eq!(mesh.catalog().create_dataset(request).await.unwrap_err().code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn a_limit_says_which_how_much_and_when_to_come_back() {
    let mesh = Mesh::start_with(Over::Process, |config| {
        config.limits.principal.calls_per_second = 1;
        config.limits.principal.burst = 2;
    })
    .await;
    let admin = mesh.admin.clone();
    mesh.reads(&admin).await.unwrap();
    mesh.reads(&admin).await.unwrap();
    let status = mesh.reads(&admin).await.unwrap_err();
    assert_eq!((status.code(), info(&status).reason.as_str()), (Code::ResourceExhausted, "LIMIT_EXCEEDED"));
    assert_eq!(info(&status).metadata["limit"], "gateway.limits.principal.calls_per_second");
    assert_eq!(info(&status).metadata["limit_value"], "1/s");
    let wait = rpc::retry_after(&status).unwrap();
    mesh.clock.advance(wait);
    mesh.reads(&admin).await.unwrap();
}

#[tokio::test]
async fn bad_credentials_are_limited_by_address_and_good_ones_are_not_kept_out() {
    let mesh = Mesh::start_with(Over::Process, |config| {
        config.limits.address.calls_per_second = 1;
        config.limits.address.burst = 2;
    })
    .await;
    let unknown = format!("mra_{}", "x".repeat(43));
    assert_eq!(told(mesh.reads(&unknown).await).1, "CREDENTIAL_INVALID");
    assert_eq!(told(mesh.catalog().get_dataset(GetDatasetRequest::default()).await).1, "CREDENTIAL_MISSING");
    let status = mesh.reads(&unknown).await.unwrap_err();
    assert_eq!((status.code(), info(&status).reason.as_str()), (Code::ResourceExhausted, "LIMIT_EXCEEDED"));
    assert_eq!(info(&status).metadata["limit"], "gateway.limits.address.calls_per_second");
    mesh.reads(&mesh.admin.clone()).await.unwrap();
    mesh.clock.advance(rpc::retry_after(&status).unwrap());
    assert_eq!(told(mesh.reads(&unknown).await).1, "CREDENTIAL_INVALID");
}

#[tokio::test]
async fn calls_that_a_role_may_not_make_count_too() {
    let mesh = Mesh::start_with(Over::Process, |config| {
        config.limits.principal.calls_per_second = 1;
        config.limits.principal.burst = 5;
    })
    .await;
    let reader = mesh.user("ada", &[Reader]).await;
    let update = async || mesh.catalog().update_dataset(with(&reader, UpdateDatasetRequest::default())).await;
    for _ in 0..5 {
        assert_eq!(told(update().await).1, "PERMISSION_MISSING");
    }
    assert_eq!(told(update().await).1, "LIMIT_EXCEEDED");
}

#[tokio::test]
async fn open_streams_are_limited_apart_from_calls() {
    let mesh = Mesh::start_with(Over::Tcp, |config| config.limits.principal.concurrent_streams = 1).await;
    let open = mesh.catalog().watch_datasets(mesh.asks(WatchDatasetsRequest::default())).await.unwrap();
    let status = mesh.catalog().watch_datasets(mesh.asks(WatchDatasetsRequest::default())).await.unwrap_err();
    assert_eq!(info(&status).metadata["limit"], "gateway.limits.principal.concurrent_streams");
    mesh.reads(&mesh.admin.clone()).await.unwrap();
    drop(open);
    testkit::eventually!(mesh.catalog().watch_datasets(mesh.asks(WatchDatasetsRequest::default())).await.is_ok());
}

#[tokio::test]
async fn the_access_log_has_one_line_per_call() {
    // With one subscriber in the process, `tracing` lets the thread that comes first decide for all whether a line is
    // wanted, and that may be the thread of another test. With two it asks both.
    let _second = testkit::CapturedLogs::start();
    let logs = testkit::CapturedLogs::start();
    let mesh = Mesh::start(Over::Process).await;
    mesh.reads(&mesh.admin.clone()).await.unwrap();
    mesh.catalog().get_dataset(GetDatasetRequest::default()).await.unwrap_err();
    let call = "millrace.catalog.v1.CatalogService/GetDataset";
    testkit::eventually!(logs.has_line(&["millrace::access", call, "Ok", "main", "users/admin"]));
    testkit::eventually!(logs.has_line(&["millrace::access", call, "Unauthenticated", "CREDENTIAL_MISSING"]));
    assert!(!logs.text().contains(&mesh.admin), "the key is in the log");
}

async fn a_refusal_is_an_answer_of_headers_alone(mesh: Mesh) {
    let request = http::Request::post("/no.such.Service/Method").header("content-type", "application/grpc");
    let answer = mesh.transport.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["grpc-status"].as_bytes()), (200, b"12".as_slice()));
    assert!(answer.headers().contains_key("grpc-status-details-bin"));
    assert!(http_body::Body::is_end_stream(answer.body()));
}

async fn what_is_no_grpc_gets_an_http_answer(mesh: Mesh) {
    let page = http::Request::get("/").body(Body::empty()).unwrap();
    let method = "/grpc.health.v1.Health/Check";
    let web = http::Request::post(method).header("content-type", "application/grpc-web+proto");
    for request in [page, web.body(Body::empty()).unwrap()] {
        let answer = mesh.transport.clone().oneshot(request).await.unwrap();
        // Over TCP the client's own transport makes a status of what is no gRPC answer.
        assert!(answer.status().as_u16() == 415 || answer.headers().contains_key("grpc-status"), "{answer:?}");
    }
}
