//! What discovery publishes. It consumes nothing.

use events::Event;
use events::topology::{DATASET_ANNOUNCED, DATASET_RETRACTED};
use proto::discovery::v1::{DatasetAnnounced, DatasetRetracted};
use types::{DatasetName, SourceName};

/// Why a dataset is retracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetractionReason {
    /// It is gone from its source.
    Missing,
    /// Its source was deleted.
    SourceDeleted,
}

/// Tells that a dataset was found, or found changed.
pub fn announced(dataset: &DatasetName, actor: &str, message: &DatasetAnnounced) -> Event {
    let name = dataset.to_string();
    let payload = "millrace.discovery.v1.DatasetAnnounced";
    Event::new(DATASET_ANNOUNCED, name.clone(), dataset.tenant.clone(), actor, name, payload, message)
}

/// Tells that a dataset is gone from its source.
pub fn retracted(dataset: &DatasetName, source: &SourceName, actor: &str, reason: RetractionReason) -> Event {
    let name = dataset.to_string();
    let reason = match reason {
        RetractionReason::Missing => "MISSING",
        RetractionReason::SourceDeleted => "SOURCE_DELETED",
    };
    let message = DatasetRetracted { dataset: name.clone(), source: source.to_string(), reason: reason.to_owned() };
    let payload = "millrace.discovery.v1.DatasetRetracted";
    Event::new(DATASET_RETRACTED, name.clone(), dataset.tenant.clone(), actor, name, payload, &message)
}
