//! Repeats unary reads that met a peer which could not be reached or was not ready.

use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::{Code, Status};

use super::{Answer, Next, refuse, tower_layer};
use crate::Error;
use crate::body::status_code;
use crate::context::{grpc_timeout, is_idempotent_unary};

/// Attempts in all.
const ATTEMPTS: u32 = 4;
/// The pause before the second attempt; it doubles from attempt to attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Longer than this no retry waits, whatever the status asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

tower_layer!(RetryLayer => Retry {});

impl<S: Next> Retry<S> {
    fn handle(mut self, request: Request<Body>) -> Answer {
        if !is_idempotent_unary(request.uri().path()) {
            return Box::pin(self.inner.call(request));
        }
        let ends = grpc_timeout(request.headers()).map(|timeout| Instant::now() + timeout);
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let message = match body.collect().await {
                Ok(message) => message.to_bytes(),
                Err(_) => return Ok(refuse(&Error::RequestBrokenOff)),
            };
            let mut attempt = 1;
            loop {
                let response = self.inner.call(copy(&parts, &message)).await?;
                let Some(pause) = pause_after(&response, attempt, ends) else { return Ok(response) };
                metrics::counter!("rpc_client_retries_total").increment(1);
                tokio::time::sleep(pause).await;
                attempt += 1;
            }
        })
    }
}

fn copy(parts: &Parts, message: &Bytes) -> Request<Body> {
    Request::from_parts(parts.clone(), Body::new(Full::new(message.clone())))
}

/// How long to wait before the next attempt; `None` when this was the last.
fn pause_after(response: &Response<Body>, attempt: u32, ends: Option<Instant>) -> Option<Duration> {
    if status_code(response.headers()) != Some(Code::Unavailable) || attempt >= ATTEMPTS {
        return None;
    }
    let asked = Status::from_header_map(response.headers()).and_then(|status| crate::retry_after(&status));
    let backoff = FIRST_PAUSE * 2u32.pow(attempt - 1);
    let pause = backoff.max(asked.unwrap_or_default()).min(LONGEST_PAUSE).mul_f64(rand::random_range(0.75..1.25));
    let in_time = ends.is_none_or(|ends| Instant::now() + pause < ends);
    in_time.then_some(pause)
}
