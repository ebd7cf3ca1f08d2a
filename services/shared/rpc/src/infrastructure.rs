//! Health and reflection of one role: `grpc.health.v1.Health`, and `grpc.reflection` in both versions.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::Stream;
use http::Request;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower::util::BoxCloneSyncService;
use tower::{ServiceExt as _, service_fn};

use crate::server::Ready;
use crate::{Error, Served, to_status};

/// How often a watch of the health looks.
const LOOK: Duration = Duration::from_millis(250);

/// Answers health and reflection of `role` itself, and leaves all else to `routes`.
pub(crate) fn beside(role: &'static str, readiness: &Ready, routes: Served) -> Served {
    let health = RoleHealth { services: services(role), readiness: readiness.clone() };
    let health: Served = BoxCloneSyncService::new(Routes::new(HealthServer::new(health)).prepare());
    // Reading the descriptors takes memory, so nobody does before somebody asks.
    let reflection = Arc::new(OnceLock::<Served>::new());
    BoxCloneSyncService::new(service_fn(move |request: Request<Body>| {
        let path = request.uri().path();
        let answers = if path.starts_with("/grpc.health.v1.Health/") {
            health.clone()
        } else if path.starts_with("/grpc.reflection.") {
            reflection.get_or_init(|| reflect(role)).clone()
        } else {
            routes.clone()
        };
        answers.oneshot(request)
    }))
}

/// The services of a role, by the contracts.
fn services(role: &str) -> BTreeSet<&'static str> {
    let package = format!("millrace.{role}.");
    let all = proto::RULES.iter().filter_map(|rule| rule.path.strip_prefix('/')?.split('/').next());
    all.filter(|service| service.starts_with(&package)).chain(["millrace.common.v1.OperatorService"]).collect()
}

fn reflect(role: &str) -> Served {
    let builder = || {
        let builder = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
        services(role).into_iter().chain(["grpc.health.v1.Health"]).fold(builder, |b, name| b.with_service_name(name))
    };
    let readable = "the descriptors were read when this was built";
    let routes = Routes::new(builder().build_v1().expect(readable));
    BoxCloneSyncService::new(routes.add_service(builder().build_v1alpha().expect(readable)).prepare())
}

/// The health of a role is its readiness; its services have no health of their own.
struct RoleHealth {
    services: BTreeSet<&'static str>,
    readiness: Ready,
}

impl RoleHealth {
    fn status(&self) -> ServingStatus {
        match (self.readiness)() {
            Ok(()) => ServingStatus::Serving,
            Err(_) => ServingStatus::NotServing,
        }
    }

    fn knows(&self, service: &str) -> bool {
        service.is_empty() || self.services.contains(service)
    }
}

#[tonic::async_trait]
impl Health for RoleHealth {
    async fn check(
        &self,
        request: tonic::Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let service = request.into_inner().service;
        if !self.knows(&service) {
            return Err(to_status(&Error::ServiceUnknown(service)));
        }
        Ok(Response::new(HealthCheckResponse { status: self.status().into() }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    /// Sends the status, and then each other one.
    async fn watch(&self, request: tonic::Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let known = self.knows(&request.into_inner().service);
        let health = Self { services: BTreeSet::new(), readiness: self.readiness.clone() };
        let status = move || if known { health.status() } else { ServingStatus::ServiceUnknown };
        Ok(Response::new(Box::pin(async_stream::stream! {
            let mut last = None;
            let mut looks = tokio::time::interval(LOOK);
            loop {
                looks.tick().await;
                let status = status();
                if last.replace(status) != Some(status) {
                    yield Ok(HealthCheckResponse { status: status.into() });
                }
            }
        })))
    }
}
