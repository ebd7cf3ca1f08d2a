//! The access log and the metrics of the edge: one line and one count for each call, however it ends.
//!
//! - `gateway_calls_total` {method, code}: calls that ended, refusals included.
//! - `gateway_call_duration_seconds` {method}: from the headers of the request to the last frame of the answer.
//! - `gateway_calls_in_flight`: calls under way.
//! - `gateway_refusals_total` {reason}: calls that the edge refused.
//! - `gateway_request_bytes_total`, `gateway_response_bytes_total`: message bytes, framing included.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use http::HeaderMap;
use tonic::{Code, Status};
use types::{Fault as _, Identity};

use crate::Error;

/// One call. It is logged and counted when this is dropped.
pub struct Record {
    /// Of a method that there is.
    method: Option<&'static str>,
    /// Of one that there is not; what clients invent must not become labels.
    invented: String,
    address: String,
    tenant: String,
    subject: String,
    code: Option<Code>,
    reason: &'static str,
    begun: Instant,
    request_bytes: Arc<AtomicU64>,
    response_bytes: u64,
}

impl Record {
    pub fn begin(address: &str) -> Self {
        metrics::gauge!("gateway_calls_in_flight").increment(1.0);
        Self {
            method: None,
            invented: String::new(),
            address: address.to_owned(),
            tenant: String::new(),
            subject: String::new(),
            code: None,
            reason: "",
            begun: Instant::now(),
            request_bytes: Arc::default(),
            response_bytes: 0,
        }
    }

    pub fn request_bytes(&self) -> Arc<AtomicU64> {
        self.request_bytes.clone()
    }

    /// Notes the method that is called, and whether there is such a one.
    pub fn called(&mut self, path: &str) {
        self.method = rpc::known_method(path);
        if self.method.is_none() {
            self.invented = path.trim_start_matches('/').chars().take(300).collect();
        }
    }

    pub fn caller(&mut self, identity: &Identity) {
        self.tenant = identity.tenant.as_ref().map(ToString::to_string).unwrap_or_default();
        self.subject = identity.subject.to_string();
    }

    pub fn refused(&mut self, error: &Error) {
        self.reason = error.reason();
        metrics::counter!("gateway_refusals_total", "reason" => error.reason()).increment(1);
    }

    pub fn sent(&mut self, bytes: u64) {
        self.response_bytes += bytes;
    }

    /// Takes the status from headers or trailers, where there is one.
    pub fn headers(&mut self, headers: &HeaderMap) {
        if let Some(value) = headers.get(Status::GRPC_STATUS) {
            self.code = Some(Code::from_bytes(value.as_bytes()));
        }
    }

    pub fn failed(&mut self, status: &Status) {
        self.code = Some(status.code());
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        // Without a status the caller went away before there was one.
        let code = rpc::code_name(self.code.unwrap_or(Code::Cancelled));
        let (elapsed, request_bytes) = (self.begun.elapsed(), self.request_bytes.load(Ordering::Relaxed));
        metrics::gauge!("gateway_calls_in_flight").decrement(1.0);
        metrics::counter!("gateway_request_bytes_total").increment(request_bytes);
        metrics::counter!("gateway_response_bytes_total").increment(self.response_bytes);
        let method = self.method.unwrap_or("unknown");
        metrics::counter!("gateway_calls_total", "method" => method, "code" => code).increment(1);
        metrics::histogram!("gateway_call_duration_seconds", "method" => method).record(elapsed.as_secs_f64());
        tracing::info!(
            target: "millrace::access",
            method = self.method.unwrap_or(&self.invented),
            code,
            reason = self.reason,
            tenant = self.tenant,
            subject = self.subject,
            address = self.address,
            duration_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
            request_bytes,
            response_bytes = self.response_bytes,
            "call"
        );
    }
}
