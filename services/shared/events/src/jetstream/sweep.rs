//! Drops what is old.

use serde::{Deserialize, Serialize};
use types::Timestamp;

use super::Bus;
use super::api::Wanted;
use super::declare::timestamp;
use crate::BusError;
use crate::topology::{self, StreamSpec};

impl Bus {
    /// Drops what is older than its retention and was acknowledged by every declared consumer.
    pub async fn sweep(&self) -> Result<u64, BusError> {
        let mut dropped = 0;
        for stream in topology::STREAMS {
            dropped += self.sweep_stream(stream).await?;
        }
        Ok(dropped)
    }

    async fn sweep_stream(&self, spec: &StreamSpec) -> Result<u64, BusError> {
        #[derive(Serialize)]
        struct Purge {
            seq: u64,
        }
        #[derive(Deserialize)]
        struct Purged {
            purged: u64,
        }
        let state = self.stream(spec.service).await?.state;
        let horizon = self.clock.now() - spec.retention;
        if state.messages == 0 || timestamp(state.first_timestamp) >= horizon {
            return Ok(0);
        }
        let acknowledged = self.acknowledged(spec.service, state.last_sequence).await?;
        // The last event stays: the relay compares the stream by it.
        let end = (acknowledged + 1).min(state.last_sequence);
        let keep_from = self.first_since(spec.service, state.first_sequence, end, horizon).await?;
        if keep_from <= state.first_sequence {
            return Ok(0);
        }
        let method = format!("STREAM.PURGE.{}", self.names.stream(spec.service));
        match self.api.call::<Purged>(&method, &Purge { seq: keep_from }).await? {
            Ok(answer) => Ok(answer.purged),
            Err(refusal) => Err(self.api.refused(&refusal)),
        }
    }

    /// The first position from `low` on, and at most `high`, whose event is not older than `horizon`.
    async fn first_since(&self, service: &str, low: u64, high: u64, horizon: Timestamp) -> Result<u64, BusError> {
        let (stream, all) = (self.names.stream(service), self.names.subjects(service));
        let (mut low, mut high) = (low, high);
        while low < high {
            let middle = low + (high - low) / 2;
            let wanted = Wanted { seq: middle, next_by_subject: Some(all.clone()) };
            match self.api.message(&stream, &wanted).await? {
                Some(message) if timestamp(message.time) < horizon => low = (message.sequence + 1).min(high),
                _ => high = middle,
            }
        }
        Ok(low)
    }
}
