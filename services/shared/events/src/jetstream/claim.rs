//! Whose a stream, or a consumer, is: a mark in its metadata names the database that its role keeps its state in.
//!
//! Sequences of events are counted in that database, and so is what had its effect. With another one beside it, events
//! would be taken for copies, or have their effect in one of the two alone.

use std::collections::HashMap;
use std::sync::PoisonError;

use async_nats::jetstream::stream;

use super::Bus;
use crate::{BusError, ConsumerSpec, topology};

/// The mark.
const DATABASE: &str = "millrace-database";

impl Bus {
    /// See [`EventBus::claim`](crate::EventBus::claim).
    pub async fn claim(&self, role: &str, database: &str) -> Result<(), BusError> {
        self.databases.lock().unwrap_or_else(PoisonError::into_inner).insert(role.to_owned(), database.to_owned());
        if topology::STREAMS.iter().any(|stream| stream.service == role) {
            self.claim_stream(role).await?;
        }
        for consumer in topology::CONSUMERS.iter().filter(|consumer| role_of(consumer) == role) {
            self.declare_consumer(consumer).await?;
        }
        Ok(())
    }

    /// Marks the stream, and looks at it once more: of two that find it unmarked at once, the later mark stands. Who is
    /// overtaken after that finds out when its relay looks, which it does before it publishes.
    async fn claim_stream(&self, service: &str) -> Result<(), BusError> {
        self.own_stream(service).await?;
        self.own_stream(service).await?;
        Ok(())
    }

    /// The stream of a service, marked where this process claimed the service: it may have been made anew by another,
    /// which knows no mark for it.
    ///
    /// Fails with [`BusError::OtherDatabase`] where there is the mark of another.
    pub async fn own_stream(&self, service: &str) -> Result<stream::Info, BusError> {
        let found = self.stream(service).await?;
        let metadata = self.marked(service, &found.config.name, &found.config.metadata)?;
        if metadata == found.config.metadata {
            return Ok(found);
        }
        let wanted = stream::Config { metadata, ..found.config };
        let set = self.api.call(&format!("STREAM.UPDATE.{}", wanted.name), &wanted).await?;
        set.map_err(|refusal| self.api.refused(&refusal))
    }

    /// The metadata `found` with the mark of the role's database; as it is where the role claimed nothing.
    ///
    /// Fails with [`BusError::OtherDatabase`] where there is the mark of another.
    pub fn marked(
        &self,
        role: &str,
        what: &str,
        found: &HashMap<String, String>,
    ) -> Result<HashMap<String, String>, BusError> {
        let databases = self.databases.lock().unwrap_or_else(PoisonError::into_inner);
        let mut metadata = found.clone();
        let Some(ours) = databases.get(role) else { return Ok(metadata) };
        match metadata.get(DATABASE) {
            Some(theirs) if theirs != ours => Err(BusError::OtherDatabase {
                what: what.to_owned(),
                role: role.to_owned(),
                theirs: theirs.clone(),
                ours: ours.clone(),
            }),
            Some(_) => Ok(metadata),
            None => {
                metadata.insert(DATABASE.to_owned(), ours.clone());
                Ok(metadata)
            }
        }
    }
}

/// The role that consumes.
pub(super) fn role_of(consumer: &ConsumerSpec) -> &'static str {
    consumer.name.split('.').next().unwrap_or(consumer.name)
}
