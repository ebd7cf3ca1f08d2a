//! Carries the W3C trace context from a cause, across the outbox and the bus, to the effect.

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use proto::common::v1::EventEnvelope;
use tracing::{Span, field};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The context of the current span as `traceparent`. Empty when nothing is traced.
pub fn current() -> String {
    let context = Span::current().context();
    let span = context.span().span_context().clone();
    if !span.is_valid() {
        return String::new();
    }
    format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8())
}

/// Makes the cause that `traceparent` names the parent of `span`. Does nothing when it names none.
pub fn adopt(span: &Span, traceparent: &str) {
    if let Some(parent) = parse(traceparent) {
        // Fails when the span is disabled or has begun; then there is nothing to join.
        let _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(parent));
    }
}

/// The span in which `service` publishes an event, beside that of its effect: both are children of the cause, so that an
/// event that is published twice has its effect in the same place.
pub(crate) fn publishing(service: &'static str, event: &EventEnvelope) -> Span {
    let span = tracing::info_span!(
        "publish",
        otel.name = format!("publish {}", event.subject),
        otel.kind = "producer",
        otel.status_code = field::Empty,
        event.id = event.id,
        event.key = event.key,
        event.sequence = event.sequence,
        role = service,
    );
    if !span.is_disabled() {
        adopt(&span, &event.traceparent);
    }
    span
}

fn parse(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.split('-');
    let (_version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        flags,
        true,
        TraceState::default(),
    );
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_and_a_broken_one_is_ignored() {
        let context = parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").unwrap();
        assert_eq!(context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert!(context.is_sampled());
        for broken in ["", "00", "00-x-y-z", "00-00000000000000000000000000000000-b7ad6b7169203331-01"] {
            assert!(parse(broken).is_none(), "{broken}");
        }
    }
}
