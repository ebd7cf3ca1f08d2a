//! A collector of traces, in the test's own process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// A span that was exported.
#[derive(Debug, Clone, PartialEq)]
pub struct SpanSeen {
    /// Its name.
    pub name: String,
    /// Its id, in hexadecimal.
    pub id: String,
    /// The id of its parent; empty for a root.
    pub parent: String,
    /// Its trace, in hexadecimal.
    pub trace: String,
    /// The traces that it links to.
    pub links: Vec<String>,
    /// Its attributes that are texts.
    pub attributes: BTreeMap<String, String>,
    /// What the process that it comes from says of itself, as far as that are texts.
    pub resource: BTreeMap<String, String>,
}

impl SpanSeen {
    /// The role that it is of; empty when it does not say.
    pub fn role(&self) -> &str {
        self.attributes.get("role").map_or("", String::as_str)
    }
}

/// Takes traces over OTLP, and keeps them.
#[derive(Clone, Default)]
pub struct Collector {
    spans: Arc<Mutex<Vec<SpanSeen>>>,
}

impl Collector {
    /// Listens on a free port; gives the endpoint too.
    pub async fn start() -> (Self, String) {
        let collector = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("the loopback has free ports");
        let endpoint = format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
        let service = TraceServiceServer::new(collector.clone());
        let server = tonic::transport::Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        (collector, endpoint)
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<SpanSeen> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for of_process in request.into_inner().resource_spans {
            let resource = texts(of_process.resource.unwrap_or_default().attributes);
            let spans = of_process.scope_spans.into_iter().flat_map(|scope| scope.spans);
            let seen = spans.map(|span| seen(span, &resource));
            self.spans.lock().unwrap_or_else(PoisonError::into_inner).extend(seen);
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let texts = attributes.into_iter().filter_map(|attribute| match attribute.value?.value? {
        Value::StringValue(text) => Some((attribute.key, text)),
        _ => None,
    });
    texts.collect()
}

fn seen(span: Span, resource: &BTreeMap<String, String>) -> SpanSeen {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    SpanSeen {
        name: span.name,
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        trace: hex(&span.trace_id),
        links: span.links.iter().map(|link| hex(&link.trace_id)).collect(),
        attributes: texts(span.attributes),
        resource: resource.clone(),
    }
}
