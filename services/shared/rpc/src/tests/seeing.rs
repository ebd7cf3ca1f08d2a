//! Traces and metrics of calls.

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Instrument as _;
use tracing_subscriber::layer::SubscriberExt as _;

use super::calls::get;
use super::{Mesh, over_both_transports};

over_both_transports!(a_trace_goes_on_in_the_handler, calls_are_counted_by_method_and_code);

async fn a_trace_goes_on_in_the_handler(mesh: Mesh) {
    let provider = SdkTracerProvider::builder().build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let span = tracing::info_span!("test");
    let mut client = mesh.client();
    let ours = async {
        client.get_job(get("j1")).await.unwrap();
        crate::trace::current_trace_id()
    }
    .instrument(span)
    .await;
    assert!(ours.is_some());
    assert_eq!(*mesh.probe.traces.lock().unwrap(), [ours]);
}

async fn calls_are_counted_by_method_and_code(mesh: Mesh) {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let mut client = mesh.client();
    client.get_job(get("j1")).await.unwrap();
    client.get_job(get("panic")).await.unwrap_err();
    let counted = |side: &str, code: &str| {
        let text = recorder.handle().render();
        text.lines().any(|line| {
            let name = format!("rpc_{side}_calls_total{{");
            line.starts_with(&name)
                && line.contains("ProfilingService/GetJob")
                && line.contains(code)
                && line.ends_with(" 1")
        })
    };
    for side in ["server", "client"] {
        testkit::eventually!(counted(side, "\"Ok\"") && counted(side, "\"Internal\""));
    }
}
