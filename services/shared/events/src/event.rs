//! A fact on its way into the outbox.

use prost::Message;
use types::TenantId;

/// A fact to tell, before the outbox gives it its id, time, sequence and trace context.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What happened, one of the subjects in [`crate::topology`].
    pub subject: &'static str,
    /// The name of the resource that it happened to.
    pub resource: String,
    /// The tenant of that resource.
    pub tenant: TenantId,
    /// Who caused it: `users/{user}`, or `services/{role}`.
    pub actor: String,
    /// What it is ordered by; most often the resource.
    pub key: String,
    /// The full name of the payload's message type.
    pub payload_type: &'static str,
    /// The payload, encoded.
    pub payload: Vec<u8>,
}

impl Event {
    /// Tells that what `message` says happened. `payload_type` is the full name of `M` in Protobuf.
    pub fn new<M: Message>(
        subject: &'static str,
        resource: impl Into<String>,
        tenant: TenantId,
        actor: impl Into<String>,
        key: impl Into<String>,
        payload_type: &'static str,
        message: &M,
    ) -> Self {
        debug_assert!(
            crate::topology::payload_type(subject).is_none_or(|declared| declared == payload_type),
            "{subject} does not carry {payload_type}"
        );
        Self {
            subject,
            resource: resource.into(),
            tenant,
            actor: actor.into(),
            key: key.into(),
            payload_type,
            payload: message.encode_to_vec(),
        }
    }
}

/// What sequences are counted within: the service and the thing of a subject, `millrace.discovery.dataset`.
pub fn thing(subject: &str) -> &str {
    match subject.match_indices('.').nth(2) {
        Some((end, _)) => &subject[..end],
        None => subject,
    }
}

/// The service of a subject or thing, which names its stream: `discovery`.
pub fn service(subject: &str) -> &str {
    subject.split('.').nth(1).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_names_its_service_and_its_thing() {
        let subject = "millrace.discovery.dataset.announced.v1";
        assert_eq!(thing(subject), "millrace.discovery.dataset");
        assert_eq!(thing(thing(subject)), "millrace.discovery.dataset");
        assert_eq!(service(subject), "discovery");
        assert_eq!((thing("x"), service("x")), ("x", ""));
    }
}
