//! Traces reach a collector: telemetry is global to a process, so this test has one of its own.

use std::sync::{Arc, Mutex};

use millrace_runtime::telemetry::{self, LogFormat, Logging, Outlets, Process};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use tonic::{Request, Response, Status};
use tracing_subscriber::fmt::writer::BoxMakeWriter;

#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<(String, String)>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for resource in request.into_inner().resource_spans {
            let attributes = resource.resource.unwrap().attributes;
            let service = attributes.into_iter().find(|attribute| attribute.key == "service.name").unwrap();
            let Some(Value::StringValue(service)) = service.value.unwrap().value else { panic!("it is a text") };
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.0.lock().unwrap().extend(spans.map(|span| (service.clone(), span.name)));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_spans_reach_the_collector_and_quiet_logs_do_not_silence_them() {
    let collector = Collector::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let served = tonic::transport::Server::builder()
        .add_service(TraceServiceServer::new(collector.clone()))
        .serve_with_incoming(incoming);
    let log = Arc::new(tempfile::NamedTempFile::new().unwrap());
    let client = async {
        let logging = Logging { format: LogFormat::Json, filter: "error".to_owned() };
        let outlets = Outlets { otlp_endpoint: Some(&endpoint), console: None };
        let process = Process::new(["catalog"], "1.0", "this one");
        let file = log.clone();
        let writer = BoxMakeWriter::new(move || std::fs::OpenOptions::new().append(true).open(file.path()).unwrap());
        let guard = telemetry::init_to(&logging, outlets, &process, writer).unwrap();
        tracing::info_span!("publish").in_scope(|| ());
        tracing::debug_span!("detail").in_scope(|| ());
        tracing::info_span!("profile", dataset.id = "d1").in_scope(|| tracing::error!(reason = "X", "no good {{}}"));
        tracing::error!("outside");
        guard.flush().await;
    };
    tokio::select! {
        result = served => panic!("the collector ended: {result:?}"),
        () = client => {}
    }
    let of_catalog = |name: &str| ("catalog".to_owned(), name.to_owned());
    assert_eq!(*collector.0.lock().unwrap(), [of_catalog("publish"), of_catalog("profile")]);
    let text = std::fs::read_to_string(log.path()).unwrap();
    let [traced, outside] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
    assert!(traced.ends_with('}') && traced.contains("\",\"trace_id\":\""), "{traced}");
    assert!(traced.contains("no good {}") && traced.contains("\"reason\":\"X\""), "{traced}");
    assert!(!outside.contains("trace_id"), "{outside}");
}
