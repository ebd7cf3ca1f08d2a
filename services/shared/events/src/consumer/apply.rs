//! The transactions that give events their effect, or judge their failure.

use std::sync::Arc;

use proto::common::v1::EventEnvelope;
use tracing::Span;
use types::Timestamp;

use super::failure::Patience;
use crate::handler::Applying;
use crate::inbox::{self, Applied, Grave, Key, Trouble, Verdict};
use crate::{Error, Handler, HandlerError, event, trace};

/// An event with what its handler prepared.
pub(super) struct Ready<H: Handler> {
    pub event: Arc<EventEnvelope>,
    /// None for an event that is expected to be parked, or to have had its effect.
    pub prepared: Option<H::Prepared>,
    pub span: Span,
}

impl<H: Handler> Ready<H> {
    pub fn unprepared(event: EventEnvelope) -> Self {
        Self { event: Arc::new(event), prepared: None, span: Span::none() }
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
        consumer,
        role = consumer.split('.').next(),
    );
    trace::adopt(&span, &event.traceparent);
    span
}

pub(super) fn key_of(event: &EventEnvelope) -> Key {
    (event::thing(&event.subject).to_owned(), event.key.clone())
}

/// Events that are settled together, each with the number of its key.
pub(super) struct Part<H: Handler> {
    pub events: Vec<(usize, Arc<Ready<H>>)>,
    pub keys: Arc<Vec<Key>>,
    /// Whether they lie here as dead letters or parked rows.
    pub from_rows: bool,
}

/// Settles events as the only writer: gives effects, parks, records. All or nothing.
pub(super) async fn apply<H: Handler>(
    conn: &mut sql::Conn,
    consumer: &'static str,
    handler: &H,
    part: &Part<H>,
    now: Timestamp,
) -> Result<Vec<Applied>, Failure> {
    let Part { events, keys, from_rows } = part;
    let before = inbox::stand(conn, consumer, keys).await?;
    let mut standings = before.clone();
    let settle = |(key, ready): &(usize, Arc<Ready<H>>)| {
        inbox::settle(&mut standings[*key], ready.event.sequence, *from_rows, ready.prepared.is_some())
    };
    let applied: Vec<Applied> = events.iter().map(settle).collect();

    handler.handle_all(conn, &applying(events, &applied)).await.map_err(Failure::Handler)?;
    let advanced: Vec<_> = keys
        .iter()
        .zip(standings.iter().zip(&before))
        .filter(|(_, (after, before))| after.last > before.last)
        .map(|(key, (after, _))| (key, after.last))
        .collect();
    inbox::record_all(conn, consumer, &advanced).await?;
    for ((key, ready), applied) in events.iter().zip(&applied) {
        let standing = standings[*key];
        match applied {
            Applied::Parked => inbox::park(conn, consumer, &ready.event, now).await?,
            // What is settled may have left something here while it was not.
            Applied::Yes | Applied::Before
                if (standing.traces || *from_rows) && ready.event.sequence <= standing.last =>
            {
                inbox::clear(conn, consumer, &ready.event).await?;
            }
            Applied::Yes | Applied::Before | Applied::TooEarly => {}
        }
    }
    Ok(applied)
}

fn applying<'a, H: Handler>(
    events: &'a [(usize, Arc<Ready<H>>)],
    applied: &[Applied],
) -> Vec<Applying<'a, H::Prepared>> {
    let having = events.iter().zip(applied).filter(|(_, applied)| **applied == Applied::Yes);
    having
        .filter_map(|((_, ready), _)| {
            let prepared = ready.prepared.as_ref()?;
            Some(Applying { event: &ready.event, prepared, span: &ready.span })
        })
        .collect()
}

/// A failure, as it is judged and told.
#[derive(Debug, Clone)]
pub(super) struct Cause {
    pub trouble: Trouble,
    pub reason: String,
    pub message: String,
}

/// Judges the failure of one event as the only writer, and counts or buries it.
pub(super) async fn fail(
    conn: &mut sql::Conn,
    consumer: &'static str,
    event: &EventEnvelope,
    from_row: bool,
    cause: Cause,
    patience: Patience,
    now: Timestamp,
) -> Result<Verdict, Error> {
    let key = key_of(event);
    let standing = inbox::stand(conn, consumer, std::slice::from_ref(&key)).await?[0];
    let tried = inbox::tries(conn, consumer, &event.id).await?;
    let after = |attempts| patience.after(attempts);
    let verdict = inbox::judge(standing, event.sequence, from_row, cause.trouble, tried, after);
    match verdict {
        Verdict::Before if event.sequence <= standing.last => inbox::clear(conn, consumer, event).await?,
        Verdict::Before | Verdict::TooEarly => {}
        Verdict::Park => inbox::park(conn, consumer, event, now).await?,
        Verdict::Again { attempts, .. } => {
            inbox::note_tries(conn, consumer, &event.id, attempts, (&cause.reason, &cause.message)).await?;
        }
        Verdict::Bury { attempts } => {
            let id = uuid::Uuid::now_v7().simple().to_string();
            let grave = Grave { id, reason: cause.reason, message: cause.message, attempts };
            inbox::bury(conn, consumer, event, &grave, now).await?;
        }
    }
    Ok(verdict)
}
