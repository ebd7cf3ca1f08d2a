//! Passes calls through to the roles, undecoded.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body as AxumBody;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, Request, Response, Uri, Version};
use opentelemetry::trace::TraceContextExt as _;
use rpc::Transport;
use tonic::body::Body;
use tower::ServiceExt as _;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::Error;

/// The roles of the mesh, by name, and how to reach them.
#[derive(Clone)]
pub struct Mesh(Arc<BTreeMap<String, Transport>>);

impl Mesh {
    /// These roles.
    pub fn new(transports: BTreeMap<String, Transport>) -> Self {
        Self(Arc::new(transports))
    }

    /// The names of the roles, in order.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// How to reach a role.
    pub fn transport(&self, role: &str) -> Option<Transport> {
        self.0.get(role).cloned()
    }

    /// Passes a call to the role whose package its path names.
    pub async fn forward(self, request: Request<AxumBody>) -> Response<AxumBody> {
        let Some(role) = role_of(request.uri().path()) else {
            return refuse(&Error::MethodUnknown { path: request.uri().path().to_owned() });
        };
        let Some(transport) = self.transport(role) else {
            return refuse(&Error::RoleAbsent { role: role.to_owned() });
        };
        let request = onward(request);
        let mut answer = transport.oneshot(request).await.unwrap_or_else(|never| match never {});
        answer.extensions_mut().clear();
        answer.map(AxumBody::new)
    }
}

/// The role that serves the method at `path`: the name of its package, `/millrace.{role}.v1.Service/Method`.
fn role_of(path: &str) -> Option<&str> {
    path.strip_prefix("/millrace.")?.split('.').next()
}

/// Makes of a request that came in one that goes out: what belongs to the connection that it came over stays here.
fn onward(request: Request<AxumBody>) -> Request<Body> {
    let (mut parts, body) = request.into_parts();
    parts.uri = parts.uri.path_and_query().cloned().map(Uri::from).unwrap_or_default();
    parts.version = Version::HTTP_2;
    parts.extensions.clear();
    for hop_by_hop in [HOST, CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH] {
        parts.headers.remove(hop_by_hop);
    }
    set_trace(&mut parts.headers);
    Request::from_parts(parts, Body::new(body))
}

/// Makes this gateway's span the parent of what the role does (<https://www.w3.org/TR/trace-context/>).
fn set_trace(headers: &mut HeaderMap) {
    let context = tracing::Span::current().context();
    let span = context.span().span_context().clone();
    let text = format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8());
    match text.parse() {
        Ok(value) if span.is_valid() => drop(headers.insert("traceparent", value)),
        _ => {}
    }
}

fn refuse(error: &Error) -> Response<AxumBody> {
    rpc::to_status(error).into_http()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_of_a_path_names_the_role() {
        assert_eq!(role_of("/millrace.catalog.v1.CatalogService/GetDataset"), Some("catalog"));
        assert_eq!(role_of("/grpc.health.v1.Health/Check"), None);
        assert_eq!(role_of("/"), None);
    }

    #[test]
    fn what_belongs_to_the_connection_stays_behind() {
        let request = Request::builder()
            .version(Version::HTTP_11)
            .uri("http://outside:7070/millrace.x.v1.X/Y")
            .header("host", "outside")
            .header("connection", "keep-alive")
            .header("te", "trailers")
            .header("x-request", "kept")
            .body(AxumBody::empty())
            .unwrap();
        let onward = onward(request);
        assert_eq!(onward.uri().to_string(), "/millrace.x.v1.X/Y");
        assert_eq!(onward.version(), Version::HTTP_2);
        assert!(onward.headers().get("host").is_none() && onward.headers().get("connection").is_none());
        assert_eq!(
            (&onward.headers()["te"], &onward.headers()["x-request"]),
            (&"trailers".parse().unwrap(), &"kept".parse().unwrap())
        );
    }
}
