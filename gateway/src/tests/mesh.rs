//! The mesh as one server: operator's calls, health, reflection, and what is not gRPC.

use proto::common::v1::{GetDeadLetterRequest, GetStatusRequest, ListDeadLettersRequest, PurgeDeadLetterRequest};
use proto::discovery::v1::GetSourceRequest;
use proto::discovery::v1::discovery_service_client::DiscoveryServiceClient;
use proto::identity::v1::Role::Admin;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::harness::{Mesh, Over, told, with};
use super::over_both_transports;

over_both_transports! {
    dead_letters_of_all_roles_are_one_list,
    a_dead_letter_is_asked_of_its_role,
    the_status_tells_of_every_role_the_gateway_included,
    operators_calls_take_an_operator,
    a_role_that_is_not_there_is_told,
    health_mirrors_the_roles,
    reflection_lists_the_whole_mesh_in_both_versions,
}

async fn dead_letters_of_all_roles_are_one_list(mesh: Mesh) {
    let (mut token, mut names) = (String::new(), Vec::new());
    loop {
        let request = ListDeadLettersRequest { parent: "services/-".into(), page_size: 2, page_token: token.clone() };
        let page = mesh.operator().list_dead_letters(mesh.asks(request)).await.unwrap().into_inner();
        assert!(page.dead_letters.len() <= 2);
        names.extend(page.dead_letters.into_iter().map(|letter| letter.name));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(names, (0..5).map(|n| format!("services/catalog/deadLetters/l{n}")).collect::<Vec<_>>());
    let request = ListDeadLettersRequest { parent: "services/-".into(), page_token: "made up".into(), page_size: 0 };
    assert_eq!(told(mesh.operator().list_dead_letters(mesh.asks(request)).await).1, "PAGE_TOKEN_INVALID");
}

async fn a_dead_letter_is_asked_of_its_role(mesh: Mesh) {
    let name = "services/catalog/deadLetters/l1".to_owned();
    let letter = mesh.operator().get_dead_letter(mesh.asks(GetDeadLetterRequest { name: name.clone() })).await;
    assert_eq!(letter.unwrap().into_inner().dead_letter.unwrap().name, name);
    let purged = mesh.operator().purge_dead_letter(mesh.asks(PurgeDeadLetterRequest { name })).await;
    assert_eq!(told(purged), (Code::NotFound, "DEAD_LETTER_NOT_FOUND".into()));
    for (name, expected) in [("nonsense", "BAD_REQUEST"), ("services/no/deadLetters/l1", "ROLE_UNKNOWN")] {
        let asked = mesh.operator().get_dead_letter(mesh.asks(GetDeadLetterRequest { name: name.into() })).await;
        assert_eq!(told(asked).1, expected);
    }
}

async fn the_status_tells_of_every_role_the_gateway_included(mesh: Mesh) {
    let all = mesh.operator().get_status(mesh.asks(GetStatusRequest::default())).await.unwrap().into_inner().roles;
    let roles: Vec<_> = all.iter().map(|role| (role.role.as_str(), role.ready)).collect();
    assert_eq!(roles, [("catalog", true), ("gateway", true)]);
    assert!(all[1].loops.iter().any(|one| one.name == "gateway.sweep"));
    mesh.role_ready.set_not_ready("draining");
    let one = GetStatusRequest { name: "services/catalog".into() };
    let one = mesh.operator().get_status(mesh.asks(one)).await.unwrap().into_inner().roles;
    assert_eq!((one.len(), one[0].ready, one[0].message.as_str()), (1, false, "draining"));
}

async fn operators_calls_take_an_operator(mesh: Mesh) {
    let admin = mesh.user("ada", &[Admin]).await;
    let refused = mesh.operator().get_status(with(&admin, GetStatusRequest::default())).await;
    assert_eq!(told(refused), (Code::PermissionDenied, "PERMISSION_MISSING".into()));
}

async fn a_role_that_is_not_there_is_told(mesh: Mesh) {
    let mut discovery = DiscoveryServiceClient::new(mesh.transport.clone());
    let absent = discovery.get_source(mesh.asks(GetSourceRequest::default())).await;
    assert_eq!(told(absent), (Code::Unavailable, "ROLE_ABSENT".into()));
}

async fn health_mirrors_the_roles(mesh: Mesh) {
    let mut health = HealthClient::new(mesh.transport.clone());
    let mut check = async |service: &str| {
        let request = HealthCheckRequest { service: service.into() };
        health.check(request).await.map(|answer| answer.into_inner().status())
    };
    let catalog = "millrace.catalog.v1.CatalogService";
    assert_eq!(check("").await.unwrap(), ServingStatus::Serving);
    assert_eq!(check(catalog).await.unwrap(), ServingStatus::Serving);
    assert_eq!(check("no.such.Service").await.unwrap_err().code(), Code::NotFound);

    let request = HealthCheckRequest { service: catalog.into() };
    let mut watch = HealthClient::new(mesh.transport.clone()).watch(request).await.unwrap().into_inner();
    let mut next = async || watch.message().await.unwrap().as_ref().map(HealthCheckResponse::status);
    assert_eq!(next().await, Some(ServingStatus::Serving));
    mesh.role_ready.set_not_ready("draining");
    assert_eq!(next().await, Some(ServingStatus::NotServing));
    assert_eq!(check(catalog).await.unwrap(), ServingStatus::NotServing);
    assert_eq!(check("").await.unwrap(), ServingStatus::NotServing);
    assert_eq!(check("millrace.identity.v1.IdentityService").await.unwrap(), ServingStatus::Serving);
    mesh.ready.set_not_ready("draining");
    testkit::eventually!(check("millrace.identity.v1.IdentityService").await.unwrap() == ServingStatus::NotServing);
}

async fn reflection_lists_the_whole_mesh_in_both_versions(mesh: Mesh) {
    macro_rules! services {
        ($version:ident) => {{
            use tonic_reflection::pb::$version::ServerReflectionRequest;
            use tonic_reflection::pb::$version::server_reflection_client::ServerReflectionClient;
            use tonic_reflection::pb::$version::server_reflection_request::MessageRequest;
            use tonic_reflection::pb::$version::server_reflection_response::MessageResponse;
            let asked = [
                MessageRequest::ListServices(String::new()),
                MessageRequest::FileContainingSymbol("google.rpc.ErrorInfo".into()),
            ];
            let requests =
                asked.map(|message| ServerReflectionRequest { host: String::new(), message_request: Some(message) });
            let mut client = ServerReflectionClient::new(mesh.transport.clone());
            let mut answers =
                client.server_reflection_info(futures::stream::iter(requests)).await.unwrap().into_inner();
            let first = answers.message().await.unwrap().unwrap().message_response.unwrap();
            let MessageResponse::ListServicesResponse(list) = first else { panic!("{first:?}") };
            let second = answers.message().await.unwrap().unwrap().message_response.unwrap();
            assert!(matches!(second, MessageResponse::FileDescriptorResponse(_)), "{second:?}");
            list.service.into_iter().map(|service| service.name).collect::<Vec<_>>()
        }};
    }
    for services in [services!(v1), services!(v1alpha)] {
        for expected in [
            "millrace.catalog.v1.CatalogService",
            "millrace.discovery.v1.DiscoveryService",
            "millrace.profiling.v1.ProfilingService",
            "millrace.identity.v1.IdentityService",
            "millrace.common.v1.OperatorService",
            "grpc.health.v1.Health",
        ] {
            assert!(services.iter().any(|service| service == expected), "{expected} is not in {services:?}");
        }
    }
}

#[tokio::test]
async fn the_door_takes_tls_and_still_knows_the_address() {
    let mesh = Mesh::start(Over::Tls).await;
    let logs = testkit::CapturedLogs::start();
    mesh.reads(&mesh.admin).await.unwrap();
    testkit::eventually!(logs.has_line(&["GetDataset", "127.0.0.1"]));
}
