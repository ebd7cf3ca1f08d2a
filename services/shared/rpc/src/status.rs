//! Errors as statuses, and back.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, QuotaViolation, StatusExt as _};
use types::{ErrorKind, Fault};

use crate::{context, trace};

/// Makes the status of an error: the only place where statuses are made.
///
/// It always carries `google.rpc.ErrorInfo` with the reason, the serving role as domain (`millrace.catalog`), the
/// fault's facts, and `trace_id` where the call is traced; `BadRequest` with every bad field; `RetryInfo` where a retry
/// helps; `QuotaFailure` and the facts `limit` and `limit_value` for a limit that was hit. The text is the fault's own
/// level: its causes go to the log, once, here.
pub fn to_status(fault: &dyn Fault) -> Status {
    log(fault);
    let mut details = ErrorDetails::with_error_info(fault.reason(), context::domain(), metadata(fault));
    let violations = fault.violations();
    if !violations.is_empty() {
        let violations: Vec<_> = violations.into_iter().map(|v| FieldViolation::new(v.field, v.description)).collect();
        details.set_bad_request(violations);
    }
    if let Some(limit) = fault.limit() {
        details.set_quota_failure(vec![QuotaViolation::new(limit.name, format!("the limit is {}", limit.value))]);
    }
    if let Some(delay) = fault.retry_after() {
        details.set_retry_info(Some(delay));
    }
    Status::with_error_details(code(fault.kind()), fault.to_string(), details)
}

/// The reason in a status that a role of Millrace made.
pub fn reason(status: &Status) -> Option<String> {
    status.get_details_error_info().map(|info| info.reason)
}

/// How long the status asks the caller to wait before trying again.
pub fn retry_after(status: &Status) -> Option<Duration> {
    status.get_details_retry_info().and_then(|info| info.retry_delay)
}

fn metadata(fault: &dyn Fault) -> HashMap<String, String> {
    let mut metadata: HashMap<_, _> = fault.metadata().into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
    if let Some(limit) = fault.limit() {
        metadata.insert("limit".to_owned(), limit.name);
        metadata.insert("limit_value".to_owned(), limit.value);
    }
    if let Some(trace_id) = trace::current_trace_id() {
        metadata.insert("trace_id".to_owned(), trace_id);
    }
    metadata
}

fn log(fault: &dyn Fault) {
    match fault.kind() {
        ErrorKind::Internal => tracing::error!(reason = fault.reason(), error = chain(fault), "call failed"),
        ErrorKind::Unavailable => tracing::warn!(reason = fault.reason(), error = chain(fault), "call failed"),
        _ => tracing::debug!(reason = fault.reason(), error = chain(fault), "call refused"),
    }
}

fn chain(fault: &dyn Fault) -> String {
    let mut text = fault.to_string();
    let mut cause = fault.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::Invalid => Code::InvalidArgument,
        ErrorKind::Unauthenticated => Code::Unauthenticated,
        ErrorKind::Forbidden => Code::PermissionDenied,
        ErrorKind::NotFound => Code::NotFound,
        ErrorKind::AlreadyExists => Code::AlreadyExists,
        ErrorKind::Conflict => Code::Aborted,
        ErrorKind::Precondition => Code::FailedPrecondition,
        ErrorKind::Exhausted => Code::ResourceExhausted,
        ErrorKind::Unavailable => Code::Unavailable,
        ErrorKind::Timeout => Code::DeadlineExceeded,
        ErrorKind::Internal => Code::Internal,
        ErrorKind::Unsupported => Code::Unimplemented,
        ErrorKind::Cancelled => Code::Cancelled,
    }
}

#[cfg(test)]
mod tests {
    use testkit::CapturedLogs;

    use super::*;
    use crate::{Error, Violations};

    #[test]
    fn every_status_says_its_reason_and_domain() {
        let status = to_status(&Error::UnknownMethod("/x/Y".into()));
        assert_eq!(status.code(), Code::Unimplemented);
        let info = status.get_details_error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("METHOD_UNKNOWN", "millrace"));
        let status = context::as_role("catalog", || to_status(&Error::Panicked));
        assert_eq!(status.get_details_error_info().unwrap().domain, "millrace.catalog");
    }

    #[test]
    fn every_bad_field_is_listed() {
        let mut violations = Violations::new();
        violations.add("a", "is too long");
        violations.add("b.c", "must be given");
        let status = to_status(&violations.finish().unwrap_err());
        assert_eq!(status.code(), Code::InvalidArgument);
        let fields: Vec<_> = status.get_details_bad_request().unwrap().field_violations;
        assert_eq!(fields.iter().map(|v| v.field.as_str()).collect::<Vec<_>>(), ["a", "b.c"]);
        assert_eq!(reason(&status).as_deref(), Some("BAD_REQUEST"));
    }

    #[test]
    fn a_limit_says_its_name_its_value_and_when_to_come_back() {
        let status = to_status(&Error::Overloaded { name: "max_in_flight", limit: 7 });
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert!(retry_after(&status).is_some());
        let info = status.get_details_error_info().unwrap();
        assert_eq!((info.metadata["limit"].as_str(), info.metadata["limit_value"].as_str()), ("max_in_flight", "7"));
        assert_eq!(status.get_details_quota_failure().unwrap().violations[0].subject, "max_in_flight");
    }

    #[test]
    fn causes_go_to_the_log_once_and_not_to_the_caller() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot read the store")]
        struct Broken(#[source] std::io::Error);
        impl Fault for Broken {
            fn kind(&self) -> ErrorKind {
                ErrorKind::Internal
            }
            fn reason(&self) -> &'static str {
                "BROKEN"
            }
        }
        let logs = CapturedLogs::start();
        let status = to_status(&Broken(std::io::Error::other("disk 7 is on fire")));
        assert_eq!(status.message(), "cannot read the store");
        assert_eq!(logs.text().matches("disk 7 is on fire").count(), 1);
        assert!(logs.has_line(&["ERROR", "BROKEN", "cannot read the store: disk 7 is on fire"]));
    }
}
