//! The W3C trace context (<https://www.w3.org/TR/trace-context/>) in headers.

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The header that carries the trace context.
pub(crate) const TRACEPARENT: &str = "traceparent";

/// The context of `span` as a header value; `None` where nothing traces.
pub(crate) fn traceparent(span: &Span) -> Option<String> {
    let context = span.context();
    let context = context.span().span_context().clone();
    context
        .is_valid()
        .then(|| format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8()))
}

/// The id of the trace that the current span belongs to.
pub(crate) fn current_trace_id() -> Option<String> {
    let context = Span::current().context();
    let context = context.span().span_context().clone();
    context.is_valid().then(|| context.trace_id().to_string())
}

/// Makes the context in `header` the parent of `span`. A malformed header counts as none.
pub(crate) fn set_parent(span: &Span, header: Option<&http::HeaderValue>) {
    if let Some(context) = header.and_then(|value| value.to_str().ok()).and_then(parse) {
        // Fails only where nothing traces.
        let _ = span.set_parent(Context::new().with_remote_span_context(context));
    }
}

fn parse(text: &str) -> Option<SpanContext> {
    let mut parts = text.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if version.len() != 2 || version == "ff" || trace.len() != 32 || span.len() != 16 || flags.len() != 2 {
        return None;
    }
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()?),
        true,
        TraceState::default(),
    );
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_context_is_read_and_a_malformed_one_is_not() {
        let context = parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
        assert_eq!(context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(context.is_sampled() && context.is_remote());
        for bad in ["", "00", "00-0-0-00", "00-00000000000000000000000000000000-0000000000000000-01", "zz"] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
