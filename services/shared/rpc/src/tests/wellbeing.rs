//! Health and reflection, which every role answers itself.

use std::sync::atomic::Ordering;

use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::{Mesh, over_both_transports};
use crate::reason;

over_both_transports!(health_follows_readiness, reflection_lists_what_the_role_serves);

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.into() }
}

async fn health_follows_readiness(mesh: Mesh) {
    const SERVICE: &str = "millrace.profiling.v1.ProfilingService";
    // Nobody needs an identity for it.
    let mut health = HealthClient::new(mesh.bare.clone());
    let mut watch = health.watch(of(SERVICE)).await.unwrap().into_inner();
    let mut next = async || watch.message().await.unwrap().as_ref().map(HealthCheckResponse::status);
    assert_eq!(next().await, Some(ServingStatus::Serving));
    for (ready, expected) in [(false, ServingStatus::NotServing), (true, ServingStatus::Serving)] {
        mesh.ready.store(ready, Ordering::SeqCst);
        assert_eq!(next().await, Some(expected));
        for service in ["", SERVICE, "millrace.common.v1.OperatorService"] {
            assert_eq!(health.check(of(service)).await.unwrap().into_inner().status(), expected);
        }
    }
    let status = health.check(of("millrace.catalog.v1.CatalogService")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_deref()), (Code::NotFound, Some("SERVICE_UNKNOWN")));
    let mut unknown = health.watch(of("no.such.Service")).await.unwrap().into_inner();
    assert_eq!(unknown.message().await.unwrap().unwrap().status(), ServingStatus::ServiceUnknown);
}

async fn reflection_lists_what_the_role_serves(mesh: Mesh) {
    use tonic_reflection::pb::v1::ServerReflectionRequest;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
    let message_request = Some(MessageRequest::ListServices(String::new()));
    let request = ServerReflectionRequest { host: String::new(), message_request };
    let mut client = ServerReflectionClient::new(mesh.bare.clone());
    let answers = client.server_reflection_info(futures::stream::iter([request])).await;
    let answer = answers.unwrap().into_inner().message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(list) = answer else { panic!("{answer:?}") };
    let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    assert!(names.iter().any(|name| name == "millrace.profiling.v1.ProfilingService"), "{names:?}");
    assert!(!names.iter().any(|name| name == "millrace.catalog.v1.CatalogService"), "{names:?}");
}
