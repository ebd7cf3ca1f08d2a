//! Publishes events: a batch is stored whole or not at all.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use async_nats::client::Request;
use async_nats::connection::State;
use async_nats::header::{NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL, NATS_BATCH_ID, NATS_BATCH_SEQUENCE};
use async_nats::jetstream::publish::PublishAck;
use async_nats::jetstream::response::Response;
use async_nats::{HeaderMap, RequestErrorKind, Subject};
use bytes::Bytes;
use prost::Message as _;
use proto::common::v1::EventEnvelope;

use super::Bus;
use super::api::Refusal;
use super::headers::headers;
use super::names::declared_service;
use crate::{BusError, topology};

/// The most messages that the server takes in one batch.
const MAX_BATCH: usize = 1000;
/// How often a batch is sent when its outcome is not known.
const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The stream takes no batches: somebody switched them off.
const BATCHES_DISABLED: u64 = 10174;
/// Some message of the batch did not come through, or the store failed.
const BATCH_INCOMPLETE: u64 = 10176;
/// The stream holds an event of the batch already.
const BATCH_HAS_DUPLICATE: u64 = 10201;

/// An event as it travels. Its headers are made when it is sent: kept for a batch, they cost more than to make them.
struct Message<'e> {
    service: &'static str,
    subject: Subject,
    event: &'e EventEnvelope,
    body: Bytes,
}

/// What became of a batch.
enum Outcome {
    /// All of it is stored; the last has this position.
    Stored(u64),
    /// Nothing was stored, since the stream holds some event of it, or takes no batches.
    OneByOne,
    /// It may be stored or not, or it came through with gaps and is not.
    Unknown(BusError),
}

impl Bus {
    /// Publishes in order, in batches that no other message comes between.
    pub async fn publish(&self, events: &[EventEnvelope]) -> Result<Vec<u64>, BusError> {
        let messages = events.iter().map(|event| self.message(event)).collect::<Result<Vec<_>, _>>()?;
        let mut positions = Vec::with_capacity(messages.len());
        for same in messages.chunk_by(|one, next| one.service == next.service) {
            for batch in same.chunks(MAX_BATCH) {
                positions.extend(self.publish_batch(batch).await?);
            }
        }
        Ok(positions)
    }

    fn message<'e>(&self, event: &'e EventEnvelope) -> Result<Message<'e>, BusError> {
        let service = declared_service(&event.subject)?;
        let body = event.encode_to_vec();
        if body.len() > topology::MAX_ENVELOPE_BYTES {
            let limit = topology::MAX_ENVELOPE_BYTES;
            return Err(BusError::TooLarge { id: event.id.clone(), bytes: body.len(), limit });
        }
        let subject = self.names.subject(&event.subject).into();
        Ok(Message { service, subject, event, body: body.into() })
    }

    async fn publish_batch(&self, batch: &[Message<'_>]) -> Result<Vec<u64>, BusError> {
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            match self.try_batch(batch).await? {
                Outcome::Stored(last) => return Ok((last + 1 - batch.len() as u64..=last).collect()),
                // What the stream holds keeps its position, which only a message of its own is told.
                Outcome::OneByOne => return self.publish_singly(batch).await,
                // The same batch again: if it was stored, its events are known now.
                Outcome::Unknown(error) if attempt == ATTEMPTS || !self.is_connected() => return Err(error),
                Outcome::Unknown(error) => tracing::debug!(%error, attempt, "a batch is sent again"),
            }
            attempt += 1;
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    async fn try_batch(&self, batch: &[Message<'_>]) -> Result<Outcome, BusError> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let mut numbered = batch.iter().enumerate().map(|(index, message)| {
            let mut headers = headers(message.event);
            headers.insert(NATS_BATCH_ID, id.as_str());
            headers.insert(NATS_BATCH_SEQUENCE, (index + 1).to_string());
            (message, headers)
        });
        let Some((last, mut headers)) = numbered.next_back() else { return Ok(Outcome::Stored(0)) };
        headers.insert(NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL);
        self.must_be_connected()?;
        let send = async {
            for (message, headers) in numbered {
                let body = message.body.clone();
                self.api.client.publish_with_headers(message.subject.clone(), headers, body).await?;
            }
            Ok::<_, async_nats::PublishError>(())
        };
        match tokio::time::timeout(self.api.timeout, send).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Ok(Outcome::Unknown(BusError::unavailable(error))),
            Err(elapsed) => return Ok(Outcome::Unknown(BusError::unavailable(elapsed))),
        }
        match self.request(last, headers).await {
            Ok(Ok(ack)) if ack.batch_size == Some(batch.len() as u64) => Ok(Outcome::Stored(ack.sequence)),
            Ok(Ok(ack)) => Err(BusError::Refused {
                code: 0,
                message: format!("a batch of {} was acknowledged as {:?}", batch.len(), ack.batch_size),
            }),
            Ok(Err(refusal)) => match refusal.error_code().0 {
                BATCH_HAS_DUPLICATE | BATCHES_DISABLED => Ok(Outcome::OneByOne),
                BATCH_INCOMPLETE => Ok(Outcome::Unknown(BusError::Unavailable(refusal.to_string().into()))),
                _ => Err(self.api.refused(&refusal)),
            },
            Err(BusError::StreamGone { service }) => Err(BusError::StreamGone { service }),
            Err(error) => Ok(Outcome::Unknown(error)),
        }
    }

    /// One after the other, since a failure among several in flight would break the order of its key.
    async fn publish_singly(&self, messages: &[Message<'_>]) -> Result<Vec<u64>, BusError> {
        let mut positions = Vec::with_capacity(messages.len());
        for message in messages {
            self.must_be_connected()?;
            let ack = self.request(message, headers(message.event)).await?;
            let ack = ack.map_err(|refusal| self.api.refused(&refusal))?;
            if !ack.duplicate {
                *self.single.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            }
            positions.push(ack.sequence);
        }
        Ok(positions)
    }

    async fn request(
        &self,
        message: &Message<'_>,
        headers: HeaderMap,
    ) -> Result<Result<PublishAck, Refusal>, BusError> {
        let request = Request::new().headers(headers).payload(message.body.clone());
        let answer = match self.api.client.send_request(message.subject.clone(), request).await {
            Ok(answer) => answer,
            Err(error) if error.kind() == RequestErrorKind::NoResponders => {
                // Made anew before the relay looks, it shows by its identity that it is another.
                self.stream(message.service).await?;
                return Err(BusError::StreamGone { service: message.service });
            }
            Err(error) => return Err(BusError::unavailable(error)),
        };
        match serde_json::from_slice(&answer.payload) {
            Ok(Response::Ok(ack)) => Ok(Ok(ack)),
            Ok(Response::Err { error }) => Ok(Err(error)),
            Err(error) => Err(BusError::unavailable(error)),
        }
    }

    fn is_connected(&self) -> bool {
        self.api.client.connection_state() == State::Connected
    }

    /// The driver would keep what is sent without a connection, and publish it after the caller has given it up.
    fn must_be_connected(&self) -> Result<(), BusError> {
        match self.is_connected() {
            true => Ok(()),
            false => Err(BusError::Unavailable("the connection to the event bus is away".into())),
        }
    }
}
