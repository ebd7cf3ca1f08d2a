//! Ends calls at their deadline, and streams that stand idle: the future and the body of the answer alike.

use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Request;
use http_body::Body as _;
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::body::Body;

use super::{Answer, Next, refuse, tower_layer};
use crate::body::{Step, around};
use crate::context::{
    Arrived, DEADLINE, DEFAULT_DEADLINE, MAX_DEADLINE, deadline, grpc_timeout, is_streaming, set_grpc_timeout,
};
use crate::{Error, to_status};

tower_layer!(DeadlineLayer => Deadline { stream_idle: Duration });

impl<S: Next> Deadline<S> {
    fn handle(mut self, request: Request<Body>) -> Answer {
        // Counted from the outermost layer on, so that ours passes before that of tonic's own server, which reports a
        // passed deadline as `Cancelled`.
        let arrived = request.extensions().get::<Arrived>().map_or_else(Instant::now, |arrived| arrived.0);
        let streaming = is_streaming(request.uri().path());
        let asked = grpc_timeout(request.headers());
        let timeout = if streaming { asked } else { Some(asked.unwrap_or(DEFAULT_DEADLINE).min(MAX_DEADLINE)) };
        let deadline = timeout.map(|timeout| arrived + timeout);
        let idle = streaming.then(|| Idle::new(self.stream_idle));
        let request = match idle.clone() {
            Some(idle) => request.map(|body| idle.watch(body)),
            None => request,
        };
        let mut timer = Timer::new(deadline, idle);
        Box::pin(async move {
            let call = DEADLINE.scope(deadline, self.inner.call(request));
            tokio::select! {
                biased;
                response = call => Ok(response?.map(|body| until(timer, deadline, body))),
                refusal = timer.passed() => Ok(refuse(&refusal)),
            }
        })
    }
}

tower_layer!(ClientDeadlineLayer => ClientDeadline {});

impl<S: Next> ClientDeadline<S> {
    /// Passes on what is left of the deadline of the call that is being served, and keeps it here too, in case the peer
    /// does not.
    fn handle(mut self, mut request: Request<Body>) -> Answer {
        let now = Instant::now();
        let left = deadline().map(|deadline| deadline.saturating_duration_since(now));
        let default = (!is_streaming(request.uri().path())).then_some(DEFAULT_DEADLINE);
        let asked = grpc_timeout(request.headers()).or(default);
        let Some(timeout) = [left, asked].into_iter().flatten().min() else {
            return Box::pin(self.inner.call(request));
        };
        set_grpc_timeout(request.headers_mut(), timeout);
        let deadline = Some(now + timeout);
        let mut timer = Timer::new(deadline, None);
        Box::pin(async move {
            let call = self.inner.call(request);
            tokio::select! {
                biased;
                response = call => Ok(response?.map(|body| until(timer, deadline, body))),
                refusal = timer.passed() => Ok(refuse(&refusal)),
            }
        })
    }
}

/// Ends `body` when `timer` passes. Its polls see the deadline, as the handler's future did.
fn until(mut timer: Timer, deadline: Option<Instant>, body: Body) -> Body {
    around(body, move |inner, cx| {
        if let Poll::Ready(refusal) = timer.poll(cx) {
            return Step::End(to_status(&refusal));
        }
        let polled = DEADLINE.sync_scope(deadline, || inner.poll_frame(cx));
        if let (Poll::Ready(_), Some(idle)) = (&polled, &timer.idle) {
            idle.touch();
        }
        Step::Pass(polled)
    })
}

struct Timer {
    deadline: Option<Instant>,
    idle: Option<Idle>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    fn new(deadline: Option<Instant>, idle: Option<Idle>) -> Self {
        let mut timer = Self { deadline, idle, sleep: None };
        timer.sleep = timer.next().map(|at| Box::pin(sleep_until(at)));
        timer
    }

    fn next(&self) -> Option<Instant> {
        [self.deadline, self.idle.as_ref().map(Idle::ends)].into_iter().flatten().min()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        loop {
            let Some(sleep) = self.sleep.as_mut() else { return Poll::Pending };
            ready!(sleep.as_mut().poll(cx));
            let now = Instant::now();
            if self.deadline.is_some_and(|deadline| deadline <= now) {
                return Poll::Ready(Error::DeadlineExceeded);
            }
            if let Some(idle) = self.idle.as_ref().filter(|idle| idle.ends() <= now) {
                return Poll::Ready(Error::StreamIdle { limit: idle.limit });
            }
            // Something was sent in the meantime: look again when it would be idle now.
            let next = self.next().unwrap_or(now);
            if let Some(sleep) = self.sleep.as_mut() {
                sleep.as_mut().reset(next);
            }
        }
    }

    async fn passed(&mut self) -> Error {
        poll_fn(|cx| self.poll(cx)).await
    }
}

/// When something was last sent on a stream, either way.
#[derive(Clone)]
struct Idle {
    limit: Duration,
    last: Arc<Mutex<Instant>>,
}

impl Idle {
    fn new(limit: Duration) -> Self {
        Self { limit, last: Arc::new(Mutex::new(Instant::now())) }
    }

    fn touch(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn ends(&self) -> Instant {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) + self.limit
    }

    fn watch(self, body: Body) -> Body {
        around(body, move |inner, cx| {
            let polled = inner.poll_frame(cx);
            if polled.is_ready() {
                self.touch();
            }
            Step::Pass(polled)
        })
    }
}
