//! All streams, subjects, consumers, limits and retention, declared in this one place.

use std::time::Duration;

use crate::ConsumerSpec;

/// A dataset was found, or found changed; `millrace.discovery.v1.DatasetAnnounced`.
pub const DATASET_ANNOUNCED: &str = "millrace.discovery.dataset.announced.v1";
/// A dataset is gone from its source; `millrace.discovery.v1.DatasetRetracted`.
pub const DATASET_RETRACTED: &str = "millrace.discovery.dataset.retracted.v1";
/// A job was queued, begun, or is to be tried again; `millrace.profiling.v1.JobAdvanced`.
pub const JOB_ADVANCED: &str = "millrace.profiling.job.advanced.v1";
/// A dataset was profiled; `millrace.profiling.v1.JobSucceeded`.
pub const JOB_SUCCEEDED: &str = "millrace.profiling.job.succeeded.v1";
/// A dataset could not be profiled; `millrace.profiling.v1.JobFailed`.
pub const JOB_FAILED: &str = "millrace.profiling.job.failed.v1";
/// A dataset was uploaded; `millrace.catalog.v1.DatasetUploaded`.
pub const DATASET_UPLOADED: &str = "millrace.catalog.dataset.uploaded.v1";
/// A version can be searched; `millrace.catalog.v1.DatasetIndexed`.
pub const DATASET_INDEXED: &str = "millrace.catalog.dataset.indexed.v1";

/// Every subject with the message type of its payload.
pub const SUBJECTS: &[(&str, &str)] = &[
    (DATASET_ANNOUNCED, "millrace.discovery.v1.DatasetAnnounced"),
    (DATASET_RETRACTED, "millrace.discovery.v1.DatasetRetracted"),
    (JOB_ADVANCED, "millrace.profiling.v1.JobAdvanced"),
    (JOB_SUCCEEDED, "millrace.profiling.v1.JobSucceeded"),
    (JOB_FAILED, "millrace.profiling.v1.JobFailed"),
    (DATASET_UPLOADED, "millrace.catalog.v1.DatasetUploaded"),
    (DATASET_INDEXED, "millrace.catalog.v1.DatasetIndexed"),
];

/// The message type that `subject` carries. None for a subject that is not declared.
pub fn payload_type(subject: &str) -> Option<&'static str> {
    SUBJECTS.iter().find(|(name, _)| *name == subject).map(|(_, payload)| *payload)
}

/// The stream of one service: all its subjects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamSpec {
    /// The service, which is the name of the stream.
    pub service: &'static str,
    /// How long events stay at least. What a declared consumer has not acknowledged stays longer.
    pub retention: Duration,
}

/// A week.
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// Every stream.
pub const STREAMS: &[StreamSpec] = &[
    StreamSpec { service: "discovery", retention: WEEK },
    StreamSpec { service: "profiling", retention: WEEK },
    StreamSpec { service: "catalog", retention: WEEK },
];

/// Profiling takes announcements and retractions.
pub const PROFILING_DISCOVERY: ConsumerSpec =
    ConsumerSpec::new("profiling.discovery", &["millrace.discovery.dataset.>"]);
/// Profiling takes uploads.
pub const PROFILING_UPLOADS: ConsumerSpec = ConsumerSpec::new("profiling.uploads", &["millrace.catalog.dataset.>"]);
/// Catalog takes announcements and retractions.
pub const CATALOG_DISCOVERY: ConsumerSpec = ConsumerSpec::new("catalog.discovery", &["millrace.discovery.dataset.>"]);
/// Catalog takes the progress and the results of jobs.
pub const CATALOG_PROFILING: ConsumerSpec = ConsumerSpec::new("catalog.profiling", &["millrace.profiling.job.>"]);

/// Every consumer. A stream keeps what one of them has not acknowledged.
pub const CONSUMERS: &[&ConsumerSpec] =
    &[&PROFILING_DISCOVERY, &PROFILING_UPLOADS, &CATALOG_DISCOVERY, &CATALOG_PROFILING];

/// The largest envelope that a bus takes, in bytes. Events are small: what is large travels as an object.
pub const MAX_ENVELOPE_BYTES: usize = 512 * 1024;

/// The most events that are published in one batch; JetStream takes no more in an atomic one.
pub const MAX_BATCH: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event;

    #[test]
    fn every_subject_lies_in_a_declared_stream() {
        for (subject, _) in SUBJECTS {
            assert!(STREAMS.iter().any(|stream| stream.service == event::service(subject)), "{subject}");
        }
    }

    #[test]
    fn every_consumer_takes_whole_things_of_declared_subjects() {
        for consumer in CONSUMERS {
            for thing in consumer.things() {
                assert!(SUBJECTS.iter().any(|(subject, _)| event::thing(subject) == thing), "{thing}");
            }
        }
    }

    #[test]
    fn every_consumer_takes_things_of_one_stream() {
        for consumer in CONSUMERS {
            let services: Vec<_> = consumer.things().map(event::service).collect();
            assert!(services.windows(2).all(|pair| pair[0] == pair[1]), "{services:?}");
        }
    }

    #[test]
    fn every_payload_is_a_message_of_the_contracts() {
        for (subject, payload) in SUBJECTS {
            let name = payload.rsplit('.').next().unwrap();
            let needle = [b"\n".as_slice(), &[u8::try_from(name.len()).unwrap()], name.as_bytes()].concat();
            assert!(proto::DESCRIPTORS.windows(needle.len()).any(|w| w == needle), "{subject}: {payload}");
        }
    }
}
