//! The one transport for sockets and for one process.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use http::{Request, Response};
use tonic::body::Body;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt as _, service_fn};

use crate::{Error, to_status};

/// Routes with their layers: answers every request, with a status if need be.
pub type Served = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// What a generated client stands on, whether the role that answers is in this process or behind a socket.
///
/// A failure to reach the role is an answer too: `UNAVAILABLE`.
#[derive(Clone, Debug)]
pub struct Transport(Served);

impl Transport {
    /// A transport that leads to anything that answers.
    pub fn new(served: Served) -> Self {
        Self(served)
    }

    /// What answers.
    pub(crate) fn into_inner(self) -> Served {
        self.0
    }
}

impl Service<Request<Body>> for Transport {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.0.call(request)
    }
}

/// Takes the routes that an in-process [`Transport`] leads to.
#[derive(Debug)]
pub struct Plug(Arc<OnceLock<Served>>);

impl Plug {
    /// Leads the transport to `served` from now on.
    pub fn connect(self, served: Served) {
        // A plug is used up by this call, so nothing else can have set it.
        let _ = self.0.set(served);
    }
}

/// Makes a transport that leads to routes in this process, and the plug that takes them later.
///
/// A call before that answers `UNAVAILABLE`, reason `NOT_PLUGGED_IN`. Extensions do not pass in either direction: over
/// a socket there are none.
pub fn in_process() -> (Transport, Plug) {
    let socket = Arc::new(OnceLock::<Served>::new());
    let plug = Plug(Arc::clone(&socket));
    let service = service_fn(move |mut request: Request<Body>| {
        let served = socket.get().cloned();
        async move {
            let Some(served) = served else { return Ok(to_status(&Error::NotPluggedIn).into_http()) };
            request.extensions_mut().clear();
            let mut response = served.oneshot(request).await?;
            response.extensions_mut().clear();
            Ok(response)
        }
    });
    (Transport(BoxCloneSyncService::new(service)), plug)
}
