//! Bodies that are counted on the way.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Frame, SizeHint};
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;

use super::limits::Admission;
use super::readers::{Listed, Readers};
use super::record::Record;
use crate::Error;

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

/// The body of an answer. The call counts as under way, and its record stays open, until this is dropped or cut.
pub struct Metered {
    flow: Arc<Mutex<Flow>>,
    _listed: Listed,
}

/// What flows through the body of an answer. The list of [`Readers`] reaches it too, so that it ends though nobody polls it.
pub struct Flow {
    inner: Body,
    call: Option<Call>,
    watch: Option<Watch>,
    /// Since when what was given out is not followed by the wish for more; none while the role is what is waited for.
    waits: Option<Instant>,
    /// The frame that is still to come of a call that was cut.
    last: Option<Frame<Bytes>>,
    ended: bool,
}

/// A call under way.
struct Call {
    record: Record,
    _admission: Option<Admission>,
}

impl Metered {
    pub fn new(
        inner: Body,
        record: Record,
        admission: Option<Admission>,
        watch: Option<Watch>,
        readers: &Readers,
    ) -> Self {
        let call = Some(Call { record, _admission: admission });
        let flow = Flow { inner, call, watch, waits: None, last: None, ended: false };
        let flow = Arc::new(Mutex::new(flow));
        Self { _listed: readers.list(&flow), flow }
    }

    fn flow(&self) -> MutexGuard<'_, Flow> {
        self.flow.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flow {
    /// Since when the reader has taken nothing though there was something to take.
    pub fn waits_since(&self) -> Option<Instant> {
        self.waits
    }

    /// Drops the call to the role, and all that it holds. A reader that comes back is told why.
    pub fn cut(&mut self, error: &Error) {
        if let Some(call) = &mut self.call {
            call.record.refused(error);
        }
        self.last = Some(self.end(&super::refusal(error)));
        self.call = None;
    }

    /// Drops the rest, and with it the call to the role; gives the frame that ends the answer with `status`.
    fn end(&mut self, status: &Status) -> Frame<Bytes> {
        let mut trailers = HeaderMap::new();
        if status.add_header(&mut trailers).is_err() {
            trailers.insert(Status::GRPC_STATUS, HeaderValue::from(status.code() as i32));
        }
        if let Some(call) = &mut self.call {
            call.record.headers(&trailers);
        }
        (self.inner, self.watch, self.waits, self.ended) = (Body::empty(), None, None, true);
        Frame::trailers(trailers)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Polled {
        self.waits = None;
        if self.ended {
            return Poll::Ready(self.last.take().map(Ok));
        }
        if let Some(watch) = &mut self.watch
            && let Poll::Ready(status) = watch.as_mut().poll(cx)
        {
            return Poll::Ready(Some(Ok(self.end(&status))));
        }
        let polled = http_body::Body::poll_frame(Pin::new(&mut self.inner), cx);
        let Some(Call { record, .. }) = &mut self.call else { return polled };
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                record.sent(length(frame));
                self.waits = Some(Instant::now());
                if let Some(trailers) = frame.trailers_ref() {
                    record.headers(trailers);
                }
            }
            Poll::Ready(Some(Err(status))) => record.failed(status),
            Poll::Ready(None) | Poll::Pending => {}
        }
        polled
    }
}

impl http_body::Body for Metered {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        self.flow().poll(cx)
    }

    fn is_end_stream(&self) -> bool {
        let flow = self.flow();
        flow.last.is_none() && (flow.ended || flow.inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let flow = self.flow();
        if flow.ended { SizeHint::default() } else { flow.inner.size_hint() }
    }
}

fn length(frame: &Frame<Bytes>) -> u64 {
    frame.data_ref().map_or(0, |data| data.len() as u64)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::stream;
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    /// An answer of one frame, after which the role is silent; and what tells whether the role was let go.
    fn answer(readers: &Readers) -> (Metered, Arc<()>) {
        let held = Arc::new(());
        let frames = stream::unfold((true, held.clone()), |(first, held)| async move {
            if !first {
                std::future::pending::<()>().await;
            }
            Some((Ok::<_, Status>(Frame::data(Bytes::from_static(b"message"))), (false, held)))
        });
        let body = Body::new(StreamBody::new(Box::pin(frames)));
        (Metered::new(body, Record::begin("local"), None, None, readers), held)
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stops_reading_is_cut_and_told_why_when_it_comes_back() {
        let readers = Readers::new(LIMIT);
        let (mut stalled, held) = answer(&readers);
        assert!(stalled.frame().await.unwrap().unwrap().is_data());
        tokio::time::advance(LIMIT - Duration::from_secs(1)).await;
        assert_eq!((readers.cut(), Arc::strong_count(&held)), (0, 2));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!((readers.cut(), Arc::strong_count(&held)), (1, 1), "the call to the role is let go");
        assert_eq!(readers.cut(), 0);
        assert!(!http_body::Body::is_end_stream(&stalled));
        let trailers = stalled.frame().await.unwrap().unwrap().into_trailers().unwrap();
        let status = Status::from_header_map(&trailers).unwrap();
        assert_eq!(rpc::reason(&status).as_deref(), Some("READER_STALLED"));
        assert!(stalled.frame().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_waits_for_more_is_not_cut() {
        let readers = Readers::new(LIMIT);
        let (mut waiting, held) = answer(&readers);
        waiting.frame().await.unwrap().unwrap();
        assert!(tokio::time::timeout(LIMIT * 2, waiting.frame()).await.is_err(), "nothing more comes");
        assert_eq!((readers.cut(), Arc::strong_count(&held)), (0, 2));
    }
}
