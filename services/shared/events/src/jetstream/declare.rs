//! Makes the streams and consumers that the topology declares, and puts right what was changed by hand.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::consumer::{self, AckPolicy, Consumer, DeliverPolicy, FromConsumer, PullConsumer, pull};
use async_nats::jetstream::stream::{self, DiscardPolicy, PersistenceMode, RetentionPolicy, StorageType};
use serde::Serialize;
use serde::de::IgnoredAny;
use types::Timestamp;

use super::Bus;
use super::api::{Nothing, Wanted};
use super::claim::role_of;
use super::names::declared_service;
use crate::{BusError, ConsumerSpec, Lag, topology};

/// What the server calls no limit.
const UNLIMITED: i64 = -1;

#[derive(Serialize)]
struct CreateConsumer<'a> {
    stream_name: &'a str,
    config: &'a consumer::Config,
    /// Empty: make it, or change it.
    action: &'static str,
}

impl Bus {
    /// Makes what the topology declares and is not there; puts streams right.
    pub async fn declare(&self) -> Result<(), BusError> {
        for stream in topology::STREAMS {
            self.declare_stream(stream.service).await?;
        }
        for consumer in topology::CONSUMERS {
            let service = service_of(consumer)?;
            if self.consumer_info(service, consumer).await?.is_none() {
                self.set_consumer(service, &self.consumer_config(consumer)).await?;
            }
        }
        Ok(())
    }

    /// The stream of a service; makes it when it is not there.
    pub async fn stream(&self, service: &str) -> Result<stream::Info, BusError> {
        match self.stream_info(service).await? {
            Some(info) => Ok(info),
            None => {
                let service = declared_service(&format!("millrace.{service}"))?;
                tracing::warn!(service, "the event stream is gone; it is made anew");
                let made = self.declare_stream(service).await?;
                // Relays look at it as if the connection had been made anew.
                self.anew.fetch_add(1, Ordering::SeqCst);
                self.pokes.poke_all();
                Ok(made)
            }
        }
    }

    async fn stream_info(&self, service: &str) -> Result<Option<stream::Info>, BusError> {
        match self.api.call(&format!("STREAM.INFO.{}", self.names.stream(service)), &Nothing {}).await? {
            Ok(info) => Ok(Some(info)),
            Err(refusal) if refusal.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
            Err(refusal) => Err(self.api.refused(&refusal)),
        }
    }

    async fn declare_stream(&self, service: &'static str) -> Result<stream::Info, BusError> {
        let Some(found) = self.stream_info(service).await? else {
            let mut wanted = self.stream_config(service);
            wanted.metadata = self.marked(service, &wanted.name, &wanted.metadata)?;
            let made = self.api.call(&format!("STREAM.CREATE.{}", wanted.name), &wanted).await?;
            return match made {
                Ok(info) => Ok(info),
                // Another process was quicker; what it made is ours, or is marked when its relay looks.
                Err(refusal) if refusal.error_code() == ErrorCode::STREAM_NAME_EXIST => {
                    self.stream_info(service).await?.ok_or_else(|| self.api.refused(&refusal))
                }
                Err(refusal) => Err(self.api.refused(&refusal)),
            };
        };
        let wanted = self.put_right(service, &found.config)?;
        if wanted == found.config {
            return Ok(found);
        }
        tracing::warn!(stream = wanted.name, "the event stream was changed by hand; it is put right");
        match self.api.call(&format!("STREAM.UPDATE.{}", wanted.name), &wanted).await? {
            Ok(info) => Ok(info),
            Err(refusal) => {
                let message = format!("{refusal}; set it as `docs/operations.md` says, or delete the stream");
                Err(conflict(&wanted.name, changed(&found.config, &wanted), &message))
            }
        }
    }

    fn stream_config(&self, service: &str) -> stream::Config {
        stream::Config {
            name: self.names.stream(service),
            description: Some(format!("Events of {service}; made by Millrace")),
            subjects: vec![self.names.subjects(service)],
            // What is old is dropped by us, since the server would drop what a consumer still waits for.
            retention: RetentionPolicy::Limits,
            max_age: Duration::ZERO,
            max_messages: UNLIMITED,
            max_messages_per_subject: UNLIMITED,
            max_bytes: self.max_bytes(),
            max_consumers: -1,
            discard: DiscardPolicy::New,
            storage: StorageType::File,
            num_replicas: self.settings.replicas,
            duplicate_window: self.settings.duplicate_window.as_duration(),
            allow_atomic_publish: true,
            allow_direct: true,
            ..stream::Config::default()
        }
    }

