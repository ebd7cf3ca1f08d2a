//! The body of a request that may have to be sent a second time.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

use super::kept::Kept;
use crate::body::Polled;

/// A body, and what was read of it so far. One attempt at a time reads it.
pub(super) struct Replay(Arc<Mutex<State>>);

struct State {
    inner: Body,
    /// All that was read, or nothing, and then there is no second attempt.
    kept: Option<Kept>,
    attempt: u32,
}

impl Replay {
    pub(super) fn new(inner: Body) -> Self {
        Self(Arc::new(Mutex::new(State { inner, kept: Some(Kept::new()), attempt: 0 })))
    }

    /// Whether another attempt would send the same.
    pub(super) fn can_repeat(&self) -> bool {
        lock(&self.0).kept.is_some()
    }

    /// The body for one attempt; the one before gets no more of it.
    pub(super) fn attempt(&self) -> Body {
        let mut state = lock(&self.0);
        state.attempt += 1;
        let again = state.kept.as_ref().map(Kept::pieces).unwrap_or_default();
        if again.is_empty() && state.inner.is_end_stream() {
            return Body::empty();
        }
        let number = state.attempt;
        // A body looks whether it has ended when it is wrapped.
        drop(state);
        Body::new(Attempt { state: self.0.clone(), number, again })
    }

    /// There will be no other attempt.
    pub(super) fn settle(&self) {
        lock(&self.0).kept = None;
    }
}

impl State {
    /// Keeps what was read.
    fn keep(&mut self, polled: &Polled) {
        let Some(kept) = &mut self.kept else { return };
        let whole = match polled {
            Poll::Ready(Some(Ok(frame))) => frame.data_ref().is_some_and(|data| kept.add(data)),
            Poll::Ready(Some(Err(_))) => false,
            Poll::Ready(None) | Poll::Pending => true,
        };
        if !whole {
            self.kept = None;
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Attempt {
    state: Arc<Mutex<State>>,
    number: u32,
    again: VecDeque<Bytes>,
}

impl http_body::Body for Attempt {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let this = &mut *self;
        let mut state = lock(&this.state);
        if state.attempt != this.number {
            return Poll::Ready(Some(Err(Status::cancelled("the call went to another address"))));
        }
        if let Some(bytes) = this.again.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        let polled = Pin::new(&mut state.inner).poll_frame(cx);
        state.keep(&polled);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.again.is_empty() && lock(&self.state).inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Full, StreamBody};

    use super::*;

    async fn read(body: Body) -> Vec<u8> {
        body.collect().await.unwrap().to_bytes().to_vec()
    }

    #[tokio::test]
    async fn a_second_attempt_sends_what_the_first_sent_and_then_the_rest() {
        let parts =
            ["one ", "two ", "three"].map(|text| Ok::<_, Status>(Frame::data(Bytes::from_static(text.as_bytes()))));
        let replay = Replay::new(Body::new(StreamBody::new(futures::stream::iter(parts))));
        let mut first = replay.attempt();
        assert_eq!(first.frame().await.unwrap().unwrap().into_data().unwrap(), "one ");
        assert_eq!(read(replay.attempt()).await, b"one two three");
        assert!(first.frame().await.unwrap().is_err(), "the first attempt takes nothing from the second");
        assert_eq!(read(replay.attempt()).await, b"one two three");
    }

    #[tokio::test]
    async fn a_large_body_is_sent_once() {
        let parts = [(); 4].map(|()| Ok::<_, Status>(Frame::data(Bytes::from(vec![1; 1 << 20]))));
        let replay = Replay::new(Body::new(StreamBody::new(futures::stream::iter(parts))));
        assert!(replay.can_repeat());
        assert_eq!(read(replay.attempt()).await.len(), 4 << 20);
        assert!(!replay.can_repeat());
    }

    #[tokio::test]
    async fn nothing_is_kept_of_a_call_that_is_settled() {
        let part = Bytes::from(vec![1; 100_000]);
        let replay = Replay::new(Body::new(Full::new(part.clone())));
        let mut attempt = replay.attempt();
        drop(attempt.frame().await);
        assert!(!part.is_unique());
        replay.settle();
        assert!(part.is_unique());
        assert!(!replay.can_repeat());
    }
}
