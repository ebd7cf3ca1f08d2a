//! Spans for calls, joined over process boundaries by the header `traceparent`.

use std::task::Poll;

use http::Request;
use http_body::Body as _;
use tokio::time::Instant;
use tonic::body::Body;
use tracing::{Instrument as _, Span, field};

use super::{Answer, Next, tower_layer};
use crate::body::{Step, around, status_code};
use crate::context::{Arrived, ROLE, is_infrastructure};
use crate::trace::{TRACEPARENT, set_parent, traceparent};

tower_layer!(TraceLayer => Trace { role: &'static str });

impl<S: Next> Trace<S> {
    fn handle(mut self, mut request: Request<Body>) -> Answer {
        let role = self.role;
        request.extensions_mut().insert(Arrived(Instant::now()));
        let span = server_span(role, request.uri().path());
        set_parent(&span, request.headers().get(TRACEPARENT));
        Box::pin(async move {
            let call = async {
                let response = self.inner.call(request).await?;
                if let Some(code) = status_code(response.headers()) {
                    Span::current().record("rpc.grpc.status_code", code as i32);
                }
                Ok::<_, std::convert::Infallible>(response)
            };
            let response = ROLE.scope(role, call.instrument(span.clone())).await?;
            Ok(response.map(|body| traced(role, span, body)))
        })
    }
}

fn server_span(role: &'static str, path: &str) -> Span {
    if is_infrastructure(path) {
        return Span::none();
    }
    let (service, method) = path.trim_start_matches('/').split_once('/').unwrap_or((path, ""));
    tracing::info_span!(
        "rpc",
        otel.name = path.trim_start_matches('/'),
        otel.kind = "server",
        rpc.system = "grpc",
        rpc.service = service,
        rpc.method = method,
        rpc.grpc.status_code = field::Empty,
        role,
    )
}

fn traced(role: &'static str, span: Span, body: Body) -> Body {
    around(body, move |inner, cx| {
        let _inside = span.enter();
        let polled = ROLE.sync_scope(role, || inner.poll_frame(cx));
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(code) = frame.trailers_ref().and_then(status_code)
        {
            span.record("rpc.grpc.status_code", code as i32);
        }
        Step::Pass(polled)
    })
}

tower_layer!(ClientTraceLayer => ClientTrace {});

impl<S: Next> ClientTrace<S> {
    fn handle(mut self, mut request: Request<Body>) -> Answer {
        let path = request.uri().path().trim_start_matches('/').to_owned();
        let span = tracing::info_span!(
            "rpc call",
            otel.name = path,
            otel.kind = "client",
            rpc.system = "grpc",
            role = field::Empty
        );
        if let Ok(role) = ROLE.try_with(|role| *role) {
            span.record("role", role);
        }
        if let Some(value) = traceparent(&span).and_then(|text| text.parse().ok()) {
            request.headers_mut().insert(TRACEPARENT, value);
        }
        Box::pin(self.inner.call(request).instrument(span))
    }
}
