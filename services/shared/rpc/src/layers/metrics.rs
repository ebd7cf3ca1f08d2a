//! Counts and times calls, streams until their end.
//!
//! - `rpc_server_calls_total`, `rpc_client_calls_total` {method, code}: calls that ended.
//! - `rpc_server_call_duration_seconds`, `rpc_client_call_duration_seconds` {method}: from the request to the last frame.
//! - `rpc_server_in_flight`, `rpc_client_in_flight`: calls under way.

use std::task::Poll;
use std::time::Instant;

use http::Request;
use http_body::Body as _;
use tonic::Code;
use tonic::body::Body;

use super::{Answer, Next, tower_layer};
use crate::body::{Step, around, status_code};
use crate::context::known_method;

/// The names of the metrics of one side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names {
    calls: &'static str,
    duration: &'static str,
    in_flight: &'static str,
}

/// Calls that are served.
pub(crate) const SERVER: Names = Names {
    calls: "rpc_server_calls_total",
    duration: "rpc_server_call_duration_seconds",
    in_flight: "rpc_server_in_flight",
};
/// Calls that are made.
pub(crate) const CLIENT: Names = Names {
    calls: "rpc_client_calls_total",
    duration: "rpc_client_call_duration_seconds",
    in_flight: "rpc_client_in_flight",
};

tower_layer!(MetricsLayer => Metrics { names: Names });

impl MetricsLayer {
    pub(crate) fn server() -> Self {
        Self { names: SERVER }
    }

    pub(crate) fn client() -> Self {
        Self { names: CLIENT }
    }
}

impl<S: Next> Metrics<S> {
    fn handle(mut self, request: Request<Body>) -> Answer {
        let mut call = Call::begin(self.names, request.uri().path());
        Box::pin(async move {
            let response = self.inner.call(request).await?;
            call.note(status_code(response.headers()));
            Ok(response.map(|body| {
                around(body, move |inner, cx| {
                    let polled = inner.poll_frame(cx);
                    match &polled {
                        Poll::Ready(Some(Ok(frame))) => call.note(frame.trailers_ref().and_then(status_code)),
                        Poll::Ready(Some(Err(status))) => call.note(Some(status.code())),
                        Poll::Ready(None) | Poll::Pending => {}
                    }
                    Step::Pass(polled)
                })
            }))
        })
    }
}

/// The name of a code as labels and the access log have it.
pub fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "Ok",
        Code::Cancelled => "Cancelled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}

/// A call under way; counted when it is dropped, which is when it ends.
struct Call {
    names: Names,
    method: &'static str,
    code: Code,
    begun: Instant,
}

impl Call {
    fn begin(names: Names, path: &str) -> Self {
        // What clients invent must not become labels.
        let method = known_method(path).unwrap_or("unknown");
        metrics::gauge!(names.in_flight).increment(1.0);
        // A call that is dropped before its status is known was cancelled.
        Self { names, method, code: Code::Cancelled, begun: Instant::now() }
    }

    /// A method, because a closure that touched the field alone would hold a copy of it, and not the call.
    fn note(&mut self, code: Option<Code>) {
        self.code = code.unwrap_or(self.code);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        metrics::gauge!(self.names.in_flight).decrement(1.0);
        let (method, code) = (self.method, code_name(self.code));
        metrics::counter!(self.names.calls, "method" => method, "code" => code).increment(1);
        metrics::histogram!(self.names.duration, "method" => method).record(self.begun.elapsed().as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_named_as_in_rust() {
        for number in 0..=16 {
            let code = Code::from_i32(number);
            assert_eq!(code_name(code), format!("{code:?}"));
        }
    }
}
