//! The headers of a message: its id, and its attributes as CloudEvents has them.
//!
//! Source: CloudEvents 1.0.2, NATS protocol binding, binary content mode.

use std::borrow::Cow;

use async_nats::HeaderMap;
use async_nats::header::{HeaderName, NATS_MESSAGE_ID};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use proto::common::v1::EventEnvelope;
use types::Timestamp;

use crate::event;

/// What the binding has percent-encoded; everything beyond ASCII is so as well.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');
/// What the body of every message is.
const CONTENT_TYPE: &str = "application/protobuf; proto=millrace.common.v1.EventEnvelope";

// A name that is made from a text each time is allocated each time.
const SPEC_VERSION: HeaderName = HeaderName::from_static("ce-specversion");
const ID: HeaderName = HeaderName::from_static("ce-id");
const SOURCE: HeaderName = HeaderName::from_static("ce-source");
const TYPE: HeaderName = HeaderName::from_static("ce-type");
const DATA_CONTENT_TYPE: HeaderName = HeaderName::from_static("ce-datacontenttype");
const SEQUENCE: HeaderName = HeaderName::from_static("ce-sequence");
const TIME: HeaderName = HeaderName::from_static("ce-time");
const SUBJECT: HeaderName = HeaderName::from_static("ce-subject");
const PARTITION_KEY: HeaderName = HeaderName::from_static("ce-partitionkey");
const TENANT: HeaderName = HeaderName::from_static("ce-tenant");
const TRACEPARENT: HeaderName = HeaderName::from_static("ce-traceparent");

/// The headers of `event`. Consumers of ours read the envelope; the headers are for others, and for the server.
pub(super) fn headers(event: &EventEnvelope) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_MESSAGE_ID, &*encoded(&event.id));
    headers.insert(SPEC_VERSION, "1.0");
    headers.insert(ID, &*encoded(&event.id));
    headers.insert(SOURCE, &*encoded(&format!("/millrace/{}", event::service(&event.subject))));
    headers.insert(TYPE, &*encoded(&event.subject));
    headers.insert(DATA_CONTENT_TYPE, CONTENT_TYPE);
    headers.insert(SEQUENCE, event.sequence.to_string());
    if let Some(time) = event.time.and_then(|time| Timestamp::try_from(time).ok()) {
        headers.insert(TIME, time.to_string());
    }
    for (name, value) in [
        (SUBJECT, &event.resource),
        (PARTITION_KEY, &event.key),
        (TENANT, &event.tenant),
        (TRACEPARENT, &event.traceparent),
    ] {
        if !value.is_empty() {
            headers.insert(name, &*encoded(value));
        }
    }
    headers
}

fn encoded(value: &str) -> Cow<'_, str> {
    utf8_percent_encode(value, ENCODED).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology;

    #[test]
    fn attributes_ride_in_the_headers_and_no_value_breaks_them() {
        let event = EventEnvelope {
            id: "one".to_owned(),
            subject: topology::DATASET_ANNOUNCED.to_owned(),
            resource: "tenants/a/datasets/ö \r\nx: y".to_owned(),
            sequence: 7,
            time: Some(Timestamp::from_micros(1_767_225_600_000_000).into()),
            ..EventEnvelope::default()
        };
        let headers = headers(&event);
        let value = |name| headers.get(name).map(|value| value.as_str()).unwrap_or_default();
        assert_eq!((value("Nats-Msg-Id"), value("ce-id"), value("ce-sequence")), ("one", "one", "7"));
        assert_eq!(value("ce-type"), topology::DATASET_ANNOUNCED);
        assert_eq!(value("ce-source"), "/millrace/discovery");
        assert_eq!(value("ce-time"), "2026-01-01T00:00:00Z");
        assert_eq!(value("ce-subject"), "tenants/a/datasets/%C3%B6%20%0D%0Ax:%20y");
        assert!(headers.get("ce-traceparent").is_none());
    }
}
