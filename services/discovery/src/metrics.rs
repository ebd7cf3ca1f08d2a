//! Every metric of discovery.

use std::time::Duration;

/// `discovery_crawls_total`: crawls that ended an attempt, by kind of source and phase that they are in then.
pub fn crawl_ended(kind: &str, phase: &'static str, took: Duration) {
    let kind = kind.to_owned();
    metrics::counter!("discovery_crawls_total", "kind" => kind.clone(), "phase" => phase).increment(1);
    // `discovery_crawl_attempt_duration_seconds`: how long one attempt at a crawl took.
    metrics::histogram!("discovery_crawl_attempt_duration_seconds", "kind" => kind).record(took.as_secs_f64());
}

/// `discovery_datasets_announced_total`: announcements, by kind of source.
pub fn announced(kind: &str, count: u64) {
    metrics::counter!("discovery_datasets_announced_total", "kind" => kind.to_owned()).increment(count);
}

/// `discovery_datasets_retracted_total`: retractions, by kind of source.
pub fn retracted(kind: &str, count: u64) {
    metrics::counter!("discovery_datasets_retracted_total", "kind" => kind.to_owned()).increment(count);
}
