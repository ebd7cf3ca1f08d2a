//! One request to a durable pull consumer, and what the server sends for it.

use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::consumer::pull::BatchConfig;
use async_nats::jetstream::message::Acker;
use async_nats::jetstream::{AckKind, Message};
use async_nats::{StatusCode, Subscriber};
use futures::StreamExt;
use tokio::time::Instant;

use super::api::Api;
use crate::BusError;

/// The longest that giving back may take; what is not given back by then comes again after the time to acknowledge.
const GIVE_BACK_WITHIN: Duration = Duration::from_secs(1);

/// What one request has the server send.
///
/// The driver's own batch ends some seconds after it was asked for, whatever lies in it untaken; this one does not.
pub(super) struct Hand {
    pub max: usize,
    pub asked: Instant,
    api: Api,
    answers: Subscriber,
    /// How many messages may still come.
    left: usize,
}

impl Hand {
    /// Asks for up to `max` messages: those that are there, or, where none are, the first that comes within `wait`.
    pub async fn ask(api: &Api, consumer: &PullConsumer, max: usize, wait: Duration) -> Result<Self, BusError> {
        let inbox = api.client.new_inbox();
        let answers = api.client.subscribe(inbox.clone()).await.map_err(BusError::unavailable)?;
        let request = BatchConfig { batch: max, expires: Some(wait), no_wait: true, ..BatchConfig::default() };
        consumer.request_batch(request, inbox.into()).await.map_err(BusError::unavailable)?;
        Ok(Self { max, asked: Instant::now(), api: api.clone(), answers, left: max })
    }

    /// All that comes until `end`. Fails when nothing did, not even the word that nothing is there.
    pub async fn take(&mut self, end: Instant) -> Result<Vec<Message>, BusError> {
        let mut messages = Vec::new();
        loop {
            match tokio::time::timeout_at(end, self.next()).await {
                Ok(Ok(Some(message))) => messages.push(message),
                Ok(Ok(None)) => return Ok(messages),
                Ok(Err(_)) | Err(_) if !messages.is_empty() => return Ok(messages),
                Ok(Err(error)) => return Err(error),
                Err(elapsed) => return Err(BusError::unavailable(elapsed)),
            }
        }
    }

    /// The next message. None when no more come.
    async fn next(&mut self) -> Result<Option<Message>, BusError> {
        if self.left == 0 {
            return Ok(None);
        }
        let Some(message) = self.answers.next().await else { return Ok(None) };
        let status = message.status.unwrap_or(StatusCode::OK);
        if status == StatusCode::OK {
            self.left -= 1;
            return Ok(Some(Message { message, context: self.api.context.clone() }));
        }
        self.left = 0;
        match status {
            StatusCode::TIMEOUT | StatusCode::NOT_FOUND => Ok(None),
            _ => {
                let description = message.description.unwrap_or_default();
                Err(BusError::unavailable(format!("the deliveries ended with {status}: {description}")))
            }
        }
    }

    /// Has all that was sent and not taken come again at once, in its order, before what was not sent yet.
    ///
    /// It counts as one more delivery, which only lengthens the wait of what comes too early: tries are counted in the
    /// store, when one fails.
    pub async fn give_back(mut self) -> Result<(), BusError> {
        let end = Instant::now() + GIVE_BACK_WITHIN;
        let mut messages = self.take(end).await?;
        let Some(last) = messages.pop() else { return Ok(()) };
        for message in messages {
            message.ack_with(AckKind::Nak(None)).await.map_err(BusError::Unavailable)?;
        }
        // The server takes these words in turn, so the answer to the last one stands for all.
        let last = Acker::new(self.api.context.clone(), last.message.reply);
        match tokio::time::timeout_at(end, last.double_ack_with(AckKind::Nak(None))).await {
            Ok(answered) => answered.map_err(BusError::Unavailable),
            Err(elapsed) => Err(BusError::unavailable(elapsed)),
        }
    }
}
