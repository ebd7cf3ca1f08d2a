//! The transaction that gives one event its effect.

use proto::common::v1::EventEnvelope;
use tracing::{Instrument, Span};
use types::Timestamp;

use super::{Fate, failure};
use crate::inbox::{self, Decision};
use crate::{Error, Handler, HandlerError, trace};

/// An event with what its handler prepared.
pub(super) struct Ready<H: Handler> {
    pub event: EventEnvelope,
    /// None for an event that is expected to be parked.
    pub prepared: Option<H::Prepared>,
    pub span: Span,
}

impl<H: Handler> Ready<H> {
    pub fn unprepared(event: EventEnvelope) -> Self {
        Self { event, prepared: None, span: Span::none() }
    }
}

/// What the transaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Applied {
    Yes,
    Before,
    Parked,
    TooEarly,
}

impl Applied {
    pub fn fate(self, deliveries: u32) -> Fate {
        match self {
            Self::Yes => Fate::Applied,
            Self::Before => Fate::Duplicate,
            Self::Parked => Fate::Parked,
            Self::TooEarly => Fate::Early(failure::early(deliveries)),
        }
    }
}

/// Why the transaction was rolled back.
pub(super) enum Failure {
    Store(Error),
    Handler(HandlerError),
}

impl From<sql::Error> for Failure {
    fn from(error: sql::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

/// The span in which an event has its effect, as a child of its cause.
pub(super) fn span(consumer: &'static str, event: &EventEnvelope) -> Span {
    let span = tracing::info_span!(
        "event",
        otel.name = format!("event {}", event.subject),
        otel.kind = "consumer",
        event.id = event.id,
        event.key = event.key,
        event.sequence = event.sequence,
        consumer
    );
    trace::adopt(&span, &event.traceparent);
    span
}

/// Decides again, now under the writer's lock, and applies. `from_row` says that the event lies here as a dead letter
/// or a parked row, so that its own letter does not block it.
pub(super) async fn apply<H: Handler>(
    conn: &mut sql::Conn,
    consumer: &'static str,
    handler: &H,
    ready: &Ready<H>,
    from_row: bool,
    now: Timestamp,
) -> Result<Applied, Failure> {
    let event = &ready.event;
    let mut standing = inbox::standing(conn, consumer, event).await?;
    if from_row && standing.blocked_at == Some(event.sequence) {
        standing.blocked_at = None;
    }
    match inbox::decide(standing, event.sequence) {
        Decision::Duplicate => Ok(Applied::Before),
        Decision::Gap => Ok(Applied::TooEarly),
        Decision::Park => {
            inbox::park(conn, consumer, event, now).await?;
            Ok(Applied::Parked)
        }
        Decision::Apply => {
            // It was to be parked, and its key was set free since: it comes again, and is prepared then.
            let Some(prepared) = &ready.prepared else { return Ok(Applied::TooEarly) };
            handler.handle(conn, event, prepared).instrument(ready.span.clone()).await.map_err(Failure::Handler)?;
            inbox::record(conn, consumer, event).await?;
            if standing.traces || from_row {
                inbox::clear(conn, consumer, event).await?;
            }
            Ok(Applied::Yes)
        }
    }
}
