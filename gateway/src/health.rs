//! `grpc.health.v1.Health` for the whole mesh as one server.
//!
//! The status of a service is that of the role behind it; the empty name means all of them together. Roles are asked
//! for their own health when somebody asks, over the transports that calls take, and their answer serves for a second, so
//! that this public call costs them little.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::Stream;
use futures::future::join_all;
use tokio::time::{Instant, timeout};
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::Error;
use crate::forward::Mesh;

/// How long an answer of a role serves; and how often a watch looks.
const FRESH: Duration = Duration::from_secs(1);
/// A role that takes longer to tell how it is, is not well.
const PATIENCE: Duration = Duration::from_secs(2);

/// Tells how the mesh is. Clones share what they know.
#[derive(Clone)]
pub struct MeshHealth {
    mesh: Mesh,
    known: Arc<Mutex<HashMap<String, (Instant, bool)>>>,
}

impl MeshHealth {
    /// Asks the roles of `mesh`.
    pub fn new(mesh: Mesh) -> Self {
        Self { mesh, known: Arc::default() }
    }

    /// The status of a service; `None` when there is none of this name.
    async fn of(&self, service: &str) -> Option<ServingStatus> {
        let serving = if service.is_empty() {
            let all: Vec<_> = self.mesh.roles().map(str::to_owned).collect();
            join_all(all.iter().map(|role| self.role(role))).await.into_iter().all(|serving| serving)
        } else {
            self.role(role_of(service)?).await
        };
        Some(if serving { ServingStatus::Serving } else { ServingStatus::NotServing })
    }

    async fn role(&self, role: &str) -> bool {
        if let Some((at, serving)) = self.known().get(role)
            && at.elapsed() < FRESH
        {
            return *serving;
        }
        let serving = self.ask(role).await;
        self.known().insert(role.to_owned(), (Instant::now(), serving));
        serving
    }

    async fn ask(&self, role: &str) -> bool {
        let Some(transport) = self.mesh.transport(role) else { return false };
        let mut client = HealthClient::new(transport);
        match timeout(PATIENCE, client.check(HealthCheckRequest::default())).await {
            Ok(Ok(answer)) => answer.get_ref().status() == ServingStatus::Serving,
            Ok(Err(_)) | Err(_) => false,
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Instant, bool)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The role behind a service that this mesh has by its contracts.
fn role_of(service: &str) -> Option<&str> {
    match service {
        "millrace.identity.v1.IdentityService"
        | "millrace.common.v1.OperatorService"
        | "grpc.health.v1.Health"
        | "grpc.reflection.v1.ServerReflection"
        | "grpc.reflection.v1alpha.ServerReflection" => return Some("gateway"),
        _ => {}
    }
    let known = proto::RULES.iter().any(|rule| rule.path[1..].split('/').next() == Some(service));
    service.strip_prefix("millrace.").filter(|_| known)?.split('.').next()
}

#[tonic::async_trait]
impl Health for MeshHealth {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        let service = request.into_inner().service;
        let status = self.of(&service).await.ok_or(Error::NotFound { name: service })?;
        Ok(Response::new(HealthCheckResponse { status: status.into() }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    /// Sends the status, and then each other one. A service that is not known may come to be.
    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let (service, health) = (request.into_inner().service, self.clone());
        let changes = futures::stream::unfold(None, move |last| {
            let (service, health) = (service.clone(), health.clone());
            async move {
                loop {
                    let status = health.of(&service).await.unwrap_or(ServingStatus::ServiceUnknown);
                    if last != Some(status) {
                        return Some((Ok(HealthCheckResponse { status: status.into() }), Some(status)));
                    }
                    tokio::time::sleep(FRESH).await;
                }
            }
        });
        Ok(Response::new(Box::pin(changes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_belong_to_roles() {
        assert_eq!(role_of("millrace.catalog.v1.CatalogService"), Some("catalog"));
        assert_eq!(role_of("millrace.identity.v1.IdentityService"), Some("gateway"));
        assert_eq!(role_of("millrace.catalog.v1.NoSuchService"), None);
        assert_eq!(role_of("elsewhere.Service"), None);
    }
}
