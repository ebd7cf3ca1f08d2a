//! Refuses calls while the role does not take any.

use http::Request;
use tonic::body::Body;

use super::{Answer, Next, refuse, tower_layer};
use crate::Error;
use crate::context::is_infrastructure;
use crate::server::Ready;

tower_layer!(ReadinessLayer => Readiness { ready: Ready });

impl<S: Next> Readiness<S> {
    fn handle(mut self, request: Request<Body>) -> Answer {
        match (self.ready)() {
            Err(why) if !is_exempt(request.uri().path()) => {
                let error = Error::NotReady(why);
                Box::pin(async move { Ok(refuse(&error)) })
            }
            Ok(()) | Err(_) => Box::pin(self.inner.call(request)),
        }
    }
}

/// Health says that the role is not ready, and the operator's calls say why.
fn is_exempt(path: &str) -> bool {
    is_infrastructure(path) || path.starts_with("/millrace.common.v1.OperatorService/")
}