    fn max_bytes(&self) -> i64 {
        self.settings.max_bytes.map_or(UNLIMITED, |size| i64::try_from(size.as_bytes()).unwrap_or(i64::MAX))
    }

    /// What the stream should be: as it was found, with all changed that would lose events, and nothing else.
    fn put_right(&self, service: &str, found: &stream::Config) -> Result<stream::Config, BusError> {
        let fixed = |setting, message| Err(conflict(&found.name, setting, message));
        if found.storage != StorageType::File {
            return fixed(
                "storage",
                "it lies in memory, and would be lost with the server; delete it, and it is made anew and filled again",
            );
        }
        if found.sealed {
            return fixed(
                "sealed",
                "it takes no events any more; copy what you need, delete it, and it is made anew and filled again",
            );
        }
        if found.mirror.is_some() {
            return fixed("mirror", "it is a copy of another stream; delete it, or choose another `prefix`");
        }
        if found.persist_mode == Some(PersistenceMode::Async) {
            return fixed(
                "persist_mode",
                "it acknowledges before it writes; delete it, and it is made anew and filled again",
            );
        }
        if found.deny_purge {
            return fixed(
                "deny_purge",
                "what is old could not be dropped; delete it, and it is made anew and filled again",
            );
        }
        let ours = self.stream_config(service);
        // Subjects that somebody added do no harm, and losing them might.
        let subjects: BTreeSet<_> = found.subjects.iter().chain(&ours.subjects).cloned().collect();
        let covered = ours.subjects.iter().all(|subject| found.subjects.contains(subject));
        Ok(stream::Config {
            subjects: if covered { found.subjects.clone() } else { subjects.into_iter().collect() },
            retention: ours.retention,
            max_age: ours.max_age,
            max_messages: ours.max_messages,
            max_messages_per_subject: ours.max_messages_per_subject,
            max_bytes: ours.max_bytes,
            max_message_size: if found.max_message_size > 0 { -1 } else { found.max_message_size },
            discard: ours.discard,
            discard_new_per_subject: false,
            no_ack: false,
            // More than asked for loses nothing.
            num_replicas: found.num_replicas.max(ours.num_replicas),
            duplicate_window: ours.duplicate_window,
            allow_atomic_publish: true,
            subject_transform: None,
            ..found.clone()
        })
    }

    /// The consumer as `spec` says; makes it, or puts it right.
    pub async fn declare_consumer(&self, spec: &ConsumerSpec) -> Result<PullConsumer, BusError> {
        let service = service_of(spec)?;
        self.stream(service).await?;
        let mut ours = self.consumer_config(spec);
        let (role, name) = (role_of(spec), self.names.consumer(spec.name));
        ours.metadata = self.marked(role, &name, &ours.metadata)?;
        let Some(found) = self.consumer_info(service, spec).await? else {
            return self.set_consumer(service, &ours).await;
        };
        let metadata = self.marked(role, &name, &found.config.metadata)?;
        let wanted = consumer::Config {
            ack_wait: ours.ack_wait,
            max_ack_pending: ours.max_ack_pending,
            max_deliver: ours.max_deliver,
            filter_subject: ours.filter_subject.clone(),
            filter_subjects: ours.filter_subjects.clone(),
            backoff: Vec::new(),
            headers_only: false,
            max_batch: 0,
            max_bytes: 0,
            max_expires: Duration::ZERO,
            metadata,
            ..found.config.clone()
        };
        if other_kind(&found.config) {
            return self.make_anew(service, &ours).await;
        }
        if wanted == found.config {
            return self.pull(found);
        }
        match self.set_consumer(service, &wanted).await {
            Err(BusError::Refused { .. }) => self.make_anew(service, &ours).await,
            done => done,
        }
    }

