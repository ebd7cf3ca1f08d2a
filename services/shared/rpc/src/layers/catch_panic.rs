//! Ends a call whose handler or stream panics, and that call alone.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures::FutureExt as _;
use http::Request;
use tonic::body::Body;

use super::{Answer, Next, refuse, tower_layer};
use crate::body::{Step, around};
use crate::{Error, to_status};

tower_layer!(CatchPanicLayer => CatchPanic {});

impl<S: Next> CatchPanic<S> {
    fn handle(mut self, request: Request<Body>) -> Answer {
        Box::pin(async move {
            let call = AssertUnwindSafe(async move { self.inner.call(request).await });
            match call.catch_unwind().await {
                Ok(Ok(response)) => Ok(response.map(guarded)),
                Err(panic) => Ok(refuse(&caught(panic))),
            }
        })
    }
}

/// A panic in a stream comes after its headers, where a guard around the future is gone.
fn guarded(body: Body) -> Body {
    around(body, |inner, cx| {
        let poll = AssertUnwindSafe(|| http_body::Body::poll_frame(inner, cx));
        match catch_unwind(poll) {
            Ok(polled) => Step::Pass(polled),
            Err(panic) => Step::End(to_status(&caught(panic))),
        }
    })
}

fn caught(panic: Box<dyn Any + Send>) -> Error {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = text.unwrap_or("not a text"), "a handler panicked");
    metrics::counter!("rpc_panics_total").increment(1);
    Error::Panicked
}
