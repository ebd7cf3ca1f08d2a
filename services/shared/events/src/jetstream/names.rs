//! What streams, consumers and subjects are called on the server.

use crate::{BusError, event, topology};

/// What every subject of the topology begins with.
const ROOT: &str = "millrace";

/// The names under one prefix, which keeps meshes that share a server apart.
#[derive(Debug, Clone)]
pub(super) struct Names {
    prefix: String,
}

impl Names {
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// The stream of a service: `millrace_discovery`.
    pub fn stream(&self, service: &str) -> String {
        format!("{}_{service}", self.prefix)
    }

    /// The durable consumer: `catalog_discovery`. Names on the server have no dots.
    pub fn consumer(&self, name: &str) -> String {
        name.replace('.', "_")
    }

    /// The subject or pattern on the server: the prefix stands in the place of `millrace`.
    pub fn subject(&self, subject: &str) -> String {
        match subject.strip_prefix(ROOT) {
            Some(rest) if rest.starts_with('.') => format!("{}{rest}", self.prefix),
            _ => format!("{}.{subject}", self.prefix),
        }
    }

    /// All subjects of a service's stream.
    pub fn subjects(&self, service: &str) -> String {
        format!("{}.{service}.>", self.prefix)
    }

    /// Where publishers tell that something was published. No stream takes it: it is a poke, and may be lost.
    pub fn poke(&self) -> String {
        format!("{}.poke", self.prefix)
    }
}

/// The declared service of a subject.
pub(super) fn declared_service(subject: &str) -> Result<&'static str, BusError> {
    let service = event::service(subject);
    topology::STREAMS
        .iter()
        .find(|stream| stream.service == service)
        .map(|stream| stream.service)
        .ok_or_else(|| BusError::UnknownSubject { subject: subject.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_stands_in_the_place_of_the_root() {
        let names = Names::new("t1");
        assert_eq!(names.subject("millrace.discovery.dataset.>"), "t1.discovery.dataset.>");
        assert_eq!(names.stream("discovery"), "t1_discovery");
        assert_eq!(names.consumer("catalog.discovery"), "catalog_discovery");
        assert_eq!(Names::new("millrace").subject(topology::JOB_FAILED), topology::JOB_FAILED);
    }

    #[test]
    fn no_stream_takes_the_poke() {
        let names = Names::new("millrace");
        for stream in topology::STREAMS {
            assert!(!names.poke().starts_with(names.subjects(stream.service).trim_end_matches('>')));
        }
    }
}
