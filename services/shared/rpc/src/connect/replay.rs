//! The body of a request that may have to be sent a second time.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

use super::STREAM_WINDOW;
use crate::body::Polled;

/// What was sent is kept up to here; beyond it, a second attempt is no longer possible.
///
/// A peer that goes away may have said so while a whole window was on its way to it, and one more piece was read to follow.
const KEPT: usize = STREAM_WINDOW as usize + (64 << 10);

/// A body, and what was read of it so far. One attempt at a time reads it.
pub(super) struct Replay(Arc<Mutex<State>>);

struct State {
    inner: Body,
    kept: Vec<Bytes>,
    bytes: usize,
    /// Everything that was read is kept.
    whole: bool,
    attempt: u32,
}

impl Replay {
    pub(super) fn new(inner: Body) -> Self {
        Self(Arc::new(Mutex::new(State { inner, kept: Vec::new(), bytes: 0, whole: true, attempt: 0 })))
    }

    /// Whether another attempt would send the same.
    pub(super) fn can_repeat(&self) -> bool {
        lock(&self.0).whole
    }

    /// The body for one attempt; the one before gets no more of it.
    pub(super) fn attempt(&self) -> Body {
        let mut state = lock(&self.0);
        state.attempt += 1;
        let again: VecDeque<_> = state.kept.iter().cloned().collect();
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
        let mut state = lock(&self.0);
        state.whole = false;
        state.kept = Vec::new();
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
        match &polled {
            Poll::Ready(Some(Ok(frame))) if state.whole => match frame.data_ref() {
                Some(data) if state.bytes + data.len() <= KEPT => {
                    state.bytes += data.len();
                    state.kept.push(data.clone());
                }
                _ => {
                    state.whole = false;
                    state.kept = Vec::new();
                }
            },
            Poll::Ready(Some(Err(_))) => state.whole = false,
            Poll::Ready(_) | Poll::Pending => {}
        }
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
        let replay = Replay::new(Body::new(Full::new(Bytes::from(vec![1; KEPT + 1]))));
        assert!(replay.can_repeat());
        assert_eq!(read(replay.attempt()).await.len(), KEPT + 1);
        assert!(!replay.can_repeat());
    }
}
