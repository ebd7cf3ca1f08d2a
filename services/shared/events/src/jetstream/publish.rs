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

/// The headers of a message as the one at `index` of a batch.
fn in_batch(message: &Message<'_>, id: &str, index: usize) -> HeaderMap {
    let mut headers = headers(message.event);
    headers.insert(NATS_BATCH_ID, id);
    headers.insert(NATS_BATCH_SEQUENCE, (index + 1).to_string());
    headers
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

/// All of a batch but its last message, sent to the server, which holds it until the last one commits the batch.
struct Staged<'b, 'e> {
    batch: &'b [Message<'e>],
    id: String,
    /// Whether all of it could be sent.
    sent: Result<(), BusError>,
}

impl Bus {
    /// Publishes in order, in batches that no other message comes between.
    ///
    /// The server takes a batch while the commit of the one before is on its way, so that it and this process need not
    /// wait for each other. A batch is committed only when the one before is stored.
    pub async fn publish(&self, events: &[EventEnvelope]) -> Result<Vec<u64>, BusError> {
        let messages = events.iter().map(|event| self.message(event)).collect::<Result<Vec<_>, _>>()?;
        let same_stream = messages.chunk_by(|one, next| one.service == next.service);
        let batches: Vec<_> = same_stream.flat_map(|same| same.chunks(MAX_BATCH)).collect();
        let (mut positions, mut ahead) = (Vec::with_capacity(messages.len()), None);
        for (index, batch) in batches.iter().enumerate() {
            match self.publish_batch(batch, batches.get(index + 1), &mut ahead).await {
                Ok(stored) => positions.extend(stored),
                Err(error) => {
                    self.abandon(ahead).await;
                    return Err(error);
                }
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

    /// Publishes `batch`, which may be what is staged in `ahead`, and leaves `next` staged there.
    async fn publish_batch<'b, 'e>(
        &self,
        batch: &'b [Message<'e>],
        next: Option<&&'b [Message<'e>]>,
        ahead: &mut Option<Staged<'b, 'e>>,
    ) -> Result<Vec<u64>, BusError> {
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        let mut staged = ahead.take();
        loop {
            let now = match staged.take() {
                Some(staged) => staged,
                None => self.stage(batch).await?,
            };
            let next = next.filter(|_| ahead.is_none());
            let begin = futures::future::OptionFuture::from(next.map(|next| self.stage(next)));
            let (outcome, begun) = futures::join!(self.commit(now), begin);
            // What could not be begun is begun when its turn comes, and fails then.
            *ahead = ahead.take().or(begun.and_then(Result::ok));
            match outcome? {
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

    /// Sends a batch but for its last message. Nothing of it is stored before that comes.
    async fn stage<'b, 'e>(&self, batch: &'b [Message<'e>]) -> Result<Staged<'b, 'e>, BusError> {
        self.must_be_connected()?;
        let id = uuid::Uuid::new_v4().simple().to_string();
        let send = async {
            for (index, message) in batch.iter().enumerate().take(batch.len() - 1) {
                let (headers, body) = (in_batch(message, &id, index), message.body.clone());
                self.api.client.publish_with_headers(message.subject.clone(), headers, body).await?;
            }
            Ok::<_, async_nats::PublishError>(())
        };
        let sent = match tokio::time::timeout(self.api.timeout, send).await {
            Ok(sent) => sent.map_err(BusError::unavailable),
            Err(elapsed) => Err(BusError::unavailable(elapsed)),
        };
        Ok(Staged { batch, id, sent })
    }

    /// Sends the last message of a batch, and with it the word to store it.
    async fn commit(&self, staged: Staged<'_, '_>) -> Result<Outcome, BusError> {
        let Staged { batch, id, sent } = staged;
        self.must_be_connected()?;
        let (Some(last), Ok(())) = (batch.last(), &sent) else {
            return Ok(sent.map_or_else(Outcome::Unknown, |()| Outcome::Stored(0)));
        };
        let mut headers = in_batch(last, &id, batch.len() - 1);
        headers.insert(NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL);
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

    /// Has the server forget a batch that is not to be stored. It would by itself, after ten seconds, and takes only so
    /// many batches at once; a message out of turn ends one.
    async fn abandon(&self, staged: Option<Staged<'_, '_>>) {
        let Some(Staged { batch, id, .. }) = staged.filter(|staged| staged.batch.len() > 1) else { return };
        let mut headers = HeaderMap::new();
        headers.insert(NATS_BATCH_ID, id.as_str());
        headers.insert(NATS_BATCH_SEQUENCE, (batch.len() + 1).to_string());
        if self.is_connected() {
            let subject = batch[0].subject.clone();
            let _forgotten_later = self.api.client.publish_with_headers(subject, headers, Bytes::new()).await;
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
