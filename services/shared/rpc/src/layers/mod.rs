//! The layers around a role's routes and around a transport; `server_stack` and `client_stack` say in which order.

mod catch_panic;
mod deadline;
mod explain;
mod identity;
mod load_shed;
mod metrics;
mod readiness;
mod retry;
mod send;
mod trace;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;

use http::{Request, Response};
use tonic::body::Body;
use tower::Service;
use types::Fault;

pub(crate) use catch_panic::CatchPanicLayer;
pub(crate) use deadline::{ClientDeadlineLayer, DeadlineLayer};
pub(crate) use explain::ExplainLayer;
pub(crate) use identity::IdentityLayer;
pub(crate) use load_shed::LoadShedLayer;
pub(crate) use metrics::MetricsLayer;
pub use metrics::code_name;
pub(crate) use readiness::ReadinessLayer;
pub(crate) use retry::RetryLayer;
pub(crate) use send::SignLayer;
pub(crate) use trace::{ClientTraceLayer, TraceLayer};

/// What a layer stands on: something that answers every request, with a status if need be, and is always ready.
pub(crate) trait Next:
    Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

impl<S> Next for S where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

/// The answer of a layer.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// An answer that is a status alone.
pub(crate) fn refuse(fault: &dyn Fault) -> Response<Body> {
    crate::to_status(fault).into_http()
}

/// Writes the `tower` parts that all layers share: `$layer` builds `$service`, which answers by its `handle`.
macro_rules! tower_layer {
    ($layer:ident => $service:ident { $($field:ident : $type:ty),* $(,)? }) => {
        #[doc = concat!("Builds [`", stringify!($service), "`].")]
        #[derive(Clone)]
        pub(crate) struct $layer {
            $(pub(crate) $field: $type,)*
        }

        impl<S> tower::Layer<S> for $layer {
            type Service = $service<S>;
            fn layer(&self, inner: S) -> $service<S> {
                $service { inner, $($field: self.$field.clone(),)* }
            }
        }

        #[derive(Clone)]
        pub(crate) struct $service<S> {
            inner: S,
            $($field: $type,)*
        }

        impl<S: $crate::layers::Next> tower::Service<http::Request<tonic::body::Body>> for $service<S> {
            type Response = http::Response<tonic::body::Body>;
            type Error = std::convert::Infallible;
            type Future = $crate::layers::Answer;

            fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
                self.inner.poll_ready(cx)
            }

            fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
                // The instance that was polled ready takes the call; its clone takes the next one.
                let clone = self.clone();
                std::mem::replace(self, clone).handle(request)
            }
        }
    };
}

pub(crate) use tower_layer;
