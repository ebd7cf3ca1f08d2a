//! Traces reach a collector: telemetry is global to a process, so this test has one of its own.

use std::sync::{Arc, Mutex};

use millrace_runtime::telemetry::{self, LogFormat, Logging};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use tonic::{Request, Response, Status};
use tracing_subscriber::fmt::writer::BoxMakeWriter;

#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<String>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let spans = request.into_inner().resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        let names = spans.flat_map(|scope| scope.spans).map(|span| span.name);
        self.0.lock().unwrap().extend(names);
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
        let file = log.clone();
        let writer = BoxMakeWriter::new(move || std::fs::OpenOptions::new().append(true).open(file.path()).unwrap());
        let guard = telemetry::init_to(&logging, Some(&endpoint), writer).unwrap();
        tracing::info_span!("profile", dataset.id = "d1").in_scope(|| tracing::error!(reason = "X", "no good {{}}"));
        tracing::error!("outside");
        guard.flush().await;
    };
    tokio::select! {
        result = served => panic!("the collector ended: {result:?}"),
        () = client => {}
    }
    assert_eq!(*collector.0.lock().unwrap(), ["profile"]);
    let text = std::fs::read_to_string(log.path()).unwrap();
    let [traced, outside] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
    assert!(traced.ends_with('}') && traced.contains("\",\"trace_id\":\""), "{traced}");
    assert!(traced.contains("no good {}") && traced.contains("\"reason\":\"X\""), "{traced}");
    assert!(!outside.contains("trace_id"), "{outside}");
}