    /// Makes a consumer anew that cannot be put right. All events come to it again; their effects do not.
    async fn make_anew(&self, service: &str, wanted: &consumer::Config) -> Result<PullConsumer, BusError> {
        let (stream, name) = (self.names.stream(service), wanted.name.as_deref().unwrap_or_default());
        tracing::warn!(stream, consumer = name, "the consumer was changed by hand beyond repair; it is made anew");
        let deleted = self.api.call::<IgnoredAny>(&format!("CONSUMER.DELETE.{stream}.{name}"), &Nothing {}).await?;
        match deleted {
            Err(refusal) if refusal.error_code() != ErrorCode::CONSUMER_NOT_FOUND => Err(self.api.refused(&refusal)),
            _ => self.set_consumer(service, wanted).await,
        }
    }

    async fn set_consumer(&self, service: &str, config: &consumer::Config) -> Result<PullConsumer, BusError> {
        let stream = self.names.stream(service);
        let name = config.name.as_deref().unwrap_or_default();
        let request = CreateConsumer { stream_name: &stream, config, action: "" };
        match self.api.call(&format!("CONSUMER.CREATE.{stream}.{name}"), &request).await? {
            Ok(info) => self.pull(info),
            Err(refusal) => Err(self.api.refused(&refusal)),
        }
    }

    fn pull(&self, info: consumer::Info) -> Result<PullConsumer, BusError> {
        let config = pull::Config::try_from_consumer_config(info.config.clone()).map_err(BusError::Unavailable)?;
        Ok(Consumer::new(config, info, self.api.context.clone()))
    }

    fn consumer_config(&self, spec: &ConsumerSpec) -> consumer::Config {
        let name = self.names.consumer(spec.name);
        let mut filters: Vec<_> = spec.filter.iter().map(|filter| self.names.subject(filter)).collect();
        // One filter has a field of its own; the server tells it back there.
        let filter_subject = if filters.len() == 1 { filters.remove(0) } else { String::new() };
        consumer::Config {
            name: Some(name.clone()),
            durable_name: Some(name),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait: spec.ack_wait,
            max_ack_pending: i64::try_from(spec.max_in_flight).unwrap_or(i64::MAX),
            max_deliver: UNLIMITED,
            filter_subject,
            filter_subjects: filters,
            ..consumer::Config::default()
        }
    }

    async fn consumer_info(&self, service: &str, spec: &ConsumerSpec) -> Result<Option<consumer::Info>, BusError> {
        let (stream, name) = (self.names.stream(service), self.names.consumer(spec.name));
        match self.api.call(&format!("CONSUMER.INFO.{stream}.{name}"), &Nothing {}).await? {
            Ok(info) => Ok(Some(info)),
            Err(refusal)
                if matches!(refusal.error_code(), ErrorCode::CONSUMER_NOT_FOUND | ErrorCode::STREAM_NOT_FOUND) =>
            {
                Ok(None)
            }
            Err(refusal) => Err(self.api.refused(&refusal)),
        }
    }

    /// What waits for a consumer.
    pub async fn lag(&self, spec: &ConsumerSpec) -> Result<Lag, BusError> {
        let service = service_of(spec)?;
        let info = match self.consumer_info(service, spec).await? {
            Some(info) => info,
            None => self.declare_consumer(spec).await?.cached_info().clone(),
        };
        let (waiting, in_flight) = (info.num_pending, info.num_ack_pending as u64);
        let mut oldest: Option<Timestamp> = None;
        if waiting + in_flight > 0 {
            for filter in spec.filter {
                let wanted = Wanted {
                    seq: info.ack_floor.stream_sequence + 1,
                    next_by_subject: Some(self.names.subject(filter)),
                };
                let next = self.api.message(&self.names.stream(service), &wanted).await?;
                oldest = [oldest, next.map(|message| timestamp(message.time))].into_iter().flatten().min();
            }
        }
        Ok(Lag { waiting, in_flight, oldest })
    }

