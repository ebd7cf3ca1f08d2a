//! Refuses calls beyond what a role takes at once, instead of queueing them.

use std::sync::Arc;

use http::Request;
use http_body::Body as _;
use tokio::sync::Semaphore;
use tonic::body::Body;

use super::{Answer, Next, refuse, tower_layer};
use crate::Error;
use crate::body::{Step, around};
use crate::context::{is_infrastructure, is_streaming};

/// So many calls at once.
#[derive(Clone)]
pub(crate) struct Places {
    setting: &'static str,
    limit: usize,
    free: Arc<Semaphore>,
}

impl Places {
    pub(crate) fn new(setting: &'static str, limit: usize) -> Self {
        Self { setting, limit, free: Arc::new(Semaphore::new(limit)) }
    }
}

tower_layer!(LoadShedLayer => LoadShed { unary: Places, streams: Places });

impl LoadShedLayer {
    /// Streams have places of their own, or a few watchers would keep everybody else out.
    pub(crate) fn new(max_in_flight: usize, max_streams: usize) -> Self {
        let unary = Places::new("max_in_flight", max_in_flight);
        Self { unary, streams: Places::new("max_streams", max_streams) }
    }
}

impl<S: Next> LoadShed<S> {
    fn handle(mut self, request: Request<Body>) -> Answer {
        let path = request.uri().path();
        if is_infrastructure(path) {
            return Box::pin(self.inner.call(request));
        }
        let places = if is_streaming(path) { &self.streams } else { &self.unary };
        let Ok(place) = Arc::clone(&places.free).try_acquire_owned() else {
            let error = Error::Overloaded { name: places.setting, limit: places.limit };
            return Box::pin(async move { Ok(refuse(&error)) });
        };
        Box::pin(async move {
            let response = self.inner.call(request).await?;
            // The place is taken until the last frame was sent or the answer was dropped.
            Ok(response.map(|body| {
                around(body, move |inner, cx| {
                    let _held = &place;
                    Step::Pass(inner.poll_frame(cx))
                })
            }))
        })
    }
}
