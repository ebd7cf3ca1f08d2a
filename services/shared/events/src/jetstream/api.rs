//! Calls of the JetStream API, with their errors sorted.

use std::time::Duration;

use async_nats::jetstream::context::RequestErrorKind;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::response::Response;
use async_nats::jetstream::stream::RawMessage;
use async_nats::jetstream::{self, ErrorCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::server::Server;
use crate::BusError;

/// What the server answers to a call that it does not do.
pub(super) type Refusal = jetstream::Error;

/// An empty request, `{}`; some methods refuse `null`, others an empty list.
#[derive(Debug, Serialize)]
pub(super) struct Nothing {}

/// A connection, and what is known of the server behind it.
#[derive(Debug, Clone)]
pub(super) struct Api {
    pub client: async_nats::Client,
    pub context: jetstream::Context,
    pub server: Server,
    pub timeout: Duration,
}

/// Which message of a stream to give.
#[derive(Debug, Serialize)]
pub(super) struct Wanted {
    pub seq: u64,
    /// The first at `seq` or after it whose subject matches; without it, the one at `seq`.
    #[serde(rename = "next_by_subj", skip_serializing_if = "Option::is_none")]
    pub next_by_subject: Option<String>,
}

impl Api {
    /// Calls a method. The inner error is the server's own word.
    pub async fn call<A: DeserializeOwned>(
        &self,
        method: &str,
        request: &impl Serialize,
    ) -> Result<Result<A, Refusal>, BusError> {
        match self.context.request(method.to_owned(), request).await {
            Ok(Response::Ok(answer)) => Ok(Ok(answer)),
            Ok(Response::Err { error }) => Ok(Err(error)),
            Err(error) => match error.kind() {
                RequestErrorKind::NoResponders
                | RequestErrorKind::TimedOut
                | RequestErrorKind::InvalidSubject
                | RequestErrorKind::Other => Err(BusError::unavailable(error)),
            },
        }
    }

    /// Gives a message of a stream. None when the stream, or the message in it, is not there.
    pub async fn message(&self, stream: &str, wanted: &Wanted) -> Result<Option<StreamMessage>, BusError> {
        #[derive(Deserialize)]
        struct Answer {
            message: RawMessage,
        }
        match self.call::<Answer>(&format!("STREAM.MSG.GET.{stream}"), wanted).await? {
            Ok(answer) => StreamMessage::try_from(answer.message).map(Some).map_err(BusError::Unavailable),
            Err(refusal)
                if matches!(refusal.error_code(), ErrorCode::NO_MESSAGE_FOUND | ErrorCode::STREAM_NOT_FOUND) =>
            {
                Ok(None)
            }
            Err(refusal) => Err(self.refused(&refusal)),
        }
    }

    /// What a refusal means to the caller.
    pub fn refused(&self, refusal: &Refusal) -> BusError {
        let message = refusal.to_string();
        match refusal.error_code() {
            ErrorCode::JETSTREAM_NOT_ENABLED | ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT => {
                BusError::WithoutJetStream { server: self.server.to_string() }
            }
            ErrorCode::INSUFFICIENT_RESOURCES
            | ErrorCode::STORAGE_RESOURCES_EXCEEDED
            | ErrorCode::MEMORY_RESOURCES_EXCEEDED
            | ErrorCode::ACCOUNT_RESOURCES_EXCEEDED
            | ErrorCode::STREAM_MAX_STREAM_BYTES_EXCEEDED
            | ErrorCode::STREAM_STORE_FAILED => BusError::Full { message },
            // A cluster that has no leader yet, a stream that is not loaded yet.
            _ if refusal.code() == 503 => BusError::Unavailable(message.into()),
            ErrorCode(code) => BusError::Refused { code, message },
        }
    }
}
