//! Bodies that are counted on the way.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

use super::limits::Admission;
use super::record::Record;

/// Ends a call before its time, with this status.
pub type Watch = Pin<Box<dyn Future<Output = Status> + Send>>;

type Polled = Poll<Option<Result<Frame<Bytes>, Status>>>;

/// The body of a request, its bytes counted.
pub struct Counted {
    inner: Body,
    bytes: Arc<AtomicU64>,
}

impl Counted {
    pub fn new(inner: Body, bytes: Arc<AtomicU64>) -> Self {
        Self { inner, bytes }
    }
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.bytes.fetch_add(length(frame), Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The body of an answer. The call counts as under way, and its record stays open, until this is dropped.
pub struct Metered {
    inner: Body,
    record: Record,
    _admission: Option<Admission>,
    watch: Option<Watch>,
    ended: bool,
}

impl Metered {
    pub fn new(inner: Body, record: Record, admission: Option<Admission>, watch: Option<Watch>) -> Self {
        Self { inner, record, _admission: admission, watch, ended: false }
    }

    /// Drops the rest, and with it the call to the role, and ends with `status`.
    fn end(&mut self, status: &Status) -> Polled {
        let mut trailers = HeaderMap::new();
        if status.add_header(&mut trailers).is_err() {
            trailers.insert(Status::GRPC_STATUS, HeaderValue::from(status.code() as i32));
        }
        self.record.headers(&trailers);
        self.inner = Body::empty();
        self.ended = true;
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}

impl http_body::Body for Metered {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(None);
        }
        if let Some(watch) = &mut this.watch
            && let Poll::Ready(status) = watch.as_mut().poll(cx)
        {
            return this.end(&status);
        }
        let polled = Pin::new(&mut this.inner).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                this.record.sent(length(frame));
                if let Some(trailers) = frame.trailers_ref() {
                    this.record.headers(trailers);
                }
            }
            Poll::Ready(Some(Err(status))) => this.record.failed(status),
            Poll::Ready(None) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

fn length(frame: &Frame<Bytes>) -> u64 {
    frame.data_ref().map_or(0, |data| data.len() as u64)
}
