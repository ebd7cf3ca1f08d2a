//! Gives a reason to what tonic itself refuses.

use http::{HeaderMap, Request};
use tonic::body::Body;
use tonic::{Code, Status};

use super::{Answer, Next, refuse, tower_layer};
use crate::Error;

const DETAILS: &str = "grpc-status-details-bin";

tower_layer!(ExplainLayer => Explain {});

impl<S: Next> Explain<S> {
    fn handle(mut self, request: Request<Body>) -> Answer {
        Box::pin(async move {
            let response = self.inner.call(request).await?;
            Ok(unreadable(response.headers()).map_or(response, |error| refuse(&error)))
        })
    }
}

/// What tonic could not read of the request. Its own statuses have no details, all others come from `to_status`; and it
/// answers `INTERNAL` or `OUT_OF_RANGE` for bytes that only the caller can mend.
fn unreadable(headers: &HeaderMap) -> Option<Error> {
    if headers.contains_key(DETAILS) {
        return None;
    }
    let status = Status::from_header_map(headers)?;
    match status.code() {
        Code::Internal => Some(Error::MessageMalformed(status.message().to_owned())),
        Code::OutOfRange => Some(Error::MessageTooLarge(status.message().to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    #[test]
    fn only_statuses_without_details_are_explained() {
        let of = |status: Status| unreadable(status.into_http::<Body>().headers()).map(|error| error.to_string());
        assert_eq!(of(crate::to_status(&Error::Panicked)), None);
        assert_eq!(of(Status::internal("bad tag")).as_deref(), Some("the request's message cannot be read: bad tag"));
        assert!(of(Status::out_of_range("5 MB")).is_some());
        assert_eq!(unreadable(Response::new(Body::default()).headers()).map(|error| error.to_string()), None);
    }
}
