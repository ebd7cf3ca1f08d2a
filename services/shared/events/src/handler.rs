//! What a service does with an event.

use async_trait::async_trait;
use proto::common::v1::EventEnvelope;
use tracing::{Instrument, Span};

use crate::HandlerError;

/// Gives events their effect.
///
/// Both functions must be deterministic enough to be called again for the same event: a transaction may roll back and
/// be tried anew. A subject that the handler does not know is answered with `Ok`: it counts as applied, so that new
/// subjects of a thing pass old services.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// What [`Handler::prepare`] got; `()` where there is nothing to prepare.
    type Prepared: Send + Sync + 'static;

    /// Does the I/O that must not happen within a transaction, such as reading an object. Changes nothing.
    async fn prepare(&self, event: &EventEnvelope) -> Result<Self::Prepared, HandlerError>;

    /// Stores the effect, within the transaction that also records the sequence of the event. Must not do anything
    /// outside `conn`: what the transaction does not hold would not roll back with it.
    async fn handle(
        &self,
        conn: &mut sql::Conn,
        event: &EventEnvelope,
        prepared: &Self::Prepared,
    ) -> Result<(), HandlerError>;

    /// Stores the effects of several events, which come in the order of their delivery; those of one key in the order
    /// of their sequences. All or nothing: on an error the transaction is rolled back, and the events come in smaller
    /// parts, until the one that fails is alone.
    ///
    /// One by one unless a handler overrides it in order to write many rows in one statement.
    async fn handle_all(
        &self,
        conn: &mut sql::Conn,
        events: &[Applying<'_, Self::Prepared>],
    ) -> Result<(), HandlerError> {
        for one in events {
            self.handle(conn, one.event, one.prepared).instrument(one.span.clone()).await?;
        }
        Ok(())
    }
}

/// An event that is to have its effect.
#[derive(Debug)]
pub struct Applying<'a, P> {
    /// The event.
    pub event: &'a EventEnvelope,
    /// What [`Handler::prepare`] got.
    pub prepared: &'a P,
    /// The span of its effect, a child of its cause.
    pub span: &'a Span,
}