    /// Has the consumers of a stream that lost what followed `after` take again what comes in its place.
    ///
    /// The server keeps how far a consumer is beside the stream, so it may know of more than the stream holds. One that
    /// restarts on such a store mends that by itself (seen with 2.15.1); this does not rest on it.
    pub async fn rewind(&self, service: &str, after: u64) -> Result<(), BusError> {
        #[derive(Serialize)]
        struct Reset {
            seq: u64,
        }
        let stream = self.names.stream(service);
        for spec in topology::CONSUMERS.iter().filter(|spec| service_of(spec).is_ok_and(|taken| taken == service)) {
            let Some(info) = self.consumer_info(service, spec).await? else { continue };
            if info.delivered.stream_sequence <= after && info.ack_floor.stream_sequence <= after {
                continue;
            }
            tracing::warn!(consumer = spec.name, after, "the consumer takes again what its stream lost");
            let method = format!("CONSUMER.RESET.{stream}.{}", self.names.consumer(spec.name));
            // What is out below comes again too: a reset forgets it.
            let seq = after.min(info.ack_floor.stream_sequence) + 1;
            let reset = self.api.call::<IgnoredAny>(&method, &Reset { seq }).await?;
            reset.map_err(|refusal| self.api.refused(&refusal))?;
        }
        Ok(())
    }

    /// How far every declared consumer of a stream has acknowledged, if all are there.
    pub async fn acknowledged(&self, service: &str, last: u64) -> Result<u64, BusError> {
        let mut floor = last;
        for spec in topology::CONSUMERS.iter().filter(|spec| service_of(spec).is_ok_and(|taken| taken == service)) {
            floor = match self.consumer_info(service, spec).await? {
                // It may wait for nothing and have acknowledged nothing, when nothing matched its filter.
                Some(info) if info.num_pending == 0 && info.num_ack_pending == 0 => floor,
                Some(info) => floor.min(info.ack_floor.stream_sequence),
                None => 0,
            };
        }
        Ok(floor)
    }

    /// The id of the event at a position.
    pub async fn id_at(&self, service: &str, position: u64) -> Result<Option<String>, BusError> {
        let wanted = Wanted { seq: position, next_by_subject: None };
        let message = self.api.message(&self.names.stream(service), &wanted).await?;
        Ok(message.and_then(|message| {
            message.headers.get(async_nats::header::NATS_MESSAGE_ID).map(|id| id.as_str().to_owned())
        }))
    }
}

/// A consumer that pushes, does not wait for acknowledgements, or did not begin at the beginning.
fn other_kind(found: &consumer::Config) -> bool {
    found.deliver_subject.is_some()
        || found.ack_policy != AckPolicy::Explicit
        || found.deliver_policy != DeliverPolicy::All
}

/// The first setting that is to be changed.
fn changed(found: &stream::Config, wanted: &stream::Config) -> &'static str {
    let settings = [
        ("subjects", found.subjects != wanted.subjects),
        ("retention", found.retention != wanted.retention),
        ("max_age", found.max_age != wanted.max_age),
        ("max_msgs", found.max_messages != wanted.max_messages),
        ("max_msgs_per_subject", found.max_messages_per_subject != wanted.max_messages_per_subject),
        ("max_bytes", found.max_bytes != wanted.max_bytes),
        ("max_msg_size", found.max_message_size != wanted.max_message_size),
        ("discard", found.discard != wanted.discard),
        ("num_replicas", found.num_replicas != wanted.num_replicas),
        ("duplicate_window", found.duplicate_window != wanted.duplicate_window),
        ("allow_atomic", found.allow_atomic_publish != wanted.allow_atomic_publish),
        ("subject_transform", found.subject_transform != wanted.subject_transform),
        ("no_ack", found.no_ack != wanted.no_ack),
    ];
    settings.into_iter().find(|(_, changed)| *changed).map_or("discard_new_per_subject", |(name, _)| name)
}

fn conflict(stream: &str, setting: &'static str, message: &str) -> BusError {
    BusError::Declaration { stream: stream.to_owned(), setting, message: message.to_owned() }
}

/// The one service whose things a consumer takes.
fn service_of(spec: &ConsumerSpec) -> Result<&'static str, BusError> {
    let first = spec.filter.first().copied().unwrap_or_default();
    let service = declared_service(first)?;
    match spec.filter.iter().find(|filter| crate::event::service(filter) != service) {
        Some(foreign) => Err(BusError::UnknownSubject { subject: (*foreign).to_owned() }),
        None => Ok(service),
    }
}

pub(super) fn timestamp(time: async_nats::datetime::DateTime) -> Timestamp {
    Timestamp::from_micros(i64::try_from(time.unix_timestamp_nanos() / 1000).unwrap_or(i64::MAX))
}
