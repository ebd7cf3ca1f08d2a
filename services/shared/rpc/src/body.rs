//! Bodies with something around each of their frames.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

/// What polling a body gives.
pub(crate) type Polled = Poll<Option<Result<Frame<Bytes>, Status>>>;

/// What a layer makes of a poll of the body of an answer.
pub(crate) enum Step {
    /// Passes it on.
    Pass(Polled),
    /// Drops the rest of the body, and with it the handler, and ends the answer with this status.
    End(Status),
}

type OnPoll = Box<dyn FnMut(Pin<&mut Body>, &mut Context<'_>) -> Step + Send>;

/// Puts `on_poll` around each poll of `body`. What `on_poll` owns is dropped with the body.
pub(crate) fn around(
    body: Body,
    on_poll: impl FnMut(Pin<&mut Body>, &mut Context<'_>) -> Step + Send + 'static,
) -> Body {
    // A body that has ended stays as it is: its headers hold the status, and must go out as the last frame.
    if http_body::Body::is_end_stream(&body) {
        return body;
    }
    Body::new(Around { inner: body, on_poll: Some(Box::new(on_poll)) })
}

struct Around {
    inner: Body,
    on_poll: Option<OnPoll>,
}

impl http_body::Body for Around {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let this = &mut *self;
        let Some(on_poll) = this.on_poll.as_mut() else { return Poll::Ready(None) };
        match on_poll(Pin::new(&mut this.inner), cx) {
            Step::Pass(polled) => polled,
            Step::End(status) => {
                this.inner = Body::empty();
                this.on_poll = None;
                Poll::Ready(Some(Ok(trailers(&status))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.on_poll.is_none() || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The last frame of an answer that ends with `status`.
fn trailers(status: &Status) -> Frame<Bytes> {
    let mut headers = http::HeaderMap::new();
    if status.add_header(&mut headers).is_err() {
        headers.insert(Status::GRPC_STATUS, http::HeaderValue::from(status.code() as i32));
    }
    Frame::trailers(headers)
}

/// The status in the headers or trailers of an answer.
pub(crate) fn status_code(headers: &http::HeaderMap) -> Option<tonic::Code> {
    headers.get(Status::GRPC_STATUS).map(|value| tonic::Code::from_bytes(value.as_bytes()))
}
